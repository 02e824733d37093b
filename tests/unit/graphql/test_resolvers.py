"""What resolvers are told beside their parents."""

from collections.abc import Sequence
from typing import Any

from graph_fakes import make_call, make_subgraph, run

from kokoa.graphql.resolvers import Foreseeing

SHOP = """
type Query { products: [Product!]!  things: [Thing!]! }
union Thing = Product | Variant
type Product { id: ID!  name: String!  variants: [Variant!]! }
type Variant { sku: String! }
"""
LAMP = {"__typename": "Product", "id": "1", "name": "Lamp", "variants": [{"sku": "L"}]}


async def test_a_resolver_that_foresees_is_told_what_its_operation_asks_for_below() -> None:
    told: list[set[str]] = []

    def lamps(parents: Sequence[Any], _args: Any, _call: Any, below: frozenset[str]) -> list[Any]:
        told.append(set(below))
        return [[LAMP]] * len(parents)

    subgraph = make_subgraph(SHOP, {"Query.products": Foreseeing(lamps), "Query.things": Foreseeing(lamps)})
    text = """query ($deep: Boolean!) { products { __typename label: name ...deeper } }
      fragment deeper on Product { variants @include(if: $deep) { sku } id @skip(if: $deep) }"""
    for deep in (True, False, True):
        assert "errors" not in await run(subgraph, text, {"deep": deep})
    assert told == [{"name", "variants"}, {"name", "id"}, {"name", "variants"}]
    assert "errors" not in await run(subgraph, "{ things { ... on Product { id } } }")
    assert told[3:] == [set()], "nobody knows yet what they are"
    assert Foreseeing(lamps)([None], {}, make_call()) == [[LAMP]]
    assert told[4:] == [set()]
