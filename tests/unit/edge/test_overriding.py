"""Policies of overridden routes over fakes: shares, deadlines, fallback to the native answer, shadow, sessions."""

import asyncio
import re
from typing import Any

import orjson
import pytest

from kokoa.edge.extensions import FunctionAnswer
from kokoa.edge.model import RatePolicy
from kokoa.edge.overriding import SHADOWS_MAX, SHADOWS_OF_ENVIRONMENT_MAX, Shadows
from kokoa.graphql import ExecutionResult
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import DeadlineExceeded, NotFound, Throttled, Unavailable
from kokoa.kernel.overrides import is_on
from unit.edge.edge_fakes import BOEING, BOEING_DEV, TOKENS, FakeEdge, environment
from unit.web.asgi_client import Answer, ask

STORE = {"X-Tenant-ID": "boeing"}
SECRETS = {**STORE, "X-Tenant-Secret": "ts-boeing-prod", "X-GraphQL-Secret": "gs-boeing-prod"}
PRODUCTS = "GET /api/products"
PRODUCT = "GET /api/products/{id}"
UPLOAD = "POST /api/products/{id}/media"
NATIVE = [{"id": "native"}]


def edge_with(*keys: str, result: Any = NATIVE, **more: Any) -> FakeEdge:
    rate = RatePolicy(1_000_000)
    edge = FakeEdge(environment("boeing", "prod", rate=rate), environment("boeing", "dev", rate=rate))
    edge.graph.result = ExecutionResult({"products": result})
    edge.deploy(*(keys or (PRODUCTS,)), **more)
    return edge


