"""The gateway over subgraphs: joins, errors at their places, isolation, bounds."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from gateway_fakes import CATALOG, FEDERATION, REVIEWS, SEARCH, FakeClient, composed, make_call
from prometheus_client import CollectorRegistry

from kokoa.gateway.app import Gateway, MissingClient
from kokoa.gateway.execute import InProcessClient, SubgraphUnavailable
from kokoa.gateway.metrics import GraphMetrics
from kokoa.gateway.plan import make_plan
from kokoa.graphql import DocumentRefused, ExecutionResult, build_subgraph
from kokoa.kernel.call import Call
from kokoa.kernel.errors import NotFound

SHOP = composed(catalog=CATALOG, search=SEARCH, reviews=REVIEWS)
PRODUCTS = {str(n): {"id": str(n), "name": f"P{n}"} for n in range(1, 4)}


class Shop:
    """Three subgraphs in this process that count their entity calls."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.calls: list[Call] = []

    def found(self, representations: Sequence[Mapping[str, Any]], call: Call) -> list[Any]:
        self.asked.append([one["id"] for one in representations])
        self.calls.append(call)
        return [NotFound("Withdrawn.") if one["id"] == "bad" else PRODUCTS.get(one["id"]) for one in representations]

    def clients(self, items: Sequence[str]) -> dict[str, InProcessClient]:
        catalog = {
            "Query.products": lambda _, args, __: [list(PRODUCTS.values())[: args["limit"]]],
            "Query.product": lambda _, args, __: [PRODUCTS.get(args["id"])],
            "Product": self.found,
            "Variant": lambda representations, _: [{"id": one["id"], "weight": 7} for one in representations],
            "Product.variants": lambda parents, _, __: [[{"id": f"{one['id']}v", "weight": 7}] for one in parents],
        }
        results = {"total": len(items), "items": [{"id": one} for one in items]}
        search = {"Query.search": lambda *_: [results]}
        reviews = {
            "Product": lambda representations, _: list(representations),
            "Variant": lambda representations, _: list(representations),
            "Product.reviews": lambda parents, _, __: [[{"body": "b", "product": one}] for one in parents],
            "Product.rating": lambda parents, _, __: [4.5 for _ in parents],
            "Variant.shipping": lambda parents, _, __: [one["weight"] * 2 for one in parents],
        }
        built = (("catalog", CATALOG, catalog), ("search", SEARCH, search), ("reviews", REVIEWS, reviews))
        return {
            name: InProcessClient(build_subgraph(name=name, sdl=FEDERATION + sdl, resolvers=resolvers))
            for name, sdl, resolvers in built
        }


async def ask(
    gateway: Gateway, text: str, variables: Mapping[str, Any] | None = None, **of_call: Any
) -> dict[str, Any]:
    return (await gateway.execute(text, variables, make_call(**of_call))).response()


async def test_a_search_is_joined_with_the_catalog_each_entity_asked_for_once() -> None:
    shop = Shop()
    gateway = Gateway(SHOP, shop.clients(["2", "1", "2"]))
    response = await ask(gateway, "query ($q: String!) { search(q: $q) { total items { name rating } } }", {"q": "x"})
    assert response == {
        "data": {
            "search": {
                "total": 3,
                "items": [
                    {"name": "P2", "rating": 4.5},
                    {"name": "P1", "rating": 4.5},
                    {"name": "P2", "rating": 4.5},
                ],
            }
        }
    }
    assert shop.asked == [["2", "1"]]


async def test_objects_of_a_union_are_asked_about_only_where_their_own_type_is_known() -> None:
    supergraph = composed(
        a="""type Query { all: [Any] } union Any = A | B
             type A @key(fields: "id") { id: ID! } type B @key(fields: "id") { id: ID! }""",
        b='type A @key(fields: "id") { id: ID! name: String }',
        c='type B @key(fields: "id") { id: ID! name: String }',
    )
    found = [{"__typename": "A", "id": "1"}, {"__typename": "B", "id": "1"}]
    clients = {
        "a": FakeClient(ExecutionResult({"all": found})),
        "b": FakeClient(ExecutionResult({"_entities": [{"name": "of b"}]})),
        "c": FakeClient(ExecutionResult({"_entities": [{"name": "of c"}]})),
    }
    response = await ask(Gateway(supergraph, clients), "{ all { ... on A { name } ... on B { name } } }")
    assert response == {"data": {"all": [{"name": "of b"}, {"name": "of c"}]}}
    assert clients["b"].asked[0][1] == {"representations": [{"__typename": "A", "id": "1"}]}
    assert clients["c"].asked[0][1] == {"representations": [{"__typename": "B", "id": "1"}]}


