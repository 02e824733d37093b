"""Rules of placements: in whatever order things happen, there is an end, and one order or none."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoa.services.orders.errors import InvalidPlacement
from kokoa.services.orders.model import (
    AMOUNT_MAX,
    BACK_OFF_MAX_S,
    FINAL,
    NEXT,
    Basket,
    Placement,
    Refusal,
    Step,
    Who,
    advanced,
    back_off_s,
    basket_of,
    differs,
    digest_of,
    fingerprint_of,
    is_visible,
    may_refuse,
    require_request,
)

REQUEST = require_request("test", "ok", None, None)
STEPS: tuple[Step, ...] = get_args(Step)
LINE: Mapping[str, Any] = {
    "id": "1",
    "variant": {"id": "v"},
    "sku": "lamp",
    "name": "Lamp",
    "variantName": "",
    "quantity": 1,
    "unitPriceMinor": 100,
    "priceSource": "PRICE",
    "priceAnsweredBy": {"subgraph": "prices", "fallback": False},
    "problem": None,
}


def placement(step: Step = "STARTED", **more: Any) -> Placement:
    fields: dict[str, Any] = {
        "id": "p",
        "step": step,
        "cart_id": "c",
        "freeze_key": "k",
        "customer_id": None,
        "token_digest": None,
        "request": REQUEST,
        "basket": None,
        "payment_id": None,
        "action_url": None,
        "refusal": None,
        "attempts": 3,
        "started_at": datetime.now(UTC),
    }
    return Placement(**{**fields, **more})


def cart(*lines: Mapping[str, Any]) -> dict[str, Any]:
    plain = dict.fromkeys(
        ("email", "locale", "channel", "note", "shippingAddress", "billingAddress", "shippingMethod")
    )
    shown = [{**LINE, **line} for line in lines]
    totals: dict[str, Any] = dict.fromkeys(
        (
            *("shipping", "taxIncluded", "reverseCharge", "taxNote", "netMinor", "taxMinor"),
            *("taxSource", "shippingSource", "discountSource"),
        )
    )
    totals |= {
        "problem": "NO_SHIPPING_ADDRESS",
        "discountMinor": 0,
        "grossMinor": sum(line["quantity"] * line["unitPriceMinor"] for line in shown),
        "codes": [],
        "rates": [],
        "lines": [
            {
                "lineId": line["id"],
                "discountMinor": 0,
                "taxMinor": None,
                "grossMinor": line["quantity"] * line["unitPriceMinor"],
            }
            for line in shown
        ],
    }
    return {**plain, "currency": "EUR", "lines": shown, "totals": totals}


@given(st.data())
def test_every_way_ends_in_one_order_or_in_none(data: st.DataObject) -> None:
    now, way = placement(), ["STARTED"]
    while now.step not in FINAL:
        step = data.draw(st.sampled_from(sorted(NEXT[now.step])))
        now = advanced(now, step)
        way.append(step)
        assert now.attempts == 0
        assert len(way) <= len(STEPS)
    committed = bool({"COMMITTED", "CLOSING"} & {*way})
    assert committed == (now.state == "PLACED")
    assert ("REFUSING" in way) == (now.state == "REFUSED")
    assert not (committed and "REFUSING" in way)
    if committed:
        assert way[:2] == ["STARTED", "PRICED"]


@given(st.sampled_from(STEPS), st.sampled_from(STEPS))
def test_no_step_is_left_out(before: Step, after: Step) -> None:
    if after in NEXT[before]:
        assert advanced(placement(before), after).step == after
    else:
        with pytest.raises(AssertionError):
            advanced(placement(before), after)


def test_what_is_written_is_not_refused_any_more() -> None:
    kept = {"COMMITTED", "CLOSING", "DONE", "REFUSING", "WATCHING", "REFUSED"}
    assert {step for step in STEPS if not may_refuse(placement(step))} == kept


def test_a_customer_is_sent_elsewhere_only_while_they_pay() -> None:
    assert placement("PAYING", action_url="https://pay.test").state == "ACTION_REQUIRED"
    assert placement("PAYING").state == "IN_PROGRESS"
    assert placement("REFUSING", action_url="https://pay.test").state == "IN_PROGRESS"


@given(st.integers(0, 10_000))
def test_waiting_grows_and_has_a_bound(attempts: int) -> None:
    assert 0 < back_off_s(attempts) <= back_off_s(attempts + 1) <= BACK_OFF_MAX_S


@given(st.lists(st.tuples(st.integers(1, 9_999), st.integers(0, 10_000)), min_size=1, max_size=20))
def test_the_total_is_that_of_the_lines(lines: list[tuple[int, int]]) -> None:
    given = [
        {"id": str(n), "sku": f"s{n % 3}", "quantity": quantity, "unitPriceMinor": price}
        for n, (quantity, price) in enumerate(lines)
    ]
    basket = basket_of(cart(*given))
    total = sum(quantity * price for quantity, price in lines)
    if total > AMOUNT_MAX:
        assert isinstance(basket, Refusal)
        return
    assert isinstance(basket, Basket)
    assert basket.total_minor == total == sum(line.total_minor for line in basket.lines)
    assert sum(basket.wanted_stock().values()) == sum(quantity for quantity, _ in lines)
    assert basket.is_of((str(n), quantity) for n, (quantity, _) in enumerate(lines))
    assert not basket.is_of([("0", lines[0][0] + 1)])
    assert differs(basket, total) is None
    refusal = differs(basket, total + 1)
    assert refusal is not None
    assert refusal.field == "expectedTotalMinor"


def test_a_line_that_cannot_be_ordered_is_named() -> None:
    refusal = basket_of(cart({}, {"id": "2", "problem": "NO_PRICE"}))
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.field) == ("NO_PRICE", "cart.lines.1")
    nothing = basket_of(cart())
    assert isinstance(nothing, Refusal)
    assert nothing.code == "CART_EMPTY"


def test_what_management_made_up_takes_no_stock() -> None:
    basket = basket_of(cart({"variant": None, "sku": "lamp"}, {"id": "2", "sku": None}))
    assert isinstance(basket, Basket)
    assert basket.wanted_stock() == {}


def test_a_placement_is_its_customers_or_whoever_has_the_token() -> None:
    theirs, anonymous = placement(customer_id="a"), placement(token_digest=digest_of("secret"))
    assert is_visible(theirs, Who(customer_id="a"), None)
    assert not is_visible(theirs, Who(customer_id="b"), "secret")
    assert not is_visible(theirs, Who(), None)
    assert is_visible(anonymous, Who(), "secret")
    assert not is_visible(anonymous, Who(), None)
    assert not is_visible(anonymous, Who(customer_id="a"), "another")
    assert not is_visible(placement(), Who(), "secret"), "ordered by management, so no token opens it"
    assert is_visible(theirs, Who(management=True), None)


def test_another_request_has_another_fingerprint() -> None:
    asked = [
        fingerprint_of("c", REQUEST),
        fingerprint_of("d", REQUEST),
        fingerprint_of("c", require_request("test", "ok", None, 5)),
        fingerprint_of("c", require_request("test", "declined", None, None)),
    ]
    assert len(set(asked)) == 4
    assert fingerprint_of("c", require_request("test", "ok", None, None)) == asked[0]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (("", None, None, None), "paymentProvider"),
        (("a\0", None, None, None), "paymentProvider"),
        (("a", "x" * 201, None, None), "paymentMethod"),
        (("a", None, "ftp://x", None), "returnUrl"),
        (("a", None, None, AMOUNT_MAX + 1), "expectedTotalMinor"),
    ],
)
def test_bad_requests_name_the_field(given: tuple[Any, ...], field: str) -> None:
    with pytest.raises(InvalidPlacement) as refused:
        require_request(*given)
    assert refused.value.field == field
