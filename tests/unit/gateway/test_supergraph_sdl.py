"""The supergraph as standard SDL: a snapshot of every kind of element, and what other gateways rely on."""

from gateway_fakes import FEDERATION
from graphql import build_schema, validate_schema

from kokoa.gateway.compose import compose, print_supergraph
from kokoa.gateway.compose.supergraph_sdl import graph_names
from kokoa.gateway.supergraph import SubgraphDefinition

COLOUR = """
extend schema
  @link(url: "https://shop.example/colour/v1.{minor}", import: ["@colour"])
  @composeDirective(name: "@colour")
directive @colour(shade: Int) on FIELD_DEFINITION
"""
LINK = FEDERATION.replace('"@tag"', '"@tag", "@composeDirective"')
CATALOG = '''
"""What is sold."""
type Product @key(fields: "id") @key(fields: "sku brand { name }") @tag(name: "public") {
  id: ID!
  sku: String
  brand: Brand
  "In cents."
  price(currency: Currency = EUR, "Without tax." net: Boolean): Int! @colour(shade: 3)
  old: String @deprecated(reason: "use price")
  stock: Int
  secret: String @inaccessible
}
type Brand @shareable { name: String! }
interface Node @key(fields: "id") { id: ID! }
type Shelf implements Node @key(fields: "id") { id: ID! }
enum Currency { EUR USD }
input Filter { text: String! first: Int = 10 }
scalar Money @specifiedBy(url: "https://shop.example/money")
type Query { products(filter: Filter): [Product!]! found: Found price: Money }
union Found = Product
'''
REVIEWS = """
type Product @key(fields: "id") {
  id: ID!
  stock: Int @override(from: "catalog", label: "percent(5)")
  rating: Float @requires(fields: "price(currency: USD)")
  price(currency: Currency = EUR, net: Boolean): Int! @external
}
enum Currency { EUR USD }
type Node @interfaceObject @key(fields: "id") { id: ID! likes: Int }
type Review @shareable { product: Product @provides(fields: "name") stars: Int }
extend type Product { name: String @external }
input Filter { text: String first: Int = 10 }
type Query { reviews(filter: Filter): [Review] best: Found }
union Found = Product | Review
"""
NAMES = """
type Product @key(fields: "id") { id: ID! name: String @shareable }
type Review @shareable { stars: Int! }
type Shelf @key(fields: "id", resolvable: false) { id: ID! }
"""


def shop() -> list[SubgraphDefinition]:
    return [
        SubgraphDefinition("catalog", LINK + COLOUR.format(minor=0) + CATALOG, "http://catalog.example/graphql"),
        SubgraphDefinition("reviews", FEDERATION + REVIEWS, "http://reviews.example/graphql"),
        SubgraphDefinition("a-names", LINK + COLOUR.format(minor=2) + NAMES),
    ]


def block(sdl: str, first_line: str) -> str:
    """One definition of the document, with its description."""
    return next(one for one in sdl.split("\n\n") if first_line in one.split("\n")).strip() + "\n"


def test_it_is_a_valid_schema_by_itself() -> None:
    sdl = print_supergraph(compose(shop()))
    assert validate_schema(build_schema(sdl)) == []


def test_the_head_links_to_every_specification_that_is_used() -> None:
    assert (
        block(print_supergraph(compose(shop())), "schema")
        == """\
schema
  @link(url: "https://specs.apollo.dev/link/v1.0")
  @link(url: "https://specs.apollo.dev/join/v0.5", for: EXECUTION)
  @link(url: "https://specs.apollo.dev/inaccessible/v0.2", for: SECURITY)
  @link(url: "https://specs.apollo.dev/tag/v0.3")
  @link(url: "https://shop.example/colour/v1.2", import: ["@colour"])
{
  query: Query
}
"""
    )


def test_the_join_specification_is_as_old_as_the_subgraphs_allow() -> None:
    old = FEDERATION.replace("v2.9", "v2.5")
    sdl = print_supergraph(compose([SubgraphDefinition("a", old + "type Query { x: Int }")]))
    assert "join/v0.3" in sdl
    assert "overrideLabel" not in sdl


