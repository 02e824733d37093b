"""queries.sql ⇄ model."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncpg
import msgspec

from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, Event, Row, Transaction, load_queries
from kokoa.services.inventory.model import Item, Level
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

    async def reservable(
        self, environment_id: str, skus: Sequence[str]
    ) -> tuple[dict[str, Item], dict[str, list[Level]]]:
        """Articles that inventory was told of, and what lies where that may be taken, in its order. By SKU."""
        items: dict[str, Item] = {}
        levels: dict[str, list[Level]] = {}
        for row in await self._database.fetch(environment_id, queries.reservable, list(skus)):
            *item, place, location, there, promised = row
            items[row["sku"]] = Item(*item)
            if place is not None:
                levels.setdefault(row["sku"], []).append(Level(str(place), location, there, promised))
        return items, levels

    async def reserve(
        self,
        environment_id: str,
        key: str,
        hold_s: int | None,
        fingerprint: bytes,
        lines: list[Line],
        seen: Mapping[str, Item],
        actor: str,
        told: Sequence[Event],
        correlation_id: str,
    ) -> Reservation | None:
        """A new reservation of articles that are as they were seen, with its lines and its events.

        None when one of them is not as it was, would have too much of something, or the key has a reservation.
        """
        skus, places, open_ = ([getattr(one, name) for one in lines] for name in ("sku", "location_id", "open"))
        arguments = (
            *(new_id(), key, "ALLOCATED" if hold_s is None else "HELD", hold_s, fingerprint),
            *([one.sku for one in seen.values()], [one.version for one in seen.values()]),
            *([one.place for one in lines], skus, places, open_),
            *(skus, places, open_, actor, correlation_id),
        )
        try:
            row = await self._database.change(
                environment_id, queries.reserve_seen, *arguments, events=told, correlation_id=correlation_id
            )
        except (asyncpg.UniqueViolationError, asyncpg.CheckViolationError):
            return None
        return None if row is None else msgspec.structs.replace(reservation_of(row, []), lines=lines)

    async def allocate(
        self, environment_id: str, key: str, told: Sequence[Event], correlation_id: str
    ) -> Reservation | None:
        """One that is held, for good, with its events; None when it is not held."""
        row = await self._database.change(
            environment_id, queries.allocate_held, key, events=told, correlation_id=correlation_id
        )
        if row is None:
            return None
        lines = [Line(*line) for line in msgspec.json.decode(row["lines"])]
        return msgspec.structs.replace(reservation_of(row, []), lines=lines)

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
