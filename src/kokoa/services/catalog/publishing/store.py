"""queries.sql ⇄ model. Every read takes many products at once."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from kokoa.postgres import Database, Row, Transaction, load_queries
from kokoa.services.catalog.model import Product
from kokoa.services.catalog.publishing.model import Schedule
from kokoa.services.catalog.publishing.staged import Fields, Staged
from kokoa.services.catalog.store import product_of

queries = load_queries(Path(__file__).with_name("queries.sql"))


class PublishingStore:
    """Reads of one environment each, but for `due_environments`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def schedules(self, environment_id: str, product_ids: Sequence[str]) -> dict[str, Schedule]:
        """By product id; products without one are missing."""
        rows = await self._database.fetch(environment_id, queries.schedules_of_products, list(product_ids))
        return {str(row[0]): Schedule(*row[1:]) for row in rows}

    async def staged(self, environment_id: str, product_ids: Sequence[str]) -> dict[str, Staged]:
        """By product id; products without staged changes are missing."""
        rows = await self._database.fetch(environment_id, queries.staged_of_products, list(product_ids))
        return {one.product_id: one for one in map(_staged, rows)}

    async def due_environments(self, now: datetime, most: int) -> list[str]:
        """Where something is due."""
        rows = await self._database.fetch_anywhere(queries.due_environments, now, most)
        return [str(row["environment_id"]) for row in rows]


async def schedule_of(tx: Transaction, product_id: str) -> Schedule | None:
    """The schedule of a product that the caller has locked."""
    row = await tx.fetchrow(queries.schedules_of_products, [product_id])
    return Schedule(*tuple(row)[1:]) if row else None


async def put_schedule(tx: Transaction, product_id: str, schedule: Schedule | None) -> None:
    """This schedule, or none, in the place of the old one."""
    if schedule is None:
        await tx.execute(queries.delete_schedule, product_id)
    else:
        await tx.execute(queries.put_schedule, product_id, schedule.publish_at, schedule.unpublish_at)


async def take_due(tx: Transaction, now: datetime, most: int) -> list[tuple[Product, Schedule]]:
    """Products with something due, locked until the transaction ends; not those that others hold."""
    rows = await tx.fetch(queries.due_products, now, most)
    return [(product_of(row), Schedule(row["publish_at"], row["unpublish_at"])) for row in rows]


async def staged_of(tx: Transaction, product_id: str) -> Staged | None:
    """The staged changes of a product that the caller has locked."""
    row = await tx.fetchrow(queries.staged_of_products, [product_id])
    return _staged(row) if row else None


async def put_staged(tx: Transaction, product_id: str, changes: Fields, base: Fields) -> None:
    """These changes in the place of those that were staged."""
    await tx.execute(
        queries.put_staged, product_id, msgspec.json.encode(changes).decode(), msgspec.json.encode(base).decode()
    )


def _staged(row: Row) -> Staged:
    product_id, changes, base, staged_at = row
    return Staged(
        str(product_id),
        msgspec.json.decode(changes, type=Fields),
        msgspec.json.decode(base, type=Fields),
        staged_at,
    )
