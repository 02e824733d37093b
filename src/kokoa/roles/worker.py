"""The worker: relays outboxes to the bus, keeps the search index in step and schedules, writes function logs."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from kokoa.functions.control.logs import APPEND_MAX, FunctionLogs
from kokoa.functions.host.model import LogRecord
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import KokoaError, Unavailable
from kokoa.kernel.ids import new_correlation_id
from kokoa.messaging import Bus, Message, SomeFailed, relay
from kokoa.postgres import Database, Envelope
from kokoa.processes.steps import reached
from kokoa.roles.platform import FOLLOWED
from kokoa.services.catalog.publishing.actions import PublishingActions
from kokoa.services.search.actions import BATCH_MAX, SearchActions
from kokoa.services.search.model import Unfinished

_log = structlog.get_logger(__name__)

_INDEX_PATIENCE_MS = 8_000
_INDEX_AT_ONCE = 3
_INDEXER = Caller("service", "search", frozenset({"storefront"}))
_BUILDER = Caller("service", "search", frozenset({"storefront", "management"}))
_BUILD_STEPS = 20
_BUILD_PATIENCE_MS = 30_000
_BUILD_POLL_S = 1.0
_SCHEDULES_POLL_S = 0.5
# Events after which the paths of many products are others.
_MANY_CHANGED = frozenset({"CategoryRenamed", "CategoryMoved"})


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


async def relay_outbox(database: Database, bus: Bus) -> None:
    """Relay one service's events; where others follow its changes, tell all processes at once."""

    async def tell(payload: bytes) -> None:
        envelope = msgspec.json.decode(payload, type=_Place)
        await bus.notify(f"changed.{envelope.source}.{envelope.environment_id}", payload)

    await relay(DatabaseOutbox(database), bus, tell if database.service in FOLLOWED else None)


def indexer_call(environment_id: str, correlation_id: str) -> Call:
    """How the graph is asked for what is indexed: as a storefront, for the index holds what storefronts see."""
    return Call(environment_id, _INDEXER, correlation_id, now_ms() + _INDEX_PATIENCE_MS)


class _Named(msgspec.Struct):
    """A product that events name, and these events.  since_ms: of the first."""

    product_id: str
    correlation_id: str
    since_ms: int
    messages: list[Message]


def _named_products(messages: Sequence[Message]) -> dict[str, list[_Named]]:
    """By environment, each product once; events of something else, such as a category, are passed over."""
    found: dict[str, dict[str, _Named]] = defaultdict(dict)
    for message in messages:
        envelope = msgspec.json.decode(message.data, type=Envelope)
        product_id = envelope.data.get("product_id")
        if product_id is None:
            continue
        named = found[envelope.environment_id].setdefault(product_id, _Named(product_id, "", envelope.time_ms, []))
        named.correlation_id = envelope.correlation_id
        named.messages.append(message)
    return {environment_id: list(named.values()) for environment_id, named in found.items()}


def _moved_environments(messages: Sequence[Message]) -> set[str]:
    """Where categories have other paths now, and with them any number of products that no event names."""
    subjects = (message.subject.split(".") for message in messages)
    return {environment_id for _, environment_id, _, event in subjects if event in _MANY_CHANGED}


async def keep_index(bus: Bus, search: SearchActions) -> None:
    """Index what catalog's events name, of a few environments at once: a batch is a graph call, whatever its size."""

    at_once = asyncio.Semaphore(_INDEX_AT_ONCE)

    async def index(environment_id: str, named: Sequence[_Named]) -> list[Message]:
        """The messages of those that could not be indexed."""
        async with at_once:
            # Of the events in a batch one must stand for all; the last is the one that somebody waits for.
            call = indexer_call(environment_id, named[-1].correlation_id)
            try:
                failed = await search.index([one.product_id for one in named], call)
                await search.store.note_lag(environment_id, now_ms() - min(one.since_ms for one in named))
            except Exception as error:
                _log.warning("not_indexed", environment_id=environment_id, products=len(named), exc_info=error)
                failed = frozenset(one.product_id for one in named)
        return [message for one in named if one.product_id in failed for message in one.messages]

    async def index_in_turn(environment_id: str, named: Sequence[_Named]) -> list[Message]:
        """One batch of an environment at a time: an import needs the machine itself; search may follow later."""
        batches = [named[start : start + BATCH_MAX] for start in range(0, len(named), BATCH_MAX)]
        return [one for batch in batches for one in await index(environment_id, batch)]

    async def handle(messages: list[Message]) -> None:
        for environment_id in _moved_environments(messages):
            await search.store.begin_rebuild(environment_id, None)
        named = _named_products(messages)
        # What one environment's graph cannot do keeps nobody else's products waiting.
        failed = [
            one for found in await asyncio.gather(*(index_in_turn(*one) for one in named.items())) for one in found
        ]
        if failed:
            raise SomeFailed(failed)

    await bus.consume("EVENTS", "search-index", "events.*.catalog.>", handle, batch=_INDEX_AT_ONCE * BATCH_MAX)


async def keep_generations(search: SearchActions) -> None:
    """Build and remove generations of search indexes, of all environments in turn; each in one process at a time."""
    while True:
        waiting = True
        try:
            for one in await search.store.unfinished():
                async with search.store.alone(one.generation) as alone:
                    if alone and not await _work_on(search, one):
                        waiting = False
        except Unavailable as error:
            _log.warning("generations_wait", error=error.message, detail=error.detail)
        if waiting:
            await asyncio.sleep(_BUILD_POLL_S)


async def _work_on(search: SearchActions, one: Unfinished) -> bool:
    """Some steps of one generation, so that all get their turn; whether it can wait."""
    for _ in range(_BUILD_STEPS):
        if one.state == "retired":
            if await search.store.remove(one.environment_id, one.generation):
                return True
            continue
        correlation_id, deadline_ms = new_correlation_id(), now_ms() + _BUILD_PATIENCE_MS
        manager, reader = (
            Call(one.environment_id, caller, correlation_id, deadline_ms) for caller in (_BUILDER, _INDEXER)
        )
        try:
            if await search.build(one.generation, manager, reader):
                return True
        except KokoaError as error:
            _log.warning("not_built", environment_id=one.environment_id, error=error.message, detail=error.detail)
            return True
    return False


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
