"""GraphQL over HTTP: what a request must look like, and which status each answer has."""

from urllib.parse import urlencode

import orjson
import pytest

from kokoa.graphql.http import GraphQLRequest, HttpAnswer, Refusal, encode, read_request
from kokoa.graphql.result import ExecutionResult

JSON = {"content-type": "application/json"}
NEW = "application/graphql-response+json"


def post(body: object, headers: dict[str, str] | None = None, **options: int) -> GraphQLRequest | Refusal:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return read_request("POST", {**JSON, **(headers or {})}, "", raw, **options)


def refused(found: GraphQLRequest | Refusal) -> tuple[int, str]:
    assert isinstance(found, Refusal)
    answer = found.answer()
    message = orjson.loads(answer.body)["errors"][0]["message"]
    return answer.status, message


def test_a_post_and_a_get_say_the_same() -> None:
    body = {"query": "query A($x: Int) { a }", "operationName": "A", "variables": {"x": 1}, "extensions": None}
    by_post = post(body)
    text = urlencode({"query": body["query"], "operationName": "A", "variables": '{"x":1}', "other": "ignored"})
    by_get = read_request("GET", {}, text, b"")
    assert isinstance(by_post, GraphQLRequest)
    assert isinstance(by_get, GraphQLRequest)
    assert (by_post.query, by_post.variables, by_post.operation_name) == ("query A($x: Int) { a }", {"x": 1}, "A")
    assert (by_get.query, by_get.variables, by_get.operation_name) == ("query A($x: Int) { a }", {"x": 1}, "A")
    assert (by_post.read_only, by_get.read_only) == (False, True)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b"", 400, "not JSON"),
        (b'"text"', 400, "must be a JSON object"),
        ([{"query": "{ a }"}], 400, "Batches"),
        ({}, 400, "`query` is missing"),
        ({"query": ""}, 400, "`query` is missing"),
        ({"query": 7}, 400, "`query` must be text"),
        ({"documentId": 7}, 400, "`documentId` must be"),
        ({"documentId": "sha256:12"}, 400, "`documentId` must be"),
        ({"documentId": "../x"}, 400, "`documentId` must be"),
        ({"query": "{ a }", "extensions": {"persistedQuery": 1}}, 400, "`extensions.persistedQuery` must be"),
        ({"extensions": {"persistedQuery": {"version": 2, "sha256Hash": "0" * 64}}}, 400, "must be"),
        ({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 63}}}, 400, "must be"),
        ({"query": "{ a }", "variables": "x"}, 400, "`variables` must be an object"),
        ({"query": "{ a }", "variables": [1]}, 400, "`variables` must be an object"),
        ({"query": "{ a }", "extensions": 1}, 400, "`extensions` must be an object"),
        ({"query": "{ a }", "operationName": 1}, 400, "`operationName` must be text"),
    ],
)
def test_a_body_without_a_request_is_refused_with_a_reason(body: object, status: int, said: str) -> None:
    found_status, message = refused(post(body))
    assert found_status == status
    assert said in message


@pytest.mark.parametrize(
    ("query_string", "said"),
    [
        ("", "`query` is missing"),
        ("query=%7Ba%7D&query=%7Bb%7D", "given 2 times"),
        ("query=%7Ba%7D&variables=%7B", "not JSON"),
        ("query=%7Ba%7D&variables=1", "must be an object"),
        ("query=%ff", "cannot be read"),
        ("&".join(f"p{n}=1" for n in range(99)), "cannot be read"),
    ],
)
def test_a_query_string_without_a_request_is_refused_with_a_reason(query_string: str, said: str) -> None:
    status, message = refused(read_request("GET", {}, query_string, b""))
    assert status == 400
    assert said in message


def test_methods_media_types_and_sizes() -> None:
    put = read_request("PUT", JSON, "", b"{}")
    assert isinstance(put, Refusal)
    assert put.answer().headers["allow"] == "GET, POST"
    assert refused(put)[0] == 405
    body = {"query": "{ a }"}
    assert refused(post(body, {"content-type": "text/plain"}))[0] == 415
    assert refused(post(body, {"content-type": ""}))[0] == 415
    assert refused(post(body, {"content-type": "application/json; charset=latin-1"}))[0] == 415
    assert refused(post(body, {"accept": "text/html"}))[0] == 406
    assert refused(post(body, body_bytes_max=5))[0] == 413
    assert isinstance(post(body, {"content-type": "application/json; charset=utf-8"}), GraphQLRequest)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        (NEW, NEW),
        (f"{NEW}, application/json;q=0.9", NEW),
        (f"application/json, {NEW};q=0.5", "application/json"),
        (f"application/json;q=0, {NEW}", NEW),
        ("text/html, */*;q=0.1", "application/json"),
    ],
)
def test_the_answer_has_the_media_type_that_the_client_prefers(accept: str | None, chosen: str) -> None:
    found = post({"query": "{ a }"}, {"accept": accept} if accept is not None else {})
    assert isinstance(found, GraphQLRequest)
    assert found.accept == chosen
    assert encode(ExecutionResult({}), found.accept).headers["content-type"] == f"{chosen}; charset=utf-8"


def test_a_value_that_json_cannot_hold_is_our_fault_and_does_not_leak() -> None:
    answer = encode(ExecutionResult({"a": 1j}))
    assert answer.status == 500
    assert orjson.loads(answer.body)["errors"][0]["extensions"]["code"] == "INTERNAL"


def entry(code: str) -> dict[str, object]:
    return {"message": "no", "extensions": {"code": code}}


@pytest.mark.parametrize(
    ("result", "accept", "status"),
    [
        (ExecutionResult({"a": 1}), NEW, 200),
        (ExecutionResult(None, [entry("X")]), NEW, 200),
        (ExecutionResult({"a": None}, [entry("X")]), "application/json", 200),
        (ExecutionResult(errors=[entry("GRAPHQL_PARSE_FAILED")]), NEW, 400),
        (ExecutionResult(errors=[entry("GRAPHQL_VALIDATION_FAILED")]), "application/json", 200),
        (ExecutionResult(errors=[entry("BAD_USER_INPUT")]), "application/json", 400),
        (ExecutionResult(errors=[entry("LIMIT_EXCEEDED")]), "application/json", 400),
        (ExecutionResult(errors=[entry("MUTATION_NEEDS_POST")]), "application/json", 405),
    ],
)
def test_the_status_says_whether_anything_was_executed(result: ExecutionResult, accept: str, status: int) -> None:
    answer = encode(result, accept)
    assert isinstance(answer, HttpAnswer)
    assert answer.status == status
    assert ("data" in orjson.loads(answer.body)) is not result.refused
