"""The engine as a service author meets it: resolvers, errors, entities, scopes, deadlines."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from graph_fakes import CORRELATION_ID, FEDERATION, make_call, make_subgraph, run
from structlog.testing import capture_logs

from kokoa.graphql import DATE_TIME, JSON, DocumentRefused, Limits, Scalar, SchemaInvalid
from kokoa.kernel.errors import Conflict, DeadlineExceeded, Invalid, NotFound, Throttled

SHOP = """
type Query { products(pageSize: Int = 2): [Product!]!  product(id: ID!): Product  broken: String }
type Product { id: ID!  displayName: String!  variants: [Variant!]!  tags: [String!] }
type Variant { sku: String!  price: Float }
"""


class Product(msgspec.Struct):
    id: str
    display_name: str
    tags: list[str] | None = None


@dataclass
class Variant:
    sku: str
    price: float | None = None


PRODUCTS = [Product("1", "Lamp", ["new"]), Product("2", "Desk"), Product("3", "Chair")]


class Shop:
    """Counts how often each resolver is called, and with how many parents."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def products(self, parents: Sequence[Any], args: Any, _call: Any) -> list[Any]:
        self.calls.append(("products", len(parents)))
        return [PRODUCTS[: args["page_size"]]]

    async def variants(self, parents: Sequence[Product], _args: Any, _call: Any) -> list[Any]:
        self.calls.append(("variants", len(parents)))
        return [[Variant(f"{parent.id}-{index}", 9.5) for index in range(2)] for parent in parents]

    def subgraph(self, **more: Any) -> Any:
        found = {"Query.products": self.products, "Product.variants": self.variants, **more}
        return make_subgraph(SHOP, found)


async def test_one_resolver_call_for_each_field_of_a_level() -> None:
    shop = Shop()
    text = "query ($n: Int) { products(pageSize: $n) { id displayName tags variants { sku price } } }"
    response = await run(shop.subgraph(), text, {"n": 3})
    assert shop.calls == [("products", 1), ("variants", 3)]
    assert response["data"]["products"][0] == {
        "id": "1",
        "displayName": "Lamp",
        "tags": ["new"],
        "variants": [{"sku": "1-0", "price": 9.5}, {"sku": "1-1", "price": 9.5}],
    }
    assert response["data"]["products"][2]["tags"] is None


async def test_mappings_may_use_either_spelling() -> None:
    rows = [{"id": "1", "displayName": "camel", "variants": []}, {"id": "2", "display_name": "snake", "variants": []}]
    subgraph = make_subgraph(SHOP, {"Query.products": lambda *_: [rows]})
    response = await run(subgraph, "{ products { displayName } }")
    assert [one["displayName"] for one in response["data"]["products"]] == ["camel", "snake"]


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ([], "returned 0 values for 1 parents"),
        ([1, 2], "returned 2 values for 1 parents"),
        ("text", "returned str"),
        (None, "returned NoneType"),
        ([["a"]], "is not"),
        ([7.5j], "is not"),
    ],
)
async def test_a_resolver_that_breaks_its_contract_is_named_in_the_log_and_hidden_from_the_client(
    returned: Any, said: str
) -> None:
    with capture_logs() as logs:
        response = await run(Shop().subgraph(**{"Query.broken": lambda *_: returned}), "{ broken }")
    (entry,) = response["errors"]
    assert entry["extensions"] == {"code": "INTERNAL", "correlationId": CORRELATION_ID}
    assert "broken" not in entry["message"]
    assert entry["path"] == ["broken"]
    assert response["data"] == {"broken": None}
    assert logs[0]["field"] == "Query.broken"
    assert said in str(logs[0]["exc_info"])


async def test_an_object_without_the_attribute_is_a_developer_error_that_names_the_field() -> None:
    with capture_logs() as logs:
        await run(
            make_subgraph(SHOP, {"Query.products": lambda *_: [[Variant("x")]]}), "{ products { displayName } }"
        )
    assert "Product.displayName has no resolver, and Variant has no attribute 'display_name'" in str(
        logs[0]["exc_info"]
    )