async def get(edge: FakeEdge, target: str = "/api/products", method: str = "GET", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await ask(edge.app, method, target, headers={**STORE, **named})


def answering(value: object, **more: Any) -> FunctionAnswer:
    document = {"statusCode": 200, "body": orjson.dumps(value).decode(), **more}
    return FunctionAnswer(orjson.dumps(document), None, "r")


async def settled(edge: FakeEdge, count: int) -> None:
    async with asyncio.timeout(30):
        while len(edge.reports.observations) < count:
            await asyncio.sleep(0)


FAILURES: list[tuple[FunctionAnswer | Exception | None, str, str]] = [
    (FunctionAnswer(b'{"errorType":"KeyError","errorMessage":"sku"}', "Unhandled", "r"), "failed", "KeyError: sku"),
    (FunctionAnswer(b"not json", "Unhandled", "r"), "failed", "Unhandled"),
    (FunctionAnswer(b'{"errorType":"Sandbox.Timedout"}', "Unhandled", "r"), "late", "own timeout"),
    (FunctionAnswer(b'{"statusCode":"many"}', None, "r"), "invalid", "statusCode"),
    (FunctionAnswer(b"nonsense", None, "r"), "invalid", "not JSON"),
    (FunctionAnswer(b'{"statusCode":503}', None, "r"), "failed", "status 503"),
    (Throttled("Rate Exceeded.", detail="private"), "failed", "no room: Rate Exceeded."),
    (Unavailable("No host.", detail="private"), "failed", "no room: No host."),
    (DeadlineExceeded("late"), "late", "no answer within"),
    (NotFound("no such function"), "failed", "no such function"),
    (None, "late", "no answer within 60 ms"),
]


@pytest.mark.parametrize(("behaviour", "outcome", "reason"), FAILURES)
async def test_whatever_an_override_does_the_customer_gets_the_native_answer(
    behaviour: FunctionAnswer | Exception | None, outcome: str, reason: str
) -> None:
    edge = edge_with()
    edge.rule(PRODUCTS, fallback=True, deadline_ms=60 if behaviour is None else 30_000)
    edge.invoker.answer = behaviour
    answer = await get(edge)
    assert (answer.status, answer.json()) == (200, NATIVE)
    [seen] = edge.reports.observations
    assert (seen.environment_id, seen.subject, seen.outcome) == (BOEING.id, PRODUCTS, outcome)
    assert seen.correlation_id == answer.headers["x-correlation-id"]
    assert reason in seen.reason
    assert "private" not in seen.reason


@pytest.mark.parametrize(("behaviour", "outcome", "reason"), FAILURES[:-1])
async def test_without_a_policy_a_failure_is_the_answer_and_is_counted(
    behaviour: FunctionAnswer | Exception, outcome: str, reason: str
) -> None:
    edge = edge_with()
    edge.invoker.answer = behaviour
    answer = await get(edge)
    assert answer.status >= 500
    assert edge.graph.asked == []
    assert edge.reports.outcomes == [outcome] * len(edge.invoker.calls)
    assert reason in edge.reports.observations[0].reason


async def test_a_fallback_serves_what_the_override_answers_in_time() -> None:
    edge = edge_with()
    edge.rule(PRODUCTS, fallback=True)
    assert (await get(edge)).body == b"fn"
    edge.invoker.answer = FunctionAnswer(b'{"statusCode":404,"body":"no"}', None, "r")
    assert (await get(edge)).status == 404
    assert edge.reports.outcomes == ["answered", "answered"]
    assert edge.graph.asked == []


async def test_the_native_answer_has_time_left_whatever_the_policy_says() -> None:
    edge = edge_with()
    edge.rule(PRODUCTS, fallback=True, deadline_ms=30_000)
    edge.invoker.answer = None
    call = Call(BOEING.id, Caller("account", "1"), "c" * 32, now_ms() + 2_000)
    answer = await ask(edge.app, "GET", "/api/products", headers={"X-Kokoa-Call": TOKENS.sign(call, 60)})
    assert (answer.status, answer.json()) == (200, NATIVE)
    assert edge.invoker.calls[0][0].deadline_ms <= call.deadline_ms - 500 + 100
    assert edge.graph.asked[0][2].deadline_ms == call.deadline_ms


async def test_an_override_without_permission_falls_back_too() -> None:
    edge = edge_with(permitted=False)
    edge.rule(PRODUCTS, fallback=True)
    assert (await get(edge)).json() == NATIVE
    assert "add-permission" in edge.reports.observations[0].reason


async def test_the_native_route_gets_its_own_names_for_the_variables() -> None:
    edge = edge_with("GET /api/products/{slug}")
    edge.graph.result = ExecutionResult({"product": {"id": "p 1"}})
    edge.rule(PRODUCT, percent=0.0)
    assert (await get(edge, "/api/products/p%201")).json() == {"id": "p 1"}
    assert edge.graph.asked[0][1] == {"id": "p 1"}


async def test_a_deadline_is_the_shorter_of_the_policys_and_the_routes() -> None:
    edge = edge_with()
    edge.rule(PRODUCTS, deadline_ms=50)
    edge.invoker.answer = None
    answer = await get(edge)
    assert (answer.status, answer.json()["code"]) == (504, "FUNCTION_TIMEOUT")
    call = edge.invoker.calls[0][0]
    assert call.deadline_ms <= now_ms() + 50
    edge = edge_with(timeout_ms=40)
    edge.rule(PRODUCTS, deadline_ms=20_000)
    edge.invoker.answer = None
    assert (await get(edge)).status == 504
    assert "within 40 ms" in edge.reports.observations[0].reason


async def test_a_route_of_the_partner_alone_has_a_deadline_and_no_reports() -> None:
    edge = edge_with("GET /api/offers")
    edge.rule("GET /api/offers", deadline_ms=50, fallback=True, shadow=True, percent=0.0)
    edge.invoker.answer = None
    assert (await get(edge, "/api/offers")).status == 504
    assert edge.reports.observations == []


async def test_the_partners_own_address_has_no_policy() -> None:
    edge = edge_with()
    edge.rule(PRODUCTS, percent=0.0, shadow=True)
    assert (await get(edge, "/ext/search-plus/api/products")).body == b"fn"
    assert edge.reports.observations == []


async def test_a_policy_is_of_one_environment() -> None:
    edge = edge_with()
    edge.deploy(PRODUCTS, environment_id=BOEING_DEV.id)
    edge.rule(PRODUCTS, percent=0.0, environment_id=BOEING_DEV.id)
    assert (await get(edge)).body == b"fn"
    assert (await get(edge, x_environment="dev")).json() == NATIVE


async def test_the_share_is_right_and_the_same_visitors_each_time() -> None:
    edge = edge_with()
    edge.rule(PRODUCTS, percent=10.0)
    visitors = [f"visitor-{number}" for number in range(500)]

    async def chosen() -> list[str]:
        return [one for one in visitors if (await get(edge, x_session_id=one)).body == b"fn"]

    first = await chosen()
    assert 25 <= len(first) <= 75
    assert await chosen() == first
    calls = {one: Call(BOEING.id, Caller("storefront"), "c" * 32, 0, session=one) for one in visitors}
    assert first == [one for one, call in calls.items() if is_on(10, PRODUCTS, call)]
    assert edge.reports.outcomes == ["answered"] * 2 * len(first)


async def test_both_answers_of_a_divided_route_say_what_they_depend_on() -> None:
    edge = edge_with()
    varies: dict[bytes, set[str | None]] = {}
    for percent in (50.0, 0.0, 100.0):
        edge.rule(PRODUCTS, percent=percent)
        for number in range(40):
            answer = await get(edge, x_session_id=f"visitor-{number}")
            varies.setdefault(answer.body[:2] + b"%d" % percent, set()).add(answer.headers.get("vary"))
    assert varies == {
        b"fn50": {"cookie, x-session-id"},
        b"[{50": {"cookie, x-session-id"},
        b"[{0": {None},
        b"fn100": {None},
    }


async def test_a_share_of_what_has_side_effects_is_asked_once_and_never_falls_back() -> None:
    edge = edge_with(UPLOAD)
    edge.rule(UPLOAD, percent=100.0, fallback=True, shadow=True)
    edge.invoker.answer = DeadlineExceeded("late")
    answer = await ask(edge.app, "POST", "/api/products/1/media", headers=SECRETS, body=b"picture")
    assert answer.status == 504
    assert len(edge.invoker.calls) == 1
    edge.rule(UPLOAD, percent=0.0)
    answer = await ask(edge.app, "POST", "/api/products/1/media", headers=SECRETS, body=b"picture")
    assert len(edge.invoker.calls) == 1
    assert edge.media.uploads == [(BOEING.id, b"picture")]


@pytest.mark.parametrize(
    ("behaviour", "outcome", "reason", "native", "other"),
    [
        (answering(NATIVE), "equal", "", None, None),
        (answering([{"id": "mine"}]), "different", "0.id differs", "native", "mine"),
        (answering(NATIVE, statusCode=201), "different", "status 201 instead of 200", NATIVE, NATIVE),
        (DeadlineExceeded("late"), "late", "no answer within", None, None),
        (FunctionAnswer(b'{"errorType":"E"}', "Unhandled", "r"), "failed", "E: ", None, None),
        (FunctionAnswer(b"nonsense", None, "r"), "invalid", "not JSON", None, None),
    ],
)
async def test_in_shadow_the_native_answer_is_served_and_differences_are_told(
    behaviour: FunctionAnswer | Exception, outcome: str, reason: str, native: Any, other: Any
) -> None:
    edge = edge_with()
    edge.rule(PRODUCTS, shadow=True)
    edge.invoker.answer = behaviour
    answer = await get(edge)
    assert answer.json() == NATIVE
    await settled(edge, 1)
    [seen] = edge.reports.observations
    assert (seen.outcome, seen.native, seen.other) == (outcome, native, other)
    assert seen.correlation_id == answer.headers["x-correlation-id"]
    assert reason in seen.reason


async def test_nobody_waits_for_a_shadow() -> None:
    edge = edge_with()
    edge.rule(PRODUCTS, shadow=True, deadline_ms=60)
    edge.invoker.answer = None
    assert (await get(edge)).json() == NATIVE
    assert edge.reports.observations == []
    await settled(edge, 1)
    assert edge.reports.outcomes == ["late"]


async def test_a_native_error_is_served_and_compared_by_its_status() -> None:
    edge = edge_with(PRODUCT)
    edge.graph.result = ExecutionResult({"product": None})
    edge.rule(PRODUCT, shadow=True)
    edge.invoker.answer = answering("gone", statusCode=404)
    assert (await get(edge, "/api/products/1")).status == 404
    await settled(edge, 1)
    edge.invoker.answer = answering("here")
    assert (await get(edge, "/api/products/1")).status == 404
    await settled(edge, 2)
    assert edge.reports.outcomes == ["equal", "different"]


async def test_head_is_compared_by_its_status() -> None:
    edge = edge_with()
    edge.rule(PRODUCTS, shadow=True)
    answer = await get(edge, method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    await settled(edge, 1)
    assert edge.reports.outcomes == ["equal"]


async def test_few_shadows_run_at_once_and_those_of_a_store_leave_room_for_others() -> None:
    edge = edge_with()
    edge.deploy(PRODUCTS, environment_id=BOEING_DEV.id)
    for where in (BOEING.id, BOEING_DEV.id):
        edge.rule(PRODUCTS, shadow=True, environment_id=where)
    edge.invoker.answer = None
    answers = [await get(edge) for _ in range(SHADOWS_OF_ENVIRONMENT_MAX + 5)]
    assert {answer.status for answer in answers} == {200}
    await asyncio.sleep(0)
    assert len(edge.invoker.calls) == SHADOWS_OF_ENVIRONMENT_MAX
    await get(edge, x_environment="dev")
    await asyncio.sleep(0)
    assert len(edge.invoker.calls) == SHADOWS_OF_ENVIRONMENT_MAX + 1
    await edge.shadows.close()
    assert edge.shadows.has_room(BOEING.id)


async def test_a_process_runs_a_bounded_number_of_shadows() -> None:
    shadows, begun = Shadows(), []

    async def work(number: int) -> None:
        begun.append(number)
        await asyncio.Event().wait()

    for number in range(SHADOWS_MAX + 10):
        shadows.start(f"environment-{number}", work(number))
    await asyncio.sleep(0)
    assert begun == list(range(SHADOWS_MAX))
    await shadows.close()


async def test_a_visitor_gets_a_cookie_where_customers_are_divided_and_falls_the_same_way_again() -> None:
    edge = edge_with()
    assert "set-cookie" not in (await get(edge)).headers
    edge.rule(PRODUCTS, percent=50.0)
    fell: dict[bool, str] = {}
    async with asyncio.timeout(30):
        while len(fell) < 2:
            answer = await get(edge)
            cookie = answer.headers["set-cookie"]
            assert re.fullmatch(r"kokoa_session=[\w-]{24}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax", cookie)
            fell[answer.body == b"fn"] = cookie.partition(";")[0]
    for chosen, cookie in fell.items():
        again = [await get(edge, cookie=f"a=1; {cookie}") for _ in range(5)]
        assert {one.body == b"fn" for one in again} == {chosen}
        assert all("set-cookie" not in one.headers for one in again)


async def test_servers_functions_and_shops_that_name_their_visitors_get_no_cookie() -> None:
    edge = edge_with()
    edge.rule("Product.price", percent=50.0)
    assert "set-cookie" in (await get(edge)).headers
    inside = Call(BOEING.id, Caller("account", "1"), "c" * 32, now_ms() + 10_000)
    for headers in (SECRETS, {**STORE, "X-Session-ID": "a"}, {"X-Kokoa-Call": TOKENS.sign(inside, 60)}):
        answer = await ask(edge.app, "GET", "/api/products", headers=headers)
        assert answer.status == 200
        assert "set-cookie" not in answer.headers


async def test_graphql_gets_the_session_that_the_cookie_will_bring() -> None:
    edge = edge_with()
    edge.rule("Product.price", percent=50.0)
    body = b'{"query":"{products{id}}"}'
    headers = {**STORE, "Content-Type": "application/json"}
    answer = await ask(edge.app, "POST", "/graphql", headers=headers, body=body)
    session = edge.graph.asked[0][2].session
    assert answer.headers["set-cookie"].startswith(f"kokoa_session={session};")


async def test_what_a_cache_may_share_brings_no_cookie_and_a_functions_own_cookies_stay() -> None:
    edge = edge_with("GET /api/offers")
    edge.rule("Product.price", percent=50.0)
    headers = {"cache-control": "public, max-age=60"}
    edge.invoker.answer = answering("offers", headers=headers)
    assert "set-cookie" not in (await get(edge, "/api/offers")).headers
    edge.invoker.answer = answering("offers", cookies=["mine=1", "kokoa_session=forged", "Kokoa_Session=forged"])
    answer = await get(edge, "/api/offers")
    cookies = answer.all("set-cookie")
    assert cookies[0] == "mine=1"
    assert [cookie.startswith("kokoa_session=") for cookie in cookies] == [False, True]
    assert "forged" not in str(cookies)


async def test_by_https_the_cookie_is_for_https_only() -> None:
    edge = edge_with()
    edge.rule(PRODUCTS, percent=50.0)
    answer = await ask(edge.app, "GET", "/api/products", headers=STORE, scheme="https")
    assert answer.headers["set-cookie"].endswith("; Secure")


async def test_without_policies_overrides_wait_and_native_pages_are_served() -> None:
    edge = edge_with()
    edge.policy_source.failure = Unavailable("tenants is away")
    assert (await get(edge)).status == 503
    assert edge.invoker.calls == []
    edge.deploy()
    answer = await get(edge)
    assert (answer.status, answer.json()) == (200, NATIVE)