async def test_what_a_field_requires_is_brought_to_it() -> None:
    response = await ask(Gateway(SHOP, Shop().clients([])), "{ products(limit: 1) { variants { shipping } } }")
    assert response["data"]["products"] == [{"variants": [{"shipping": 14}]}]


async def test_internal_keys_and_typenames_do_not_leak_and_typename_is_answered() -> None:
    response = await ask(
        Gateway(SHOP, Shop().clients(["1"])), '{ __typename search(q: "x") { items { t: __typename id: name } } }'
    )
    assert response["data"] == {"__typename": "Query", "search": {"items": [{"t": "Product", "id": "P1"}]}}


async def test_an_object_of_which_everything_is_skipped_is_empty() -> None:
    response = await ask(Gateway(SHOP, Shop().clients([])), "{ product(id: 1) { name @skip(if: true) } }")
    assert response == {"data": {"product": {}}}


async def test_introspection_shows_the_api_and_no_machinery() -> None:
    text = '{ __schema { types { name } directives { name } } __type(name: "Query") { fields { name } } }'
    data = (await ask(Gateway(SHOP, Shop().clients([])), text))["data"]
    names = {one["name"] for one in data["__schema"]["types"]}
    assert {"Product", "Results"} <= names
    assert not {one for one in names if "federation" in one or one in {"_Any", "_Entity", "_Service", "FieldSet"}}
    assert {one["name"] for one in data["__schema"]["directives"]} == {
        "skip", "include", "deprecated", "specifiedBy", "oneOf",
    }  # fmt: skip
    assert [one["name"] for one in data["__type"]["fields"]] == ["products", "product", "search"]


async def test_an_entity_that_fails_is_an_error_at_its_place_in_the_clients_response() -> None:
    lenient = CATALOG.replace("name: String! ", "name: String ")
    supergraph = composed(catalog=lenient, search=SEARCH, reviews=REVIEWS)
    clients = Shop().clients(["1", "bad", "gone"])
    clients["catalog"] = InProcessClient(
        build_subgraph(name="catalog", sdl=FEDERATION + lenient, resolvers={"Product": Shop().found, "Variant": len})
    )
    response = await ask(Gateway(supergraph, clients), '{ search(q: "x") { items { title: name } } }')
    assert response["data"]["search"]["items"] == [{"title": "P1"}, {"title": None}, {"title": None}]
    (entry,) = response["errors"]
    assert entry["path"] == ["search", "items", 1]
    assert entry["locations"] == [{"line": 1, "column": 28}]
    assert entry["message"] == "Withdrawn."
    assert entry["extensions"] == {"code": "NOT_FOUND", "subgraph": "catalog"}


async def test_null_climbs_by_the_types_of_the_api() -> None:
    response = await ask(Gateway(SHOP, Shop().clients(["1", "gone"])), '{ search(q: "x") { items { name } } }')
    assert response["data"] is None
    (entry,) = response["errors"]
    assert entry["path"] == ["search", "items", 1, "name"]
    # One subgraph is behind another: nobody's bug, and it passes.
    assert entry["extensions"]["code"] == "ENTITY_NOT_FOUND"
    assert entry["message"] == "This Product is not there any more; ask again."


async def test_what_may_be_null_of_an_object_that_is_gone_is_null() -> None:
    response = await ask(Gateway(SHOP, Shop().clients(["1", "gone"])), '{ search(q: "x") { items { id rating } } }')
    assert "errors" not in response or all(e["extensions"]["code"] != "INTERNAL" for e in response["errors"])


async def test_a_subgraph_that_does_not_answer_is_named_and_the_rest_is_kept() -> None:
    clients: dict[str, Any] = {
        **Shop().clients([]),
        "reviews": FakeClient(SubgraphUnavailable("The subgraph reviews cannot be reached.")),
    }
    response = await ask(Gateway(SHOP, clients), "{ products { name rating } }")
    assert response["data"]["products"] == [{"name": f"P{n}", "rating": None} for n in (1, 2, 3)]
    (entry,) = response["errors"]
    assert entry["extensions"] == {"code": "SUBGRAPH_UNAVAILABLE", "subgraph": "reviews"}
    assert entry["path"] == ["products", 0]


async def test_a_crash_inside_a_subgraph_client_does_not_leak() -> None:
    clients: dict[str, Any] = {**Shop().clients([]), "reviews": FakeClient(RuntimeError("password=hunter2"))}
    response = await ask(Gateway(SHOP, clients), "{ products { name rating } }")
    assert "hunter2" not in str(response)
    assert response["errors"][0]["extensions"]["code"] == "SUBGRAPH_UNAVAILABLE"


