"""Several publishers of one process, one batch: each is written to disk once, whoever's messages are in it."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import structlog

from kokoa.messaging.bus import BATCH_MAX, Outgoing

_log = structlog.get_logger(__name__)

# A batch costs NATS as much as 300 messages; whoever has more gains little by waiting for others.
_MANY = 300
_WAIT_S = 0.01


class Publishes(Protocol):
    """What publishes a batch; `Bus` is one."""

    async def publish_all(self, messages: Sequence[Outgoing]) -> None: ...


class _Part(NamedTuple):
    """What one of them brings.  stored: whether it was stored with the others."""

    messages: Sequence[Outgoing]
    stored: "asyncio.Future[bool]"


class Together:
    """Publishes in its bus's batches what comes within 10 ms. Each caller's messages stay in their order."""

    def __init__(self, bus: Publishes) -> None:
        self._bus = bus
        self._parts: list[_Part] = []
        self._publishing: set[asyncio.Task[None]] = set()

    async def publish_all(self, messages: Sequence[Outgoing]) -> None:
        """As `Bus.publish_all`. What cannot be stored with the others is tried alone, so nobody's keeps another's."""
        if not messages:
            return
        if len(messages) >= _MANY:
            await self._bus.publish_all(messages)
            return
        part = _Part(messages, asyncio.get_running_loop().create_future())
        if not self._parts or sum(len(one.messages) for one in self._parts) + len(messages) > BATCH_MAX:
            self._parts = []
            task = asyncio.create_task(self._publish(self._parts))
            self._publishing.add(task)
            task.add_done_callback(self._publishing.discard)
        self._parts.append(part)
        if not await part.stored:
            await self._bus.publish_all(messages)

    async def _publish(self, parts: list[_Part]) -> None:
        try:
            await asyncio.sleep(_WAIT_S)
            if parts is self._parts:
                self._parts = []
            await self._bus.publish_all([one for part in parts for one in part.messages])
            stored = True
        except Exception as error:  # whose fault it is, each finds out alone
            _log.warning("batch_parted", parts=len(parts), error=repr(error))
            stored = False
        except asyncio.CancelledError:
            for part in parts:
                part.stored.cancel()
            raise
        for part in parts:
            if not part.stored.done():  # else its caller has gone
                part.stored.set_result(stored)
