"""Search's index follows the catalogue: events name products, which wait in a queue until the indexer takes them.

The worker fills the queue (`note_changes`), as fast as events come. A process that gives way to all others empties it
(`keep_index`), a batch of each environment in turn.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence

import msgspec
import structlog

from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import KokoaError, Unavailable
from kokoa.kernel.ids import new_correlation_id
from kokoa.messaging import Bus, Message
from kokoa.postgres import ChangedConcurrently, Envelope
from kokoa.processes.steps import reached
from kokoa.roles.graph import GraphFailed
from kokoa.services.search.actions import BATCH_MAX, SearchActions
from kokoa.services.search.model import Unfinished
from kokoa.services.search.store import SearchStore
from kokoa.services.search.waiting.model import FIRST, Named, Stale
from kokoa.services.search.waiting.store import StaleStore

_log = structlog.get_logger(__name__)

_NOTICE = "search.stale"
_NOTED_MAX = 1_500
_PATIENCE_MS = 8_000
_AT_ONCE = 3
_LOOK_S = 0.5
_STANDBY_S = 1.0
_ATTEMPTS_MAX = 20
_PAUSES_S = (0.1, 0.5, 2.0, 10.0, 30.0)
_INDEXER = Caller("service", "search", frozenset({"storefront"}))
_BUILDER = Caller("service", "search", frozenset({"storefront", "management"}))
_BUILD_STEPS = 20
_BUILD_PATIENCE_MS = 30_000
_BUILD_POLL_S = 1.0
# Events after which the paths of many products are others.
_INDEXED_TYPES = frozenset({"Product", "Variant", "Category"})
SETTLE_S = 2.0
_MANY_CHANGED = frozenset({"CategoryRenamed", "CategoryMoved"})


def indexer_call(environment_id: str, correlation_id: str) -> Call:
    """How the graph is asked for what is indexed: as a storefront, for the index holds what storefronts see."""
    return Call(environment_id, _INDEXER, correlation_id, now_ms() + _PATIENCE_MS)


async def note_changes(bus: Bus, search: SearchStore, stale: StaleStore) -> None:
    """Put what catalog's events name into the queue."""

    async def handle(messages: list[Message]) -> None:
        for environment_id in _moved_environments(messages):
            await search.begin_rebuild(environment_id, None)
        named = _named_products(messages)
        for environment_id, products in named.items():
            await stale.mark(environment_id, products)
        reached("index.noted")
        if named:
            await bus.notify(_NOTICE)

    await bus.consume("EVENTS", "search-index", "events.*.catalog.>", handle, batch=_NOTED_MAX)


def _named_products(messages: Sequence[Message]) -> dict[str, list[Named]]:
    """By environment, each product once; events of something else, such as a category, are passed over."""
    found: dict[str, dict[str, Named]] = defaultdict(dict)
    for message in messages:
        envelope = msgspec.json.decode(message.data, type=Envelope)
        product_id = envelope.data.get("product_id")
        if product_id is None:
            continue
        of_environment = found[envelope.environment_id]
        first = of_environment.get(product_id)
        since_ms = first.since_ms if first else envelope.time_ms
        of_environment[product_id] = Named(product_id, since_ms, envelope.correlation_id)
    return {environment_id: list(named.values()) for environment_id, named in found.items()}


def _moved_environments(messages: Sequence[Message]) -> set[str]:
    """Where categories have other paths now, and with them any number of products that no event names."""
    subjects = (message.subject.split(".") for message in messages)
    return {environment_id for _, environment_id, _, event in subjects if event in _MANY_CHANGED}


async def follow_graphs(bus: Bus, search: SearchStore, *, settle_s: float = SETTLE_S) -> None:
    """Build the index anew where products are shown otherwise, because of what a partner published or withdrew, or
    because an override behaves otherwise.

    settle_s: from the change until every process serves the new graph.
    """

    async def handle(messages: list[Message]) -> None:
        changed: dict[str, int] = {}
        for message in messages:
            envelope = msgspec.json.decode(message.data, type=Envelope)
            if _shows_products_otherwise(envelope):
                changed[envelope.environment_id] = envelope.time_ms
        if changed:
            await asyncio.sleep(max(max(changed.values()) / 1000 + settle_s - now_ms() / 1000, 0))
        for environment_id in changed:
            await search.begin_rebuild(environment_id, None)

    await bus.consume("EVENTS", "search-graph", "events.*.tenants.>", handle, batch=_NOTED_MAX)


def _shows_products_otherwise(envelope: Envelope) -> bool:
    if envelope.type in {"SubgraphPublished", "SubgraphWithdrawn"}:
        touched = envelope.data["needs"]
    elif envelope.type in {"OverridePolicySet", "OverridePolicyUnset"}:
        touched = [envelope.data["subject"]]
    else:
        return False
    return any(one.partition(".")[0] in _INDEXED_TYPES for one in touched)


