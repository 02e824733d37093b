"""Requests of a store that are wrong: who they say they are, GraphQL, REST parameters, sizes, too many of them."""

import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from partners import (
    CORRELATION_ID,
    Environment,
    Line,
    line_to_each_process,
    new_environment,
    operate,
    problem,
)
from running import Answer, RunningStore, until

CREATE = 'mutation { createProduct(input: {name: "Forced in", variants: []}) { id } }'
NAMES = "{ products { name } }"
PATHS = ("/graphql", "/api/products", "/nowhere")


@pytest.fixture(scope="module")
def shop(store: RunningStore) -> Environment:
    """A tenant of this module's own with one product."""
    shop = new_environment(store)
    made = shop.graphql('mutation { createProduct(input: {name: "The only one", variants: []}) { id } }')
    assert "errors" not in made.json, made
    return shop


@pytest.fixture(scope="module")
def rival(store: RunningStore) -> Environment:
    """Another tenant."""
    return new_environment(store)


@pytest.fixture(autouse=True)
def nothing_changed(shop: Environment) -> Any:
    """After every test the shop is what it was."""
    yield
    assert shop.graphql(NAMES).json == {"data": {"products": [{"name": "The only one"}]}}


def graphql_error(answer: Answer, status: int, code: str) -> str:
    """The first message of a GraphQL answer that is nothing but errors of this code."""
    assert answer.status == status, answer
    assert CORRELATION_ID.fullmatch(answer.headers["x-correlation-id"])
    assert answer.json.get("data") is None
    assert {error["extensions"]["code"] for error in answer.json["errors"]} == {code}
    message: str = answer.json["errors"][0]["message"]
    return message


# who asks

Headers = Callable[[Environment, Environment], dict[str, str]]
STRANGERS: dict[str, tuple[Headers, int, str, str]] = {
    "no tenant": (lambda shop, rival: {}, 400, "TENANT_MISSING", "Send the header X-Tenant-ID"),
    "unknown tenant": (lambda shop, rival: {"X-Tenant-ID": "nobody"}, 404, "TENANT_NOT_FOUND", "'nobody'"),
    "hostile tenant": (lambda shop, rival: {"X-Tenant-ID": "x' OR 1=1 --"}, 404, "TENANT_NOT_FOUND", "OR 1=1"),
    "unknown environment": (
        lambda shop, rival: {**shop.shopper, "X-Environment": "qa"},
        404,
        "TENANT_NOT_FOUND",
        "an environment 'qa'",
    ),
    "wrong tenant secret": (
        lambda shop, rival: {**shop.secrets, "X-Tenant-Secret": "ts_wrong"},
        401,
        "CREDENTIALS_WRONG",
        "No environment of tenant",
    ),
    "wrong graphql secret": (
        lambda shop, rival: {**shop.secrets, "X-GraphQL-Secret": "gs_wrong"},
        401,
        "CREDENTIALS_WRONG",
        "No environment of tenant",
    ),
    "another tenant's secrets": (
        lambda shop, rival: {**rival.secrets, "X-Tenant-ID": shop.tenant},
        401,
        "CREDENTIALS_WRONG",
        "No environment of tenant",
    ),
    "secrets of two tenants": (
        lambda shop, rival: {**shop.secrets, "X-GraphQL-Secret": rival.secrets["X-GraphQL-Secret"]},
        401,
        "CREDENTIALS_WRONG",
        "No environment of tenant",
    ),
    "contradicting environment": (
        lambda shop, rival: {**shop.secrets, "X-Environment": "dev"},
        400,
        "TENANT_CONTRADICTION",
        "x-environment says 'dev'",
    ),
    "forged call token": (
        lambda shop, rival: {**shop.shopper, "X-Kokoa-Call": "e30.e30.e30"},
        401,
        "CALL_TOKEN_INVALID",
        "not valid",
    ),
    "call token and secrets": (
        lambda shop, rival: {**shop.secrets, "X-Kokoa-Call": "e30.e30.e30"},
        400,
        "CREDENTIALS_MIXED",
        "x-tenant-secret",
    ),
}


@pytest.mark.parametrize("case", STRANGERS, ids=str)
def test_who_asks_must_be_clear(store: RunningStore, shop: Environment, rival: Environment, case: str) -> None:
    headers, status, code, part = STRANGERS[case]
    for path in PATHS:
        answer = store.request(path, headers=headers(shop, rival))
        assert part in problem(answer, status, code)
        assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize("missing", ["X-Tenant-ID", "X-Tenant-Secret", "X-GraphQL-Secret"])
