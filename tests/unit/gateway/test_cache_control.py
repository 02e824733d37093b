"""`@cacheControl`: how long an answer may be kept, by the cases of Apollo's documentation and by ours.

Source: https://www.apollographql.com/docs/apollo-server/performance/caching
"""

from typing import Any

import msgspec
import pytest
from extension_fakes import CATALOG, PRICES, Shop, all_policies
from gateway_fakes import FEDERATION, FakeClient, composed, make_call, planned, problems
from graphql import print_schema

from kokoa.gateway.app import Gateway
from kokoa.gateway.compose.composer import read_one
from kokoa.gateway.supergraph import CacheHint, SubgraphDefinition
from kokoa.graphql.result import CacheControl, ExecutionResult
from kokoa.kernel.call import Caller
from kokoa.kernel.overrides import OverridePolicy

DEFINITION = """
enum CacheControlScope { PUBLIC PRIVATE }
directive @cacheControl(maxAge: Int, scope: CacheControlScope, inheritMaxAge: Boolean)
  on FIELD_DEFINITION | OBJECT | INTERFACE | UNION
"""
BOOKS = """
type Query {
  book: Book  cachedBook: Book @cacheControl(maxAge: 60)  reader: Reader @cacheControl(maxAge: 40)
  title: String  hintedTitle: String @cacheControl(maxAge: 30)  inheriting: Book @cacheControl(inheritMaxAge: true)
  author: Author  mine: Author @cacheControl(scope: PRIVATE)  open: Secret @cacheControl(maxAge: 5, scope: PUBLIC)
  secret: Secret  any: Any  node: Node  negative: String @cacheControl(maxAge: -1)
  zero: Author @cacheControl(maxAge: 0)  list: [Author!]!
  staff: Int @cacheControl(maxAge: 9) @requiresScopes(scopes: [["a"]])
  known: Int @cacheControl(maxAge: 9) @authenticated
}
type Book { title: String  cachedTitle: String @cacheControl(maxAge: 30)  author: Author  publisher: Publisher
  format: Format  sold: Int @cacheControl(scope: PRIVATE) }
type Reader { book: Book @cacheControl(inheritMaxAge: true)  plain: Book  name: String }
type Author @cacheControl(maxAge: 120) { name: String  short: String @cacheControl(maxAge: 10) }
type Publisher @cacheControl(inheritMaxAge: true) { name: String }
type Format { name: String }
type Secret @cacheControl(maxAge: 50, scope: PRIVATE) { x: Int }
union Any @cacheControl(maxAge: 20) = Book | Author
interface Node @cacheControl(maxAge: 25) { id: ID }
type Leaf implements Node { id: ID  guarded: Int @requiresScopes(scopes: [["a"]]) }
"""
SHOP = composed(books=BOOKS)
LOCATED = CATALOG.replace(
    "products(limit: Int! = 3): [Product!]!", "products(limit: Int! = 3): [Product!]! @cacheControl(maxAge: 300)"
)


def kept(text: str, **assignment: bool) -> CacheControl | None:
    return planned(SHOP, text, **assignment).cache_control


@pytest.mark.parametrize(
    ("text", "max_age_s"),
    [
        # A root field, and a field that returns objects, is not kept without a hint.
        ("{ book { cachedTitle } }", None),
        ("{ title }", None),
        ("{ hintedTitle }", 30),
        ("{ inheriting { title } }", None),
        ("{ __typename }", None),
        # A scalar is kept as long as what it is part of, or as its own hint says.
        ("{ cachedBook { title } }", 60),
        ("{ cachedBook { cachedTitle } }", 30),
        ("{ cachedBook { __typename } }", 60),
        # A type's hint holds for every field that returns it; the field's own wins, whichever is longer.
        ("{ author { name } }", 120),
        ("{ list { name short } }", 10),
        ("{ cachedBook { author { name } } }", 60),
        ("{ zero { name } }", None),
        ("{ open { x } }", 5),
        # Objects below are not kept without a hint, unless they inherit.
        ("{ cachedBook { format { name } } }", None),
        ("{ cachedBook { publisher { name } } }", 60),
        ("{ reader { book { title } } }", 40),
        ("{ reader { book { cachedTitle } } }", 30),
        ("{ reader { plain { title } } }", None),
        # Unions and interfaces are types with hints too.
        ("{ any { ... on Book { title } } }", 20),
        ("{ node { id } }", 25),
        # The shortest of all counts.
        ("{ cachedBook { title } author { name } hintedTitle }", 30),
        ("{ author { name } title }", None),
        ("{ a: author { ...F } } fragment F on Author { short }", 10),
        # What makes no sense is not kept.
        ("{ negative }", None),
        # Nor is what only some may see, and what the schema looks like.
        ("{ staff hintedTitle }", None),
        ("{ known }", None),
        ("{ node { ... on Leaf { guarded } } }", None),
        ("{ author { name } __schema { queryType { name } } }", None),
        ('{ author { name } ...S } fragment S on Query { __type(name: "Book") { name } }', None),
    ],
)
def test_an_answer_is_kept_as_long_as_the_shortest_of_all_hints(text: str, max_age_s: int | None) -> None:
    assert kept(text) == (None if max_age_s is None else CacheControl(max_age_s))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ secret { x } }", CacheControl(50, private=True)),
        ("{ open { x } }", CacheControl(5)),
        ("{ mine { name } }", CacheControl(120, private=True)),
        ("{ cachedBook { title sold } }", CacheControl(60, private=True)),
        ("{ author { name } secret { x } }", CacheControl(50, private=True)),
    ],
)
def test_an_answer_with_anything_private_is_private(text: str, expected: CacheControl) -> None:
    assert kept(text) == expected


def test_what_is_left_out_does_not_count() -> None:
    text = "query($no: Boolean!) { author { name } title @include(if: $no) }"
    assert kept(text, no=False) == CacheControl(120)
    assert kept(text, no=True) is None


def test_only_queries_are_kept() -> None:
    graph = composed(a="type Query { a: Int } type Mutation { b: Int @cacheControl(maxAge: 60) } "
                       "type Subscription { c: Int @cacheControl(maxAge: 60) }")  # fmt: skip
    assert planned(graph, "mutation { b }").cache_control is None
    assert planned(graph, "subscription { c }").cache_control is None


# Subgraphs


@pytest.mark.parametrize(
    "definition",
    [
        "",
        DEFINITION,
        DEFINITION.replace(", inheritMaxAge: Boolean", "").replace(" | UNION", ""),
        "directive @cacheControl(maxAge: Int, swr: Int) on FIELD_DEFINITION\n",
    ],
)
def test_the_directive_may_be_defined_or_only_used_and_never_reaches_the_graph(definition: str) -> None:
    sdl = definition + "type Query { a: Int @cacheControl(maxAge: 60)  b: Int }"
    graph = composed(one=sdl, two=DEFINITION + "type Query { c: Int @cacheControl(maxAge: 10) }")
    assert print_schema(graph.schema) == "type Query {\n  a: Int\n  b: Int\n  c: Int\n}"
    assert graph.subgraphs["one"].cache_hints == {"Query.a": CacheHint(60)}
    assert planned(graph, "{ a }").cache_control == CacheControl(60)
    assert planned(graph, "{ a c }").cache_control == CacheControl(10)


def test_an_enum_of_that_name_which_fields_use_stays_in_the_graph() -> None:
    graph = composed(a=DEFINITION + "type Query { scope: CacheControlScope @cacheControl(maxAge: 60) }")
    assert "enum CacheControlScope" in print_schema(graph.schema)


def test_a_wrong_hint_is_refused() -> None:
    assert "INVALID_GRAPHQL" in problems(a='type Query { a: Int @cacheControl(maxAge: "long") }')
    assert "INVALID_GRAPHQL" in problems(a="type Query { a: Int @cacheControl(scope: SHARED) }")


def test_a_hint_may_stand_on_the_extension_of_a_type() -> None:
    sdl = "type A { a: Int } extend type A @cacheControl(maxAge: 60, scope: PRIVATE) { b: Int } type Query { x: A }"
    view = read_one(SubgraphDefinition("a", FEDERATION + sdl))
    assert not isinstance(view, tuple)
    assert view.cache_hints == {"A": CacheHint(60, private=True)}


@pytest.mark.parametrize(
    ("reviews", "expected"),
    [
        ("rating: Float", None),
        ("rating: Float @cacheControl(maxAge: 20)", CacheControl(20)),
        ("rating: Float @cacheControl(maxAge: 900)", CacheControl(300)),
        ("rating: Float @cacheControl(inheritMaxAge: true)", None),
        ("rating: Float @cacheControl(maxAge: 20, scope: PRIVATE)", CacheControl(20, private=True)),
    ],
)
def test_what_another_subgraph_adds_has_its_own_hint_and_never_inherits_a_natives(
    reviews: str, expected: CacheControl | None
) -> None:
    graph = composed(catalog=LOCATED, reviews=f'type Product @key(fields: "id") {{ id: ID! {reviews} }}')
    assert planned(graph, "{ products { name rating } }").cache_control == expected
    assert planned(graph, "{ products { name } }").cache_control == CacheControl(300)


def test_a_subgraphs_hint_for_an_entity_holds_for_all_that_it_adds_to_it() -> None:
    reviews = 'type Product @key(fields: "id") @cacheControl(maxAge: 70) { id: ID! rating: Float }'
    graph = composed(catalog=LOCATED, reviews=reviews)
    assert planned(graph, "{ products { name rating } }").cache_control == CacheControl(70)
    assert planned(graph, "{ products { name } }").cache_control == CacheControl(300)


