"""Events for whoever listens right now, such as a subscription's client. Nothing is kept: what must not be missed is
consumed from the stream (`Bus.consume`).

One NATS subscription serves all listeners of an environment in this process; it is opened for the first of them and
closed after the last.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Protocol

from kokoa.kernel.errors import Unavailable

WAITING_MAX = 1_000

Closes = Callable[[], Awaitable[None]]


class FeedOverflow(Unavailable):
    """A listener reads slower than events come."""


class Subject(Protocol):
    """What a feed needs of the bus."""

    async def overhear(self, subject: str, handler: Callable[[bytes], None]) -> Closes: ...


class Feed:
    """The events of one service.  source: the service's name."""

    def __init__(self, bus: Subject, source: str) -> None:
        self._bus = bus
        self._source = source
        self._listeners: dict[str, set[asyncio.Queue[bytes | None]]] = {}
        self._closes: dict[str, Closes] = {}
        self._lock = asyncio.Lock()

    async def follow(self, environment_id: str) -> AsyncGenerator[bytes, None]:
        """Payloads of the events that happen in the environment from now on. Raises FeedOverflow, BusUnavailable."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING_MAX)
        await self._join(environment_id, queue)
        try:
            while True:
                payload = await queue.get()
                if payload is None:
                    raise FeedOverflow(
                        f"More than {WAITING_MAX} events are waiting: they come faster than you read. Connect again."
                    )
                yield payload
        finally:
            await self._leave(environment_id, queue)

    def listeners(self, environment_id: str) -> int:
        """How many follow the environment now."""
        return len(self._listeners.get(environment_id, ()))

    async def _join(self, environment_id: str, queue: asyncio.Queue[bytes | None]) -> None:
        async with self._lock:
            if environment_id not in self._closes:
                subject = f"events.{environment_id}.{self._source}.>"
                self._closes[environment_id] = await self._bus.overhear(
                    subject, lambda payload: self._hand_out(environment_id, payload)
                )
            self._listeners.setdefault(environment_id, set()).add(queue)

    async def _leave(self, environment_id: str, queue: asyncio.Queue[bytes | None]) -> None:
        async with self._lock:
            listeners = self._listeners[environment_id]
            listeners.discard(queue)
            if not listeners:
                del self._listeners[environment_id]
                await self._closes.pop(environment_id)()

    def _hand_out(self, environment_id: str, payload: bytes) -> None:
        for queue in self._listeners.get(environment_id, ()):
            if queue.qsize() < WAITING_MAX - 1:
                queue.put_nowait(payload)
            elif not queue.full():
                queue.put_nowait(None)
