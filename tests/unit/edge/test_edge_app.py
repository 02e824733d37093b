"""The whole edge over fakes: who answers what, with which headers, and what is refused at the door."""

import asyncio
import gzip
import re

import orjson
import pytest

from kokoa.edge.extensions import BODY_BYTES_MAX, FunctionAnswer
from kokoa.edge.model import RatePolicy
from kokoa.graphql import ExecutionResult
from kokoa.graphql.result import NOT_KEPT, CacheControl
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import DeadlineExceeded, NotFound, Throttled, Unavailable
from unit.edge.edge_fakes import BOEING, SAAB, TOKENS, FakeEdge, environment
from unit.web.asgi_client import Answer, ask

STORE = {"X-Tenant-ID": "boeing"}
SECRETS = {**STORE, "X-Tenant-Secret": "ts-boeing-prod", "X-GraphQL-Secret": "gs-boeing-prod"}
JSON = {"Content-Type": "application/json"}


async def get(edge: FakeEdge, target: str, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await ask(edge.app, "GET", target, headers={**STORE, **named})


async def test_graphql_is_asked_with_the_callers_environment_and_scopes() -> None:
    edge = FakeEdge()
    edge.graph.result = ExecutionResult({"countries": []})
    body = orjson.dumps({"query": "query Q($a: Int) { countries }", "variables": {"a": 1}, "operationName": "Q"})
    answer = await ask(edge.app, "POST", "/graphql", headers={**SECRETS, **JSON}, body=body)
    assert (answer.status, answer.json()) == (200, {"data": {"countries": []}})
    document, variables, call, name, read_only = edge.graph.asked[0]
    assert (document, variables, name, read_only) == ("query Q($a: Int) { countries }", {"a": 1}, "Q", False)
    assert (call.environment_id, call.caller.kind) == (BOEING.id, "server")
    assert call.correlation_id == answer.headers["x-correlation-id"]


@pytest.mark.parametrize(
    ("headers", "asked", "shown"),
    [(SECRETS, True, True), (STORE, True, False), (SECRETS, "yes", False), (SECRETS, False, False)],
)
async def test_plans_are_shown_to_servers_that_ask(headers: dict[str, str], asked: object, shown: bool) -> None:
    body = orjson.dumps({"query": "{ a }", "extensions": {"queryPlan": asked}})
    answer = await ask(FakeEdge().app, "POST", "/graphql", headers={**headers, **JSON}, body=body)
    assert answer.json().get("extensions") == ({"queryPlan": "0 catalog\n  { a }"} if shown else None)


_ASKED_BY = "authorization, x-tenant-id, x-environment, x-tenant-secret, x-graphql-secret, x-kokoa-call"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("allowed", "header", "vary"),
    [
        (CacheControl(60), "max-age=60, public", f"accept, {_ASKED_BY}"),
        (CacheControl(5, private=True), "max-age=5, private", f"accept, {_ASKED_BY}"),
        (NOT_KEPT, "no-cache", "accept"),
        (None, "no-cache", "accept"),
    ],
)
async def test_graphql_says_how_long_an_answer_may_be_kept(
    method: str, allowed: CacheControl | None, header: str, vary: str
) -> None:
    edge = FakeEdge()
    edge.graph.result = ExecutionResult({"a": 1}, cache_control=allowed)
    if method == "GET":
        answer = await get(edge, "/graphql?query=%7Ba%7D", Accept="application/json")
    else:
        answer = await ask(edge.app, "POST", "/graphql", headers={**STORE, **JSON}, body=b'{"query":"{a}"}')
    assert (answer.headers["cache-control"], answer.headers["vary"]) == (header, vary)
    assert answer.json() == {"data": {"a": 1}}


async def test_an_answer_with_errors_is_never_kept() -> None:
    edge = FakeEdge()
    edge.graph.result = ExecutionResult({"a": None}, [{"message": "No."}], cache_control=CacheControl(60))
    answer = await get(edge, "/graphql?query=%7Ba%7D", Accept="application/json")
    assert answer.headers["cache-control"] == "no-cache"


