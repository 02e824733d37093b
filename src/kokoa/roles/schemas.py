"""Each environment's own graph: what its custom fields and its partners make of the common one, the same everywhere.

An environment has a *digest* of what it has beside the common graph: catalog tells that of its schema, tenants that
of the subgraphs which are live (both empty: the common graph), and the policies of overrides belong to it. A process
looks for it when it is first asked, after a notice, when what it knows is a second old, and before it refuses a
document that does not fit: so whoever has the answer to a change is understood by all processes.

A graph that is new to a process is composed beside the event loop, and the one before serves until it is there (for
seconds: who comes after a long silence waits for the new one). One that does not compose (a core service changed, or
two changes crossed) is never served: the one before is, and the log says why. A process that has none before it
leaves out the subgraphs that do not fit, if the policies of all their overrides let the native answer stand in for
them; else it says that it cannot answer. When the digest cannot be read, the last one serves for a minute, as routes
do. Nothing is ever answered by half of one graph and half of another.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import NamedTuple, TypeVar

import msgspec
import structlog

from kokoa.edge.cache import FreshCache
from kokoa.gateway.app import Gateway, Graph
from kokoa.gateway.compose import CompositionFailed
from kokoa.gateway.execute.clients import SubgraphClient
from kokoa.gateway.extension import Extension
from kokoa.gateway.supergraph import Supergraph
from kokoa.graphql.errors import DocumentRefused
from kokoa.graphql.limits import DEFAULT_LIMITS
from kokoa.graphql.lru import Lru
from kokoa.graphql.reading import read
from kokoa.kernel.errors import KokoaError, Unavailable
from kokoa.messaging import Bus, BusUnavailable
from kokoa.roles.compositions import CATALOG, Compositions, Extended, Policies
from kokoa.roles.seams import (
    Operations,
    OperationText,
    OverridePolicyDirectory,
    PublishedSubgraph,
    Schemas,
    Subgraphs,
)
from kokoa.services.catalog.custom_fields.errors import SchemaNotComposable

_log = structlog.get_logger(__name__)

T = TypeVar("T")

NOTICE = "schema"
TTL_S = 1.0
STALE_MAX_S = 60.0
BEFORE_MAX_S = 10.0  # that a graph answers while the next one is made
ASK_S = 5.0
ENVIRONMENTS_MAX = 10_000
GRAPHS_MAX = 64
LOOKS_MAX = 4
RENEWING_MAX = 64
LOOKING_MAX = 16  # requests at a time, of a process, for which it looks whether they know a newer schema
OPERATIONS_PAGE = 200

ClientOf = Callable[[str, str], Awaitable[SubgraphClient]]
"""(environment_id, digest) → what asks catalog's subgraph of this digest."""

ClientOfExtension = Callable[[str, Extension, Supergraph, Mapping[str, SubgraphClient]], Awaitable[SubgraphClient]]
"""(environment_id, extension, graph that it is a part of, clients of what it may override) → what asks it."""


class SchemaUnavailable(Unavailable):
    """The environment's own schema cannot be read or made right now; its operator finds the reason in the log."""


NO_POLICIES: Policies = MappingProxyType({})


class State(NamedTuple):
    """What an environment has beside the common graph. key: of the graph; empty for the common one.

    catalog, subgraphs: digests.  policies: of overrides, where there are subgraphs.
    """

    key: str
    catalog: str
    subgraphs: str = ""
    policies: Policies = NO_POLICIES


class StateMoved(Exception):
    """The state changed while a graph was made of it."""


class _Before(NamedTuple):
    """What an environment was served by. graph: None for the common one.  current_at: when it was the newest."""

    graph: Graph | None
    current_at: float


