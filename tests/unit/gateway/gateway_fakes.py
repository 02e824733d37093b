"""Small shops of several subgraphs, and calls, for the tests of the gateway."""

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse

from kokoa.gateway.compose import CompositionFailed, compose
from kokoa.gateway.plan import Plan, make_plan
from kokoa.gateway.supergraph import SubgraphDefinition, Supergraph
from kokoa.graphql.result import ExecutionResult
from kokoa.kernel.call import Call, Caller, CallerKind
from kokoa.kernel.clock import now_ms

FEDERATION = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", '
    '"@external", "@requires", "@provides", "@override", "@inaccessible", "@requiresScopes", "@tag", '
    '"@interfaceObject", "@authenticated"])\n'
)
CATALOG = """
type Query { products(limit: Int! = 3): [Product!]!  product(id: ID!): Product }
type Mutation { rename(id: ID!, name: String!): Product! }
type Product @key(fields: "id") { id: ID!  name: String!  variants: [Variant!]! }
type Variant @key(fields: "id") { id: ID!  sku: String!  weight: Int }
"""
SEARCH = """
type Query { search(q: String!): Results! }
type Mutation { reindex: Int! }
type Results { total: Int!  items: [Product!]! }
type Product @key(fields: "id", resolvable: false) { id: ID! }
"""
REVIEWS = """
type Product @key(fields: "id") { id: ID!  reviews: [Review!]!  rating: Float }
type Variant @key(fields: "id") { id: ID!  weight: Int @external  shipping: Int @requires(fields: "weight") }
type Review { body: String!  product: Product! }
"""


def definitions(**sdls: str) -> list[SubgraphDefinition]:
    return [SubgraphDefinition(name, FEDERATION + sdl) for name, sdl in sdls.items()]


def composed(**sdls: str) -> Supergraph:
    return compose(definitions(**sdls))


def problems(**sdls: str) -> dict[str, str]:
    """Code → message of everything that composing these reports."""
    try:
        composed(**sdls)
    except CompositionFailed as failed:
        return {one.code: one.message for one in failed.problems}
    return {}


def planned(
    supergraph: Supergraph,
    text: str,
    hidden: frozenset[str] = frozenset(),
    labels: frozenset[str] = frozenset(),
    **assignment: bool,
) -> Plan:
    found = parse(text).definitions
    fragments = {one.name.value: one for one in found if isinstance(one, FragmentDefinitionNode)}
    operation = next(one for one in found if isinstance(one, OperationDefinitionNode))
    return make_plan(supergraph, operation, fragments, assignment, hidden, labels)


def make_call(
    *,
    environment_id: str = "env",
    scopes: Sequence[str] = (),
    kind: CallerKind = "server",
    deadline_in_ms: int = 20_000,
    depth: int = 0,
) -> Call:
    caller = Caller(kind, "", frozenset(scopes))
    return Call(environment_id, caller, "4bf92f3577b34da6a3ce929d0e0e4736", now_ms() + deadline_in_ms, depth)


class FakeClient:
    """A subgraph that answers from a list, or fails; it remembers what it was asked."""

    def __init__(self, *answers: ExecutionResult | Exception, trusted: bool = False) -> None:
        self.trusted = trusted
        self.punctual = False
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.calls: list[Call] = []
        self._answers = list(answers)

    async def execute(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> ExecutionResult:
        self.asked.append((document, dict(variables)))
        self.calls.append(call)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer
