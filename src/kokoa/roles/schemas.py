"""Each environment's own graph: what catalog's schema for it makes of the common one, in every process alike.

An environment has a *digest*, which catalog tells (empty: the common graph). A process looks for it when it is first
asked, after a notice, and when what it knows is a second old; a digest that it does not have yet it composes, beside
the event loop. When catalog does not answer, the last digest serves for a minute, as routes do: it is whole, because
a graph asks the subgraph of its own digest. A process that knows none yet says that it cannot answer, and never
answers by another schema.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from kokoa.edge.cache import FreshCache
from kokoa.gateway.app import Gateway, Graph
from kokoa.gateway.compose import CompositionFailed, compose
from kokoa.gateway.execute.clients import SubgraphClient
from kokoa.gateway.supergraph import SubgraphDefinition, Supergraph
from kokoa.graphql.errors import DocumentRefused
from kokoa.graphql.lane import Lane
from kokoa.graphql.limits import DEFAULT_LIMITS
from kokoa.graphql.lru import Lru
from kokoa.graphql.reading import read
from kokoa.kernel.errors import Unavailable
from kokoa.messaging import Bus, BusUnavailable
from kokoa.roles.seams import Operations, OperationText, Schemas
from kokoa.services.catalog.custom_fields.errors import SchemaNotComposable

_log = structlog.get_logger(__name__)

Result = TypeVar("Result")

CATALOG = "catalog"
NOTICE = "schema"
TTL_S = 1.0
STALE_MAX_S = 60.0
ASK_S = 5.0
ENVIRONMENTS_MAX = 10_000
GRAPHS_MAX = 64
OPERATIONS_PAGE = 200

ClientOf = Callable[[str, str], Awaitable[SubgraphClient]]
"""(environment_id, digest) → what asks catalog's subgraph of this digest."""


class SchemaUnavailable(Unavailable):
    """The environment's own schema cannot be read or made right now; its operator finds the reason in the log."""


class Compositions:
    """Graphs of the common services, with a catalog of another schema. common: with the common one."""

    def __init__(self, common: Supergraph) -> None:
        self._common = common
        self._others = [one for one in common.definitions if one.name != CATALOG]
        self._kept: Lru[str, Supergraph] = Lru(GRAPHS_MAX)
        self._lane = Lane()

    async def of(self, environment_id: str, sdl: str) -> Supergraph:
        """With this schema of catalog. Raises CompositionFailed, TooManyNewDocuments."""
        found = self._kept.get(sdl)
        if found is None:
            definition = SubgraphDefinition(CATALOG, sdl)
            if definition in self._common.definitions:
                return self._common
            found = await self.in_turn(environment_id, lambda: compose([*self._others, definition]))
            self._kept.put(sdl, found)
        return found

    async def in_turn(self, environment_id: str, work: Callable[[], Result]) -> Result:
        """Heavy work on schemas, beside the event loop. Raises what it raises, and TooManyNewDocuments."""
        return await self._lane.run(environment_id, work)


