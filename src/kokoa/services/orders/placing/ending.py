"""Placements with nothing left to do are written down many at a time: one commit instead of one of each.

An order is placed before that. Whoever dies meanwhile leaves placements whose lease ends; the sweeper does their last
steps again, each of which is answered as it was.
"""

import asyncio
from collections import defaultdict
from typing import Protocol

import structlog

from kokoa.kernel.errors import KokoaError

_log = structlog.get_logger(__name__)


class Ends(Protocol):
    """Where it is written down; `OrderStore` is one."""

    async def end(self, environment_id: str, leased: list[tuple[str, str]]) -> None:
        """leased: (placement id, lease)."""
        ...


class Ending:
    """gather_s: how long they wait for others; 0 to write each down before going on."""

    def __init__(self, store: Ends, gather_s: float) -> None:
        self._store = store
        self._gather_s = gather_s
        self._waiting: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._writing: set[asyncio.Task[None]] = set()

    async def end(self, environment_id: str, placement_id: str, lease: str) -> None:
        """Soon. Nothing, when the lease is another's by then."""
        if not self._gather_s:
            await self._store.end(environment_id, [(placement_id, lease)])
            return
        waiting = self._waiting[environment_id]
        waiting.append((placement_id, lease))
        if len(waiting) == 1:
            task = asyncio.create_task(self._soon(environment_id))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def close(self) -> None:
        """Write down at once what waits, and whatever comes."""
        self._gather_s = 0
        await asyncio.gather(*(self._write(environment_id) for environment_id in list(self._waiting)))

    async def _soon(self, environment_id: str) -> None:
        await asyncio.sleep(self._gather_s)
        await self._write(environment_id)

    async def _write(self, environment_id: str) -> None:
        leased = self._waiting.pop(environment_id, [])
        if not leased:
            return  # it was closed meanwhile
        try:
            await self._store.end(environment_id, leased)
        except KokoaError as error:
            _log.warning("placements_end_later", count=len(leased), error=error.message, detail=error.detail)