async def test_a_bug_is_logged_once_however_many_objects_it_hits() -> None:
    def fail(*_: Any) -> list[Any]:
        raise RuntimeError("secret table name")

    rows = [{"sku": "a"}] * 40
    subgraph = make_subgraph(
        "type Query { rows: [Row!]! } type Row { sku: String }", {"Query.rows": lambda *_: [rows], "Row.sku": fail}
    )
    with capture_logs() as logs:
        response = await run(subgraph, "{ rows { sku } }")
    assert len(logs) == 1
    assert len(response["errors"]) == 40
    assert "secret" not in str(response)


async def test_kernel_errors_show_their_code_and_never_their_detail() -> None:
    class CartFrozen(Conflict):
        pass

    raised = {
        "a": CartFrozen("The cart is frozen.", detail="row 17"),
        "b": Invalid("Too many.", field="lines.0.quantity"),
        "c": Throttled("Slow down.", retry_after_s=2.5),
        "d": NotFound("No such cart."),
    }
    sdl = "type Query { a: Int b: Int c: Int d: Int }"
    response = await run(
        make_subgraph(sdl, {f"Query.{k}": lambda *_, e=e: [e] for k, e in raised.items()}), "{ a b c d }"
    )
    assert [one["extensions"] for one in response["errors"]] == [
        {"code": "CART_FROZEN"},
        {"code": "INVALID", "field": "lines.0.quantity"},
        {"code": "THROTTLED", "retryAfterS": 2.5},
        {"code": "NOT_FOUND"},
    ]
    assert "row 17" not in str(response)


async def test_one_object_may_fail_among_others_and_nulls_climb_to_the_nearest_nullable() -> None:
    sdl = "type Query { rows: [Row] strict: [Row!] } type Row { n: Int!  child: Row }"
    rows = [{"n": 1}, {"n": None}, {"n": 3}]
    subgraph = make_subgraph(sdl, {"Query.rows": lambda *_: [rows], "Query.strict": lambda *_: [rows]})
    response = await run(subgraph, "{ rows { n } strict { n } }")
    assert response["data"] == {"rows": [{"n": 1}, None, {"n": 3}], "strict": None}
    assert [one["path"] for one in response["errors"]] == [["rows", 1, "n"], ["strict", 1, "n"]]
    assert response["errors"][0]["message"] == "Cannot return null for non-nullable field Row.n."


async def test_mutations_run_one_after_another_each_to_its_end() -> None:
    seen: list[str] = []

    def step(name: str) -> Any:
        async def resolve(*_: Any) -> list[Any]:
            seen.append(f"{name} starts")
            await asyncio.sleep(0)
            seen.append(f"{name} ends")
            return [{}]

        return resolve

    async def inner(*_: Any) -> list[Any]:
        await asyncio.sleep(0)
        seen.append("inner")
        return [1]

    sdl = "type Query { a: Int } type Mutation { one: R two: R } type R { inner: Int }"
    subgraph = make_subgraph(sdl, {"Mutation.one": step("1"), "Mutation.two": step("2"), "R.inner": inner})
    await run(subgraph, "mutation { one { inner } two { inner } }")
    assert seen == ["1 starts", "1 ends", "inner", "2 starts", "2 ends", "inner"]


async def test_a_level_starts_when_its_own_parents_are_there_whatever_else_is_waiting() -> None:
    slow_may_end = asyncio.Event()

    async def slow(*_: Any) -> list[Any]:
        await slow_may_end.wait()
        return [{"x": 1}]

    async def fast(*_: Any) -> list[Any]:
        return [{}]

    async def below_fast(*_: Any) -> list[Any]:
        slow_may_end.set()  # a barrier between levels would wait for `slow` for ever
        return [2]

    sdl = "type Query { slow: R fast: R } type R { x: Int y: Int }"
    subgraph = make_subgraph(sdl, {"Query.slow": slow, "Query.fast": fast, "R.y": below_fast})
    response = await asyncio.wait_for(run(subgraph, "{ slow { x } fast { y } }"), 5)
    assert response == {"data": {"slow": {"x": 1}, "fast": {"y": 2}}}


