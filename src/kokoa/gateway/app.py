"""The gateway itself: what the rest of Kokoa asks for GraphQL.

    gateway = Gateway(supergraph, {"catalog": InProcessClient(catalog), …})
    result = await gateway.execute("{ products { id } }", {}, call)
    gateway.publish(environment_id, other)      # swaps that environment's graph, atomically

Environments whose graphs have equal content share one `Graph`, with its documents and plans.
"""

from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec
from graphql import OperationType

from kokoa.gateway.execute.clients import SubgraphClient
from kokoa.gateway.execute.executor import Clients, Gathered, run_plan
from kokoa.gateway.execute.projection import project, projecting
from kokoa.gateway.execute.subscription import stream_plan
from kokoa.gateway.metrics import GraphMetrics
from kokoa.gateway.plan import NotPlannable, Plan, make_plan
from kokoa.gateway.rollout import labels_on
from kokoa.gateway.sharing import SharedQueries, is_shareable, shared_key
from kokoa.gateway.supergraph import Supergraph
from kokoa.gateway.tracing import OperationSpan, Tracer
from kokoa.graphql.document import Document, Operation
from kokoa.graphql.errors import DocumentRefused, ErrorEntry, Reporter
from kokoa.graphql.lane import Lane
from kokoa.graphql.limits import DEFAULT_LIMITS, Limits
from kokoa.graphql.lru import Lru
from kokoa.graphql.once import Once
from kokoa.graphql.preparing import Preparation, Prepared
from kokoa.graphql.reading import DocumentReader
from kokoa.graphql.result import ExecutionResult, refusal
from kokoa.graphql.scopes import HiddenParts
from kokoa.graphql.streaming import NEEDS_STREAM
from kokoa.kernel.call import Call, DepthExceeded
from kokoa.kernel.errors import DeadlineExceeded, Invalid, KokoaError

PLANS_MAX = 2_000
PLANS_CHARACTERS_MAX = 1_000_000

# Document, operation, values of its conditions, what is hidden from the caller, override labels that are on.
_PlanKey = tuple[str, str, tuple[bool, ...], frozenset[str], frozenset[str]]


class MissingClient(Invalid):
    """A supergraph names a subgraph that nobody can ask."""


class PreparedOperation(msgspec.Struct, frozen=True):
    """An operation that is known to be valid, for routes that run the same one again and again."""

    document: str
    operation_name: str | None = None


