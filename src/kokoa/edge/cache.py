"""A bounded cache that is never older than its time to live, and asks the source once however many wait."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class FreshCache(Generic[V]):
    """ttl_s: how old an answer may be.  entries_max: the oldest beyond it are forgotten."""

    def __init__(self, *, ttl_s: float, entries_max: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl_s = ttl_s
        self._entries_max = entries_max
        self._clock = clock
        self._values: OrderedDict[str, tuple[float, V]] = OrderedDict()
        self._loading: dict[str, asyncio.Task[V]] = {}

    def peek(self, key: str) -> V | None:
        """The value when it is fresh, without asking anybody."""
        entry = self._values.get(key)
        if entry is None or entry[0] + self._ttl_s <= self._clock():
            return None
        return entry[1]

    def until(self, key: str, value: V) -> float:
        """When the value ceases to be fresh, by the clock, if it is what is known of the key; else 0."""
        entry = self._values.get(key)
        return entry[0] + self._ttl_s if entry is not None and entry[1] is value else 0.0

    async def get(self, key: str, load: Callable[[], Awaitable[V]]) -> V:
        """The value, from `load` when it is missing or old. What `load` raises, everybody who waits gets."""
        entry = self._values.get(key)
        if entry is not None and entry[0] + self._ttl_s > self._clock():
            return entry[1]
        task = self._loading.get(key)
        if task is None:
            task = asyncio.ensure_future(self._load(key, load))
            self._loading[key] = task
        # Shielded: one caller that gives up must not cancel the load for the others.
        return await asyncio.shield(task)

    def forget(self, key: str) -> None:
        """What is known of the key, and what is being loaded, is old: the next `get` asks again."""
        self._values.pop(key, None)
        self._loading.pop(key, None)

    async def _load(self, key: str, load: Callable[[], Awaitable[V]]) -> V:
        started = self._clock()
        task = asyncio.current_task()
        try:
            value = await load()
            # Forgotten meanwhile: what was read may be from before the change.
            if self._loading.get(key) is task:
                self._values[key] = (started, value)
                self._values.move_to_end(key)
                while len(self._values) > self._entries_max:
                    self._values.popitem(last=False)
            return value
        finally:
            if self._loading.get(key) is task:
                del self._loading[key]