async def test_no_error_of_a_subgraph_is_lost() -> None:
    """An error at a field that only the gateway asked for still reaches the client."""
    answer = ExecutionResult(
        {"search": {"items": [{"id": None}]}},
        [{"message": "no id", "path": ["search", "items", 0, "id"], "extensions": {"code": "X"}}],
    )
    clients: dict[str, Any] = {**Shop().clients([]), "search": FakeClient(answer)}
    response = await ask(Gateway(SHOP, clients), '{ search(q: "x") { items { rating } } }')
    assert response["data"] == {"search": {"items": [{"rating": None}]}}
    assert response["errors"][0]["message"] == "no id"


HOSTILE = [
    {"products": "text"},
    {"products": {"name": "x"}},
    {"products": [7, None, "x"]},
    {"products": [{"name": ["x"]}]},
    {"products": [{"name": {"a": 1}}]},
    {"products": [{"name": "x", "extra": "y"}]},
    {},
]


@pytest.mark.parametrize("data", HOSTILE)
async def test_what_an_untrusted_subgraph_answers_fits_the_schema_or_is_an_error(data: dict[str, Any]) -> None:
    clients: dict[str, Any] = {**Shop().clients([]), "catalog": FakeClient(ExecutionResult(data))}
    response = await ask(Gateway(SHOP, clients), "{ products { name } }")
    if response["data"] is None:
        assert response["errors"]
    else:
        assert response["data"] == {"products": [{"name": "x"}]}


@pytest.mark.parametrize(
    "entities",
    ["text", None, [], [None], [7], [{"rating": "five"}], [{"rating": 1.0}] * 9, [{"id": "other", "rating": 2.0}]],
)
async def test_hostile_entities_cannot_break_the_response(entities: Any) -> None:
    answer = ExecutionResult({"_entities": entities}, [{"message": 7, "path": "x"}, {"path": ["_entities", 99]}])
    clients: dict[str, Any] = {**Shop().clients([]), "reviews": FakeClient(answer)}
    response = await ask(Gateway(SHOP, clients), "{ products(limit: 1) { id name rating } }")
    (product,) = response["data"]["products"]
    assert product["name"] == "P1"
    assert isinstance(product["rating"], float | None)
    assert response["errors"]


GUARDED = """
type Query { products: [Product!]! }
type Product @key(fields: "id") { id: ID! name: String cost: Int @requiresScopes(scopes: [["management"]]) }
"""