class Graph:
    """One supergraph with everything that is worked out once for it: documents, plans, introspection.

    shared: whether environments with equal content may use it together.
    """

    def __init__(
        self,
        supergraph: Supergraph,
        clients: Clients,
        limits: Limits = DEFAULT_LIMITS,
        *,
        lane: Lane | None = None,
        reader: DocumentReader | None = None,
        shared: bool = True,
        metrics: GraphMetrics | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        missing = [name for name in supergraph.subgraphs if name not in clients]
        if missing:
            raise MissingClient(f"No client for the subgraph {', '.join(missing)}: give one for each.")
        self.supergraph = supergraph
        self.shared = shared
        self._metrics = metrics
        self._tracer = tracer
        self._clients = dict(clients)
        self._limits = limits
        self._api = projecting(supergraph.schema)
        self._hidden = HiddenParts(self._api.requirements)
        self._preparation = Preparation(self._api, limits, lane or Lane(), reader)
        self._planning: Once[Plan] = Once()
        self._shared = SharedQueries()
        self._plans: Lru[_PlanKey, Plan] = Lru(PLANS_MAX, PLANS_CHARACTERS_MAX, lambda key: len(key[0]))

    def document(self, text: str) -> Document:
        """Parse, validate and keep. Raises DocumentRefused."""
        return self._preparation.document(text)

    def plan(
        self,
        document: Document,
        operation: Operation,
        assignment: tuple[bool, ...],
        hidden: frozenset[str],
        labels: frozenset[str] = frozenset(),
    ) -> Plan:
        """The plan for these conditions and this caller's view. labels: of overrides that are on for it.

        Raises PlanTooComplex.
        """
        conditions = dict(zip(operation.conditions, assignment, strict=True))
        return make_plan(self.supergraph, operation.definition, document.fragments, conditions, hidden, labels)

    def execute(
        self, text: str, variables: Mapping[str, Any], call: Call, operation_name: str | None, *, read_only: bool
    ) -> Awaitable[ExecutionResult]:
        """Execute one operation. Raises nothing for a bad request."""
        if self._tracer is None:
            return self._execute(text, variables, call, operation_name, read_only, None)
        return self._traced(text, variables, call, operation_name, read_only, self._tracer)

    async def _traced(
        self,
        text: str,
        variables: Mapping[str, Any],
        call: Call,
        operation_name: str | None,
        read_only: bool,
        tracer: Tracer,
    ) -> ExecutionResult:
        trace = tracer.operation(text, call)
        errors_count = None
        try:
            result = await self._execute(text, variables, call, operation_name, read_only, trace)
            errors_count = len(result.errors)
            return result
        finally:
            trace.end(errors_count)

    async def _execute(
        self,
        text: str,
        variables: Mapping[str, Any],
        call: Call,
        operation_name: str | None,
        read_only: bool,
        trace: OperationSpan | None,
    ) -> ExecutionResult:
        try:
            ready = await self._preparation.prepare(text, operation_name, variables, call, read_only=read_only)
            plan = await self._plan_in_turn(ready, call, trace)
        except KokoaError as error:
            return refusal(error)
        if ready.operation.kind is OperationType.SUBSCRIPTION:
            return refusal(NEEDS_STREAM)

        if ready.operation.kind is not OperationType.QUERY or plan.private or not is_shareable(call):
            return await self._run(ready, plan, variables, call, trace)

        def run() -> Awaitable[ExecutionResult]:
            return self._run(ready, plan, variables, call, trace)

        key = shared_key((id(plan), ready.document.normal), variables, call)
        try:
            return await run() if key is None else await self._shared.run(key, call, run)
        except KokoaError as error:
            return refusal(error)

    async def explain(self, text: str, variables: Mapping[str, Any], call: Call, operation_name: str | None) -> str:
        """The plan of an operation as text, for this caller; nothing is fetched. Raises KokoaError."""
        ready = await self._preparation.prepare(text, operation_name, variables, call, read_only=False)
        return str(await self._plan_in_turn(ready, call, None))

    async def stream(
        self, text: str, variables: Mapping[str, Any], call: Call, operation_name: str | None, *, read_only: bool
    ) -> AsyncGenerator[ExecutionResult, None]:
        """Execute one operation of any kind: one result, or one for each event of a subscription."""
        trace = self._tracer.operation(text, call) if self._tracer is not None else None
        errors_count = None
        try:
            started = await self._start(text, variables, call, operation_name, read_only, trace)
            errors_count = len(started.errors) if isinstance(started, ExecutionResult) else 0
        finally:
            if trace is not None:
                trace.end(errors_count)
        if isinstance(started, ExecutionResult):
            yield started
            return
        ready, plan = started
        async with aclosing(stream_plan(plan, self._clients, variables, call)) as events:
            async for gathered in events:
                yield project(ready.program, gathered, ready.variables, call, self._limits)

    async def _start(
        self,
        text: str,
        variables: Mapping[str, Any],
        call: Call,
        operation_name: str | None,
        read_only: bool,
        trace: OperationSpan | None,
    ) -> ExecutionResult | tuple[Prepared, Plan]:
        """The one answer, or what a subscription's events are made with: a trace ends before the first of them."""
        try:
            ready = await self._preparation.prepare(text, operation_name, variables, call, read_only=read_only)
            plan = await self._plan_in_turn(ready, call, trace)
        except KokoaError as error:
            return refusal(error)
        if ready.operation.kind is OperationType.SUBSCRIPTION:
            return ready, plan
        return await self._run(ready, plan, variables, call, trace)

    async def _run(
        self, ready: Prepared, plan: Plan, variables: Mapping[str, Any], call: Call, trace: OperationSpan | None
    ) -> ExecutionResult:
        gathered = await run_plan(plan, self._clients, variables, call, self._metrics, trace)
        result = self._result(ready, plan, gathered, call)
        if self._metrics is not None:
            self._metrics.operation(ready.operation.kind.value, errors=bool(result.errors))
        return result

    def _result(self, ready: Prepared, plan: Plan, gathered: Gathered, call: Call) -> ExecutionResult:
        if plan.verbatim and not gathered.errors and self._clients[plan.fetches[0].subgraph].trusted:
            result = ExecutionResult(gathered.data)
        else:
            result = project(ready.program, gathered, ready.variables, call, self._limits)
        if gathered.answered is not None:
            result = msgspec.structs.replace(result, answered=gathered.answered)
        if plan.cache_control is None or result.errors or not gathered.is_kept or not is_shareable(call):
            return result
        return msgspec.structs.replace(result, cache_control=plan.cache_control)

    def _try_plan(self, ready: Prepared, hidden: frozenset[str], labels: frozenset[str], call: Call) -> Plan:
        """Raises PlanTooComplex, and DocumentRefused for a bug of the planner, which is logged."""
        try:
            return self.plan(ready.document, ready.operation, ready.assignment, hidden, labels)
        except NotPlannable as error:
            reporter = Reporter(call.correlation_id)
            raise DocumentRefused([reporter.entry(error, path=None, locations=(), coordinate="plan")]) from None

    async def _plan_in_turn(self, ready: Prepared, call: Call, trace: OperationSpan | None) -> Plan:
        if trace is not None:
            trace.named(ready.operation.name or None, ready.operation.kind.value)
        hidden = self._hidden.from_caller(call.caller)
        labels = labels_on(self.supergraph.override_labels, call)
        if not self._preparation.remembers(ready.document.text):
            return await self._new_plan(ready, hidden, labels, call, trace)
        key = (ready.document.normal, ready.operation.name, ready.assignment, hidden, labels)
        plan = self._plans.get(key)
        if self._metrics is not None:
            self._metrics.plan(remembered=plan is not None)
        if plan is None:
            plan = await self._new_plan(ready, hidden, labels, call, trace)
            self._plans.put(key, plan)
        elif trace is not None:
            trace.remembered()
        return plan

    async def _new_plan(
        self,
        ready: Prepared,
        hidden: frozenset[str],
        labels: frozenset[str],
        call: Call,
        trace: OperationSpan | None,
    ) -> Plan:
        """Made when its turn has come, once for all that ask for it at that moment. Raises as `_try_plan`."""
        text = ready.document.text

        def make() -> Plan:
            return self._try_plan(ready, hidden, labels, call)

        async def in_turn() -> Plan:
            if trace is None:
                return await self._preparation.in_turn(text, call, make)
            with trace.plan():
                return await self._preparation.in_turn(text, call, make)

        return await self._planning.do((text, ready.operation.name, ready.assignment, hidden, labels), in_turn)


class Gateway:
    """Graphs by environment. An environment without one of its own uses the default.

    reader: reads long documents; a thread of this process, unless it is given.  metrics: where it counts, if at all.
    tracer: where it draws spans, if at all.
    """

    def __init__(
        self,
        supergraph: Supergraph,
        clients: Mapping[str, SubgraphClient],
        limits: Limits = DEFAULT_LIMITS,
        *,
        reader: DocumentReader | None = None,
        metrics: GraphMetrics | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._clients = dict(clients)
        self._limits = limits
        self._tracer = tracer
        self._lane = Lane()
        self._reader = reader
        self.metrics = metrics
        self._default = self.build(supergraph)
        self._own: dict[str, Graph] = {}

    @property
    def clients(self) -> Mapping[str, SubgraphClient]:
        """Of the subgraphs that every environment has."""
        return self._clients

    def publish(
        self,
        environment_id: str | None,
        supergraph: Supergraph,
        clients: Mapping[str, SubgraphClient] | None = None,
    ) -> None:
        """Make this the graph of an environment, or the default one (None). Running requests end on the old graph.

        clients: for the subgraphs that the gateway does not know yet. Raises MissingClient.
        """
        graph = self._shared(supergraph, clients) or self.build(supergraph, clients)
        if environment_id is None:
            self._default = graph
        elif graph is self._default:
            self._own.pop(environment_id, None)
        else:
            self._own[environment_id] = graph

    def build(self, supergraph: Supergraph, clients: Mapping[str, SubgraphClient] | None = None) -> Graph:
        """A graph that nobody has yet; it shares this gateway's lane and reader.

        clients: of its own, instead of the gateway's or beside them. Raises MissingClient.
        """
        own = {**self._clients, **(clients or {})}
        return Graph(
            supergraph,
            own,
            self._limits,
            lane=self._lane,
            reader=self._reader,
            shared=not clients,
            metrics=self.metrics,
            tracer=self._tracer,
        )

    def retract(self, environment_id: str) -> None:
        """Let an environment use the default graph again."""
        self._own.pop(environment_id, None)

    def graph(self, environment_id: str | None) -> Graph:
        """The graph of an environment."""
        return self._own.get(environment_id or "", self._default)

    def _shared(self, supergraph: Supergraph, clients: Mapping[str, SubgraphClient] | None) -> Graph | None:
        """A graph of equal content that is already there. Clients of an environment's own are never shared."""
        if clients:
            return None
        known = (self._default, *self._own.values())
        return next((one for one in known if one.supergraph.hash == supergraph.hash and one.shared), None)

    def compile(self, document: str, operation_name: str | None = None) -> PreparedOperation:
        """Check an operation against the default graph, once. Raises DocumentRefused, OperationNotFound."""
        self._default.document(document).operation(operation_name)
        return PreparedOperation(document, operation_name)

    async def stream(
        self,
        document: str,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        *,
        read_only: bool = False,
        graph: Graph | None = None,
    ) -> AsyncGenerator[ExecutionResult, None]:
        """Execute one operation of any kind; a subscription has a result for each event. graph: see `execute`."""
        try:
            entered = call.enter(f"graph:{operation_name}" if operation_name else "graph")
        except DepthExceeded as error:
            yield refusal(error)
            return
        chosen = graph or self.graph(call.environment_id)
        found = chosen.stream(document, variables or {}, entered, operation_name, read_only=read_only)
        async with aclosing(found):
            async for result in found:
                yield result

    async def explain(
        self,
        document: str,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        *,
        graph: Graph | None = None,
    ) -> str:
        """How the environment's graph would run the operation, as text. Runs nothing. Raises KokoaError."""
        return await (graph or self.graph(call.environment_id)).explain(
            document, variables or {}, call, operation_name
        )

    def check(self, document: str, environment_id: str, *, graph: Graph | None = None) -> list[ErrorEntry]:
        """Why an environment's graph would refuse the document; nothing if it would not. Runs nothing."""
        try:
            (graph or self.graph(environment_id)).document(document)
        except DocumentRefused as refused:
            return refused.entries
        return []

    async def execute(
        self,
        document: str | PreparedOperation,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        *,
        read_only: bool = False,
        graph: Graph | None = None,
    ) -> ExecutionResult:
        """Execute one operation on the graph of the call's environment.

        read_only: refuse mutations (for GET requests).  graph: made by `build`, instead of the one that was published
        for the environment. Entering the graph is one hop of the call.
        """
        if isinstance(document, PreparedOperation):
            text, operation_name = document.document, document.operation_name
        else:
            text = document
        try:
            entered = call.enter(f"graph:{operation_name}" if operation_name else "graph")
            entered.remaining_ms()
        except (DepthExceeded, DeadlineExceeded) as error:
            return refusal(error)
        chosen = graph or self.graph(call.environment_id)
        return await chosen.execute(text, variables or {}, entered, operation_name, read_only=read_only)
