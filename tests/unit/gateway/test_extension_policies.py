"""Fallback, shadow and deadlines: what a store's customers see of an override that is not as it should be."""

import asyncio
from typing import Any

import msgspec
import pytest
from extension_fakes import CATALOG, Shop, all_policies
from gateway_fakes import make_call
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kokoa.gateway.extensions.client import fields_without_fallback
from kokoa.gateway.extensions.gate import Breaker, Gate
from kokoa.graphql.result import ExecutionResult
from kokoa.kernel.call import Caller
from kokoa.kernel.overrides import OverridePolicy

LISTING = """query($currency: String) {
  products(limit: 3) { id name cost: price(currency: $currency) { amount currency } stock }
}"""
LISTING = LISTING.replace("$currency: String", '$currency: String! = "USD"')
NATIVE = {
    "products": [
        {"id": str(one), "name": f"product {one}", "cost": {"amount": one * 100, "currency": "USD"}, "stock": one}
        for one in (1, 2, 3)
    ]
}


def halved(event: dict[str, Any]) -> list[Any]:
    """Answers every field as the native catalogue would, with half the price."""
    found: list[Any] = []
    for one in event["parents"]:
        match event["field"]:
            case "Product.price":
                found.append({"amount": int(one["id"]) * 50, "currency": event["arguments"]["currency"]})
            case "Product.stock":
                found.append(int(one["id"]))
            case "Query.recommended":
                found.append([{"id": "4"}, {"id": "5"}])
            case "Mutation.redeem":
                found.append({"newBalance": 1, "product": {"id": "6"}})
            case _:
                found.append(0)
    return found


def never(_: dict[str, Any]) -> Any:
    return asyncio.Event().wait()


def failing(event: dict[str, Any]) -> Any:
    raise AssertionError("the function crashed")


async def test_an_override_takes_the_place_of_the_native_field() -> None:
    shop = Shop(halved)
    result = await shop.ask(LISTING)
    assert result.errors == ()
    assert [one["cost"] for one in result.data["products"]] == [
        {"amount": one * 50, "currency": "USD"} for one in (1, 2, 3)
    ]
    assert len(shop.functions.events) == 2  # one for each field
    assert shop.reports.counts() == {("Product.price", "answered"): 3, ("Product.stock", "answered"): 3}
    assert shop.catalog.asked == []


@pytest.mark.parametrize(
    ("function", "outcome"),
    [(failing, "failed"), (never, "late"), (lambda _: 7, "invalid"), (lambda _: [None] * 3, "invalid")],
)
async def test_the_native_answer_is_served_instead(function: Any, outcome: str) -> None:
    def only_prices(event: dict[str, Any]) -> Any:
        return function(event) if event["field"] == "Product.price" else halved(event)

    policy = OverridePolicy(deadline_ms=100 if function is never else 60_000)
    shop = Shop(only_prices, policies={"Product.price": policy})
    result = await shop.ask(LISTING)
    assert result.errors == ()
    assert result.data == NATIVE
    assert shop.reports.counts() == {("Product.price", outcome): 3, ("Product.stock", "answered"): 3}
    assert shop.reports.noted[0].reason
    assert shop.catalog.asked == ["price"]


async def test_only_the_objects_that_failed_are_asked_of_the_native_subgraph() -> None:
    def second_fails(event: dict[str, Any]) -> list[Any]:
        values = halved(event)
        if event["field"] == "Product.price":
            values[1] = {"errorMessage": "no price"}
        return values

    shop = Shop(second_fails)
    result = await shop.ask(LISTING)
    assert result.errors == ()
    assert [one["cost"]["amount"] for one in result.data["products"]] == [50, 200, 150]
    assert shop.reports.counts()["Product.price", "failed"] == 1
    assert next(one.reason for one in shop.reports.noted if one.outcome == "failed") == "no price"


