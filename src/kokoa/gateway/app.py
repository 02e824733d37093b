"""The gateway itself: what the rest of Kokoa asks for GraphQL.

    gateway = Gateway(supergraph, {"catalog": InProcessClient(catalog), …})
    result = await gateway.execute("{ products { id } }", {}, call)
    gateway.publish(environment_id, other)      # swaps that environment's graph, atomically

Environments whose graphs have equal content share one `Graph`, with its documents and plans.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from kokoa.gateway.execute.clients import SubgraphClient
from kokoa.gateway.execute.executor import Clients, run_plan
from kokoa.gateway.execute.projection import project, projecting
from kokoa.gateway.plan import NotPlannable, Plan, PlanTooComplex, make_plan
from kokoa.gateway.supergraph import Supergraph
from kokoa.graphql.document import Document, DocumentCache, Operation, read_document
from kokoa.graphql.errors import DocumentRefused, MutationNeedsPost, OperationNotFound, Reporter
from kokoa.graphql.introspection import Introspection
from kokoa.graphql.limits import DEFAULT_LIMITS, Limits
from kokoa.graphql.lru import Lru
from kokoa.graphql.result import ExecutionResult, refusal
from kokoa.graphql.scopes import hidden_from
from kokoa.graphql.subgraph import refuse_mutation
from kokoa.kernel.call import Call, DepthExceeded
from kokoa.kernel.errors import DeadlineExceeded, Invalid

PLANS_MAX = 2_000


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
        self, supergraph: Supergraph, clients: Clients, limits: Limits = DEFAULT_LIMITS, *, shared: bool = True
    ) -> None:
        missing = [name for name in supergraph.subgraphs if name not in clients]
        if missing:
            raise MissingClient(f"No client for the subgraph {', '.join(missing)}: give one for each.")
        self.supergraph = supergraph
        self.shared = shared
        self._clients = dict(clients)
        self._limits = limits
        self._api = projecting(supergraph.schema)
        self._introspection = Introspection(self._api)
        self._documents = DocumentCache(lambda text: read_document(self._api, text, limits))
        self._plans: Lru[tuple[str, str, tuple[bool, ...], frozenset[str]], Plan] = Lru(PLANS_MAX)

    def document(self, text: str) -> Document:
        """Parse, validate and keep. Raises DocumentRefused."""
        return self._documents.get(text)

    def plan(
        self, document: Document, operation: Operation, assignment: tuple[bool, ...], hidden: frozenset[str]
    ) -> Plan:
        """The plan for these conditions and this caller's view. Raises PlanTooComplex."""
        return self._plans.get_or_make(
            (document.text, operation.name, assignment, hidden),
            lambda: make_plan(
                self.supergraph,
                operation.definition,
                document.fragments,
                dict(zip(operation.conditions, assignment, strict=True)),
                hidden,
            ),
        )

    async def execute(
        self, text: str, variables: Mapping[str, Any], call: Call, operation_name: str | None, *, read_only: bool
    ) -> ExecutionResult:
        """Execute one operation. Raises nothing for a bad request."""
        try:
            document = self.document(text)
            operation = document.operation(operation_name)
            if read_only:
                refuse_mutation(operation)
            coerced = operation.coerce(variables)
            assignment = operation.assignment(coerced.coerced)
            hidden = hidden_from(call.caller, self._api.requirements)
            plan = self.plan(document, operation, assignment, hidden)
        except DocumentRefused as refused:
            return ExecutionResult(errors=refused.entries)
        except (OperationNotFound, MutationNeedsPost, PlanTooComplex) as error:
            return refusal(error)
        except NotPlannable as error:
            reporter = Reporter(call.correlation_id)
            return ExecutionResult(errors=[reporter.entry(error, path=None, locations=(), coordinate="plan")])
        program = document.program(operation, assignment)
        gathered = await run_plan(plan, self._clients, variables, call)
        if plan.verbatim and not gathered.errors and self._clients[plan.fetches[0].subgraph].trusted:
            return ExecutionResult(gathered.data)
        result = project(program, gathered, call, self._limits.errors)
        if program.introspection and isinstance(result.data, dict):
            result.data.update(self._introspection.answer(program, document.fragments, variables, call.caller))
        return result


class Gateway:
    """Graphs by environment. An environment without one of its own uses the default."""

    def __init__(
        self, supergraph: Supergraph, clients: Mapping[str, SubgraphClient], limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self._clients = dict(clients)
        self._limits = limits
        self._default = Graph(supergraph, self._clients, limits)
        self._own: dict[str, Graph] = {}

    def publish(
        self,
        environment_id: str | None,
        supergraph: Supergraph,
        clients: Mapping[str, SubgraphClient] | None = None,
    ) -> None:
        """Make this the graph of an environment, or the default one (None). Running requests end on the old graph.

        clients: for the subgraphs that the gateway does not know yet. Raises MissingClient.
        """
        graph = self._shared(supergraph, clients) or Graph(
            supergraph, {**self._clients, **(clients or {})}, self._limits, shared=not clients
        )
        if environment_id is None:
            self._default = graph
        elif graph is self._default:
            self._own.pop(environment_id, None)
        else:
            self._own[environment_id] = graph

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

    async def execute(
        self,
        document: str | PreparedOperation,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        *,
        read_only: bool = False,
    ) -> ExecutionResult:
        """Execute one operation on the graph of the call's environment.

        read_only: refuse mutations (for GET requests). Entering the graph is one hop of the call.
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
        graph = self.graph(call.environment_id)
        return await graph.execute(text, variables or {}, entered, operation_name, read_only=read_only)