class GraphSources:
    """Where the state of environments is read."""

    def __init__(self, schemas: Schemas, subgraphs: Subgraphs, policies: OverridePolicyDirectory) -> None:
        self.schemas = schemas
        self.subgraphs = subgraphs
        self.policies = policies

    async def state(self, environment_id: str) -> State:
        """What there is now: parts that were there together. Raises SchemaUnavailable, Unavailable."""
        catalog, subgraphs = await asyncio.gather(
            _in_time(self.schemas.digest(environment_id)), _in_time(self.subgraphs.digest(environment_id))
        )
        for _ in range(LOOKS_MAX):
            if not subgraphs:
                return State(catalog, catalog)
            # What was there together: read between two looks at catalog that see the same.
            subgraphs = await _in_time(self.subgraphs.digest(environment_id))
            policies = await _in_time(self.policies.policies(environment_id))
            again = await _in_time(self.schemas.digest(environment_id))
            if again == catalog:
                whole = msgspec.json.encode((catalog, subgraphs, sorted(policies.items())))
                return State(f"{environment_id}/{sha256(whole).hexdigest()}", catalog, subgraphs, policies)
            catalog = again
        raise SchemaUnavailable("This store's schema changes right now; try again.")

    async def sdl(self, environment_id: str, digest: str, compositions: Compositions) -> str:
        """Catalog's schema of a digest."""
        if not digest:
            return compositions.common_sdl
        return await _in_time(self.schemas.sdl(environment_id, digest))

    async def published(self, environment_id: str, state: State) -> list[PublishedSubgraph]:
        """What is live. Raises StateMoved if it is not what the state says."""
        if not state.subgraphs:
            return []
        found = await _in_time(self.subgraphs.published(environment_id))
        if found.digest != state.subgraphs:
            raise StateMoved
        return found.subgraphs