async def test_graphql_by_get_is_read_only() -> None:
    edge = FakeEdge()
    await get(edge, "/graphql?query=%7Bproducts%7Bid%7D%7D", Accept="application/json")
    assert edge.graph.asked[0][0] == "{products{id}}"
    assert edge.graph.asked[0][4] is True


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"X-Tenant-ID": "nobody"}, 404),
        ({**SECRETS, "X-Tenant-Secret": "wrong"}, 401),
        ({**STORE, "X-Tenant-Secret": "ts-boeing-prod"}, 401),
        ({**SECRETS, "Host": "shop.saab.test"}, 400),
        ({"X-Kokoa-Call": "forged"}, 401),
    ],
)
async def test_who_may_not_ask_gets_a_problem(headers: dict[str, str], status: int) -> None:
    edge = FakeEdge()
    answer = await ask(edge.app, "POST", "/graphql", headers={**headers, **JSON}, body=b'{"query":"{a}"}')
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["correlation_id"] == answer.headers["x-correlation-id"]
    assert edge.graph.asked == []


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"{}", b'{"query":"{a}","variables":[]}', b"\xff"])
async def test_malformed_graphql_is_400(body: bytes) -> None:
    answer = await ask(FakeEdge().app, "POST", "/graphql", headers={**SECRETS, **JSON}, body=body)
    assert answer.status == 400
    assert answer.json()["errors"][0]["message"]


async def test_an_override_answers_in_place_of_the_native_route_and_goes_again() -> None:
    edge = FakeEdge()
    assert (await get(edge, "/api/products")).json() == []
    edge.deploy("GET /api/products")
    assert (await get(edge, "/api/products")).body == b"fn"
    assert (await ask(edge.app, "GET", "/api/products", headers={"X-Tenant-ID": "saab"})).json() == []
    edge.deploy()
    assert (await get(edge, "/api/products")).json() == []


async def test_the_function_gets_a_v2_event_and_the_call() -> None:
    edge = FakeEdge()
    edge.deploy("GET /api/products/{id}")
    answer = await get(edge, "/ext/search-plus/api/products/a%20b?q=1", Cookie="kokoa_s=1; mine=2", **SECRETS_AS_ARGS)
    assert answer.status == 200
    call, arn, payload = edge.invoker.calls[0]
    event = orjson.loads(payload)
    assert (arn, call.environment_id) == ("arn:fn", BOEING.id)
    assert (event["rawPath"], event["pathParameters"]) == ("/api/products/a b", {"id": "a b"})
    assert (event["routeKey"], event["cookies"]) == ("GET /api/products/{id}", ["mine=2"])
    assert event["headers"]["x-correlation-id"] == answer.headers["x-correlation-id"]
    assert b"ts-boeing" not in payload
    assert b"gs-boeing" not in payload


async def test_an_integration_of_format_one_gets_format_one() -> None:
    edge = FakeEdge()
    edge.deploy("GET /api/x", payload_format_version="1.0")
    assert (await get(edge, "/api/x")).body == b"fn"
    assert orjson.loads(edge.invoker.calls[0][2])["version"] == "1.0"


SECRETS_AS_ARGS = {"X_Tenant_Secret": "ts-boeing-prod", "X_GraphQL_Secret": "gs-boeing-prod"}