class EnvironmentGraphs:
    """Implements GraphsOfEnvironments."""

    def __init__(
        self,
        gateway: Gateway,
        schemas: Schemas,
        compositions: Compositions,
        client_of: ClientOf,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateway = gateway
        self._schemas = schemas
        self._compositions = compositions
        self._client_of = client_of
        self._clock = clock
        self._digests: FreshCache[str] = FreshCache(ttl_s=TTL_S, entries_max=ENVIRONMENTS_MAX, clock=clock)
        # When each environment's digest was last told, and which it was.
        self._told: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._graphs: Lru[str, Graph] = Lru(GRAPHS_MAX)
        # Remembers nothing: whoever needs a graph that is being made waits for that one.
        self._making: FreshCache[Graph] = FreshCache(ttl_s=0.0, entries_max=0, clock=clock)

    async def of(self, environment_id: str) -> Graph | None:
        """The environment's graph, None for the common one; at most TTL_S old while catalog answers.

        Raises SchemaUnavailable, and Unavailable of other kinds.
        """
        digest = self._digests.peek(environment_id)
        if digest is None:
            digest = await self._digests.get(environment_id, lambda: self._ask(environment_id))
        if not digest:
            return None
        graph = self._graphs.get(digest)
        if graph is None:
            key = f"{environment_id}/{digest}"
            graph = await self._making.get(key, lambda: self._make(environment_id, digest))
        return graph

    def forget(self, environment_id: str) -> None:
        """The environment's schema changed."""
        self._digests.forget(environment_id)

    async def _ask(self, environment_id: str) -> str:
        asked_at = self._clock()
        try:
            digest = await _in_time(self._schemas.digest(environment_id))
        except Unavailable as error:
            told_at, known = self._told.get(environment_id, (0.0, None))
            if known is None or asked_at - told_at > STALE_MAX_S:
                raise
            _log.warning("schema_may_be_stale", environment_id=environment_id, reason=error.message)
            return known
        self._told[environment_id] = (asked_at, digest)
        self._told.move_to_end(environment_id)
        while len(self._told) > ENVIRONMENTS_MAX:
            self._told.popitem(last=False)
        return digest

    async def _make(self, environment_id: str, digest: str) -> Graph:
        sdl = await _in_time(self._schemas.sdl(environment_id, digest))
        try:
            supergraph = await self._compositions.of(environment_id, sdl)
        except CompositionFailed as error:
            raise SchemaUnavailable(
                "This store's own schema does not fit its graph any more; its operator can tell why.",
                detail=error.message,
            ) from error
        client = await self._client_of(environment_id, digest)
        graph = self._gateway.build(supergraph, {CATALOG: client})
        self._graphs.put(digest, graph)
        return graph


async def _in_time(answer: Awaitable[str]) -> str:
    """What catalog tells. Raises SchemaUnavailable when it takes longer than anybody would wait."""
    try:
        async with asyncio.timeout(ASK_S):
            return await answer
    except TimeoutError as error:
        raise SchemaUnavailable("This store's schema could not be read in time; try again.") from error


class ComposedGraph:
    """What a change of catalog's schema must fit; implements catalog's StoreGraph.

    heard: of this process, told at once; all others by a notice.
    """

    def __init__(self, compositions: Compositions, operations: Operations, bus: Bus) -> None:
        self._compositions = compositions
        self._operations = operations
        self._bus = bus
        self.heard: Callable[[str], None] | None = None

    async def require_composes(self, environment_id: str, sdl: str) -> None:
        """Raises SchemaNotComposable."""
        try:
            await self._compositions.of(environment_id, sdl)
        except CompositionFailed as error:
            raise SchemaNotComposable(error.message, field="input.key") from error

    async def broken_operations(self, environment_id: str, before: str, after: str) -> Sequence[str]:
        """By their ids. Only documents with the word `custom` can use a custom field."""
        then = await self._compositions.of(environment_id, after)
        now = await self._compositions.of(environment_id, before)
        broken: list[str] = []
        last = ""
        while True:
            page = await self._operations.mentioning(environment_id, "custom", last, OPERATIONS_PAGE)

            def check(page: Sequence[OperationText] = page) -> list[str]:
                return [one.id for one in page if _takes(now, one.document) and not _takes(then, one.document)]

            if page:
                broken += await self._compositions.in_turn(environment_id, check)
                last = page[-1].id
            if len(page) < OPERATIONS_PAGE:
                return broken

    async def schema_changed(self, environment_id: str) -> None:
        """Tell all processes; without a bus they look within TTL_S."""
        if self.heard is not None:
            self.heard(environment_id)
        try:
            await self._bus.notify(f"{NOTICE}.{environment_id}")
        except BusUnavailable as error:
            _log.warning("schema_change_not_told", environment_id=environment_id, reason=error.message)


def _takes(supergraph: Supergraph, document: str) -> bool:
    try:
        read(supergraph.schema, document, DEFAULT_LIMITS)
    except DocumentRefused:
        return False
    return True