@pytest.mark.parametrize(("function", "code"), [(failing, "EXTENSION_FAILED"), (never, "DEADLINE_EXCEEDED")])
async def test_without_fallback_the_error_says_that_and_not_why(function: Any, code: str) -> None:
    deadline_ms = 100 if function is never else 60_000
    shop = Shop(function, policies=all_policies(deadline_ms=deadline_ms, fallback=False))
    result = await shop.ask("{ products(limit: 2) { id stock } }")
    assert result.data == {"products": [{"id": "1", "stock": None}, {"id": "2", "stock": None}]}
    assert [one["path"] for one in result.errors] == [["products", 0, "stock"], ["products", 1, "stock"]]
    assert {one["message"] for one in result.errors} == {"Product.stock could not be answered."}
    assert result.errors[0]["extensions"] == {"code": code, "subgraph": "prices"}
    operator = msgspec.structs.replace(make_call(), caller=Caller("operator"))
    told = await shop.ask("{ products(limit: 1) { id stock } }", operator)
    assert told.errors[0]["extensions"]["details"]["message"].startswith("The extension prices")


async def test_fields_beside_a_failed_override_keep_their_own_answers() -> None:
    def function(event: dict[str, Any]) -> Any:
        if event["field"] == "Product.price":
            return failing(event)
        if event["field"] == "Product.points":
            return [1, {"errorMessage": "none"}, 3]
        return [{"longText": "x", "parts": []}] * len(event["parents"])

    shop = Shop(function)
    result = await shop.ask("{ products(limit: 3) { price { amount } points label { longText } } }")
    assert result.data is None  # points must not be null, and is for the second
    assert [(one["path"], one["message"]) for one in result.errors] == [(["products", 1, "points"], "none")]
    fine = await shop.ask("{ products(limit: 3) { price { amount } label { longText } } }")
    assert fine.errors == ()
    assert fine.data["products"][1] == {"price": {"amount": 200}, "label": {"longText": "x"}}


async def test_below_what_the_extension_returns_overrides_have_a_fallback_too() -> None:
    def function(event: dict[str, Any]) -> Any:
        return failing(event) if event["field"] == "Product.price" else halved(event)

    shop = Shop(function)
    text = "{ recommended { id name price { amount } points } }"
    result = await shop.ask(text)
    assert result.errors == ()
    assert result.data == {
        "recommended": [
            {"id": "4", "name": "product 4", "price": {"amount": 400}, "points": 0},
            {"id": "5", "name": "product 5", "price": {"amount": 500}, "points": 0},
        ]
    }
    mutation = await shop.ask("mutation { redeem(points: 1) { newBalance product { id price { amount } } } }")
    assert mutation.data == {"redeem": {"newBalance": 1, "product": {"id": "6", "price": {"amount": 600}}}}
    strict = Shop(function, policies=all_policies(fallback=False))
    refused = await strict.ask("{ recommended { id stock price { amount } } }")
    assert [one["path"] for one in refused.errors] == [["recommended", 0, "price"], ["recommended", 1, "price"]]


ROOTS = """
type Query { product(id: ID!): Product @override(from: "catalog")  newest: Product! @override(from: "catalog") }
type Mutation { rename(id: ID!, name: String!): Product @override(from: "catalog") }
type Product @key(fields: "id") { id: ID!  rating: Int }
"""


async def test_root_fields_fall_back_and_what_only_the_extension_knows_is_asked_by_key() -> None:
    def function(event: dict[str, Any]) -> Any:
        return [5] * len(event["parents"]) if event["field"] == "Product.rating" else failing(event)

    shop = Shop(function, sdl=ROOTS)
    result = await shop.ask('{ product(id: "8") { id name rating } newest { id rating } }')
    assert result.errors == ()
    assert result.data == {
        "product": {"id": "8", "name": "product 8", "rating": 5},
        "newest": {"id": "9", "rating": 5},
    }


async def test_a_mutation_never_falls_back() -> None:
    shop = Shop(failing, sdl=ROOTS)
    result = await shop.ask('mutation { rename(id: "8", name: "x") { id } }')
    assert result.data == {"rename": None}
    assert [one["extensions"]["code"] for one in result.errors] == ["EXTENSION_FAILED"]
    assert len(shop.functions.events) == 1
    assert shop.reports.counts() == {("Mutation.rename", "failed"): 1}