def test_the_three_headers_belong_together(store: RunningStore, shop: Environment, missing: str) -> None:
    headers = {name: value for name, value in shop.secrets.items() if name != missing}
    answer = store.request("/graphql", method="POST", body=b"{}", headers=headers)
    assert f"The header {missing} is missing" in problem(answer, 401, "CREDENTIALS_MISSING")


def test_a_domain_that_contradicts_the_headers_is_refused(
    store: RunningStore, shop: Environment, rival: Environment
) -> None:
    domain = f"{rival.tenant}.example.com"
    rival.operate("POST", "/domains", {"domain": domain})
    at_domain = until(lambda: found if (found := at(store, domain)).status == 200 else None, within_s=3)
    assert at_domain.json == []
    detail = problem(at(store, domain, **shop.secrets), 400, "TENANT_CONTRADICTION")
    assert domain in detail
    assert f"{shop.tenant}/prod" in detail
    detail = problem(at(store, domain.upper() + ":443", **shop.shopper), 400, "TENANT_CONTRADICTION")
    assert repr(shop.tenant) in detail
    assert at(store, domain, **rival.secrets).status == 200


def at(store: RunningStore, domain: str, **headers: str) -> Answer:
    return store.request("/api/products", headers={**headers, "Host": domain})


def test_a_caller_may_not_name_two_tenants(store: RunningStore, shop: Environment, rival: Environment) -> None:
    """Two readers of one request must not take it for two tenants' (urllib cannot send a header twice)."""
    answer = raw(
        store, f"GET /api/products HTTP/1.1\r\nX-Tenant-ID: {shop.tenant}\r\nX-Tenant-ID: {rival.tenant}\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"HEADER_SENT_TWICE"' in answer


def raw(store: RunningStore, head: str) -> bytes:
    """The bytes that come back for a request head of which the end and Host are added."""
    line = Line(store)
    line.socket.sendall(f"{head}Host: {store.url.removeprefix('http://')}\r\nConnection: close\r\n\r\n".encode())
    received = b""
    while chunk := line.socket.recv(65536):
        received += chunk
    line.close()
    return received


# GraphQL

DEEP = "{ products { category " + "{ products { category " * 8 + "{ slug }" + " } }" * 8 + " } }"
Body = dict[str, Any] | list[Any] | str
DOCUMENTS: dict[str, tuple[Body, int, str, str]] = {
    "malformed JSON": ('{"query": ', 400, "BAD_REQUEST", "not JSON"),
    "no object": ('"{ products { id } }"', 400, "BAD_REQUEST", "JSON object"),
    "no query": ({"variables": {}}, 400, "BAD_REQUEST", "`query` is missing"),
    "a query that is no text": ({"query": 5}, 400, "BAD_REQUEST", "`query` must be text"),
    "variables that are no object": ({"query": NAMES, "variables": [1]}, 400, "BAD_REQUEST", "`variables`"),
    "a batch": ([{"query": CREATE}, {"query": CREATE}], 400, "BAD_REQUEST", "one operation a request"),
    "no GraphQL": ({"query": "{ products("}, 200, "GRAPHQL_PARSE_FAILED", "Syntax Error"),
    "an unknown field": ({"query": "{ secrets }"}, 200, "GRAPHQL_VALIDATION_FAILED", "Cannot query field 'secrets'"),
    "an unknown operation": (
        {"query": "query A { countries { code } }", "operationName": "B"},
        400,
        "OPERATION_NOT_FOUND",
        "B",
    ),
    "a variable of another type": (
        {"query": "query A($n: Int!) { products(limit: $n) { id } }", "variables": {"n": "many"}},
        400,
        "BAD_USER_INPUT",
        "$n",
    ),
    "a page that is too large": ({"query": "{ products(limit: 101) { id } }"}, 200, "INVALID_PAGE", "0 to 100"),
    "too deep": ({"query": DEEP}, 400, "LIMIT_EXCEEDED", "levels"),
    "too many aliases": (
        {"query": "{" + " ".join(f"a{n}: countries {{ code }}" for n in range(101)) + "}"},
        400,
        "LIMIT_EXCEEDED",
        "at most",
    ),
    "too many tokens": ({"query": "{ countries {" + " code" * 4001 + "} }"}, 400, "LIMIT_EXCEEDED", "tokens"),
    "too long": ({"query": NAMES + "#" * 100_000}, 400, "LIMIT_EXCEEDED", "bytes"),
    "fragments that multiply": (
        {
            "query": "{ ...f0 } "
            + " ".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(14))
            + " fragment f14 on Query { countries { code } }"
        },
        400,
        "LIMIT_EXCEEDED",
        "selections",
    ),
    "fragments in a circle": (
        {"query": "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }"},
        200,
        "GRAPHQL_VALIDATION_FAILED",
        "within itself",
    ),
    "a subscription": ({"query": "subscription { products { id } }"}, 200, "GRAPHQL_VALIDATION_FAILED", ""),
}