def test_an_entity_says_who_finds_it_by_what_and_who_answers_which_field() -> None:
    sdl = print_supergraph(compose(shop()))
    assert (
        block(sdl, "type Product")
        == '''\
"""What is sold."""
type Product
  @join__type(graph: A_NAMES, key: "id")
  @join__type(graph: CATALOG, key: "id")
  @join__type(graph: CATALOG, key: "sku brand { name }")
  @join__type(graph: REVIEWS, key: "id")
  @tag(name: "public")
{
  id: ID!
  sku: String @join__field(graph: CATALOG)
  brand: Brand @join__field(graph: CATALOG)
  "In cents."
  price(
    currency: Currency = EUR
    "Without tax."
    net: Boolean
  ): Int! @join__field(graph: CATALOG) @join__field(graph: REVIEWS, external: true) @colour(shade: 3)
  old: String @join__field(graph: CATALOG) @deprecated(reason: "use price")
  stock: Int @join__field(graph: CATALOG, overrideLabel: "percent(5)") \
@join__field(graph: REVIEWS, override: "catalog", overrideLabel: "percent(5)")
  secret: String @join__field(graph: CATALOG) @inaccessible
  rating: Float @join__field(graph: REVIEWS, requires: "price(currency: USD)")
  name: String @join__field(graph: A_NAMES) @join__field(graph: REVIEWS, external: true)
}
'''
    )


def test_an_interface_object_is_an_interface_and_its_fields_are_joined_to_nobody() -> None:
    sdl = print_supergraph(compose(shop()))
    assert (
        block(sdl, "interface Node")
        == """\
interface Node
  @join__type(graph: CATALOG, key: "id")
  @join__type(graph: REVIEWS, key: "id", isInterfaceObject: true)
{
  id: ID!
  likes: Int @join__field(graph: REVIEWS)
}
"""
    )
    assert (
        block(sdl, "type Shelf implements Node")
        == """\
type Shelf implements Node
  @join__implements(graph: CATALOG, interface: "Node")
  @join__type(graph: A_NAMES, key: "id", resolvable: false)
  @join__type(graph: CATALOG, key: "id")
{
  id: ID!
  likes: Int @join__field
}
"""
    )


def test_who_has_another_type_says_so() -> None:
    sdl = print_supergraph(compose(shop()))
    assert (
        block(sdl, "type Review")
        == """\
type Review
  @join__type(graph: A_NAMES)
  @join__type(graph: REVIEWS)
{
  product: Product @join__field(graph: REVIEWS, provides: "name")
  stars: Int @join__field(graph: A_NAMES, type: "Int!") @join__field(graph: REVIEWS, type: "Int")
}
"""
    )
    assert (
        block(sdl, "input Filter")
        == """\
input Filter
  @join__type(graph: CATALOG)
  @join__type(graph: REVIEWS)
{
  text: String! @join__field(graph: CATALOG, type: "String!") @join__field(graph: REVIEWS, type: "String")
  first: Int = 10
}
"""
    )


def test_members_and_values_name_their_subgraphs() -> None:
    sdl = print_supergraph(compose(shop()))
    assert (
        block(sdl, "union Found")
        == """\
union Found
  @join__type(graph: CATALOG)
  @join__type(graph: REVIEWS)
  @join__unionMember(graph: CATALOG, member: "Product")
  @join__unionMember(graph: REVIEWS, member: "Product")
  @join__unionMember(graph: REVIEWS, member: "Review")
  = Product | Review
"""
    )
    assert "EUR @join__enumValue(graph: CATALOG) @join__enumValue(graph: REVIEWS)" in block(sdl, "enum Currency")


def test_an_override_for_good_leaves_the_old_field_out_unless_something_needs_it() -> None:
    old = 'type Query { p: P } type P @key(fields: "id") @key(fields: "sku") { id: ID! sku: ID! x: Int }'
    new = 'type P @key(fields: "id") { id: ID! x: Int @override(from: "a") sku: ID! @override(from: "a") }'
    sdl = print_supergraph(
        compose([SubgraphDefinition("a", FEDERATION + old), SubgraphDefinition("b", FEDERATION + new)])
    )
    entity = block(sdl, "type P")
    assert 'x: Int @join__field(graph: B, override: "a")\n' in entity
    assert 'sku: ID! @join__field(graph: A, usedOverridden: true) @join__field(graph: B, override: "a")' in entity


def test_subgraphs_have_names_of_their_own_in_the_enum() -> None:
    assert graph_names(["my-shop", "my_shop", "2nd"]) == {"my-shop": "MY_SHOP", "my_shop": "MY_SHOP_1", "2nd": "_2ND"}
