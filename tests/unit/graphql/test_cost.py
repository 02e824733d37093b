"""What an operation may cost: estimated from its pages before anything runs."""

from random import Random
from typing import Any

import pytest
from graph_fakes import FEDERATION, make_subgraph, run
from graphql import OperationDefinitionNode, build_schema, parse

from kokoa.graphql import Limits
from kokoa.graphql.cost import SUMS_MAX, Cost, estimate
from kokoa.graphql.errors import LimitExceeded

SDL = """
type Query {
  one: Product  products(limit: Int = 20, offset: Int): [Product!]!  page(first: Int, last: Int): Page
  any(limit: Int!): [Any!]!  node: Node
}
type Mutation { make: Product }
interface Node { id: ID! related: [Product!]! }
type Product implements Node { id: ID! name: String  tags: [String!]  variants: [Variant!]!  related: [Product!]! }
type Variant { sku: String  product: Product }
type Page { nodes: [Product!]!  other: [Product!]!  total: Int }
type Text { text: String }
union Any = Product | Text
"""
CHECKED = Limits(cost=0)


async def cost_of(text: str, variables: dict[str, Any] | None = None, sdl: str = SDL) -> int:
    """What the refusal names; a limit of nothing refuses everything that costs anything."""
    response = await run(make_subgraph(sdl, {}, limits=CHECKED), text, variables)
    (entry,) = response["errors"]
    assert entry["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert "at most 0 is allowed" in entry["message"]
    return int(entry["message"].split("estimated cost of ")[1].split(";")[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ one { id name tags } }", 1),
        ("{ products { id } }", 20),
        ("{ products(limit: 50) { id variants { sku } } }", 50 * (1 + 10)),
        ("{ products(limit: 5) { variants { product { variants { sku } } } } }", 5 * (1 + 10 * (1 + 1 * (1 + 10)))),
        ("{ products(limit: 0) { id } one { id } }", 1),
        ("{ products(limit: null) { id } }", 10),
        ("{ a: one { id } b: one { id } }", 2),
        ("{ one { id } one { name } ... { one { tags } } }", 1),
        ("{ page(first: 7) { nodes { id } other { id } total } }", 1 + 7 + 10),
        ("{ page(first: 3, last: 4) { nodes { id } } }", 1 + 4),
        ("mutation { make { id } }", 10 + 1),
        ("{ any(limit: 2) { ... on Product { variants { sku } } ... on Text { text } } }", 2 * (1 + 10)),
        ("{ node { related { id } ... on Product { variants { sku } } } }", 1 + 10 + 10),
        ("{ node { ... on Node { related { id } } ...P ...P } } fragment P on Product { related { name } }", 1 + 10),
        ("{ one { id } products @include(if: false) { id } }", 1),
    ],
)
async def test_the_estimate_is_size_times_weight_level_by_level(text: str, expected: int) -> None:
    assert await cost_of(text) == expected


@pytest.mark.parametrize(("variables", "expected"), [({}, 20), ({"n": 3}, 3), ({"n": None}, 10)])
async def test_a_page_size_may_come_from_a_variable(variables: dict[str, Any], expected: int) -> None:
    assert await cost_of("query ($n: Int) { products(limit: $n) { id } }", variables) == expected


async def test_a_variable_s_default_counts() -> None:
    assert await cost_of("query ($n: Int = 4) { products(limit: $n) { id } }") == 4


async def test_the_schema_may_say_what_things_cost() -> None:
    sdl = (
        FEDERATION.replace('"@tag"', '"@tag", "@cost", "@listSize"')
        + """
        type Query {
          heavy: Heavy  weighed: Heavy @cost(weight: 3)  text(of: String @cost(weight: 8)): String
          all: [Heavy!]! @listSize(assumedSize: 40)
          found(count: Int, limit: Int): [Heavy!]! @listSize(slicingArguments: ["count"])
          paged(first: Int): Rows @listSize(slicingArguments: ["first"], sizedFields: ["rows"])
        }
        type Heavy @cost(weight: 5) { a: Int }
        type Rows { rows: [Heavy!]!  nodes: [Heavy!]! }
        """
    )
    assert await cost_of("{ heavy { a } }", sdl=sdl) == 5
    assert await cost_of("{ weighed { a } }", sdl=sdl) == 3
    assert await cost_of('{ text(of: "x") }', sdl=sdl) == 8
    assert await cost_of("{ all { a } }", sdl=sdl) == 200
    assert await cost_of("{ found(count: 2, limit: 90) { a } }", sdl=sdl) == 10
    assert await cost_of("{ paged(first: 2) { rows { a } nodes { a } } }", sdl=sdl) == 1 + 10 + 50


