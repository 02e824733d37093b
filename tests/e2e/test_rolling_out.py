"""Policies of an overridden route in a running store: with a real function that fails, is slow and talks nonsense."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from partners import Environment, Partner, line_to_each_process, new_environment, operator_token, problem
from running import Answer, RunningStore, until

SEARCH = "GET /api/search"
NATIVE = {"total": 0, "items": []}
WITHIN_S = 60
PATIENT = "30s"  # a first invocation on a busy machine takes its time
SLOW_S = 25

FUNCTION = f"""
import json, threading

def handler(event, context):
    word = event["queryStringParameters"]["q"]
    if word == "raise":
        raise KeyError("no such index")
    if word == "slow":
        threading.Event().wait({SLOW_S})
    if word == "nonsense":
        return {{"statusCode": "many"}}
    if word == "broken":
        return {{"statusCode": 503, "body": "under repair"}}
    answer = {NATIVE!r} if word == "same" else {{"total": 7, "items": [], "by": "acme"}}
    cookies = ["kokoa_session=forged; Path=/", "acme=1"]
    return {{"statusCode": 200, "body": json.dumps(answer), "cookies": cookies}}
"""


@pytest.fixture(scope="module")
def shop(store: RunningStore) -> Environment:
    return new_environment(store)


@pytest.fixture(scope="module")
def acme(shop: Environment) -> Partner:
    return overriding(shop)


@pytest.fixture(autouse=True)
def without_a_policy(shop: Environment, acme: Partner) -> Iterator[None]:
    """Each test sets its own."""
    yield
    for row in shop.operate("GET", "/overrides"):
        if row["policy"]:
            shop.operate("DELETE", "/overrides", {"subject": row["subject"]})


def overriding(shop: Environment) -> Partner:
    """A partner whose function answers GET /api/search, in every process."""
    partner = shop.partner("acme", "/api/*")
    arn = partner.deploy("search-plus", FUNCTION, Timeout=SLOW_S + 5)
    partner.route("search-plus", SEARCH, arn)
    everywhere(shop, lambda answer: is_acmes(answer), "/api/search?q=hello")
    return partner


def everywhere(shop: Environment, expected: Callable[[Answer], bool], path: str, **headers: str) -> None:
    """Wait until each web process answers as expected."""
    with line_to_each_process(shop.store) as lines:
        for line in lines:
            ask = lambda line=line: expected(line.request(path, headers={**shop.shopper, **headers}))  # noqa: E731
            until(ask, within_s=WITHIN_S, what=f"process {line.process} with its policy")


def is_acmes(answer: Answer) -> bool:
    return answer.status == 200 and bool(answer.json.get("by") == "acme")


def is_native(answer: Answer) -> bool:
    return answer.status == 200 and bool(answer.json == NATIVE)


def search(shop: Environment, word: str, **headers: str) -> Answer:
    return shop.get(f"/api/search?q={word}", **{name.replace("_", "-"): value for name, value in headers.items()})


def kokoa(shop: Environment, words: str, *, check: bool = True) -> Any:
    return shop.store.run(f"kokoa overrides {words} --tenant {shop.tenant}", check=check)


def report(shop: Environment, subject: str = SEARCH) -> Any:
    return shop.operate("GET", f"/overrides/report?subject={quote(subject)}")


def counted(shop: Environment, **least: int) -> Any:
    """The report, as soon as it has counted so much."""

    def enough() -> Any:
        found = report(shop)
        return found if all(found["counts"].get(name, 0) >= count for name, count in least.items()) else None

    return until(enough, within_s=WITHIN_S, what=f"a report with {least}")


def test_a_failing_override_is_the_answer_until_a_fallback_is_set(shop: Environment) -> None:
    problem(search(shop, "raise"), 502, "FUNCTION_FAILED")
    done = kokoa(shop, f"set '{SEARCH}' --fallback --deadline {PATIENT}")
    assert "100 % of customers, deadline 30000 ms, falls back to the native answer (version 1)" in done.stdout
    everywhere(shop, is_native, "/api/search?q=raise")
    for word in ("raise", "nonsense", "broken"):
        answer = search(shop, word)
        assert is_native(answer), (word, answer)
        assert "acme" not in str(answer.headers)
    assert is_acmes(search(shop, "hello"))

    # Only now: the deadline must not stop a first invocation above.
    kokoa(shop, f"set '{SEARCH}' --deadline 300ms")
    everywhere(shop, is_native, "/api/search?q=slow")

    found = counted(shop, failed=5, invalid=1, late=2, answered=1)
    reasons = {one["outcome"]: [] for one in found["reasons"]}
    for one in found["reasons"]:
        reasons[one["outcome"]].append(one["reason"])
    assert "KeyError: 'no such index'" in reasons["failed"]
    assert "status 503" in reasons["failed"]
    assert any("statusCode" in reason for reason in reasons["invalid"])
    assert any("no answer within 300 ms" in reason for reason in reasons["late"])
    text = kokoa(shop, f"report '{SEARCH}' --since 2h").stdout
    assert "falls back to the native answer" in text
    assert "KeyError: 'no such index'" in text
    listed = json.loads(kokoa(shop, "list --json").stdout)
    [row] = listed
    assert (row["subject"], row["partner"], row["version"]) == (SEARCH, "acme", 2)
    assert row["last_day"]["failed"] >= 5
    assert "acme" in kokoa(shop, "list").stdout


def test_a_tenth_of_the_visitors_get_the_override_and_always_the_same_ones(shop: Environment) -> None:
    kokoa(shop, f"set '{SEARCH}' --percent 0 --deadline {PATIENT}")
    everywhere(shop, is_native, "/api/search?q=hello")
    kokoa(shop, f"set '{SEARCH}' --percent 10")
    visitors = [f"visitor-{number}" for number in range(400)]
    chosen = until(
        lambda: [one for one in visitors if is_acmes(search(shop, "hello", X_Session_ID=one))],
        within_s=WITHIN_S,
        what="the first visitor with the override",
    )
    everywhere(shop, is_acmes, "/api/search?q=hello", **{"X-Session-ID": chosen[0]})
    first = [one for one in visitors if is_acmes(search(shop, "hello", X_Session_ID=one))]
    assert 12 <= len(first) <= 80
    assert [one for one in visitors if is_acmes(search(shop, "hello", X_Session_ID=one))] == first

    # A browser that names nobody gets a cookie, and falls by it from its first answer on.
    kokoa(shop, f"set '{SEARCH}' --percent 50")
    everywhere(shop, lambda answer: "set-cookie" in answer.headers, "/api/search?q=hello")
    for _ in range(10):
        answer = search(shop, "hello")
        cookies = re.findall(r"kokoa_session=([\w-]+)", answer.headers["set-cookie"])
        assert len(cookies) == 1
        assert "forged" not in cookies
        again = [search(shop, "hello", Cookie=f"kokoa_session={cookies[0]}") for _ in range(4)]
        assert {is_acmes(one) for one in again} == {is_acmes(answer)}
        assert all("kokoa_session" not in one.headers.get("set-cookie", "") for one in again)


def test_in_shadow_the_report_shows_where_the_two_differ(shop: Environment) -> None:
    kokoa(shop, f"set '{SEARCH}' --shadow --deadline {PATIENT}")
    everywhere(shop, is_native, "/api/search?q=hello")
    assert is_native(search(shop, "raise"))
    asked = search(shop, "hello")
    assert is_native(asked)
    assert is_native(search(shop, "same"))
    found = counted(shop, different=2, equal=1)
    sample = next(one for one in found["samples"] if one["outcome"] == "different")
    assert (sample["reason"], sample["native"], sample["other"]) == ("total differs", "0", "7")
    ids = {one["correlation_id"] for one in found["samples"]}
    assert asked.headers["x-correlation-id"] in ids
    assert "total differs" in kokoa(shop, f"report '{SEARCH}'").stdout


def test_another_environment_and_another_tenant_are_not_touched_and_see_nothing(
    store: RunningStore, shop: Environment
) -> None:
    dev, other = new_environment(store, shop.tenant, "dev"), new_environment(store)
    for one in (dev, other):
        overriding(one)
    kokoa(shop, f"set '{SEARCH}' --percent 0 --fallback")
    everywhere(shop, is_native, "/api/search?q=raise")
    for one in (dev, other):
        problem(search(one, "raise"), 502, "FUNCTION_FAILED")
        assert "set-cookie" not in search(one, "raise").headers
        own = report(one)
        assert own["policy"] is None
        assert not own["counts"].keys() & {"different", "equal", "invalid"}
        assert [row["policy"] for row in one.operate("GET", "/overrides")] == [None]
    path = f"/_kokoa/operator/tenants/{shop.tenant}/{shop.name}/overrides"
    for headers in ({}, other.secrets, shop.secrets, {"Authorization": "Bearer kokoa_op_wrong"}):
        problem(store.request(path, headers=headers), 401, "OPERATOR_TOKEN_WRONG")
    nobody = f"/_kokoa/operator/tenants/{other.tenant}/dev/overrides/report?subject={quote(SEARCH)}"
    bearer = {"Authorization": f"Bearer {operator_token(store)}"}
    problem(store.request(nobody, headers=bearer), 404, "ENVIRONMENT_NOT_FOUND")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("set 'POST /api/products/{id}/media' --fallback", "nobody knows what it has done already"),
        ("set 'GET /api/offers' --percent 10", "No route at the root of this store"),
        (f"set '{SEARCH}'", "Nothing is to be set"),
        (f"set '{SEARCH}' --percent 120", "0 to 100"),
        (f"set '{SEARCH}' --deadline 10", "is not a duration"),
        (f"set '{SEARCH}' --deadline 2m", "1 to 30000 ms"),
        (f"set '{SEARCH}' --percent 5 --version 3", "of version 0, not 3"),
        (f"unset '{SEARCH}'", "No policy is set"),
        (f"report '{SEARCH}' --since 31d", "30 days"),
        ("report nothing", "no field and no route"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_and_changes_nothing(
    shop: Environment, words: str, message: str
) -> None:
    done = kokoa(shop, words, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert [row["policy"] for row in shop.operate("GET", "/overrides")] == [None]
