"""queries.sql ⇄ model. Every read takes many articles at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import asyncpg
import msgspec

from kokoa.postgres import Database, Row, Transaction, load_queries
from kokoa.services.inventory.errors import TooMuchStock
from kokoa.services.inventory.model import (
    Change,
    Item,
    Level,
    Location,
    Movement,
    by_sku,
    change_cursor,
    read_change_cursor,
)

queries = load_queries(Path(__file__).with_name("queries.sql"))

_NEWEST = 2**63 - 1


class StockChanges(msgspec.Struct, frozen=True):
    """A page of the feed.  cursor: where it goes on."""

    items: list[Item]
    cursor: str
    has_more: bool


class InventoryStore:
    """Reads of one environment each; one statement a call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def locations(self, environment_id: str) -> list[Location]:
        """In the order in which reservations take from them."""
        return [location_of(row) for row in await self._database.fetch(environment_id, queries.locations_all)]

    async def items(self, environment_id: str, skus: Sequence[str]) -> dict[str, Item]:
        """By SKU; those that inventory was never told of are missing."""
        rows = await self._database.fetch(environment_id, queries.items_by_skus, list(skus))
        return {row["sku"]: item_of(row) for row in rows}

    async def page(self, environment_id: str, after: str, at_most: int | None, limit: int) -> list[Item]:
        """By SKU.  at_most: only those that are counted, and of which no more is available."""
        rows = await self._database.fetch(environment_id, queries.items_page, after, at_most, limit)
        return [item_of(row) for row in rows]

    async def levels(self, environment_id: str, skus: Sequence[str]) -> Mapping[str, list[Level]]:
        """By SKU, in the order in which reservations take them."""
        rows = await self._database.fetch(environment_id, queries.levels_of, list(skus))
        return by_sku((row["sku"], level_of(row)) for row in rows)

    async def movements(
        self, environment_id: str, skus: Sequence[str], before: int | None, limit: int
    ) -> dict[str, list[Movement]]:
        """By SKU, the last of each first.  before: the id of one."""
        rows = await self._database.fetch(environment_id, queries.movements_page, skus, before or _NEWEST, limit)
        found: dict[str, list[Movement]] = {}
        for row in rows:
            found.setdefault(row["sku"], []).append(Movement(*row))
        return found

    async def changes(self, environment_id: str, since: str | None, limit: int) -> StockChanges:
        """Articles that changed after a place of the feed, the oldest change first. Raises InvalidStockPage."""
        changed_in, sku = read_change_cursor(since)
        rows = await self._database.fetch(environment_id, queries.changes_page, changed_in, sku, limit + 1)
        found = [row for row in rows if row["sku"] is not None]
        page = found[:limit]
        cursor = change_cursor(page[-1]["changed_in"], page[-1]["sku"]) if page else change_cursor(changed_in, sku)
        return StockChanges([Item(*tuple(row)[2:]) for row in page], cursor, len(found) > limit)

    async def forget_answers(self, before: datetime, most: int = 1_000) -> int:
        """Forget what was answered to old idempotency keys of all environments, a batch; how many."""
        rows = await self._database.fetch_anywhere(queries.forget_answers, before, most)
        return int(rows[0][0])


async def lock_items(tx: Transaction, skus: Sequence[str]) -> dict[str, Item]:
    """Those that inventory was told of, by SKU; nobody else changes them until the transaction ends."""
    return {row["sku"]: item_of(row) for row in await tx.fetch(queries.lock_items, sorted(set(skus)))}


async def move(tx: Transaction, changes: Sequence[Change], actor: str, correlation_id: str) -> list[Item]:
    """Change stock and write down why; the articles afterwards. Who calls has locked them, and made their levels.

    Raises TooMuchStock.
    """
    columns = (
        [one.sku for one in changes],
        [one.location_id for one in changes],
        [one.reason for one in changes],
        [one.on_hand for one in changes],
        [one.reserved for one in changes],
        [one.reference for one in changes],
        [one.note for one in changes],
    )
    try:
        return [item_of(row) for row in await tx.fetch(queries.move_stock, *columns, actor, correlation_id)]
    except asyncpg.CheckViolationError as error:
        raise TooMuchStock("An article would have more than 2,147,483,647 of something.") from error


def location_of(row: Row) -> Location:
    """A row of any of the location statements."""
    return Location(str(row["id"]), *tuple(row)[1:])


def item_of(row: Row) -> Item:
    """A row of any of the item statements."""
    return Item(*row)


def level_of(row: Row) -> Level:
    """A row of any of the level statements."""
    return Level(str(row["location_id"]), row["location"], row["on_hand"], row["reserved"])