async def test_a_page_that_is_too_long_is_refused_with_the_argument_and_the_limit() -> None:
    subgraph = make_subgraph(SDL, {"Query.products": lambda *_: [[]]}, limits=Limits(page_size=100))
    literal = await run(subgraph, "{ products(limit: 101) { id } }")
    by_variable = await run(subgraph, "query ($n: Int) { products(limit: $n) { id } }", {"n": 5_000})
    assert "Query.products(limit: 101) asks for a page of 101; at most 100" in literal["errors"][0]["message"]
    assert "asks for a page of 5000; at most 100" in by_variable["errors"][0]["message"]
    assert "data" not in literal
    assert (await run(subgraph, "{ products(limit: 100) { id } }"))["data"] == {"products": []}


async def test_a_dear_operation_is_refused_and_a_cheap_one_of_the_same_document_is_not() -> None:
    limits = Limits(cost=1_000)
    subgraph = make_subgraph(SDL, {"Query.products": lambda *_: [[]]}, limits=limits)
    text = "query ($n: Int) { products(limit: $n) { variants { product { variants { sku } } } } }"
    dear, cheap = await run(subgraph, text, {"n": 50}), await run(subgraph, text, {"n": 5})
    assert "estimated cost of 6050; at most 1000" in dear["errors"][0]["message"]
    assert cheap["data"] == {"products": []}


async def test_a_union_of_many_members_costs_what_its_dearest_member_costs() -> None:
    names = [f"T{n}" for n in range(200)]
    types = " ".join(f"type {name} {{ a: [Leaf!]! }}" for name in names)
    sdl = f"type Query {{ any: Any }} type Leaf {{ x: Int }} union Any = {' | '.join(names)} {types}"
    fragments = " ".join(f"... on {name} {{ a{n}: a {{ x }} }}" for n, name in enumerate(names[:90]))
    assert await cost_of(f"{{ any {{ {fragments} }} }}", sdl=sdl) == 1 + 10


async def test_a_response_is_bounded_whatever_was_estimated() -> None:
    rows = [{"id": str(n), "name": None, "tags": None} for n in range(60)]
    subgraph = make_subgraph(SDL, {"Query.products": lambda *_: [rows]}, limits=Limits(objects=50))
    response = await run(subgraph, "{ products(limit: 1) { id } }")
    assert response["data"] is None
    assert "more than 50 objects" in response["errors"][0]["message"]


async def test_introspection_is_bounded_too() -> None:
    fields = "fields { type { name } }"
    bomb = "{ __schema { types { fields { type { fields { args { name } } } } } } }"
    sdl = "type Query { " + " ".join(f"f{n}: T{n}" for n in range(60)) + " } "
    sdl += " ".join(f"type T{n} {{ {' '.join(f'g{m}: T{m}' for m in range(60))} }}" for n in range(60))
    response = await run(make_subgraph(sdl, {}), bomb)
    assert "more than 100000 objects" in response["errors"][0]["message"]
    assert "errors" not in await run(make_subgraph(sdl, {}), f"{{ __schema {{ types {{ {fields} }} }} }}")


async def test_variables_are_counted() -> None:
    subgraph = make_subgraph("type Query { a(x: [[Int]]): Int }", {"Query.a": lambda *_: [1]})
    response = await run(subgraph, "query ($x: [[Int]]) { a(x: $x) }", {"x": [[1] * 100] * 600})
    assert "more than 25000 values" in response["errors"][0]["message"]
    assert (await run(subgraph, "query ($x: [[Int]]) { a(x: $x) }", {"x": [[1] * 100] * 20}))["data"] == {"a": 1}


SIZES: list[dict[str, Any]] = [
    {},
    {"n": None},
    {"n": 0},
    {"n": 1},
    {"n": True},
    {"n": 1.0},
    {"n": "1"},
    {"n": [1]},
    {"n": -1},
    {"n": 5},
    {"n": 100},
    {"n": 101},
    {"n": 5, "m": None},
    {"n": 5, "m": 0},
    {"n": 5, "m": 1},
    {"n": 1, "m": 5},
    {"m": 5},
    {"m": 101},
    *({"n": n} for n in range(20, 20 + 2 * SUMS_MAX)),
]


@pytest.mark.parametrize("seed", range(10))
def test_what_is_kept_of_a_cost_is_what_would_be_summed_anew(seed: int) -> None:
    schema = build_schema(SDL)
    operation = parse("""
      query ($n: Int, $m: Int) { products(limit: $n) { variants { sku } } page(first: $n, last: $m) { nodes { id } } }
    """).definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    limits = [Limits(cost=1_000, page_size=100), Limits(cost=1_200, page_size=100), Limits(page_size=50)]
    kept = estimate(schema, operation, {}, {})
    chosen = Random(seed)

    def outcome(cost: Cost, variables: dict[str, Any], at_most: Limits) -> int | str:
        try:
            return cost.check(variables, at_most)
        except LimitExceeded as error:
            return error.message

    for _ in range(300):
        variables, at_most = chosen.choice(SIZES), chosen.choice(limits)
        assert outcome(kept, variables, at_most) == outcome(estimate(schema, operation, {}, {}), variables, at_most)
        assert outcome(kept, variables, at_most) == outcome(kept, variables, at_most)
    assert len(kept._sums) <= SUMS_MAX