@pytest.mark.parametrize("text", ["{ late }", "{ late other: late ok }"])
async def test_the_deadline_ends_waiting_and_keeps_what_is_there(text: str) -> None:
    async def late(*_: Any) -> list[Any]:
        await asyncio.Event().wait()
        return [1]

    async def prompt(*_: Any) -> list[Any]:
        return [1]

    subgraph = make_subgraph("type Query { late: Int ok: Int }", {"Query.late": late, "Query.ok": prompt})
    result = await subgraph.execute(text, {}, make_call(deadline_in_ms=50))
    assert {one["extensions"]["code"] for one in result.errors} == {DeadlineExceeded.code}
    assert isinstance(result.data, dict)
    assert result.data["late"] is None
    assert result.data.get("ok", 1) == 1


async def test_cancelling_a_request_cancels_its_resolvers() -> None:
    started, cancelled = asyncio.Event(), []

    async def waits(*_: Any) -> list[Any]:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise
        return [1]

    subgraph = make_subgraph("type Query { a: Int b: Int }", {"Query.a": waits, "Query.b": waits})
    task = asyncio.ensure_future(run(subgraph, "{ a b }"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert cancelled == [True, True]


ABSTRACT = """
type Query { all: [Item!]! }
union Item = Book | Film
interface Named { name: String! }
type Book implements Named { name: String! pages: Int }
type Film implements Named { name: String! minutes: Int }
"""


class Book(msgspec.Struct):
    name: str
    pages: int


async def test_abstract_types_by_class_by_typename_and_by_a_resolver_of_their_own() -> None:
    objects = [Book("b", 3), {"__typename": "Film", "name": "f", "minutes": 90}]
    text = "{ all { __typename ... on Named { name } ... on Book { pages } ... on Film { minutes } } }"
    expected = [
        {"__typename": "Book", "name": "b", "pages": 3},
        {"__typename": "Film", "name": "f", "minutes": 90},
    ]
    by_default = make_subgraph(ABSTRACT, {"Query.all": lambda *_: [objects]})
    assert (await run(by_default, text))["data"]["all"] == expected

    def types(values: Sequence[Any], _args: Any, _call: Any) -> list[str]:
        return ["Book" if "pages" in one else "Film" for one in values]

    rows = [{"name": "b", "pages": 3}, {"name": "f", "minutes": 90}]
    by_resolver = make_subgraph(ABSTRACT, {"Query.all": lambda *_: [rows], "Item.__typename": types})
    assert (await run(by_resolver, text))["data"]["all"] == expected


async def test_an_object_of_a_foreign_type_is_an_error_at_its_place() -> None:
    subgraph = make_subgraph(
        ABSTRACT.replace("[Item!]!", "[Item]"), {"Query.all": lambda *_: [[Book("b", 1), object()]]}
    )
    with capture_logs() as logs:
        response = await run(subgraph, "{ all { __typename } }")
    assert response["data"] == {"all": [{"__typename": "Book"}, None]}
    assert "'object' is not a type of Item" in str(logs[0]["exc_info"])


async def test_scalars_of_ones_own_both_ways() -> None:
    got: list[Any] = []

    def echo(_: Any, args: Any, __: Any) -> list[Any]:
        got.append(args)
        return [args["at"]]

    def cents(value: Any) -> int:
        if not isinstance(value, int):
            raise ValueError("whole cents only")
        return value

    sdl = """scalar DateTime scalar JSON scalar Cents enum Size { S M }
             input Filter { minPrice: Cents = 5 nested: Filter }
             type Query { echo(at: DateTime, json: JSON, f: Filter, sizes: [Size!]): DateTime }"""
    scalars = {"DateTime": DATE_TIME, "JSON": JSON, "Cents": Scalar(parse=cents)}
    subgraph = make_subgraph(sdl, {"Query.echo": echo}, scalars=scalars)
    text = '{ echo(at: "2026-01-31T12:00:00+02:00", json: {a: [1]}, f: {nested: {minPrice: 7}}, sizes: S) }'
    response = await run(subgraph, text)
    assert response["data"] == {"echo": "2026-01-31T12:00:00+02:00"}
    assert got == [
        {
            "at": datetime(2026, 1, 31, 10, tzinfo=UTC),
            "json": {"a": [1]},
            "f": {"min_price": 5, "nested": {"min_price": 7}},
            "sizes": ["S"],
        }
    ]
    response = await run(subgraph, "query ($f: Filter) { echo(f: $f) }", {"f": {"minPrice": "1.5"}})
    assert "data" not in response
    assert "whole cents only" in response["errors"][0]["message"]
    response = await run(subgraph, "query ($at: DateTime) { echo(at: $at) }", {"at": "tomorrow"})
    assert "2026-01-31T12:00:00Z" in response["errors"][0]["message"]
    for outside in ("0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"):
        response = await run(subgraph, "query ($at: DateTime) { echo(at: $at) }", {"at": outside})
        assert "years 1 to 9999 in UTC" in response["errors"][0]["message"]


ENTITIES = (
    FEDERATION
    + """
type Query { hello: String }
type Product @key(fields: "id") { id: ID! name: String }
type Stock @key(fields: "sku") { sku: ID! onHand: Int! }
type Reference @key(fields: "id", resolvable: false) { id: ID! }
"""
)


def products_by_reference(representations: Sequence[Any], _call: Any) -> list[Any]:
    known = {"1": {"id": "1", "name": "Lamp"}}
    return [NotFound("gone") if one["id"] == "9" else known.get(one["id"]) for one in representations]


async def test_entities_are_found_a_type_at_a_time_and_answered_in_order() -> None:
    asked: list[int] = []

    async def stock(representations: Sequence[Any], _call: Any) -> list[Any]:
        asked.append(len(representations))
        return [{"sku": one["sku"], "on_hand": 3} for one in representations]

    subgraph = make_subgraph(ENTITIES, {"Product": products_by_reference, "Stock": stock})
    text = """query ($r: [_Any!]!) { _entities(representations: $r) {
                __typename ... on Product { name } ... on Stock { onHand } } }"""
    representations = [
        {"__typename": "Stock", "sku": "a"},
        {"__typename": "Product", "id": "1"},
        {"__typename": "Stock", "sku": "b"},
        {"__typename": "Product", "id": "2"},
        {"__typename": "Product", "id": "9"},
        {"__typename": "Reference", "id": "1"},
        7,
    ]
    response = await run(subgraph, text, {"r": representations})
    assert asked == [2]
    assert response["data"]["_entities"] == [
        {"__typename": "Stock", "onHand": 3},
        {"__typename": "Product", "name": "Lamp"},
        {"__typename": "Stock", "onHand": 3},
        None,
        None,
        None,
        None,
    ]
    assert [one["path"] for one in response["errors"]] == [["_entities", 4], ["_entities", 5], ["_entities", 6]]


async def test_a_subgraph_shows_its_sdl() -> None:
    subgraph = make_subgraph(ENTITIES, {"Product": products_by_reference, "Stock": products_by_reference})
    assert (await run(subgraph, "{ _service { sdl } }"))["data"] == {"_service": {"sdl": ENTITIES}}


@pytest.mark.parametrize(
    ("sdl", "resolvers", "said"),
    [
        ("type Query {", {}, "is not valid"),
        ("type Query { a: Missing }", {}, "Unknown type 'Missing'"),
        ("type Query { a: Int }", {"Query.b": len}, "resolver for Query.b"),
        ("type Query { a: Int }", {"Thing": len}, "no resolvable @key"),
        (ENTITIES, {"Product": len}, "Stock has a @key but no reference resolver"),
        ("type Query { a: Int } type T @shareable { a: Int }", {}, '"@shareable" to the import list'),
    ],
)
def test_a_schema_that_does_not_fit_its_resolvers_is_refused_at_start(sdl: str, resolvers: Any, said: str) -> None:
    with pytest.raises(SchemaInvalid) as refused:
        make_subgraph(sdl, resolvers)
    assert said in refused.value.message


GUARDED = (
    FEDERATION
    + """
type Query { open: String  cost: Money @requiresScopes(scopes: [["staff", "money"], ["admin"]]) vault: Vault }
type Money { cents: Int }
type Vault @requiresScopes(scopes: [["admin"]]) { content: String }
"""
)


@pytest.mark.parametrize(
    ("scopes", "may"), [((), False), (("staff",), False), (("staff", "money"), True), (("admin",), True)]
)
async def test_a_field_that_needs_scopes_answers_only_those_who_have_them(scopes: tuple[str, ...], may: bool) -> None:
    called: list[bool] = []

    def cost(*_: Any) -> list[Any]:
        called.append(True)
        return [{"cents": 1}]

    subgraph = make_subgraph(GUARDED, {"Query.cost": cost, "Query.open": lambda *_: ["x"]})
    call = make_call(scopes=scopes)
    response = await run(subgraph, "{ open cost { cents } }", call=call)
    shown = await run(
        subgraph, '{ __type(name: "Query") { fields { name } } __schema { types { name } } }', call=call
    )
    names = {one["name"] for one in shown["data"]["__type"]["fields"]}
    assert bool(called) is may
    assert response["data"]["open"] == "x"
    assert ("cost" in names) is may
    assert any(one["name"] == "Money" for one in shown["data"]["__schema"]["types"]) is may
    if not may:
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        assert response["errors"][0]["path"] == ["cost"]


async def test_a_type_that_needs_scopes_protects_the_fields_that_lead_to_it() -> None:
    subgraph = make_subgraph(GUARDED, {"Query.vault": lambda *_: [{"content": "gold"}]})
    assert (await run(subgraph, "{ vault { content } }"))["data"] == {"vault": None}
    granted = await run(subgraph, "{ vault { content } }", call=make_call(scopes=("admin",)))
    assert granted["data"] == {"vault": {"content": "gold"}}


async def test_operations_by_name() -> None:
    subgraph = make_subgraph("type Query { a: Int b: Int }", {"Query.a": lambda *_: [1], "Query.b": lambda *_: [2]})
    text = "query One { a } query Two { b }"
    assert (await run(subgraph, text, operation_name="Two")) == {"data": {"b": 2}}
    for name, said in ((None, "set operationName to one of One, Two"), ("Three", "no operation named 'Three'")):
        response = await run(subgraph, text, operation_name=name)
        assert said in response["errors"][0]["message"]
        assert response["errors"][0]["extensions"]["code"] == "OPERATION_NOT_FOUND"


async def test_wrong_variables_are_refused_before_anything_runs() -> None:
    subgraph = Shop().subgraph(**{"Query.product": lambda *_: pytest.fail("it ran")})
    response = await run(subgraph, "query ($id: ID!) { product(id: $id) { id } }", {"id": None})
    assert "data" not in response
    assert response["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert "$id" in response["errors"][0]["message"]


async def test_a_compiled_document_runs_again_with_other_variables_and_conditions() -> None:
    subgraph = Shop().subgraph()
    compiled = "query ($n: Int, $more: Boolean!) { products(pageSize: $n) { id tags @include(if: $more) } }"
    one = await subgraph.execute(compiled, {"n": 1, "more": False}, make_call())
    two = await subgraph.execute(compiled, {"n": 2, "more": True}, make_call())
    assert one.data == {"products": [{"id": "1"}]}
    assert two.data == {"products": [{"id": "1", "tags": ["new"]}, {"id": "2", "tags": None}]}
    with pytest.raises(DocumentRefused, match="Cannot query field 'nope'"):
        subgraph.compile("{ nope }")


async def test_errors_are_bounded() -> None:
    rows = [{"n": None}] * 100
    subgraph = make_subgraph(
        "type Query { rows: [Row] } type Row { n: Int! }", {"Query.rows": lambda *_: [rows]}, limits=Limits(errors=10)
    )
    response = await run(subgraph, "{ rows { n } }")
    assert len(response["errors"]) == 10
    assert response["data"]["rows"] == [None] * 100


async def test_errors_of_a_mutation_are_bounded_together() -> None:
    rows = [{"n": None}] * 8
    subgraph = make_subgraph(
        "type Query { a: Int } type Mutation { rows: [Row] } type Row { n: Int! }",
        {"Mutation.rows": lambda *_: [rows]},
        limits=Limits(errors=10),
    )
    response = await run(subgraph, "mutation { a: rows { n } b: rows { n } c: rows { n } }")
    assert len(response["errors"]) == 10
