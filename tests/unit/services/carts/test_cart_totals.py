"""What a cart costs in the end: parts add up, and what a partner answers is believed only if it can be added up."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kokoa.kernel.contact import PostalAddress
from kokoa.kernel.overrides import AnswerSource
from kokoa.services.carts.errors import CartFull, InvalidCart
from kokoa.services.carts.model import (
    AMOUNT_MAX,
    CODES_MAX,
    Cart,
    Lifetimes,
    Line,
    merged,
    new_cart,
    with_code,
    without_code,
)
from kokoa.services.carts.pricing.model import live
from kokoa.services.carts.totals.model import (
    Discounts,
    Offered,
    Option,
    TotalsUnusable,
    chosen,
    discounts_of,
    options_of,
    problem_of,
    taxes_of,
    totals_of,
)

NOW = datetime(2026, 5, 17, 12, 30, tzinfo=UTC)
ADDRESS = PostalAddress("A", "B", None, "Street 1", None, None, "Town", None, "FI", None)
POST = Option("post", "Post", None, 590, None, None, None)
TAXES, SHIPPING, PROMOTIONS = AnswerSource("taxes"), AnswerSource("shipping"), AnswerSource("promotions")
OFFERED = Offered((POST,), SHIPPING)
AMOUNTS = st.integers(0, 100_000)


def a_cart(*amounts: int, **more: Any) -> Cart:
    lines = tuple(
        Line(str(n), f"v{n}", "p", f"s{n}", "Lamp", "", 1, amount, "PRICE", NOW) for n, amount in enumerate(amounts)
    )
    return replace(new_cart("cart", "EUR", NOW, Lifetimes()), lines=lines, **more)


def taxed(net: int, tax: int, key: str = "0") -> dict[str, Any]:
    return {"key": key, "netMinor": net, "taxMinor": tax, "grossMinor": net + tax}


def taxes(*lines: dict[str, Any], shipping: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "pricesIncludeTax": False,
        "reverseCharge": False,
        "note": None,
        "rates": [],
        "lines": list(lines),
        "shipping": shipping,
    }


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS, AMOUNTS), min_size=1, max_size=10), AMOUNTS, st.booleans())
def test_parts_add_up(lines: list[tuple[int, int, int]], delivery_tax: int, known: bool) -> None:
    """Amounts with discounts of at most as much, and taxes."""
    cart = a_cart(*(amount + off for amount, off, _ in lines), shipping_address=ADDRESS, shipping_method="post")
    discounts = Discounts((), {str(n): off for n, (_, off, _) in enumerate(lines)}, 90)
    answer = taxes(*(taxed(amount, tax, str(n)) for n, (amount, _, tax) in enumerate(lines)))
    answer["shipping"] = taxed(500, delivery_tax)
    said = taxes_of(answer, [line.id for line in cart.lines], TAXES, delivered=True) if known else None
    found = totals_of(cart, live(cart, None), discounts, OFFERED, said, None)
    assert (found.tax_source, found.shipping_source) == (TAXES if known else None, SHIPPING)
    assert found.discount_minor == sum(one.discount_minor for one in found.lines)
    assert found.shipping is not None
    delivered = found.shipping.price_minor - found.shipping.discount_minor + (found.shipping.tax_minor or 0)
    assert found.gross_minor == sum(one.gross_minor for one in found.lines) + delivered
    left = found.goods_minor - found.discount_minor + 500
    if known:
        assert (found.net_minor, found.tax_minor) == (left, sum(tax for _, _, tax in lines) + delivery_tax)
        assert found.gross_minor == left + (found.tax_minor or 0)
    else:
        assert (found.net_minor, found.tax_minor, found.gross_minor) == (None, None, left)


def test_more_than_a_number_can_say_is_refused() -> None:
    cart = a_cart(AMOUNT_MAX, shipping_method="post")
    with pytest.raises(CartFull):
        totals_of(cart, live(cart, None), Discounts(), OFFERED, None, None)


@pytest.mark.parametrize(
    "answer",
    [
        taxes(),
        taxes(taxed(1, 1), taxed(1, 1, "other")),
        taxes(taxed(10, -1)),
        taxes({**taxed(10, 1), "grossMinor": 12}),
        taxes(taxed(AMOUNT_MAX, 1)),
        taxes(taxed(10, 1), shipping=None),
    ],
)
def test_taxes_that_do_not_add_up_are_not_believed(answer: dict[str, Any]) -> None:
    with pytest.raises(TotalsUnusable):
        taxes_of(answer, ["0"], TAXES, delivered=True)


@pytest.mark.parametrize("discount", [-1, 101])
def test_a_discount_is_at_most_its_line(discount: int) -> None:
    cart = a_cart(100, codes=("TEN",))
    code = {"code": "ten", "accepted": True, "reason": None, "discountMinor": 0, "shippingDiscountMinor": 0}
    answer = {"codes": [code], "lines": [{"key": "0", "discountMinor": discount}], "shippingDiscountMinor": 0}
    with pytest.raises(TotalsUnusable):
        discounts_of(answer, cart, live(cart, None), 0, PROMOTIONS)
    fine = {**answer, "lines": [{"key": "0", "discountMinor": 100}]}
    assert discounts_of(fine, cart, live(cart, None), 0, PROMOTIONS).lines_minor == 100
    for bad in ({**fine, "codes": []}, {**fine, "shippingDiscountMinor": 1}):
        with pytest.raises(TotalsUnusable):
            discounts_of(bad, cart, live(cart, None), 0, PROMOTIONS)


def test_delivery_in_another_currency_is_not_believed() -> None:
    names = ("description", "minDays", "maxDays", "taxCategory")
    shown = {**dict.fromkeys(names), "key": "post", "name": "Post", "priceMinor": 5, "currency": "USD"}
    with pytest.raises(TotalsUnusable):
        options_of([shown], "EUR")
    assert options_of([shown], "USD")[0].price_minor == 5


@pytest.mark.parametrize(
    ("address", "method", "options", "problem"),
    [
        (None, "post", (), "NO_SHIPPING_ADDRESS"),
        (ADDRESS, None, (), None),
        (ADDRESS, None, (POST,), "NO_SHIPPING_METHOD"),
        (ADDRESS, "post", (POST,), None),
        (ADDRESS, "post", (), "SHIPPING_NOT_OFFERED"),
    ],
)
def test_what_is_missing(
    address: PostalAddress | None, method: str | None, options: tuple[Option, ...], problem: str | None
) -> None:
    cart = a_cart(1, shipping_address=address, shipping_method=method)
    assert problem_of(cart, options) == problem
    assert chosen(cart, options) is (POST if method and options else None)


def test_codes_are_kept_once_and_come_along_while_there_is_room() -> None:
    mine = replace(a_cart(customer_id="ada"), codes=tuple(f"C{n}" for n in range(CODES_MAX - 1)))
    anonymous = a_cart(codes=("C1", "NEW", "TOO-MANY"), shipping_method="post")
    after, _ = merged(mine, anonymous)
    assert after.codes == (*mine.codes, "NEW")
    assert after.shipping_method == "post"
    assert with_code(after, "NEW") == after
    with pytest.raises(InvalidCart):
        with_code(after, "TOO-MANY")
    assert without_code(without_code(after, "NEW"), "NEW").codes == mine.codes