def test_what_a_field_requires_counts() -> None:
    shipping = """type Product @key(fields: "id") { id: ID!  stock: Int @external
                    label: String @requires(fields: "stock") @cacheControl(maxAge: 90) }"""
    short = LOCATED.replace("stock: Int", "stock: Int @cacheControl(maxAge: 3)")
    graph = composed(catalog=short, shipping=shipping)
    assert planned(graph, "{ products { label } }").cache_control == CacheControl(3)


# Overrides

NATIVE = LOCATED.replace("stock: Int", "stock: Int @cacheControl(maxAge: 200)")


@pytest.mark.parametrize(
    ("hint", "expected"),
    [("", None), ("@cacheControl(maxAge: 15)", CacheControl(15)), ("@cacheControl(maxAge: 250)", CacheControl(250))],
)
def test_an_override_has_its_own_hint_and_never_the_native_one(hint: str, expected: CacheControl | None) -> None:
    own = f'type Product @key(fields: "id") {{ id: ID! stock: Int @override(from: "catalog") {hint} }}'
    assert planned(composed(catalog=NATIVE, own=own), "{ products { stock } }").cache_control == expected


@pytest.mark.parametrize("labels", [frozenset(), frozenset({"percent(50)"})])
def test_what_customers_are_divided_about_is_not_kept_on_either_side(labels: frozenset[str]) -> None:
    own = """type Product @key(fields: "id") {
               id: ID! stock: Int @override(from: "catalog", label: "percent(50)") @cacheControl(maxAge: 15) }"""
    graph = composed(catalog=NATIVE, own=own)
    assert planned(graph, "{ products { name stock } }", labels=labels).cache_control is None
    assert planned(graph, "{ products { name } }", labels=labels).cache_control == CacheControl(300)


HINTED_PRICES = PRICES.replace(
    'stock: Int @override(from: "catalog")', 'stock: Int @override(from: "catalog") @cacheControl(maxAge: 15)'
)
STOCK = "{ products { id stock } }"


def shopper(**changes: Any) -> Any:
    return msgspec.structs.replace(make_call(kind="storefront"), **changes)


def failing(event: dict[str, Any]) -> Any:
    raise AssertionError("the function crashed")


async def test_an_override_that_answers_is_kept_by_its_hint() -> None:
    shop = Shop(lambda event: [7 for _ in event["parents"]], sdl=HINTED_PRICES, native=NATIVE)
    result = await shop.ask(STOCK, shopper())
    assert (result.errors, result.cache_control) == ((), CacheControl(15))


@pytest.mark.parametrize("policy", [{}, {"shadow": True}])
async def test_a_native_answer_in_the_place_of_an_override_is_not_kept(policy: dict[str, Any]) -> None:
    shop = Shop(failing, sdl=HINTED_PRICES, native=NATIVE, policies=all_policies(**policy))
    result = await shop.ask(STOCK, shopper())
    assert (result.errors, result.data["products"][0]["stock"]) == ((), 1)
    assert result.cache_control is None


async def test_an_override_without_fallback_that_fails_is_not_kept() -> None:
    policies = {"Product.stock": OverridePolicy(deadline_ms=60_000, fallback=False)}
    shop = Shop(failing, sdl=HINTED_PRICES, native=NATIVE, policies=policies)
    result = await shop.ask(STOCK, shopper())
    assert result.errors
    assert result.cache_control is None


# Callers and answers

OPEN = ExecutionResult({"author": {"name": "N"}})


def gateway(*answers: ExecutionResult) -> Gateway:
    return Gateway(SHOP, {"books": FakeClient(*answers)})


async def test_a_shoppers_answer_says_how_long_and_the_response_does_not() -> None:
    result = await gateway(OPEN).execute("{ author { name } }", {}, shopper())
    assert result.cache_control == CacheControl(120)
    assert result.response() == {"data": {"author": {"name": "N"}}}


@pytest.mark.parametrize(
    "caller",
    [
        Caller("server"),
        Caller("account", "1"),
        Caller("operator"),
        Caller("service", "s"),
        Caller("storefront", "ada"),
    ],
)
async def test_nobody_elses_answer_is_kept(caller: Caller) -> None:
    result = await gateway(OPEN).execute("{ author { name } }", {}, shopper(caller=caller))
    assert (result.data, result.cache_control) == (OPEN.data, None)


async def test_an_answer_with_errors_is_not_kept() -> None:
    broken = ExecutionResult({"author": {"name": None}}, [{"message": "No.", "path": ["author", "name"]}])
    result = await gateway(broken).execute("{ author { name } }", {}, shopper())
    assert result.errors
    assert result.cache_control is None


async def test_a_field_that_is_hidden_from_the_shopper_is_an_error_and_not_kept() -> None:
    result = await gateway(OPEN).execute("{ author { name } staff }", {}, shopper())
    assert result.errors
    assert result.cache_control is None


async def test_equal_queries_at_the_same_moment_are_kept_alike_and_again_from_the_kept_plan() -> None:
    one = gateway(OPEN, OPEN)
    for _ in range(2):
        assert (await one.execute("{ author { name } }", {}, shopper())).cache_control == CacheControl(120)
