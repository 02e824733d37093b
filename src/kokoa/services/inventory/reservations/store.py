"""queries.sql ⇄ model."""

from pathlib import Path

from kokoa.postgres import Database, Row, Transaction, load_queries
from kokoa.services.inventory.reservations.model import Line, Reservation

queries = load_queries(Path(__file__).with_name("queries.sql"))


class ReservationStore:
    """Reads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, environment_id: str, key: str) -> Reservation | None:
        """By whose it is; None when there is none."""
        row = await self._database.fetchrow(environment_id, queries.reservation_by_key, key)
        return None if row is None else await self.with_lines(environment_id, row)

    async def with_lines(self, environment_id: str, row: Row) -> Reservation:
        """A row of any of the reservation statements, with its lines."""
        return reservation_of(row, await self._database.fetch(environment_id, queries.lines_of, row["id"]))

    async def overdue(self, most: int, environment_id: str | None = None) -> list[tuple[str, str]]:
        """(environment id, reservation id) of held ones whose time is over.  environment_id: None for all of them."""
        if environment_id is not None:
            here = await self._database.fetch(environment_id, queries.overdue_here, most)
            return [(environment_id, str(row["id"])) for row in here]
        rows = await self._database.fetch_anywhere(queries.overdue, most)
        return [(str(row["environment_id"]), str(row["id"])) for row in rows]


async def read_reservation(tx: Transaction, row: Row | None) -> Reservation | None:
    """A row of any of the reservation statements, with its lines."""
    return None if row is None else reservation_of(row, await tx.fetch(queries.lines_of, row["id"]))


def reservation_of(row: Row, lines: list[Row]) -> Reservation:
    """Of a row and those of its lines."""
    return Reservation(
        id=str(row["id"]),
        key=row["key"],
        state=row["state"],
        expires_at=row["expires_at"],
        created_at=row["created_at"],
        version=row["version"],
        lines=[line_of(line) for line in lines],
    )


def line_of(row: Row) -> Line:
    """A row of lines_of."""
    place = row["location_id"]
    return Line(
        row["place"],
        row["sku"],
        None if place is None else str(place),
        row["location"],
        row["open"],
        row["fulfilled"],
        row["released"],
    )
