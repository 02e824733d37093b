"""Native routes: files to operations, parameters to variables, results to answers, and their OpenAPI."""

from pathlib import Path

import orjson
import pytest
from graphql import build_schema, parse, validate
from hypothesis import given
from hypothesis import strategies as st

from kokoa.edge.errors import InvalidParameter, UnknownParameter
from kokoa.edge.native.openapi import openapi_of
from kokoa.edge.native.operations import InvalidOperationFile, load_operations, parse_operation
from kokoa.edge.native.parameters import variables_of
from kokoa.graphql import ExecutionResult
from kokoa.graphql.result import CacheControl
from kokoa.roles.parts import compose_core
from unit.edge.edge_fakes import BOEING, FakeEdge
from unit.web.asgi_client import Answer, ask

CORE = compose_core().schema
STORE = {"X-Tenant-ID": "boeing"}
TYPED = parse_operation(
    "# GET /things/{id}\nquery Things($id: ID!, $n: Int! = 3, $f: Float, $b: Boolean, $tags: [String!], $e: Kind) "
    "{ things(id: $id, n: $n, f: $f, b: $b, tags: $tags, e: $e) { id } }",
    "things.graphql",
)


async def get(edge: FakeEdge, target: str) -> Answer:
    return await ask(edge.app, "GET", target, headers=STORE)


@pytest.mark.parametrize(
    "text",
    [
        "query A { a }",
        "# GET /a\nfragment F on A { a }",
        "# GET /a\nquery { a }",
        "# GET /a\nquery A { a b }",
        "# GET /{id}\nquery A { a }",
        "# nonsense\nquery A { a }",
    ],
)
def test_a_file_of_another_form_is_refused_at_start(text: str) -> None:
    with pytest.raises(Exception, match=r"a\.graphql|route key"):
        parse_operation(text, "a.graphql")


def test_two_files_cannot_have_one_name(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.graphql").write_text(f"# GET /{name}\nquery Same {{ a }}")
    with pytest.raises(InvalidOperationFile, match=r"two\.graphql"):
        load_operations(tmp_path)


def test_the_packaged_operations_fit_the_graph() -> None:
    for operation in load_operations().values():
        assert validate(CORE, parse(operation.document)) == []


def test_variables_are_coerced_by_their_types() -> None:
    variables = variables_of(TYPED, {"id": "a b"}, "n=-5&f=1.5e3&b=true&tags=x&tags=y%2Cz&e=BIG")
    assert variables == {"id": "a b", "n": -5, "f": 1500.0, "b": True, "tags": ["x", "y,z"], "e": "BIG"}
    assert variables_of(TYPED, {"id": "1"}, "") == {"id": "1"}


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("n=five", "n"), ("n=1.0", "n"), ("n=", "n"), ("n=99999999999", "n"), ("n=2147483648", "n"), ("n=1&n=2", "n"),
        ("n=%EF%BC%95", "n"), ("f=nan", "f"), ("f=inf", "f"), ("f=1_0", "f"), ("b=yes", "b"), ("b=TRUE", "b"),
        ("e=%00", "e"),
    ],
)  # fmt: skip
def test_a_wrong_value_names_its_parameter(query: str, named: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        variables_of(TYPED, {"id": "1"}, query)
    assert caught.value.field == named
    assert f" {named} " in caught.value.message


@pytest.mark.parametrize("query", ["limt=5", "id=2", "N=1", "variables={}"])
def test_an_unknown_query_parameter_is_refused(query: str) -> None:
    with pytest.raises(UnknownParameter, match="It takes: n, f, b, tags, e"):
        variables_of(TYPED, {"id": "1"}, query)


@pytest.mark.parametrize("query", ["%ff=1", "n=%ff", "&".join(["tags=x"] * 200)])
def test_an_unreadable_query_is_refused(query: str) -> None:
    with pytest.raises(InvalidParameter):
        variables_of(TYPED, {"id": "1"}, query)


@given(st.text(max_size=80))
def test_any_query_is_understood_or_refused(query: str) -> None:
    try:
        variables = variables_of(TYPED, {"id": "1"}, query)
    except (InvalidParameter, UnknownParameter):
        return
    assert variables["id"] == "1"


async def test_listing_answers_the_root_fields_value() -> None:
    edge = FakeEdge()
    edge.graph.result = ExecutionResult({"products": [{"id": "1", "name": "Lamp"}]})
    answer = await get(edge, "/api/products?limit=5")
    assert (answer.status, answer.json()) == (200, [{"id": "1", "name": "Lamp"}])
    _, variables, call, name, _ = edge.graph.asked[0]
    assert (variables, name, call.environment_id) == ({"limit": 5}, "Products", BOEING.id)


async def test_a_listing_may_be_kept_as_long_as_the_graph_says() -> None:
    edge = FakeEdge()
    edge.graph.result = ExecutionResult({"products": []}, cache_control=CacheControl(60))
    answer = await get(edge, "/api/products")
    assert answer.headers["cache-control"] == "max-age=60, public"
    assert {"x-tenant-id", "authorization"} <= set(answer.headers["vary"].split(", "))
    edge.graph.result = ExecutionResult({"products": []})
    assert (await get(edge, "/api/products")).headers["cache-control"] == "no-cache"


async def test_a_missing_product_is_404() -> None:
    edge = FakeEdge()
    edge.graph.result = ExecutionResult({"product": None})
    answer = await get(edge, "/api/products/77")
    assert (answer.status, answer.json()["code"]) == (404, "NOT_FOUND")
    assert edge.graph.asked[0][1] == {"id": "77"}


async def test_bad_input_is_a_problem_that_names_the_parameter() -> None:
    edge = FakeEdge()
    for target, field in (
        ("/api/products?limit=many", "limit"),
        ("/api/search", "q"),
        ("/api/search?q=a&page=2", "page"),
    ):
        answer = await get(edge, target)
        assert (answer.status, answer.json()["field"]) == (400, field)
    assert edge.graph.asked == []


@pytest.mark.parametrize(
    ("code", "status"), [("BAD_USER_INPUT", 400), ("FORBIDDEN", 403), ("INTERNAL", 500), ("PRODUCT_NOT_FOUND", 404)]
)
async def test_an_error_of_the_graph_is_a_problem(code: str, status: int) -> None:
    edge = FakeEdge()
    error = {"message": "No.", "path": ["products", 3, "price"], "extensions": {"code": code, "field": "limit"}}
    edge.graph.result = ExecutionResult({"products": [{"id": "1"}]}, [error])
    answer = await get(edge, "/api/products")
    document = answer.json()
    assert (answer.status, document["code"], document["detail"], document["field"]) == (status, code, "No.", "limit")
    assert document["correlation_id"] == answer.headers["x-correlation-id"]


async def test_head_and_other_methods() -> None:
    edge = FakeEdge()
    head = await ask(edge.app, "HEAD", "/api/products", headers=STORE)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "2")
    refused = await ask(edge.app, "DELETE", "/api/search", headers=STORE)
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
    options = await ask(edge.app, "OPTIONS", "/api/products", headers=STORE)
    assert (options.status, options.headers["allow"]) == (204, "GET, HEAD, POST, OPTIONS")


