"""The outbox relay: what a service committed is published to JetStream, in order, at least once.

One relay a service works at a time, in the whole cluster (an advisory lock). It publishes a row and deletes it only
after JetStream has stored it; after a crash in between, the row is published again under the same event id, which
JetStream drops.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec
import structlog

from kokoa.kernel.errors import Unavailable
from kokoa.messaging.bus import Outgoing
from kokoa.messaging.together import Publishes
from kokoa.processes.steps import reached

_log = structlog.get_logger(__name__)

_BATCH = 500
# Events gather meanwhile: each batch is written to disk twice, here and there, and costs about as much as its events.
# All relays look at the same moments, so that what they find can be one batch.
_GATHER_S = 0.1
_IDLE_S = 0.05
_STANDBY_S = 1.0
_RETRY_S = 0.5


class Outbox(Protocol):
    """Where committed events wait; kokoa.roles fills it with a service's database."""

    async def pending(self, most: int) -> list[tuple[int, str, bytes]]:
        """(row id, event id, envelope) of the oldest events, in the order of their making."""
        ...

    async def published(self, row_ids: list[int]) -> None:
        """Forget these."""
        ...

    def leading(self) -> Any:
        """An async context manager; True when this process is the one to relay."""
        ...


class _Subject(msgspec.Struct):
    """The part of an envelope that decides the subject."""

    type: str
    source: str
    environment_id: str


async def relay(
    outbox: Outbox, bus: Publishes, on_published: Callable[[bytes], Awaitable[None]] | None = None
) -> None:
    """Run until cancelled. on_published: told of each envelope, after it is stored."""
    while True:
        try:
            async with outbox.leading() as leads:
                while leads:
                    count = await relay_once(outbox, bus, on_published)
                    if count < _BATCH:
                        await asyncio.sleep(_until_next(_GATHER_S if count else _IDLE_S))
            await asyncio.sleep(_STANDBY_S)
        except Unavailable as error:
            _log.warning("relay_waits", error=error.message, detail=error.detail)
            await asyncio.sleep(_RETRY_S)


async def relay_once(
    outbox: Outbox, bus: Publishes, on_published: Callable[[bytes], Awaitable[None]] | None = None
) -> int:
    """Publish one batch; how many events there were. Raises Unavailable, having published some or none."""
    rows = await outbox.pending(_BATCH)
    if rows:
        reached("relay.read")
    await bus.publish_all([Outgoing(_subject(payload), payload, event_id) for _, event_id, payload in rows])
    if on_published is not None:
        for _, _, payload in rows:
            await on_published(payload)
    if rows:
        reached("relay.published")
        await outbox.published([row_id for row_id, _, _ in rows])
        reached("relay.marked")
    return len(rows)


def _until_next(period_s: float) -> float:
    """How long it is until the next moment that is a multiple of the period."""
    return period_s - time.monotonic() % period_s


def _subject(payload: bytes) -> str:
    head = msgspec.json.decode(payload, type=_Subject)
    return f"events.{head.environment_id}.{head.source}.{head.type}"