async def keep_index(bus: Bus, search: SearchActions, stale: StaleStore) -> None:
    """Index what waits; of several indexers one works."""
    woken = asyncio.Event()

    async def wake(*_: object) -> None:
        woken.set()

    await bus.listen(_NOTICE, wake)
    while True:
        try:
            async with stale.alone() as alone:
                if alone:
                    await _Indexer(search, stale, woken).work()
        except (Unavailable, ChangedConcurrently) as error:
            _log.warning("index_waits", error=error.message, detail=error.detail)
        await asyncio.sleep(_STANDBY_S)


class _Indexer:
    """A batch of an environment at a time, of a few environments at once.

    An environment whose graph fails rests for a while, longer with each time, so that it takes nobody else's place.
    """

    def __init__(self, search: SearchActions, stale: StaleStore, woken: asyncio.Event) -> None:
        self._search = search
        self._stale = stale
        self._woken = woken
        self._last = FIRST  # the environment that was begun with last
        self._places: dict[str, str] = {}  # where an environment goes on, so that all its products get their turn
        self._failures: dict[str, int] = defaultdict(int)
        self._rests: dict[str, float] = {}  # until when, by the monotonic clock
        self._running: dict[str, asyncio.Task[None]] = {}

    async def work(self) -> None:
        """Until cancelled. Raises Unavailable when the database is away, ChangedConcurrently when it gave one up."""
        try:
            while True:
                self._woken.clear()
                await self._begin()
                await self._wait()
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _begin(self) -> None:
        if len(self._running) == _AT_ONCE:
            return
        environments = await self._stale.environments(self._last)
        if self._last != FIRST:
            environments += [one for one in await self._stale.environments(FIRST) if one <= self._last]
        now = time.monotonic()
        self._rests = {one: until for one, until in self._rests.items() if until > now}
        for environment_id in environments:
            if environment_id not in self._running and environment_id not in self._rests:
                self._running[environment_id] = asyncio.create_task(self._batch(environment_id))
                self._last = environment_id
                if len(self._running) == _AT_ONCE:
                    break

    async def _wait(self) -> None:
        """For a place to be free, for something new, or for a while."""
        waking = asyncio.create_task(self._woken.wait())
        try:
            done, _ = await asyncio.wait(
                {waking, *self._running.values()}, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            waking.cancel()
        for environment_id, task in list(self._running.items()):
            if task in done:
                del self._running[environment_id]
                task.result()

    async def _batch(self, environment_id: str) -> None:
        batch = await self._stale.take(environment_id, self._places.pop(environment_id, FIRST), BATCH_MAX)
        if not batch:
            # All were before its place, or are postponed.
            self._rests[environment_id] = time.monotonic() + _LOOK_S
            return
        if len(batch) == BATCH_MAX:
            self._places[environment_id] = batch[-1].product_id
        # Of the events of a batch one must stand for all: the last is the one that somebody waits for.
        newest = max(batch, key=lambda one: one.mark)
        call = indexer_call(environment_id, newest.correlation_id)
        try:
            failed = await self._search.index([one.product_id for one in batch], call)
        except Exception as error:
            _log.warning("not_indexed", environment_id=environment_id, products=len(batch), exc_info=error)
            self._rest(environment_id)
            # What an outage keeps back has not failed: it waits, however long that takes.
            if isinstance(error, GraphFailed) or not isinstance(error, Unavailable):
                await self._try_again(environment_id, batch)
            return
        self._failures.pop(environment_id, None)
        reached("index.put")
        await self._stale.settle(environment_id, [one for one in batch if one.product_id not in failed])
        await self._search.store.note_lag(environment_id, now_ms() - min(one.since_ms for one in batch))
        await self._try_again(environment_id, [one for one in batch if one.product_id in failed])

    def _rest(self, environment_id: str) -> None:
        pause_s = _PAUSES_S[min(self._failures[environment_id], len(_PAUSES_S) - 1)]
        self._failures[environment_id] += 1
        self._rests[environment_id] = time.monotonic() + pause_s

    async def _try_again(self, environment_id: str, failed: Sequence[Stale]) -> None:
        """Later; but what has failed too often is given up, with an error in our log."""
        given_up = [one for one in failed if one.attempts + 1 >= _ATTEMPTS_MAX]
        if given_up:
            ids = [one.product_id for one in given_up]
            _log.error("not_indexed_given_up", environment_id=environment_id, products=ids, attempts=_ATTEMPTS_MAX)
            await self._stale.settle(environment_id, given_up)
        again = [one for one in failed if one.attempts + 1 < _ATTEMPTS_MAX]
        if again:
            pauses_s = [_PAUSES_S[min(one.attempts, len(_PAUSES_S) - 1)] for one in again]
            await self._stale.postpone(environment_id, again, pauses_s)


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