@pytest.mark.parametrize(
    ("behaviour", "status", "code"),
    [
        (
            FunctionAnswer(b'{"errorType":"ValueError","errorMessage":"secret"}', "Unhandled", "r"),
            502,
            "FUNCTION_FAILED",
        ),
        (FunctionAnswer(b"not json", "Unhandled", "r"), 502, "FUNCTION_FAILED"),
        (FunctionAnswer(b'{"errorType":"Sandbox.Timedout"}', "Unhandled", "r"), 504, "FUNCTION_TIMEOUT"),
        (FunctionAnswer(b'{"statusCode":"secret"}', None, "r"), 502, "BAD_FUNCTION_ANSWER"),
        (FunctionAnswer(b"nonsense", None, "r"), 502, "BAD_FUNCTION_ANSWER"),
        (Throttled("Rate Exceeded.", detail="secret"), 503, "FUNCTION_BUSY"),
        (Unavailable("host down", detail="secret"), 503, "FUNCTION_BUSY"),
        (DeadlineExceeded("late"), 504, "FUNCTION_TIMEOUT"),
        (NotFound("no function"), 502, "EXTENSION_NOT_READY"),
        (RuntimeError("secret"), 500, "INTERNAL"),
    ],
)
async def test_every_failure_of_a_function_has_its_answer(
    behaviour: FunctionAnswer | Exception, status: int, code: str
) -> None:
    edge = FakeEdge()
    edge.deploy("GET /api/x")
    edge.invoker.answer = behaviour
    answer = await get(edge, "/api/x")
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert answer.json()["correlation_id"] == answer.headers["x-correlation-id"]
    assert b"secret" not in answer.body
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_a_route_that_went_with_its_function_is_looked_up_again() -> None:
    """The table of this process is from before; nobody has told it yet."""
    edge = FakeEdge()
    edge.deploy("GET /api/products", "POST /api/products")
    assert (await get(edge, "/api/products")).body == b"fn"
    edge.invoker.answer = NotFound("no function")
    answer = await get(edge, "/api/products")
    assert answer.json()["code"] == "EXTENSION_NOT_READY", "the route is still there"
    edge.source.inputs.clear()
    loads = edge.source.loads
    assert (await get(edge, "/api/products")).json() == []
    assert edge.source.loads == loads + 1


async def test_what_may_have_a_body_is_not_routed_twice() -> None:
    edge = FakeEdge()
    edge.deploy("POST /api/x")
    assert (await ask(edge.app, "POST", "/api/x", headers=STORE, body=b"1")).body == b"fn"
    edge.invoker.answer = NotFound("no function")
    edge.source.inputs.clear()
    assert (await ask(edge.app, "POST", "/api/x", headers=STORE, body=b"1")).status == 502


async def test_a_function_that_never_answers_is_504_within_the_routes_timeout() -> None:
    edge = FakeEdge()
    edge.deploy("GET /api/x", timeout_ms=50)
    edge.invoker.answer = None
    async with asyncio.timeout(5):
        assert (await get(edge, "/api/x")).status == 504


async def test_a_calls_deadline_is_handed_on_and_kept() -> None:
    edge = FakeEdge()
    edge.deploy("GET /api/x", timeout_ms=1000)
    await get(edge, "/api/x")
    assert edge.invoker.calls[0][0].remaining_ms() <= 1000
    late = Call(BOEING.id, Caller("account", "1"), "a" * 32, now_ms() - 1)
    answer = await ask(edge.app, "GET", "/api/x", headers={"X-Kokoa-Call": TOKENS.sign(late, 60)})
    assert answer.status == 504
    assert len(edge.invoker.calls) == 1


async def test_a_function_without_permission_is_not_invoked_and_says_nothing() -> None:
    edge = FakeEdge()
    edge.deploy("GET /api/x", permitted=False)
    answer = await get(edge, "/api/x")
    assert (answer.status, answer.json()["code"]) == (502, "EXTENSION_NOT_READY")
    assert b"permission" not in answer.body
    assert edge.invoker.calls == []