async def test_a_field_beyond_the_callers_scopes_is_not_even_asked_for() -> None:
    client = FakeClient(
        ExecutionResult({"products": [{"name": "x"}]}), ExecutionResult({"products": [{"name": "x", "cost": 3}]})
    )
    gateway = Gateway(composed(remote=GUARDED), {"remote": client})
    text = "{ products { name cost } }"
    denied = await ask(gateway, text)
    granted = await ask(gateway, text, scopes=["management"])
    assert "cost" not in client.asked[0][0]
    assert denied["data"] == {"products": [{"name": "x", "cost": None}]}
    assert denied["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert granted == {"data": {"products": [{"name": "x", "cost": 3}]}}
    shown = '{ __type(name: "Product") { fields { name } } }'
    assert "cost" not in str(await ask(gateway, shown))
    assert "cost" in str(await ask(gateway, shown, scopes=["management"]))


async def test_environments_have_graphs_of_their_own_swapped_atomically() -> None:
    def answers(text: str) -> FakeClient:
        return FakeClient(*(ExecutionResult({"x": text}) for _ in range(5)))

    default = composed(a="type Query { x: String }")
    extended = composed(a="type Query { x: String }", b="type Query { y: String }")
    gateway = Gateway(default, {"a": answers("default")})
    gateway.publish("one", extended, {"a": answers("one"), "b": FakeClient(ExecutionResult({"y": "extra"}))})
    assert (await ask(gateway, "{ x }", environment_id="one"))["data"] == {"x": "one"}
    assert (await ask(gateway, "{ y }", environment_id="one"))["data"] == {"y": "extra"}
    assert (await ask(gateway, "{ x }", environment_id="two"))["data"] == {"x": "default"}
    assert "Cannot query field 'y'" in str(await ask(gateway, "{ y }", environment_id="two"))
    gateway.retract("one")
    assert (await ask(gateway, "{ x }", environment_id="one"))["data"] == {"x": "default"}
    with pytest.raises(MissingClient, match="subgraph b"):
        gateway.publish("one", extended)


async def test_environments_of_equal_content_share_a_graph() -> None:
    gateway = Gateway(composed(a="type Query { x: String }"), {"a": FakeClient(), "b": FakeClient()})
    for environment_id in ("one", "two"):
        gateway.publish(environment_id, composed(a="type Query { x: String }", b="type Query { y: String }"))
    assert gateway.graph("one") is gateway.graph("two")
    gateway.publish("two", composed(a="type Query { x: String }"))
    assert gateway.graph("two") is gateway.graph(None)


async def test_a_running_request_ends_on_the_graph_it_began_on() -> None:
    may_end, begun = asyncio.Event(), asyncio.Event()

    class Slow(FakeClient):
        async def execute(self, *args: Any) -> ExecutionResult:
            begun.set()
            await may_end.wait()
            return ExecutionResult({"x": "old"})

    gateway = Gateway(composed(a="type Query { x: String }"), {"a": Slow()})
    running = asyncio.ensure_future(ask(gateway, "{ x }"))
    await begun.wait()
    gateway.publish(None, composed(a="type Query { z: String }"), {"a": FakeClient()})
    may_end.set()
    assert (await running)["data"] == {"x": "old"}


async def test_a_store_that_calls_itself_is_stopped_by_depth_and_a_late_call_by_its_deadline() -> None:
    client = FakeClient(ExecutionResult({"x": "1"}))
    gateway = Gateway(composed(a="type Query { x: String }"), {"a": client})
    assert (await ask(gateway, "{ x }", depth=7))["data"] == {"x": "1"}
    assert client.calls[0].depth == 8
    too_deep = await ask(gateway, "{ x }", depth=8)
    assert too_deep["errors"][0]["extensions"]["code"] == "DEPTH_EXCEEDED"
    late = await ask(gateway, "{ x }", deadline_in_ms=-1)
    assert late["errors"][0]["extensions"]["code"] == "DEADLINE_EXCEEDED"


async def test_a_plan_with_several_fetches_is_one_hop() -> None:
    shop = Shop()
    await ask(Gateway(SHOP, shop.clients(["1"])), '{ search(q: "x") { items { name } } }', depth=3)
    assert shop.calls[0].depth == 4


async def test_a_subgraph_that_hangs_is_given_up_at_the_deadline() -> None:
    class Hangs(FakeClient):
        async def execute(self, *args: Any) -> ExecutionResult:
            await asyncio.Event().wait()
            raise AssertionError

    gateway = Gateway(SHOP, {**Shop().clients([]), "reviews": Hangs()})
    response = await ask(gateway, "{ products { name rating } }", deadline_in_ms=80)
    assert response["errors"][0]["extensions"] == {"code": "DEADLINE_EXCEEDED", "subgraph": "reviews"}
    assert response["data"]["products"][0] == {"name": "P1", "rating": None}


async def test_a_fetch_starts_when_its_own_inputs_are_there() -> None:
    """The join of one root field does not wait for another root field."""
    joined = asyncio.Event()

    class Slow(FakeClient):
        async def execute(self, *args: Any) -> ExecutionResult:
            await joined.wait()
            return ExecutionResult({"slow": 1})

    class Joins(FakeClient):
        async def execute(self, *args: Any) -> ExecutionResult:
            joined.set()
            return await super().execute(*args)

    supergraph = composed(
        a='type Query { p: P } type P @key(fields: "id") { id: ID! }',
        b='type P @key(fields: "id") { id: ID! size: Int }',
        c="type Query { slow: Int }",
    )
    clients = {
        "a": FakeClient(ExecutionResult({"p": {"id": "1"}})),
        "b": Joins(ExecutionResult({"_entities": [{"size": 2}]})),
        "c": Slow(),
    }
    response = await asyncio.wait_for(ask(Gateway(supergraph, clients), "{ p { size } slow }"), 5)
    assert response == {"data": {"p": {"size": 2}, "slow": 1}}


async def test_prepared_operations_are_checked_once_and_get_requests_change_nothing() -> None:
    gateway = Gateway(SHOP, Shop().clients(["1"]))
    prepared = gateway.compile(
        "query Find($q: String!) { search(q: $q) { total } } query Other { products { id } }", "Find"
    )
    result = await gateway.execute(prepared, {"q": "x"}, make_call())
    assert result.data == {"search": {"total": 1}}
    with pytest.raises(DocumentRefused, match="Cannot query field 'nope'"):
        gateway.compile("{ nope }")
    refused = await gateway.execute("mutation { reindex }", {}, make_call(), read_only=True)
    assert refused.refused
    assert refused.errors[0]["extensions"]["code"] == "MUTATION_NEEDS_POST"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nope }", "GRAPHQL_VALIDATION_FAILED"),
        ("query ($q: String!) { search(q: $q) { total } }", "BAD_USER_INPUT"),
        ("{" + " __typename" * 5_000 + "}", "LIMIT_EXCEEDED"),
        ("{ _entities(representations: []) { __typename } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ _service { sdl } }", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_bad_requests_are_refused_before_any_fetch(text: str, code: str) -> None:
    clients = {"catalog": FakeClient(), "search": FakeClient(), "reviews": FakeClient()}
    response = await ask(Gateway(SHOP, clients), text)
    assert "data" not in response
    assert {one["extensions"]["code"] for one in response["errors"]} == {code}


async def test_inaccessible_fields_are_hidden_but_may_still_be_keys() -> None:
    supergraph = composed(
        a='type Query { p: P } type P @key(fields: "secret") { secret: ID! @inaccessible }',
        b='type P @key(fields: "secret") { secret: ID! @inaccessible size: Int }',
    )
    clients = {
        "a": FakeClient(ExecutionResult({"p": {"secret": "s"}})),
        "b": FakeClient(ExecutionResult({"_entities": [{"size": 2}]})),
    }
    gateway = Gateway(supergraph, clients)
    assert await ask(gateway, "{ p { size } }") == {"data": {"p": {"size": 2}}}
    assert "Cannot query field 'secret'" in str(await ask(gateway, "{ p { secret } }"))


async def test_a_document_is_planned_once_however_it_is_laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[int] = []

    def counting(*given: Any) -> Any:
        planned.append(1)
        return make_plan(*given)

    monkeypatch.setattr("kokoa.gateway.app.make_plan", counting)
    gateway = Gateway(SHOP, Shop().clients(["1"]))
    texts = ('{ search(q: "x") { total } }', '{\n  # how many\n  search(q: "x",) { total }\n}')
    for text in (*texts, texts[0]):
        assert (await ask(gateway, text))["data"] == {"search": {"total": 1}}
    assert len(planned) == 1
    await ask(gateway, '{ search(q: "y") { total } }')
    assert len(planned) == 2


async def test_a_plan_is_explained_and_nothing_is_fetched() -> None:
    shop = Shop()
    gateway = Gateway(SHOP, shop.clients(["1"]))
    plan = await gateway.explain('{ search(q: "x") { items { name } } }', {}, make_call())
    assert [line for line in plan.splitlines() if not line.startswith(" ")] == [
        "0 search",
        "1 catalog after 0 at search.items",
    ]
    assert shop.asked == []
    with pytest.raises(DocumentRefused):
        await gateway.explain("{ nothing }", {}, make_call())


async def test_operations_plans_and_fetches_are_counted_and_partners_share_a_series() -> None:
    clients = Shop().clients(["1"]) | {"reviews": FakeClient(SubgraphUnavailable("away"))}
    metrics = GraphMetrics("7", ["catalog", "search"])
    gateway = Gateway(SHOP, clients, metrics=metrics)
    registry = CollectorRegistry()
    registry.register(metrics)
    for _ in range(2):
        await ask(gateway, '{ search(q: "x") { items { name } } }')
    await ask(gateway, "{ products { rating } }")

    def count(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"process": "7", **labels})

    assert count("kokoa_graph_operations_total", kind="query", outcome="answered") == 2
    assert count("kokoa_graph_operations_total", kind="query", outcome="errors") == 1
    assert (count("kokoa_graph_plans_total", result="miss"), count("kokoa_graph_plans_total", result="hit")) == (2, 1)
    fetches = "kokoa_graph_fetch_duration_seconds_count"
    assert count(fetches, subgraph="search", outcome="answered") == 2
    assert count(fetches, subgraph="catalog", outcome="answered") == 3
    assert count(fetches, subgraph="extension", outcome="failed") == 1


async def test_a_new_long_document_that_everybody_sends_at_once_is_answered_to_everybody() -> None:
    gateway = Gateway(SHOP, Shop().clients(["1", "2"]))
    fields = " ".join(f'r{n}: search(q: "lamp") {{ items {{ name rating reviews {{ body }} }} }}' for n in range(9))
    answers = await asyncio.gather(*(ask(gateway, f"{{ {fields} }}") for _ in range(100)))
    assert all(one == answers[0] for one in answers)
    assert answers[0]["data"]["r8"]["items"][1] == {"name": "P2", "rating": 4.5, "reviews": [{"body": "b"}]}