@pytest.mark.parametrize("case", DOCUMENTS, ids=str)
def test_graphql_that_cannot_run_says_why(shop: Environment, case: str) -> None:
    body, status, code, part = DOCUMENTS[case]
    answer = post(shop, body)
    assert part in graphql_error(answer, status, code)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    in_new_form = post(shop, body, Accept="application/graphql-response+json")
    executed = code == "INVALID_PAGE"
    assert graphql_error(in_new_form, 200 if executed else 400, code)


def post(shop: Environment, body: Body, **headers: str) -> Answer:
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    own = {**shop.secrets, "Content-Type": "application/json"}
    return shop.store.request("/graphql", method="POST", body=content, headers={**own, **headers})


def test_a_mutation_by_get_is_refused(shop: Environment) -> None:
    answer = shop.store.request(f"/graphql?query={quote(CREATE)}", headers=shop.secrets)
    assert graphql_error(answer, 405, "MUTATION_NEEDS_POST")
    assert answer.headers["allow"] == "POST"


def test_a_shopper_may_not_change_the_catalog(shop: Environment) -> None:
    body = json.dumps({"query": CREATE}).encode()
    headers = {**shop.shopper, "Content-Type": "application/json"}
    answer = shop.store.request("/graphql", method="POST", body=body, headers=headers)
    assert answer.status == 200
    assert answer.json["data"] is None
    assert answer.json["errors"][0]["extensions"]["code"] in ("FORBIDDEN", "GRAPHQL_VALIDATION_FAILED")


def test_forms_that_graphql_over_http_does_not_have(shop: Environment) -> None:
    wrong_type = {"Content-Type": "application/x-www-form-urlencoded"}
    assert "application/json" in graphql_error(
        post(shop, f"query={quote(NAMES)}", **wrong_type), 415, "UNSUPPORTED_MEDIA_TYPE"
    )
    assert graphql_error(post(shop, {"query": NAMES}, Accept="text/css"), 406, "NOT_ACCEPTABLE")
    by_put = shop.store.request("/graphql", method="PUT", body=b"{}", headers=shop.secrets)
    assert graphql_error(by_put, 405, "METHOD_NOT_ALLOWED")
    assert by_put.headers["allow"] == "GET, POST"


def test_a_body_over_the_bound_is_refused(shop: Environment) -> None:
    answer = post(shop, {"query": NAMES, "variables": {"padding": "x" * 2_000_000}})
    assert "2000000 bytes" in problem(answer, 413, "PAYLOAD_TOO_LARGE")


# REST

PARAMETERS = {
    "/api/products?limt=5": (400, "UNKNOWN_PARAMETER", "It takes: limit, offset"),
    "/api/products?limit=many": (400, "INVALID_PARAMETER", "limit must be a whole number"),
    "/api/products?limit=5&limit=6": (400, "INVALID_PARAMETER", "more than once"),
    "/api/products?limit=99999999999": (400, "INVALID_PARAMETER", "limit must be a whole number"),
    "/api/products?limit=101": (400, "INVALID_PAGE", "0 to 100"),
    "/api/products?offset=-1": (400, "INVALID_PAGE", "offset"),
    "/api/products/nope": (400, "INVALID_ID", "'nope' is not an id"),
    "/api/products/01900000-0000-7000-8000-000000000000": (404, "NOT_FOUND", "does not exist in this store"),
    "/api/search": (400, "INVALID_PARAMETER", "q is missing"),
    "/api/search?q=": (400, "INVALID_SEARCH", "1 to 200 characters"),
    f"/api/search?q={'x' * 201}": (400, "INVALID_SEARCH", "not 201"),
    "/api/search?q=%00": (400, "INVALID_PARAMETER", "NUL"),
    "/api/search?q=%FF": (400, "INVALID_PARAMETER", "not UTF-8"),
    "/nowhere": (404, "ROUTE_NOT_FOUND", "GET /nowhere"),
    "/api/products/": (404, "ROUTE_NOT_FOUND", "GET /api/products/"),
    "/ext/nobody/api/search": (404, "ROUTE_NOT_FOUND", "/ext/nobody"),
    "/api/%2e%2e/graphql": (400, "INVALID_PATH", "'..' segments"),
    "/api/%zz": (400, "INVALID_PATH", "hexadecimal"),
    "/_kokoa/operator/tenants": (401, "OPERATOR_TOKEN_WRONG", "operator's token"),
    "/_kokoa/operator/nothing": (404, "ADDRESS_NOT_FOUND", "nothing at this address"),
    f"/api/search?q={'x' * 9000}": (431, "HEADERS_TOO_LARGE", "8192 bytes"),
}