async def test_a_mutation_in_shadow_is_done_once_and_natively() -> None:
    shop = Shop(failing, sdl=ROOTS, policies={"Mutation.rename": OverridePolicy(shadow=True, deadline_ms=60_000)})
    result = await shop.ask('mutation { rename(id: "8", name: "x") { id rating } }')
    assert result.data == {"rename": {"id": "8", "rating": None}}
    assert [one["field"] for one in shop.functions.events] == ["Product.rating"]


async def test_a_shadow_is_compared_and_never_served() -> None:
    def function(event: dict[str, Any]) -> Any:
        values = halved(event)
        if event["field"] == "Product.price":
            values[0] = {"amount": 100, "currency": event["arguments"]["currency"]}  # as the native one
            values[2] = {"errorMessage": "no price"}
        return values

    shop = Shop(function, policies={"Product.price": OverridePolicy(shadow=True, deadline_ms=60_000)})
    result = await shop.ask(LISTING)
    assert result.errors == ()
    assert result.data == NATIVE
    await shop.client.settled()
    counts = shop.reports.counts()
    assert {key: count for key, count in counts.items() if key[0] == "Product.price"} == {
        ("Product.price", "equal"): 1,
        ("Product.price", "different"): 1,
        ("Product.price", "failed"): 1,
    }
    sample = next(one for one in shop.reports.noted if one.outcome == "different")
    assert (sample.native, sample.other) == (
        {"amount": 200, "currency": "USD"},
        {"amount": 100, "currency": "USD"},
    )


async def test_a_shadow_never_holds_up_the_answer() -> None:
    release = asyncio.Event()

    async def function(event: dict[str, Any]) -> Any:
        await release.wait()
        return halved(event)

    shop = Shop(function, policies=all_policies(shadow=True, deadline_ms=60_000))
    result = await shop.ask(LISTING)
    assert result.data == NATIVE  # while the function still waits
    assert shop.reports.noted == []
    release.set()
    await shop.client.settled()
    assert shop.reports.counts() == {("Product.price", "different"): 3, ("Product.stock", "equal"): 3}


async def test_a_function_that_asks_for_what_it_overrides_ends_at_the_depth_and_falls_back() -> None:
    shop = Shop()
    seen: list[ExecutionResult] = []

    async def function(event: dict[str, Any]) -> Any:
        found = await shop.gateway.execute('{ product(id: "3") { stock } }', {}, event["_call"])
        seen.append(found)
        assert not found.errors, found.errors[0]["message"]
        return [found.data["product"]["stock"]]

    shop.functions.function = function
    result = await shop.ask('{ product(id: "3") { stock } }')
    assert result.data == {"product": {"stock": 3}}
    assert len(seen) == 4
    assert [one.outcome for one in shop.reports.noted] == ["failed", "answered", "answered", "answered"]
    assert "graph → function price-fields → graph" in shop.reports.noted[0].reason  # it names the cycle


async def test_a_breaker_opens_and_native_answers_at_once_until_a_probe_succeeds() -> None:
    now = [0.0]
    broken = [True]
    breaker = Breaker("prices", failures_max=2, open_s=5, clock=lambda: now[0])
    shop = Shop(lambda event: failing(event) if broken[0] else halved(event), gate=Gate("prices", breaker=breaker))
    text = "{ products(limit: 1) { stock } }"
    for _ in range(4):
        assert (await shop.ask(text)).data == {"products": [{"stock": 1}]}
    assert len(shop.functions.events) == 2
    assert "2 times in a row" in shop.reports.noted[-1].reason
    now[0], broken[0] = 6.0, False
    await shop.ask(text)
    await shop.ask(text)
    assert len(shop.functions.events) == 4
    assert shop.reports.noted[-1].outcome == "answered"


