"""A small cache whose entries are never older than a second, so that what it holds cannot be wrong for longer.

Its purpose is to take a look-up out of every request without asking anybody for trust: a changed function or a
revoked key is seen within the bound on every process, and at once where `forget` is called.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

AGE_MAX_S: Final = 0.9

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Fresh(Generic[K, V]):
    """load: asked once for each key and age, however many wait.  entries_max: the least recently used go first."""

    def __init__(
        self,
        load: Callable[[K], Awaitable[V]],
        *,
        entries_max: int = 4096,
        age_max_s: float = AGE_MAX_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._entries_max = entries_max
        self._age_max_s = age_max_s
        self._clock = clock
        self._entries: OrderedDict[K, tuple[V, float]] = OrderedDict()
        self._loading: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K) -> V:
        """The value, at most age_max_s old. What `load` raises goes to everybody who waits, and is not kept."""
        entry = self._entries.get(key)
        if entry is not None and self._clock() - entry[1] < self._age_max_s:
            self._entries.move_to_end(key)
            return entry[0]
        task = self._loading.get(key)
        if task is None:
            task = asyncio.create_task(self._load_and_keep(key))
            self._loading[key] = task
        return await asyncio.shield(task)

    def forget(self, key: K) -> None:
        """The value changed: the next `get` loads it, and a load that is under way is not kept."""
        self._entries.pop(key, None)
        self._loading.pop(key, None)

    async def _load_and_keep(self, key: K) -> V:
        # The age counts from before the load: what changes while it runs may or may not be in the value.
        at = self._clock()
        task = asyncio.current_task()
        try:
            value = await self._load(key)
            if self._loading.get(key) is task:
                self._entries[key] = (value, at)
                self._entries.move_to_end(key)
                if len(self._entries) > self._entries_max:
                    self._entries.popitem(last=False)
            return value
        finally:
            if self._loading.get(key) is task:
                del self._loading[key]