class EnvironmentGraphs:
    """Implements GraphsOfEnvironments."""

    def __init__(
        self,
        gateway: Gateway,
        sources: GraphSources,
        compositions: Compositions,
        client_of: ClientOf,
        client_of_extension: ClientOfExtension,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateway = gateway
        self._sources = sources
        self._compositions = compositions
        self._client_of = client_of
        self._client_of_extension = client_of_extension
        self._clock = clock
        self._states: FreshCache[State] = FreshCache(ttl_s=TTL_S, entries_max=ENVIRONMENTS_MAX, clock=clock)
        # When each environment's state was last told, and which it was.
        self._told: Lru[str, tuple[float, State]] = Lru(ENVIRONMENTS_MAX)
        # By which key each environment was served last, and when that was what it has.
        self._served: Lru[str, tuple[str, float]] = Lru(ENVIRONMENTS_MAX)
        self._graphs: Lru[str, Graph] = Lru(GRAPHS_MAX)
        self._broken: Lru[str, str] = Lru(ENVIRONMENTS_MAX)
        # Remembers nothing: whoever needs a graph that is being made waits for that one.
        self._making: FreshCache[Graph] = FreshCache(ttl_s=0.0, entries_max=0, clock=clock)
        self._renewing: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._looking = 0

    async def of(self, environment_id: str) -> Graph | None:
        """The environment's graph, None for the common one.

        It is that of a state which is at most TTL_S old while catalog and tenants answer, or the one before while
        that is being composed, for at most BEFORE_MAX_S. Raises SchemaUnavailable, and Unavailable of other kinds.
        """
        for _ in range(LOOKS_MAX):
            state = self._states.peek(environment_id)
            if state is None:
                state = await self._states.get(environment_id, lambda: self._ask(environment_id))
            graph = self._graphs.get(state.key)
            if graph is not None or not state.key:
                self._served.put(environment_id, (state.key, self._clock()))
                return graph
            before = self._before(environment_id)
            if before is not None and self._serves_on(environment_id, state, before):
                return before.graph
            try:
                return await self._awaited(environment_id, state, before)
            except StateMoved:
                self.forget(environment_id)
        raise SchemaUnavailable("This store's schema changes right now; try again.")

    def _before(self, environment_id: str) -> "_Before | None":
        """What the environment was served by last, if it is still there."""
        key, at = self._served.get(environment_id) or (None, 0.0)
        graph = self._graphs.get(key) if key else None
        return None if key is None or (key and graph is None) else _Before(graph, at)

    def _serves_on(self, environment_id: str, state: State, before: "_Before") -> bool:
        """Whether the graph before may answer while the new one is made, which is begun here; or for good."""
        if self._broken.get(state.key) is not None:
            return True
        if self._clock() - before.current_at > BEFORE_MAX_S:
            return False
        self._beside(environment_id)
        return True

    def forget(self, environment_id: str) -> None:
        """Something of the environment changed: look again before the next request."""
        self._states.forget(environment_id)

    def heard(self, environment_id: str) -> None:
        """A notice of a change: if the environment is served here, its new graph is made at once."""
        self.forget(environment_id)
        if environment_id in self._renewing:
            self._again.add(environment_id)
        elif self._served.get(environment_id) is not None:
            self._beside(environment_id)

    async def renew(self, environment_id: str) -> None:
        """Look again, and have the graph of what is there made before this returns. Raises nothing."""
        self.forget(environment_id)
        for _ in range(LOOKS_MAX):
            try:
                state = await self._states.get(environment_id, lambda: self._ask(environment_id))
                if state.key and self._graphs.get(state.key) is None and self._broken.get(state.key) is None:
                    await self._made(environment_id, state)
                return
            except StateMoved:
                self.forget(environment_id)
            except KokoaError as error:
                _log.warning("graph_not_renewed", environment_id=environment_id, reason=error.message)
                return

    async def newer(self, environment_id: str, seen: Graph | None) -> bool:
        """Whether the environment has another graph by now than the one that was seen, which is made meanwhile.

        For a request that did not fit: who has the answer to a change may be served here before the notice of it.
        Where many look at once, or nobody can tell, there is none. Raises nothing.
        """
        if self._looking >= LOOKING_MAX:
            return False
        self._looking += 1
        try:
            state = await self._ask(environment_id)
            if self._graphs.get(state.key) is seen or self._broken.get(state.key) is not None:
                return False
            await self.renew(environment_id)
            return await self.of(environment_id) is not seen
        except KokoaError as error:
            _log.warning("schema_not_looked_at", environment_id=environment_id, reason=error.message)
            return False
        finally:
            self._looking -= 1

    async def close(self) -> None:
        """End what is being made beside requests."""
        self._again.clear()
        tasks = list(self._renewing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _beside(self, environment_id: str) -> None:
        """Begin to renew what nobody waits for. Where too much is being made, the next request begins it."""
        if environment_id in self._renewing or len(self._renewing) >= RENEWING_MAX:
            return

        def ended(_: "asyncio.Task[None]") -> None:
            del self._renewing[environment_id]
            if environment_id in self._again:
                self._again.discard(environment_id)
                self.heard(environment_id)

        task = asyncio.ensure_future(self.renew(environment_id))
        self._renewing[environment_id] = task
        task.add_done_callback(ended)

    async def _ask(self, environment_id: str) -> State:
        asked_at = self._clock()
        try:
            state = await self._sources.state(environment_id)
        except Unavailable as error:
            told = self._told.get(environment_id)
            if told is None or asked_at - told[0] > STALE_MAX_S:
                raise
            _log.warning("schema_may_be_stale", environment_id=environment_id, reason=error.message)
            return told[1]
        self._told.put(environment_id, (asked_at, state))
        return state

    async def _awaited(self, environment_id: str, state: State, before: "_Before | None") -> Graph | None:
        """The graph of a state, for one who waits; the one before, or one of less, where it does not compose.

        Raises SchemaUnavailable, StateMoved.
        """
        key = state.key
        try:
            graph = await self._made(environment_id, state)
        except CompositionFailed as failed:
            if before is not None:
                return before.graph
            key, why = f"{state.key}/less", failed
            graph = await self._making.get(key, lambda: self._made_of_less(environment_id, state, key, why))
        self._served.put(environment_id, (key, self._clock()))
        return graph

    async def _made(self, environment_id: str, state: State) -> Graph:
        """Raises CompositionFailed, SchemaUnavailable, StateMoved."""
        key = f"{environment_id}/{state.key}"
        return await self._making.get(key, lambda: self._make(environment_id, state))

    async def _make(self, environment_id: str, state: State) -> Graph:
        sdl = await self._sources.sdl(environment_id, state.catalog, self._compositions)
        published = await self._sources.published(environment_id, state)
        try:
            extended = await self._compositions.extended(environment_id, sdl, published, state.policies)
        except CompositionFailed as error:
            if self._broken.get(state.key) is None:
                self._broken.put(state.key, error.message)
                _log.error("graph_does_not_compose", environment_id=environment_id, reason=error.message)
            raise
        return await self._built(environment_id, state, state.key, extended)

    async def _made_of_less(self, environment_id: str, state: State, key: str, failed: CompositionFailed) -> Graph:
        """Without the subgraphs that do not fit. Raises SchemaUnavailable where these must not be missing."""
        sdl = await self._sources.sdl(environment_id, state.catalog, self._compositions)
        published = await self._sources.published(environment_id, state)
        try:
            extended, left_out = await self._compositions.without_what_is_broken(
                environment_id, sdl, published, state.policies, failed
            )
        except CompositionFailed as error:
            raise _unfit(error) from error
        strict = [where for where, policy in state.policies.items() if not policy.fallback]
        if any(_names(one, where) for one in left_out for where in strict):
            raise _unfit(failed)
        names = [one.name for one in left_out]
        _log.error("subgraphs_left_out", environment_id=environment_id, subgraphs=names, reason=failed.message)
        return await self._built(environment_id, state, key, extended)

    async def _built(self, environment_id: str, state: State, key: str, extended: Extended) -> Graph:
        clients: dict[str, SubgraphClient] = {}
        if state.catalog:
            clients[CATALOG] = await self._client_of(environment_id, state.catalog)
        natives = {**self._gateway.clients, **clients}
        for one in extended.extensions:
            clients[one.name] = await self._client_of_extension(environment_id, one, extended.supergraph, natives)
        graph = self._gateway.build(extended.supergraph, clients)
        self._graphs.put(key, graph)
        return graph


def _names(one: PublishedSubgraph, where: str) -> bool:
    """Whether a subgraph may have an override of a field, which stands in its text then."""
    type_name, _, field = where.partition(".")
    return type_name in one.sdl and field in one.sdl


def _unfit(error: CompositionFailed) -> SchemaUnavailable:
    return SchemaUnavailable(
        "This store's own schema does not fit its graph any more; its operator can tell why.", detail=error.message
    )


async def _in_time(answer: Awaitable[T]) -> T:
    """What another part tells. Raises SchemaUnavailable when it takes longer than anybody would wait."""
    try:
        async with asyncio.timeout(ASK_S):
            return await answer
    except TimeoutError as error:
        raise SchemaUnavailable("This store's schema could not be read in time; try again.") from error


class ComposedGraph:
    """What a change of catalog's schema must fit; implements catalog's StoreGraph.

    heard: of this process, which has the new graph before the change is answered; all others by a notice.
    """

    def __init__(
        self,
        compositions: Compositions,
        operations: Operations,
        subgraphs: Subgraphs,
        policies: OverridePolicyDirectory,
        bus: Bus,
    ) -> None:
        self._compositions = compositions
        self._operations = operations
        self._subgraphs = subgraphs
        self._policies = policies
        self._bus = bus
        self.heard: Callable[[str], Awaitable[None]] | None = None

    async def require_composes(self, environment_id: str, sdl: str) -> None:
        """With everything that partners have published now. Raises SchemaNotComposable."""
        try:
            await self._with(environment_id, sdl)
        except CompositionFailed as error:
            raise SchemaNotComposable(error.message, field="input.key") from error

    async def _with(self, environment_id: str, sdl: str) -> Supergraph:
        published = (await self._subgraphs.published(environment_id)).subgraphs
        policies = await self._policies.policies(environment_id) if published else {}
        return (await self._compositions.extended(environment_id, sdl, published, policies)).supergraph

    async def broken_operations(self, environment_id: str, before: str, after: str) -> Sequence[str]:
        """By their ids. Only documents with the word `custom` can use a custom field."""
        then = await self._with(environment_id, after)
        now = await self._with(environment_id, before)
        broken: list[str] = []
        last = ""
        while True:
            page = await self._operations.mentioning(environment_id, "custom", last, OPERATIONS_PAGE)

            def check(page: Sequence[OperationText] = page) -> list[str]:
                return [one.id for one in page if takes(now, one.document) and not takes(then, one.document)]

            if page:
                broken += await self._compositions.in_turn(environment_id, check)
                last = page[-1].id
            if len(page) < OPERATIONS_PAGE:
                return broken

    async def schema_changed(self, environment_id: str) -> None:
        """Tell all processes; without a bus they look within TTL_S."""
        await tell(self._bus, environment_id)
        if self.heard is not None:
            await self.heard(environment_id)


async def tell(bus: Bus, environment_id: str) -> None:
    """Let all processes look at an environment's schema now. It may be lost: they also look by themselves."""
    try:
        await bus.notify(f"{NOTICE}.{environment_id}")
    except BusUnavailable as error:
        _log.warning("schema_change_not_told", environment_id=environment_id, reason=error.message)


def takes(supergraph: Supergraph, document: str) -> bool:
    """Whether a document fits a graph."""
    try:
        read(supergraph.schema, document, DEFAULT_LIMITS)
    except DocumentRefused:
        return False
    return True
