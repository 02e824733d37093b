"""What a subgraph takes of a graph, by kind of definition."""

import pytest

from kokoa.gateway.compose.composer import read_one
from kokoa.gateway.extending.taking import DEFINITIONS_MAX, Taken, taken
from kokoa.gateway.supergraph import SubgraphDefinition, SubgraphView
from kokoa.graphql.sdl import read_subgraph
from unit.gateway.gateway_fakes import FEDERATION, composed

SHOP = """
type Query { products(filter: Filter): [Product!]!  secret: Int @requiresScopes(scopes: [["management"]]) }
input Filter { name: String }
enum Status { DRAFT LIVE }
union Found = Product | Category
interface Named { name: String! }
scalar DateTime
type Money @shareable { amount: Int!  currency: String! }
type Category @key(fields: "id") { id: ID! }
type Product implements Named @key(fields: "id") {
  id: ID!  name: String! @shareable  price: Money!  status: Status!  bought: DateTime
  cost: Int @requiresScopes(scopes: [["management"]])
}
"""
NATIVE = list(composed(catalog=SHOP).subgraphs.values())


def view_of(sdl: str) -> SubgraphView:
    view = read_one(SubgraphDefinition("acme", FEDERATION + sdl))
    assert isinstance(view, SubgraphView), view
    return view


def taken_by(sdl: str, *others: str) -> Taken:
    more = [read_one(SubgraphDefinition(f"other-{at}", FEDERATION + one)) for at, one in enumerate(others)]
    assert all(isinstance(one, SubgraphView) for one in more)
    return taken(read_subgraph(FEDERATION + sdl), view_of(sdl), [*NATIVE, *more])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("sdl", "needs"),
    [
        ("type AcmeThing { a: Int } enum AcmeKind { A } input AcmeIn { a: Int } scalar AcmeText "
         "type Query { x: AcmeThing }",
         {"AcmeThing", "AcmeKind", "AcmeIn", "AcmeText", "Query.x"}),
        ('type Product @key(fields: "id") { id: ID! rating: Int }', {"Product.rating"}),
        ("enum CacheControlScope { PUBLIC PRIVATE } directive @cacheControl(maxAge: Int, scope: CacheControlScope) "
         'on FIELD_DEFINITION | OBJECT type Product @key(fields: "id") @cacheControl(maxAge: 5) '
         '{ id: ID! @cacheControl(maxAge: 9) rating: Int @cacheControl(maxAge: 9, scope: PRIVATE) }',
         {"Product.rating"}),
        ('extend type Product @key(fields: "id") { id: ID! @external rating: Int }', {"Product.rating"}),
        ('type Product @key(fields: "id") { id: ID! price: Money! @override(from: "catalog") } '
         "type Money @shareable { amount: Int! currency: String! }", {"Product.price"}),
        ('type Product @key(fields: "id") { id: ID! name: String! @external label: String @requires(fields: '
         '"name") }',
         {"Product.label"}),
        ('type Product @key(fields: "id") { id: ID! cost: Int @external margin: Int @requires(fields: "cost") }',
         {"Product.cost", "Product.margin"}),
        ('type Product @key(fields: "id") { id: ID! name: String! @shareable }', {"Product.name"}),
        ('type Product @key(fields: "id") @key(fields: "code") { id: ID! code: String! }', {"Product.code"}),
        ('type Product @key(fields: "id") { id: ID! @inaccessible }', {"Product.id"}),
        ('type Product @key(fields: "id") @inaccessible { id: ID! }', {"Product.*"}),
        ('type Product @key(fields: "id") { id: ID! name: String! @external @requiresScopes(scopes: [["x"]]) '
         'a: Int @requires(fields: "name") }', {"Product.name", "Product.a"}),
        ('type Product implements AcmeHas @key(fields: "id") { id: ID! } interface AcmeHas { id: ID! }',
         {"Product.AcmeHas", "AcmeHas"}),
        ('type Product implements Named @key(fields: "id") { id: ID! name: String! @external } '
         "interface Named { name: String! }", set()),
        ("interface Named { name: String! other: Int } ", {"Named.other"}),
        ("enum Status { DRAFT LIVE } type Query { x: Status }", {"Query.x"}),
        ("enum Status { DRAFT LIVE GONE } type Query { x: Status }", {"Query.x", "Status.GONE"}),
        ("enum Status { DRAFT @inaccessible LIVE } type Query { x: Status }", {"Query.x", "Status.DRAFT"}),
        ("input Filter { name: String } type Query { x(f: Filter): Int }", {"Query.x"}),
        ("input Filter { name: String size: Int } type Query { x(f: Filter): Int }", {"Query.x", "Filter.size"}),
        ('union Found = Product type Product @key(fields: "id") { id: ID! } type Query { x: Found }', {"Query.x"}),
        ("union Found = AcmeThing type AcmeThing { a: Int } type Query { x: Found }",
         {"Query.x", "Found.AcmeThing", "AcmeThing"}),
        ("type Money @shareable { amount: Int! currency: String! tax: Int } type Query { x: Money }",
         {"Query.x", "Money.tax"}),
        ("type Money { amount: Int! currency: String! } type Query { x: Money }",
         {"Query.x", "Money.amount", "Money.currency"}),
        ('type Query { x: Product @provides(fields: "price { amount }") } '
         'type Product @key(fields: "id") { id: ID! price: Money! @external } '
         "type Money @shareable { amount: Int! }", {"Query.x", "Product.price"}),
        ("scalar DateTime type Query { x: DateTime }", {"Query.x"}),
        ("type Mutation { acme: Int } type Subscription { acme: Int }", {"Mutation.acme", "Subscription.acme"}),
        ("type Mine { acme: Int } schema { query: Mine }", {"Query.acme"}),
        ("scalar _Any union _Entity = AcmeE type AcmeE @key(fields: \"id\") { id: ID! } "
         "type _Service { sdl: String } type Query { _service: _Service! "
         "_entities(representations: [_Any!]!): [_Entity]! }",
         {"AcmeE"}),
    ],
)  # fmt: skip
def test_needs(sdl: str, needs: set[str]) -> None:
    found = taken_by(sdl)
    assert set(found.needs) == needs
    assert found.problems == ()
    assert len(found.needs) == len(set(found.needs))


