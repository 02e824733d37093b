"""The worker: relays outboxes to the bus, notes what search is to index, keeps schedules, writes function logs."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from kokoa.functions.control.logs import APPEND_MAX, FunctionLogs
from kokoa.functions.host.model import LogRecord
from kokoa.kernel.errors import Unavailable
from kokoa.messaging import Bus, Message, Together, relay
from kokoa.postgres import Database
from kokoa.processes.steps import reached
from kokoa.roles.platform import FOLLOWED
from kokoa.services.catalog.publishing.actions import PublishingActions

_log = structlog.get_logger(__name__)

_SCHEDULES_POLL_S = 0.5


class DatabaseOutbox:
    """A service's outbox, as kokoa.messaging.relay wants it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, most: int) -> list[tuple[int, str, bytes]]:
        rows = await self._database.fetch_anywhere("SELECT id, event_id, payload FROM outbox_pending($1)", most)
        return [(row["id"], str(row["event_id"]), row["payload"]) for row in rows]

    async def published(self, row_ids: list[int]) -> None:
        await self._database.fetch_anywhere("SELECT outbox_published($1)", row_ids)

    def leading(self) -> Any:
        return self._database.exclusive("outbox")


class _Place(msgspec.Struct):
    """Where an event happened: the part of its envelope that decides who hears of it."""

    source: str
    environment_id: str


async def relay_outbox(database: Database, bus: Bus, together: Together) -> None:
    """Relay one service's events, with others'; where its changes are followed, tell all processes at once."""

    async def tell(payload: bytes) -> None:
        envelope = msgspec.json.decode(payload, type=_Place)
        await bus.notify(f"changed.{envelope.source}.{envelope.environment_id}", payload)

    if database.service in FOLLOWED:
        await relay(DatabaseOutbox(database), bus, tell)
    else:
        await relay(DatabaseOutbox(database), together)


async def keep_schedules(publishing: PublishingActions) -> None:
    """Publish and unpublish products when it is time; of several workers each product is done by one."""
    while True:
        done = 0
        try:
            done = await publishing.do_due()
        except Unavailable as error:
            _log.warning("schedules_wait", error=error.message, detail=error.detail)
        if not done:
            await asyncio.sleep(_SCHEDULES_POLL_S)


class BusLogSink:
    """Where a function host leaves its log records: the LOGS stream, from which a worker writes them down."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def write(self, records: Sequence[LogRecord]) -> None:
        by_account: dict[tuple[str, str], list[LogRecord]] = defaultdict(list)
        for record in records:
            by_account[record.environment_id, record.account_id].append(record)
        for (environment_id, account_id), batch in by_account.items():
            subject = f"logs.{environment_id}.{account_id}"
            await self._bus.publish(subject, msgspec.msgpack.encode(batch), message_id=batch[0].id)
        reached("log.shipped")


async def keep_logs(bus: Bus, logs: FunctionLogs) -> None:
    """Write down what functions printed."""

    async def handle(messages: list[Message]) -> None:
        by_environment: dict[str, list[LogRecord]] = defaultdict(list)
        for message in messages:
            for record in msgspec.msgpack.decode(message.data, type=list[LogRecord]):
                by_environment[record.environment_id].append(record)
        for environment_id, records in by_environment.items():
            # A function that floods its log must not make a batch that is refused, again and again, for everybody.
            for start in range(0, len(records), APPEND_MAX):
                await logs.append(environment_id, records[start : start + APPEND_MAX])
        reached("log.written")

    await bus.consume("LOGS", "function-logs", "logs.>", handle, batch=50)
