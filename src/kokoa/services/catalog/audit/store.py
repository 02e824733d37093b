"""queries.sql ⇄ model."""

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
        """Entries before a place, the newest first."""
        rows = await self._database.fetch(environment_id, queries.history_page, product_id, *before, first)
        return [_entry(row) for row in rows]

    async def forget_old(self, before: datetime) -> int:
        """Remove entries of all environments that are older, one batch; how many went. Call it until 0."""
        rows = await self._database.fetch_anywhere(queries.forget_history, before, FORGET_BATCH)
        return int(rows[0][0])


def _entry(row: Row) -> HistoryEntry:
    at, changed_in, version, kind, caller, correlation_id, changes = row
    actor = msgspec.json.decode(caller, type=Actor) if caller else None
    kept = msgspec.json.decode(changes, type=dict[str, tuple[Any, Any]])
    return HistoryEntry(at, changed_in, version, kind, actor, correlation_id, changes_of(kept))