async def test_openapi_is_served_without_a_tenant() -> None:
    answer = await ask(FakeEdge().app, "GET", "/openapi.json")
    document = answer.json()
    assert document["openapi"] == "3.1.0"
    own = {one.key.path for one in load_operations().values()}
    others = {"/api/payments/webhooks/{provider}", "/api/products/{id}/media", "/media/{hash}/{file}"}
    assert set(document["paths"]) == own | others
    assert set(document["paths"]["/api/products/{id}/media"]["post"]["requestBody"]["content"]) == {
        "image/*",
        "multipart/form-data",
    }
    listing = document["paths"]["/api/products"]["get"]
    limit = listing["parameters"][0]
    assert (limit["name"], limit["in"], limit["required"]) == ("limit", "query", False)
    assert limit["schema"] == {"type": "integer", "format": "int32", "default": 20}
    item = listing["responses"]["200"]["content"]["application/json"]["schema"]["items"]
    assert item["properties"]["id"] == {"type": "string"}
    assert item["properties"]["price"] == {"anyOf": [{"type": "number"}, {"type": "null"}]}
    assert item["properties"]["currency"]["anyOf"][0]["enum"] == ["EUR", "USD"]
    (path_parameter,) = document["paths"]["/api/products/{id}"]["get"]["parameters"]
    assert (path_parameter["in"], path_parameter["required"]) == ("path", True)


def test_openapi_understands_lists_fragments_and_aliases() -> None:
    schema = build_schema(
        "type Query { a(tags: [String!]): [[Node]]! } interface Node { id: ID! } "
        "type X implements Node { id: ID! n: Int }"
    )
    operation = parse_operation(
        "# GET /a\n# What it is for.\nquery A($tags: [String!]) "
        "{ a(tags: $tags) { key: id ... on X { n } ... { __typename } } }",
        "a",
    )
    described = openapi_of([operation], schema, version="1", others={})["paths"]["/a"]["get"]
    assert described["summary"] == "What it is for."
    assert described["parameters"][0]["schema"] == {"type": "array", "items": {"type": "string"}}
    inner = described["responses"]["200"]["content"]["application/json"]["schema"]["items"]["anyOf"][0]["items"]
    assert inner["anyOf"][0]["required"] == ["key", "__typename"]
    assert set(inner["anyOf"][0]["properties"]) == {"key", "n", "__typename"}
    assert orjson.dumps(described)
