"""queries.sql ⇄ model."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from kokoa.postgres import Database, Row
from kokoa.services.catalog.audit.acting import queries
from kokoa.services.catalog.audit.model import Actor, HistoryEntry, Place, changes_of

FORGET_BATCH = 1_000


class HistoryStore:
    """Reads of one environment each; `forget_old` spans them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, environment_id: str, product_id: str, before: Place, first: int) -> list[HistoryEntry]:
        """Entries of a product before a place, the newest first."""
        rows = await self._database.fetch(environment_id, queries.history_page, product_id, *before, first)
        return [_entry(row) for row in rows]

    async def pages_of_categories(
        self, environment_id: str, category_ids: Sequence[str], before: Place, first: int
    ) -> dict[str, list[HistoryEntry]]:
        """As `page`, by the category's id; categories without entries are missing."""
        ids = sorted(set(category_ids))
        rows = await self._database.fetch(environment_id, queries.category_history_pages, ids, *before, first)
        found: dict[str, list[HistoryEntry]] = defaultdict(list)
        for *entry, category_id in rows:
            found[str(category_id)].append(_entry(entry))
        return found

    async def forget_old(self, before: datetime) -> int:
        """Remove entries of all environments that are older, a batch of each kind; how many went. Call until 0."""
        rows = await self._database.fetch_anywhere(queries.forget_history, before, FORGET_BATCH)
        return int(rows[0][0])


def _entry(row: Row | Sequence[Any]) -> HistoryEntry:
    at, changed_in, version, kind, caller, correlation_id, changes = row
    actor = msgspec.json.decode(caller, type=Actor) if caller else None
    kept = msgspec.json.decode(changes, type=dict[str, tuple[Any, Any]])
    return HistoryEntry(at, changed_in, version, kind, actor, correlation_id, changes_of(kept))