def test_a_type_of_another_partner_is_existing_too() -> None:
    other = 'type RivalThing @key(fields: "id") { id: ID! a: Int }'
    sdl = 'type RivalThing @key(fields: "id") { id: ID! b: Int }'
    assert taken_by(sdl, other).needs == ("RivalThing.b",)
    assert taken_by(sdl).needs == ("RivalThing",)


def test_a_subgraph_is_bounded() -> None:
    many = "".join(f"enum AcmeE{number} {{ A }} " for number in range(DEFINITIONS_MAX))
    assert [one.code for one in taken_by(many).problems] == ["TOO_LARGE"]


def test_some_things_are_allowed_to_nobody() -> None:
    label = (
        'type Product @key(fields: "id") { id: ID! name: String! @override(from: "catalog", label: "percent(1)") }'
    )
    (problem,) = taken_by(label).problems
    assert (problem.code, "Product.name" in problem.message) == ("OVERRIDE_LABEL_REFUSED", True)
    composing = (
        'extend schema @link(url: "https://acme.example.com/own/v1.0", import: ["@own"]) '
        '@link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@composeDirective"]) '
        '@composeDirective(name: "@own") directive @own on FIELD_DEFINITION type Query { x: Int @own }'
    )
    view = read_one(SubgraphDefinition("acme", composing))
    assert isinstance(view, SubgraphView)
    (problem,) = taken(read_subgraph(composing), view, NATIVE).problems
    assert problem.code == "COMPOSE_DIRECTIVE_REFUSED"
