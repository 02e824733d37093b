"""queries.sql ⇄ model."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from kokoa.postgres import Database, load_queries
from kokoa.services.tenants.used_operations.model import (
    BATCH_MAX,
    BYTES_MAX,
    DOCUMENTS_MAX,
    UsedOperation,
    fits,
)

queries = load_queries(Path(__file__).with_name("queries.sql"))


class UsedOperationStore:
    """What was used and when; a statistic, so there are no events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, environment_id: str, used: Sequence[UsedOperation], *, forget_before: date) -> int:
        """How many were new or newer. At most BATCH_MAX are taken, and none that is too long.

        forget_before: those that were last used before this day are forgotten.
        """
        newest: dict[str, UsedOperation] = {}
        for one in used[:BATCH_MAX]:
            if fits(one.document):
                newest[one.digest] = one
        if not newest:
            return 0
        by_digest = sorted(newest.items())
        async with self._database.transaction(environment_id) as tx:
            rows = await tx.fetch(
                queries.note_used,
                [digest for digest, _ in by_digest],
                [one.document for _, one in by_digest],
                [one.last_used for _, one in by_digest],
            )
            await tx.execute(queries.forget_used, forget_before, DOCUMENTS_MAX, BYTES_MAX)
        return len(rows)

    async def since(
        self, environment_id: str, day: date, *, after: str = "", limit: int = 100
    ) -> list[UsedOperation]:
        """By digest, after the given one."""
        rows = await self._database.fetch(environment_id, queries.used_since, day, after, limit)
        return [UsedOperation(row["document"], row["last_used"]) for row in rows]
