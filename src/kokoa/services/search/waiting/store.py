"""queries.sql ⇄ model."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from kokoa.postgres import Database, load_queries
from kokoa.services.search.waiting.model import Named, Stale

queries = load_queries(Path(__file__).with_name("queries.sql"))

_ENVIRONMENTS_MAX = 100


class StaleStore:
    """The queue of each environment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def mark(self, environment_id: str, named: Sequence[Named]) -> None:
        """Let products wait to be indexed; each may be named once."""
        # In one order, so that two calls that name the same wait for each other and do not deadlock.
        named = sorted(named, key=lambda one: one.product_id)
        await self._database.execute(
            environment_id,
            queries.mark,
            [one.product_id for one in named],
            [one.since_ms for one in named],
            [one.correlation_id for one in named],
        )

    async def environments(self, after: str) -> list[str]:
        """Up to 100 that have stale products, after one of them."""
        rows = await self._database.fetch_anywhere(queries.environments, after, _ENVIRONMENTS_MAX)
        return [str(row["environment_id"]) for row in rows]

    async def take(self, environment_id: str, after: str, most: int) -> list[Stale]:
        """Products that are due, by id; they stay where they are until `settle`."""
        rows = await self._database.fetch(environment_id, queries.take, after, most)
        return [Stale(str(product_id), *others) for product_id, *others in rows]

    async def settle(self, environment_id: str, done: Sequence[Stale]) -> None:
        """Forget what is indexed; what was named again meanwhile goes on waiting."""
        ids, marks = [one.product_id for one in done], [one.mark for one in done]
        await self._database.execute(environment_id, queries.settle, ids, marks)

    async def postpone(self, environment_id: str, failed: Sequence[Stale], pauses_s: Sequence[float]) -> None:
        """Try again later, each after its pause; what was named again meanwhile is due at once."""
        ids, marks = [one.product_id for one in failed], [one.mark for one in failed]
        await self._database.execute(environment_id, queries.postpone, ids, marks, pauses_s)

    def alone(self) -> AbstractAsyncContextManager[bool]:
        """Whether this process alone works on the queue, in the whole cluster; as long as the block."""
        return self._database.exclusive("stale")
