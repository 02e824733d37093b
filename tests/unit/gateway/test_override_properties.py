"""For any query: with fallback, an override that fails in any way shows what one that never fails shows.

The same holds in shadow. The extension answers by field functions, and as a GraphQL server.
"""

import asyncio
from typing import Any

import pytest
from extension_fakes import PRICES, Shop, all_policies
from gateway_fakes import make_call
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_extension_servers import prices_subgraph

from kokoa.gateway.extensions.gate import Breaker, Gate
from kokoa.kernel.errors import Unavailable

FAILURES = ("error", "null", "wrong", "crash", "short", "late")
LEAVES = ("id", "name", "stock", "points")


@st.composite
def products(draw: st.DrawFn, depth: int) -> str:
    """A selection on Product, with aliases, arguments and what is nested."""
    parts = draw(st.lists(st.sampled_from(LEAVES), min_size=1, max_size=4))
    if draw(st.booleans()):
        currency = draw(st.sampled_from(["", '(currency: "USD")', "(currency: $currency)"]))
        parts.append(
            f"{draw(st.sampled_from(['price', 'cost: price', 'other: price']))}{currency} {{ amount currency }}"
        )
    if draw(st.booleans()):
        parts.append(f"{draw(st.sampled_from(['', 'again: ']))}label {{ longText }}")
    if depth and draw(st.booleans()):
        parts.append(f"{draw(st.sampled_from(['', 'friends: ']))}related {{ {draw(products(depth - 1))} }}")
    # An alias stands for one thing only; the first selection of a key is kept.
    return " ".join({part.split("(")[0].split("{")[0].split(":")[0].strip(): part for part in parts}.values())


@st.composite
def queries(draw: st.DrawFn) -> str:
    roots = draw(
        st.lists(
            st.sampled_from(
                ["products(limit: 3)", "recommended", 'product(id: "8")', "newest", 'greeting(toWhom: "x")']
            ),
            min_size=1,
            max_size=3,
            unique=True,
        )
    )
    parts = [one if one.startswith("greeting") else f"{one} {{ {draw(products(2))} }}" for one in roots]
    return f'query($currency: String! = "SEK") {{ {" ".join(parts)} used: product(id: "1") {{ price(currency: $currency) {{ amount }} }} }}'  # noqa: E501


def native_value(field: str, parent: dict[str, Any], arguments: dict[str, Any]) -> Any:
    match field:
        case "Product.price":
            return {"amount": int(parent["id"]) * 100, "currency": arguments["currency"]}
        case "Product.stock":
            return int(parent["id"]) % 7
        case "Product.points":
            return 7
        case "Product.label":
            return None
        case "Query.recommended":
            return [{"id": "4"}, {"id": "5"}]
        case _:
            return "hello"


def functions(failure: str) -> Any:
    """The extension's function, whose overrides fail in one way or another for every second object."""

    def function(event: dict[str, Any]) -> Any:
        values = [native_value(event["field"], one, event["arguments"]) for one in event["parents"]]
        if not failure or event["field"] not in ("Product.price", "Product.stock"):
            return values
        if failure == "crash":
            raise AssertionError("boom")
        if failure == "late":
            return asyncio.Event().wait()
        if failure == "short":
            return values[:-1]
        wrong = {"error": {"errorMessage": "no"}, "null": None, "wrong": {"amount": []}}[failure]
        if failure == "null" and event["field"] == "Product.stock":
            return values  # which may be null
        return [wrong if index % 2 == 0 else value for index, value in enumerate(values)]

    return function


def servers(failure: str) -> Any:
    """The same as a GraphQL server."""

    def broken(field: str) -> Any:
        def resolve(parents: Any, args: Any, call: Any) -> list[Any]:
            values = [native_value(field, one, args) for one in parents]
            if failure in ("crash", "short", "late"):
                raise Unavailable("boom")
            if failure in ("error", "wrong"):
                return [Unavailable("no") if index % 2 == 0 else value for index, value in enumerate(values)]
            return values

        return resolve

    subgraph = prices_subgraph(
        PRICES.replace("Money! @override", "Money @override"),
        **{
            "Product.price": broken("Product.price"),
            "Product.stock": broken("Product.stock"),
            "Product.label": lambda parents, _a, _c: [None] * len(parents),
            "Query.recommended": lambda _p, _a, _c: [[{"id": "4"}, {"id": "5"}]],
            "Query.greeting": lambda _p, _a, _c: ["hello"],
        },
    )

    async def function(event: dict[str, Any]) -> Any:
        return (await subgraph.execute(event["query"], event["variables"], make_call())).response()

    return function


def shop_of(target: str, failure: str, *, shadow: bool = False) -> Shop:
    gate = Gate("prices", breaker=Breaker("prices", failures_max=10**9))
    function = functions(failure) if target == "fields" else servers(failure)
    deadline_ms = 5 if failure == "late" else 60_000
    # Else a price that failed would climb in the partner's server and take its own fields with it.
    sdl = PRICES if target == "fields" else PRICES.replace("Money! @override", "Money @override")
    return Shop(
        function, sdl=sdl, target=target, policies=all_policies(deadline_ms=deadline_ms, shadow=shadow), gate=gate
    )


@pytest.fixture(scope="module")
def shops() -> dict[tuple[str, str], Shop]:
    """By target and failure."""
    found = {(target, failure): shop_of(target, failure) for target in ("fields", "function") for failure in FAILURES}
    found |= {(target, "shadow"): shop_of(target, "", shadow=True) for target in ("fields", "function")}
    return found | {(target, ""): shop_of(target, "") for target in ("fields", "function")}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(queries(), st.sampled_from(["fields", "function"]), st.sampled_from([*FAILURES, "shadow"]))
async def test_a_failing_override_shows_what_an_agreeing_one_shows(
    shops: dict[tuple[str, str], Shop], text: str, target: str, failure: str
) -> None:
    agreeing = await shops[target, ""].ask(text)
    shop = shops[target, failure]
    result = await shop.ask(text)
    assert agreeing.errors == ()
    assert result.errors == ()
    assert result.data == agreeing.data
    await shop.client.settled()
