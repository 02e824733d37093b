"""Native routes that change something: bodies and headers to variables, results to answers, errors to problems."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoa.edge.errors import InvalidParameter, UnknownParameter
from kokoa.edge.extensions import FunctionAnswer
from kokoa.edge.native.openapi import openapi_of
from kokoa.edge.native.operations import InvalidOperationFile, load_operations, parse_operation
from kokoa.edge.native.parameters import variables_of_body
from kokoa.edge.native.serve import BODY_BYTES_MAX
from kokoa.graphql import ExecutionResult
from kokoa.roles.parts import compose_core
from unit.edge.edge_fakes import BOEING, FakeEdge
from unit.web.asgi_client import Answer, ask

STORE = {"X-Tenant-ID": "boeing"}
JSON = {**STORE, "Content-Type": "application/json"}
LINES = "/api/carts/c1/lines"
OPERATIONS = load_operations()


async def send(edge: FakeEdge, method: str, target: str, body: object = None, **headers: str) -> Answer:
    data = b"" if body is None else orjson.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await ask(edge.app, method, target, headers={**JSON, **named}, body=data)


def answering(value: Any, **roots: Any) -> FakeEdge:
    """An edge whose graph answers so."""
    edge = FakeEdge()
    edge.graph.result = ExecutionResult(roots or {"addCartLines": value})
    return edge


def failing(code: str, message: str = "No.", **extensions: Any) -> FakeEdge:
    edge = FakeEdge()
    edge.graph.result = ExecutionResult(None, [{"message": message, "extensions": {"code": code, **extensions}}])
    return edge


async def test_body_path_and_headers_become_the_variables() -> None:
    edge = answering({"id": "c1"})
    lines = [{"sku": "A", "quantity": 2}]
    headers = {"If_Match": '"7"', "Idempotency_Key": "k1", "X_Cart_Token": "t1"}
    answer = await send(edge, "POST", LINES, {"lines": lines}, **headers)
    assert (answer.status, answer.json(), answer.headers["cache-control"]) == (200, {"id": "c1"}, "no-store")
    ((_, variables, call, name, _),) = edge.graph.asked
    given = {"id": "c1", "lines": lines, "version": 7, "idempotencyKey": "k1", "cartToken": "t1"}
    assert (variables, name, call.environment_id) == (given, "AddCartLines", BOEING.id)


async def test_what_is_not_given_is_no_variable_and_null_is_null() -> None:
    edge = answering(None, setCartEmail={"id": "c1"})
    await send(edge, "PUT", "/api/carts/c1/email", {"email": None})
    await send(edge, "PUT", "/api/carts/c1/email")
    assert [one[1] for one in edge.graph.asked] == [{"id": "c1", "email": None}, {"id": "c1"}]


async def test_what_is_made_is_201_and_where_it_is() -> None:
    edge = answering(None, createCart={"cartToken": "t", "cart": {"id": "a/b"}})
    answer = await send(edge, "POST", "/api/carts", {"currency": "EUR"}, Idempotency_Key="k")
    assert (answer.status, answer.headers["location"]) == (201, "/api/carts/a%2Fb")
    assert edge.graph.asked[0][1] == {"currency": "EUR", "idempotencyKey": "k"}
    edge = answering(None, placeOrder={"id": "p", "state": "ACTION_REQUIRED", "order": None})
    placed = await send(edge, "POST", "/api/placements", {"paymentProvider": "test"}, Idempotency_Key="k")
    assert (placed.status, "location" in placed.headers) == (201, False)


async def test_what_has_no_answer_is_204() -> None:
    edge = answering(None, signOut=True)
    answer = await send(edge, "DELETE", "/api/sessions/current")
    assert (answer.status, answer.body, answer.headers["cache-control"]) == (204, b"", "no-store")


async def test_delete_takes_its_path_and_nothing_else() -> None:
    edge = answering(None, removeCartCode={"id": "c1"})
    assert (await send(edge, "DELETE", "/api/carts/c1/codes/WELCOME%2F10", If_Match='"3"')).status == 200
    assert edge.graph.asked[0][1] == {"id": "c1", "code": "WELCOME/10", "version": 3}
    assert (await send(edge, "DELETE", "/api/carts/c1/codes/A?code=B")).json()["code"] == "UNKNOWN_PARAMETER"


@pytest.mark.parametrize(
    ("body", "media", "status", "code", "field"),
    [
        (b"{", "application/json", 400, "INVALID_PARAMETER", None),
        (b"\xff", "application/json", 400, "INVALID_PARAMETER", None),
        (b"[" * 100_000, "application/json", 400, "INVALID_PARAMETER", None),
        (b'{"lines": NaN}', "application/json", 400, "INVALID_PARAMETER", None),
        (b'{"lines": "\\ud800"}', "application/json", 400, "INVALID_PARAMETER", None),
        (b"[]", "application/json", 400, "INVALID_PARAMETER", None),
        (b"null", "application/json", 400, "INVALID_PARAMETER", None),
        (b"", "application/json", 400, "INVALID_PARAMETER", "lines"),
        (b"{}", "application/json", 400, "INVALID_PARAMETER", "lines"),
        (b'{"lines": [], "id": "c2"}', "application/json", 400, "UNKNOWN_PARAMETER", "id"),
        (b'{"lines": [], "version": 1}', "application/json", 400, "UNKNOWN_PARAMETER", "version"),
        (b'{"lines": [], "customerId": 1}', "application/json", 400, "UNKNOWN_PARAMETER", "customerId"),
        (b'{"lines": []}', "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE", None),
        (b'{"lines": []}', "application/json; charset=utf-16", 415, "UNSUPPORTED_MEDIA_TYPE", None),
        (b'{"lines": []}', "", 415, "UNSUPPORTED_MEDIA_TYPE", None),
    ],
)  # fmt: skip
async def test_a_hostile_body_never_reaches_the_graph(
    body: bytes, media: str, status: int, code: str, field: str | None
) -> None:
    edge = FakeEdge()
    answer = await ask(edge.app, "POST", LINES, headers={**STORE, "Content-Type": media}, body=body)
    assert (answer.status, answer.json()["code"], answer.json().get("field")) == (status, code, field)
    assert edge.graph.asked == []


async def test_a_body_that_is_too_long_is_refused() -> None:
    edge = FakeEdge()
    chunks = [b'{"lines": "', b"x" * BODY_BYTES_MAX, b'"}']
    answer = await ask(edge.app, "POST", LINES, headers=JSON, body=chunks)
    assert (answer.status, answer.json()["code"], edge.graph.asked) == (413, "PAYLOAD_TOO_LARGE", [])


@pytest.mark.parametrize("tag", ["7", '"x"', 'W/"7"', "*", '"-1"', '"99999999999"', '"7", "8"', ""])
async def test_if_match_is_one_version(tag: str) -> None:
    edge = FakeEdge()
    answer = await send(edge, "POST", LINES, {"lines": []}, If_Match=tag)
    assert (answer.status, answer.json()["field"], edge.graph.asked) == (400, "if-match", [])


async def test_if_match_is_refused_where_nothing_compares_it() -> None:
    edge = FakeEdge()
    answer = await send(edge, "POST", "/api/sessions", {"email": "a", "password": "b"}, If_Match='"1"')
    assert (answer.status, answer.json()["field"], edge.graph.asked) == (400, "if-match", [])


async def test_whoever_only_reads_may_send_if_match() -> None:
    for method in ("GET", "HEAD"):
        assert (await send(FakeEdge(), method, "/api/products", If_Match='"1"')).status == 200


async def test_a_header_that_is_needed_or_came_twice_is_named() -> None:
    edge = FakeEdge()
    body = orjson.dumps({"paymentProvider": "test"})
    missing = await ask(edge.app, "POST", "/api/placements", headers=JSON, body=body)
    twice = [*JSON.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    doubled = await ask(edge.app, "POST", "/api/placements", headers=twice, body=body)
    assert [(one.status, one.json()["field"]) for one in (missing, doubled)] == [(400, "idempotency-key")] * 2
    assert edge.graph.asked == []


@pytest.mark.parametrize(
    ("method", "target", "body", "field", "shown"),
    [
        ("POST", LINES, {"lines": []}, "lines.1.quantity", "lines.1.quantity"),
        ("POST", LINES, {"lines": []}, "version", "if-match"),
        ("POST", LINES, {"lines": []}, "idempotencyKey", "idempotency-key"),
        ("PATCH", "/api/carts/c1/lines/l1", {"quantity": 1}, "lines.0.quantity", "quantity"),
        ("PATCH", "/api/carts/c1/lines/l1", {"quantity": 1}, "lines.0.id", "lineId"),
        ("POST", "/api/me/addresses", {"line1": "a", "city": "b", "country": "FI"}, "input.country", "country"),
        ("POST", "/api/carts", {"currency": "EUR"}, "elsewhere", "elsewhere"),
    ],
)
async def test_a_field_is_named_as_the_client_sent_it(
    method: str, target: str, body: object, field: str, shown: str
) -> None:
    answer = await send(failing("INVALID_CART", field=field), method, target, body)
    assert (answer.status, answer.json()["field"]) == (400, shown)


async def test_a_value_of_the_wrong_type_is_named_by_its_place_in_the_body() -> None:
    message = "Variable '$lines' has invalid value at [0].quantity: Int cannot represent non-integer value: 'a'"
    answer = await send(failing("BAD_USER_INPUT", message), "POST", LINES, {"lines": [{"quantity": "a"}]})
    document = answer.json()
    assert (answer.status, document["field"]) == (400, "lines.0.quantity")
    assert document["detail"] == "lines.0.quantity: Int cannot represent non-integer value: 'a'"


@pytest.mark.parametrize(
    ("code", "status", "header"),
    [
        ("CART_FROZEN", 409, None),
        ("CART_CHANGED", 409, None),
        ("IDEMPOTENCY_KEY_REUSED", 409, None),
        ("CART_NOT_FOUND", 404, None),
        ("NOT_SIGNED_IN", 401, ("www-authenticate", 'Kokoa-Tenant realm="store"')),
        ("FORBIDDEN", 403, None),
        ("ORDER_STEP_UNAVAILABLE", 503, ("retry-after", "1")),
        ("THROTTLED", 429, ("retry-after", "3")),
        ("DROPPED_BY_A_PARTNER", 502, None),
    ],
)
async def test_the_status_follows_from_the_code(code: str, status: int, header: tuple[str, str] | None) -> None:
    waiting: dict[str, Any] = {"retryAfterS": 2.5} if status == 429 else {}
    answer = await send(failing(code, **waiting), "POST", LINES, {"lines": []})
    assert (answer.status, answer.json()["code"]) == (status, code)
    if header:
        assert answer.headers[header[0]] == header[1]


@pytest.mark.parametrize("wait", [float("inf"), -1, 1e300, "soon", None])
async def test_a_wait_that_makes_no_sense_is_not_told(wait: Any) -> None:
    answer = await send(failing("THROTTLED", retryAfterS=wait), "POST", LINES, {"lines": []})
    assert (answer.status, "retry-after" in answer.headers) == (429, False)


async def test_a_partner_takes_a_route_over_with_its_body() -> None:
    edge = answering({"id": "c1"})
    edge.deploy("POST /api/carts/{cart}/lines")
    edge.invoker.answer = FunctionAnswer(b'{"statusCode":202,"body":"theirs"}', None, "r")
    answer = await send(edge, "POST", LINES, {"lines": [1]})
    assert (answer.status, answer.body, edge.graph.asked) == (202, b"theirs", [])
    event = orjson.loads(edge.invoker.calls[0][2])
    assert (orjson.loads(event["body"]), event["pathParameters"]) == ({"lines": [1]}, {"cart": "c1"})
    edge.rule("POST /api/carts/{id}/lines", percent=0)
    assert (await send(edge, "POST", LINES, {"lines": [1]})).json() == {"id": "c1"}
    assert edge.graph.asked[0][1] == {"id": "c1", "lines": [1]}


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5), st.text(max_size=9)
)
def test_any_body_is_understood_or_refused(value: Any, name: str) -> None:
    operation = OPERATIONS["AddCartLines"]
    for body in (repr(value).encode("utf-8", "replace"), f'{{"{name}": 1}}'.encode("utf-8", "replace")):
        try:
            found = variables_of_body(operation, "application/json", body)
        except (InvalidParameter, UnknownParameter):
            continue
        assert set(found) <= {"lines"}


def test_a_route_that_only_reads_is_a_query_and_every_other_a_mutation() -> None:
    for text in ("# GET /a\nmutation A { a }", "# POST /a\nquery A { a }", "# DELETE /a\nquery A { a }"):
        with pytest.raises(InvalidOperationFile, match="GET is for a query"):
            parse_operation(text, "a.graphql")


def test_every_location_is_a_route_that_there_is() -> None:
    shapes = {one.key.shape for one in OPERATIONS.values()}
    made = [one for one in OPERATIONS.values() if one.location]
    assert len(made) > 4
    for one in made:
        shape = "/" + "/".join("{}" if part[:1] == "{" else part for part in one.location[1:].split("/"))
        assert shape in shapes, one.location


def test_openapi_describes_bodies_headers_and_answers() -> None:
    document = openapi_of(OPERATIONS.values(), compose_core().schema, version="1", others={})
    lines = document["paths"]["/api/carts/{id}/lines"]["post"]
    body = lines["requestBody"]["content"]["application/json"]["schema"]
    assert (body["required"], body["additionalProperties"]) == (["lines"], False)
    assert body["properties"]["lines"]["items"] == {"$ref": "#/components/schemas/AddCartLineInput"}
    line = document["components"]["schemas"]["AddCartLineInput"]
    assert line["properties"]["quantity"]["default"] == 1
    assert {one["name"]: one["in"] for one in lines["parameters"]} == {
        "id": "path",
        "x-cart-token": "header",
        "if-match": "header",
        "idempotency-key": "header",
    }
    placed = document["paths"]["/api/placements"]["post"]["responses"]["201"]
    assert placed["headers"]["Location"]["description"] == "/api/orders/{order.id}"
    answer = placed["content"]["application/json"]["schema"]
    assert "number" in answer["properties"]["order"]["anyOf"][0]["properties"], "what fragments ask for is there"
    assert document["paths"]["/api/sessions"]["delete"]["responses"]["204"] == {"description": "Done"}