@pytest.mark.parametrize("path", PARAMETERS, ids=lambda path: path[:40])
def test_rest_that_is_wrong_says_why(shop: Environment, path: str) -> None:
    status, code, part = PARAMETERS[path]
    assert part in problem(shop.get(path), status, code)


def test_a_wrong_method_names_the_right_ones(shop: Environment) -> None:
    for path, allowed in (
        ("/api/search", "GET, HEAD"),
        ("/api/products", "GET, HEAD, POST"),
        ("/healthz", "GET, HEAD"),
        ("/_kokoa/operator/tenants", "GET, HEAD, POST"),
    ):
        answer = shop.store.request(path, method="DELETE", headers=shop.shopper)
        assert problem(answer, 405, "METHOD_NOT_ALLOWED")
        assert answer.headers["allow"] == allowed
    assert problem(
        shop.store.request("/api/products", method="BREW", headers=shop.shopper), 405, "METHOD_NOT_ALLOWED"
    )


def test_the_callers_correlation_id_is_taken_only_when_it_is_one(shop: Environment) -> None:
    given = "4bf92f3577b34da6a3ce929d0e0e4736"
    assert shop.get("/nowhere", **{"X-Correlation-Id": given}).json["correlation_id"] == given
    forged = shop.get("/nowhere", **{"X-Correlation-Id": "x\u00e9 forged=1"}).json["correlation_id"]
    assert CORRELATION_ID.fullmatch(forged)


def test_a_wrong_operator_is_told_so_and_changes_nothing(store: RunningStore, shop: Environment) -> None:
    for token in ("", "Bearer ", "Bearer wrong", "Basic b3BlcmF0b3I6"):
        headers = {"Authorization": token} if token else {}
        answer = store.request("/_kokoa/operator/tenants", method="POST", body=b'{"tenant":"taken"}', headers=headers)
        assert problem(answer, 401, "OPERATOR_TOKEN_WRONG")
    assert "taken" not in {entry["tenant"] for entry in operate(store, "GET", "/tenants")}


# too many

LIMIT = 100


def test_the_limit_of_a_tenant_holds_over_all_processes_and_for_nobody_else(
    store: RunningStore, shop: Environment
) -> None:
    busy = new_environment(store, limit=LIMIT)
    with line_to_each_process(store) as (first, second):
        until(lambda: time.time() % 10 < 5, within_s=10, what="a window that lasts as long as this test")
        answers = [first.request("/api/products", headers=busy.shopper) for _ in range(LIMIT + 1)]
        assert (answers[0].status, answers[0].headers["ratelimit-remaining"]) == (200, str(LIMIT - 1))
        assert answers[0].headers["ratelimit-policy"] == f"{LIMIT};w=10"
        refused = answers[-1]
        assert f"{LIMIT} requests in 10 seconds" in problem(refused, 429, "RATE_LIMITED")
        assert refused.headers["ratelimit-limit"] == str(LIMIT)
        assert refused.headers["ratelimit-remaining"] == "0"
        assert 1 <= int(refused.headers["retry-after"]) <= 10
        assert re.fullmatch(r"[0-9]+", refused.headers["ratelimit-reset"])
        # What the other process admits until it has heard is far less than a limit of its own would be.
        admitted: list[Answer] = []
        until(lambda: over(second, busy, admitted), within_s=2, what="the other process's refusal")
        assert len(admitted) < LIMIT / 2
        for line in (first, second):
            assert line.request("/api/products", headers=shop.shopper).status == 200
            assert line.request("/api/products", headers=busy.secrets).status == 429, "secrets are no way around"


def over(line: Line, busy: Environment, admitted: list[Answer]) -> bool:
    answer = line.request("/api/products", headers=busy.shopper)
    if answer.status == 200:
        admitted.append(answer)
    return answer.status == 429