async def test_without_fallback_an_open_breaker_is_a_clear_error() -> None:
    breaker = Breaker("prices", failures_max=1)
    shop = Shop(failing, policies=all_policies(fallback=False), gate=Gate("prices", breaker=breaker))
    await shop.ask("{ products(limit: 1) { stock } }")
    refused = await shop.ask("{ products(limit: 1) { stock } }")
    assert refused.errors[0]["extensions"] == {"code": "SUBGRAPH_UNAVAILABLE", "subgraph": "prices"}
    assert len(shop.functions.events) == 1


async def test_so_many_at_once_and_a_short_queue() -> None:
    release = asyncio.Event()

    async def function(event: dict[str, Any]) -> Any:
        await release.wait()
        return ["hello"]

    shop = Shop(function, gate=Gate("prices", in_flight_max=2, waiting_max=1))
    asked = [asyncio.ensure_future(shop.ask('{ greeting(toWhom: "x") }')) for _ in range(5)]
    refused: list[ExecutionResult] = []
    while len(refused) < 2:
        done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        refused = [one.result() for one in done]
    release.set()
    answered = [await one for one in asked]
    assert shop.functions.running_max == 2
    assert sum(one.data == {"greeting": "hello"} for one in answered) == 3
    assert {one.errors[0]["extensions"]["code"] for one in refused} == {"EXTENSION_BUSY"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["amount", "currency", "id", "errorMessage", "__typename"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


class Wrong:
    """Something that is no list of prices."""


@pytest.fixture(scope="module")
def shops() -> dict[bool, Shop]:
    """By whether overrides are in shadow; their breakers never open."""
    return {
        shadow: Shop(
            policies=all_policies(deadline_ms=5, shadow=shadow),
            gate=Gate("prices", breaker=Breaker("prices", failures_max=10**9)),
        )
        for shadow in (False, True)
    }


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(json_values | st.just(Wrong), max_size=4) | json_values, st.sampled_from(["value", "crash", "late"]))
async def test_whatever_a_function_answers_the_client_gets_an_answer_or_the_native_one(
    shops: dict[bool, Shop], answer: Any, how: str
) -> None:
    def function(event: dict[str, Any]) -> Any:
        if how == "crash":
            return failing(event)
        if how == "late":
            return never(event)
        return [{"amount": "x"} if one is Wrong else one for one in answer] if isinstance(answer, list) else answer

    text = "{ products(limit: 3) { id name price { amount currency } } }"
    native = [{"amount": one * 100, "currency": "EUR"} for one in (1, 2, 3)]
    for shadow, shop in shops.items():
        shop.functions.function = function
        shop.reports.noted.clear()
        result = await shop.ask(text)
        assert result.errors == ()
        for index, one in enumerate(result.data["products"]):
            assert one["id"] == str(index + 1)
            if one["price"] != native[index]:  # then it is what the function said, and it said so properly
                assert not shadow
                assert how == "value"
                assert isinstance(answer, list)
                assert len(answer) == 3
                assert set(one["price"]) == {"amount", "currency"}
                assert isinstance(one["price"]["amount"], int)
                assert isinstance(one["price"]["currency"], str)
        await shop.client.settled()
        assert sum(one.count for one in shop.reports.noted) == 3


async def test_an_override_that_cannot_fall_back_is_known_before() -> None:
    assert fields_without_fallback(Shop().supergraph, Shop().extension) == {}
    by_name = """
    type Product @key(fields: "name") { name: String!  stock: Int @override(from: "catalog") }
    """
    shop = Shop(
        failing, sdl=by_name, native=CATALOG.replace("name: String!  price", "name: String! @shareable  price")
    )
    assert list(fields_without_fallback(shop.supergraph, shop.extension)) == ["Product.stock"]
    result = await shop.ask("{ products(limit: 1) { name stock } }")
    assert result.data == {"products": [{"name": "product 1", "stock": None}]}
    assert [one["extensions"]["code"] for one in result.errors] == ["NO_NATIVE_KEY"]
