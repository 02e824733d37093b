"""queries.sql ⇄ model."""

from pathlib import Path

import msgspec

from kokoa.postgres import Database, load_queries
from kokoa.services.orders.following.model import read_cursor
from kokoa.services.orders.model import Order
from kokoa.services.orders.store import order_of

queries = load_queries(Path(__file__).with_name("queries.sql"))


class OrderChanges(msgspec.Struct, frozen=True):
    """A page of the feed.  cursor: where it goes on."""

    orders: list[Order]
    cursor: str
    has_more: bool


class FollowingStore:
    """Reads of one environment each; one statement a call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_reference(self, environment_id: str, reference: str) -> Order | None:
        """None when there is none."""
        row = await self._database.fetchrow(environment_id, queries.order_by_reference, reference)
        return None if row is None else order_of(row)

    async def changes(self, environment_id: str, since: str | None, limit: int) -> OrderChanges:
        """Orders that changed after a place of the feed. Raises InvalidOrderPage."""
        place = read_cursor(since)
        rows = await self._database.fetch(environment_id, queries.changes_page, *place, limit + 1)
        page = rows[:limit]
        if page:
            place = page[-1]["changed_in"], str(page[-1]["id"])
        return OrderChanges([order_of(row) for row in page], f"{place[0]}:{place[1]}", has_more=len(rows) > limit)