async def test_bodies_are_bounded_as_at_aws() -> None:
    edge = FakeEdge()
    edge.deploy("POST /api/x")
    big = await ask(edge.app, "POST", "/api/x", headers=STORE, body=[b"x" * (BODY_BYTES_MAX // 2)] * 3)
    as_event = await ask(edge.app, "POST", "/api/x", headers=STORE, body=b"x" * (5 * 1024 * 1024))
    assert (big.status, as_event.status) == (413, 413)
    assert edge.invoker.calls == []


async def test_head_reaches_gets_function_and_gets_no_body() -> None:
    edge = FakeEdge()
    edge.deploy("GET /api/x")
    answer = await ask(edge.app, "HEAD", "/api/x", headers=STORE)
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "2")
    assert orjson.loads(edge.invoker.calls[0][2])["requestContext"]["http"]["method"] == "HEAD"


async def test_a_function_sets_cookies_but_not_the_edges_headers() -> None:
    edge = FakeEdge()
    edge.deploy("GET /api/x")
    payload = {
        "statusCode": 200,
        "headers": {"x-correlation-id": "f" * 32, "ratelimit-limit": "9", "content-length": "3"},
        "cookies": ["a=1", "b=2"],
        "body": "longer than three",
    }
    edge.invoker.answer = FunctionAnswer(orjson.dumps(payload), None, "r")
    answer = await get(edge, "/api/x")
    assert answer.all("set-cookie") == ["a=1", "b=2"]
    assert answer.all("content-length") == ["17"]
    assert answer.all("ratelimit-limit") == ["600"]
    assert answer.headers["x-correlation-id"] != "f" * 32


async def test_rate_limit_headers_and_429() -> None:
    edge = FakeEdge(environment("boeing", "prod", rate=RatePolicy(requests=3, window_s=3600)))
    answers = [await get(edge, "/api/products") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert answers[3].headers["ratelimit-policy"] == "3;w=3600"
    assert int(answers[3].headers["retry-after"]) > 0
    assert answers[3].json()["code"] == "RATE_LIMITED"


async def test_a_partners_own_calls_do_not_use_up_the_shops_limit() -> None:
    edge = FakeEdge(environment("boeing", "prod", rate=RatePolicy(requests=2, window_s=3600)))
    token = TOKENS.sign(Call(BOEING.id, Caller("account", "1"), "a" * 32, now_ms() + 9000), 60)
    inside = [await ask(edge.app, "GET", "/api/products", headers={"X-Kokoa-Call": token}) for _ in range(3)]
    assert [answer.status for answer in inside] == [200, 200, 429]
    assert (await get(edge, "/api/products")).status == 200


async def test_problems_carry_rate_limit_headers_too() -> None:
    answer = await get(FakeEdge(), "/nothing/here")
    assert (answer.status, answer.headers["ratelimit-limit"]) == (404, "600")


@pytest.mark.parametrize("target", ["/console", "/login", "/git/x", "/_kokoa/other", "/graphql/x", "/metrics/x"])
async def test_reserved_paths_reach_no_extension(target: str) -> None:
    edge = FakeEdge()
    edge.deploy("$default", grants=("/{proxy+}",))
    assert (await get(edge, target)).status == 404
    assert (await get(edge, "/anything/else")).body == b"fn"
    assert len(edge.invoker.calls) == 1


@pytest.mark.parametrize("target", ["/%67raphql", "/he%61lthz"])
async def test_encoding_a_reserved_path_changes_nothing(target: str) -> None:
    edge = FakeEdge()
    edge.deploy("$default", "ANY /{a}", grants=("/{proxy+}", "/*"))
    await get(edge, target)
    assert edge.invoker.calls == []


@pytest.mark.parametrize(
    "target", ["/api/../metrics", "/api/%2e%2e/x", "/%2E%2E%2f/x", "/a%00b", "/a%0d%0aX:1", "/%zz"]
)
async def test_paths_that_climb_or_break_are_refused(target: str) -> None:
    edge = FakeEdge()
    edge.deploy("$default", grants=("/{proxy+}",))
    assert (await get(edge, target)).status == 400
    assert edge.invoker.calls == []


async def test_an_encoded_slash_does_not_reach_another_route() -> None:
    edge = FakeEdge()
    assert (await get(edge, "/api%2Fproducts")).status == 404
    edge.deploy("GET /ext-only")
    assert (await get(edge, "/ext%2Fsearch-plus/ext-only")).status == 404


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", [("content-length", "3"), ("content-length", "4")], 400),
        ("POST", [("content-length", "3"), ("transfer-encoding", "chunked")], 400),
        ("GET", [("host", "shop.boeing.test"), ("host", "shop.saab.test")], 400),
        ("GET", [("x-big", "x" * 20_000)], 431),
        ("GET", [(f"x-{number}", "1") for number in range(150)], 431),
        ("TRACE", [], 405),
        ("CONNECT", [], 405),
    ],
)
async def test_smuggling_and_giant_headers_stop_at_the_entrance(
    method: str, headers: list[tuple[str, str]], status: int
) -> None:
    edge = FakeEdge()
    answer = await ask(edge.app, method, "/api/products", headers=[*STORE.items(), *headers])
    assert answer.status == status
    assert edge.graph.asked == []


async def test_a_giant_target_is_refused() -> None:
    assert (await get(FakeEdge(), "/api/search?q=" + "x" * 9000)).status == 431


async def test_signed_requests_go_to_the_aws_endpoint_whatever_their_path() -> None:
    edge = FakeEdge()
    for target in ("/2015-03-31/functions", "/graphql", "/console/key"):
        answer = await ask(edge.app, "GET", target, headers={"Authorization": "AWS4-HMAC-SHA256 x"})
        assert answer.body == b"aws"
        assert "x-correlation-id" in answer.headers


async def test_health_needs_no_tenant_and_names_what_fails() -> None:
    edge = FakeEdge()
    assert (await ask(edge.app, "GET", "/healthz")).status == 200
    assert (await ask(edge.app, "GET", "/readyz")).status == 200

    async def fails() -> None:
        raise OSError("away")

    edge.checks["database"] = fails
    answer = await ask(edge.app, "GET", "/readyz")
    assert (answer.status, answer.json()["failing"]) == (503, ["database"])
    assert (await ask(edge.app, "POST", "/healthz")).status == 405


async def test_metrics_are_for_the_operators_network() -> None:
    edge = FakeEdge()
    edge.graph.result = ExecutionResult({"product": {"id": "5"}})
    await get(edge, "/api/products/5")
    inside = await ask(edge.app, "GET", "/metrics", client="127.0.0.1")
    assert inside.status == 200
    assert b'route="/api/products/{id}"' in inside.body
    assert (await ask(edge.app, "GET", "/metrics", client="8.8.8.8")).status == 403
    for header in ("X-Forwarded-For", "X-Kokoa-Call", "Forwarded"):
        outside = await ask(edge.app, "GET", "/metrics", client="127.0.0.1", headers={header: "x"})
        assert outside.status == 403


async def test_a_browser_gets_graphiql_from_this_server_alone() -> None:
    edge = FakeEdge()
    page = await ask(edge.app, "GET", "/graphql", headers={"Accept": "text/html,application/xhtml+xml"})
    assert page.status == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    text = page.body.decode()
    files = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(files) == 6
    assert all(name.startswith("/_kokoa/graphiql/") for name in files)
    for name in files:
        plain = await ask(edge.app, "GET", name)
        packed = await ask(edge.app, "GET", name, headers={"Accept-Encoding": "gzip, br"})
        assert plain.status == 200
        assert gzip.decompress(packed.body) == plain.body
    assert (await ask(edge.app, "GET", "/_kokoa/graphiql/../app.py")).status == 400
    assert (await ask(edge.app, "GET", "/_kokoa/graphiql/README.md")).status == 404


async def test_a_call_token_of_another_environment_sees_that_one_only() -> None:
    edge = FakeEdge()
    edge.deploy("GET /api/x", environment_id=BOEING.id)
    token = TOKENS.sign(Call(SAAB.id, Caller("account", "1"), "a" * 32, now_ms() + 9000), 60)
    answer = await ask(edge.app, "GET", "/api/x", headers={"X-Kokoa-Call": token, "Host": "shop.boeing.test"})
    assert answer.status == 404
    assert edge.invoker.calls == []
