"""Rules of carts: who sees one, what each state allows, what a line costs; and a machine that tries all orders."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from kokoa.kernel.errors import Conflict
from kokoa.services.carts.errors import CartChanged, CartClosed, CartFrozen, CartFull, CartNotFrozen, InvalidCartLine
from kokoa.services.carts.model import (
    AMOUNT_MAX,
    QUANTITY_MAX,
    Cart,
    Key,
    Lifetimes,
    Line,
    Who,
    as_of,
    frozen,
    is_visible,
    merged,
    new_cart,
    ordered,
    released,
    require_active,
    require_version,
    touched,
    with_added,
    with_quantities,
)
from kokoa.services.carts.pricing.model import Offer, chosen_price, is_enough, is_unclear, offer_of

NOW = datetime(2026, 5, 17, 12, 30, tzinfo=UTC)
LIFETIMES = Lifetimes()


def a_cart(cart_id: str = "cart", customer_id: str | None = None) -> Cart:
    return new_cart(cart_id, "EUR", NOW, LIFETIMES, customer_id=customer_id)


def a_line(line_id: str, variant: str | None = "v", quantity: int = 1, price: int = 100, at: datetime = NOW) -> Line:
    return Line(line_id, variant, "p", variant, "Lamp", "", quantity, price, "PRICE", at)


def in_state(state: str) -> Cart:
    match state:
        case "FROZEN":
            return frozen(a_cart(), "o", 60, NOW)
        case "ORDERED":
            return ordered(in_state("FROZEN"), "o", "order")
        case "MERGED":
            return merged(a_cart("mine", "ada"), a_cart())[1]
        case "EXPIRED":
            return as_of(a_cart(), NOW + timedelta(days=365))
        case _:
            return a_cart()


def test_each_state_allows_what_it_allows() -> None:
    for state, error in (
        ("FROZEN", CartFrozen),
        ("ORDERED", CartClosed),
        ("MERGED", CartClosed),
        ("EXPIRED", CartClosed),
    ):
        assert in_state(state).state == state
        with pytest.raises(error):
            require_active(in_state(state))
    for state in ("ORDERED", "MERGED", "EXPIRED"):
        for change in (
            lambda cart: frozen(cart, "o", 60, NOW),
            lambda cart: released(cart, "o"),
            lambda cart: merged(a_cart("mine", "ada"), cart),
            lambda cart: ordered(cart, "o", "another"),
        ):
            with pytest.raises(CartClosed):
                change(in_state(state))
    with pytest.raises(CartClosed):
        merged(a_cart("mine", "ada"), in_state("FROZEN"))
    with pytest.raises(CartNotFrozen):
        ordered(a_cart(), "o", "order")


def test_a_cart_expires_at_the_end_of_a_day_and_a_frozen_one_thaws_first() -> None:
    assert a_cart().expires_at == datetime(2026, 6, 17, tzinfo=UTC)
    assert a_cart(customer_id="ada").expires_at == datetime(2026, 8, 16, tzinfo=UTC)
    still = frozen(a_cart(), "o", 600, NOW)
    assert as_of(still, NOW + timedelta(seconds=599)) == still
    thawed = as_of(still, NOW + timedelta(seconds=600))
    assert (thawed.state, thawed.freeze_key, thawed.version) == ("ACTIVE", None, still.version)
    assert as_of(still, NOW + timedelta(days=32)).state == "EXPIRED"
    later = touched(a_cart(), NOW + timedelta(days=3), LIFETIMES)
    assert (later.version, later.expires_at) == (2, datetime(2026, 6, 20, tzinfo=UTC))


@pytest.mark.parametrize(
    ("customer", "who", "key", "visible"),
    [
        (None, Who(), Key(token="t"), True),
        (None, Who(), Key(id="cart"), False),
        (None, Who(customer_id="ada"), Key(id="cart"), False),
        (None, Who(customer_id="ada"), Key(token="t"), True),
        (None, Who(management=True), Key(id="cart"), True),
        (None, Who(), Key(id="other", token="t"), False),
        ("ada", Who(customer_id="ada"), Key(), True),
        ("ada", Who(customer_id="ada"), Key(id="other"), False),
        ("ada", Who(customer_id="bob"), Key(id="cart"), False),
        ("ada", Who(customer_id="bob"), Key(token="t"), False),
        ("ada", Who(), Key(token="t"), False),
        ("ada", Who(management=True), Key(token="t"), True),
    ],
)
def test_whose_a_cart_is(customer: str | None, who: Who, key: Key, visible: bool) -> None:
    assert is_visible(a_cart(customer_id=customer), who, key) is visible


def test_a_version_that_is_given_must_be_the_one() -> None:
    require_version(a_cart(), None)
    require_version(a_cart(), 1)
    for version in (0, 2):
        with pytest.raises(CartChanged):
            require_version(a_cart(), version)


def test_a_line_of_the_same_variant_grows_and_takes_the_newer_price() -> None:
    cart = with_added(a_cart(), [a_line("1", "a", 2, 100), a_line("2", "b", 1, 50)])
    cart = with_added(cart, [a_line("3", "a", 3, 120), a_line("4", None, 1, 9), a_line("5", None, 1, 9)])
    assert [(line.id, line.quantity, line.unit_price_minor) for line in cart.lines] == [
        ("1", 5, 120),
        ("2", 1, 50),
        ("4", 1, 9),
        ("5", 1, 9),
    ]
    assert cart.subtotal_minor == 668
    with pytest.raises(InvalidCartLine) as raised:
        with_added(cart, [a_line("6", "b"), a_line("7", "a", QUANTITY_MAX)])
    assert raised.value.field == "lines.1.quantity"
    with pytest.raises(CartFull):
        with_added(cart, [a_line("6", "c", 2, AMOUNT_MAX // 2)])
    with pytest.raises(CartFull):
        with_added(cart, [a_line(str(n), None) for n in range(10, 207)])


def test_a_merge_keeps_both_and_stops_at_the_bound() -> None:
    mine = with_added(a_cart("mine", "ada"), [a_line("1", "a", 9_000, 1), a_line("2", None, 1, 5)])
    late = NOW + timedelta(hours=1)
    other = with_added(
        replace(a_cart(), email="ada@example.com"), [a_line("3", "a", 9_000, 2, late), a_line("4", None)]
    )
    after, gone = merged(mine, other)
    assert [(line.id, line.quantity, line.unit_price_minor) for line in after.lines] == [
        ("1", QUANTITY_MAX, 2),
        ("2", 1, 5),
        ("4", 1, 100),
    ]
    assert (after.email, gone.state, gone.merged_into) == ("ada@example.com", "MERGED", "mine")


def shown(**changes: Any) -> dict[str, Any]:
    price_in = {"priceMinor": 1_000, "currency": "EUR", "channel": None}
    price_in |= changes.pop("priceIn", {})
    return {
        "id": "v",
        "sku": "LAMP",
        "name": "red",
        "weightGrams": None,
        "price": 10.0,
        "priceMinor": 1_000,
        "currency": "EUR",
        "priceIn": price_in,
        "availability": {"inStock": True, "quantity": None, "backorderable": True},
        "product": {"id": "p", "name": "Lamp"},
        **changes,
    }


@pytest.mark.parametrize(
    ("given", "currency", "price"),
    [
        ({}, "EUR", (1_000, "PRICE")),
        ({"price": 7.77}, "EUR", (777, "PRICE")),
        ({"priceMinor": 777}, "EUR", (777, "PRICE")),
        ({"price": 7.77, "priceIn": {"priceMinor": 900, "channel": "eu"}}, "EUR", (900, "PRICE_IN")),
        ({"priceIn": {"priceMinor": 1_300, "currency": "USD"}}, "USD", (1_300, "PRICE_IN")),
        ({}, "USD", None),
        ({"price": -0.01}, "EUR", None),
        ({"price": float("nan")}, "EUR", None),
        ({"price": float("inf")}, "EUR", None),
        ({"price": 3e7}, "EUR", None),
        ({"price": 0.0}, "EUR", (0, "PRICE")),
        ({"price": 1_500.4, "priceMinor": 1_000, "currency": "JPY"}, "JPY", (1_500, "PRICE")),
    ],
)
def test_the_answer_that_an_override_gives_is_the_price(
    given: dict[str, Any], currency: str, price: tuple[int, str] | None
) -> None:
    if given.get("currency") == "JPY":
        given = {**given, "priceIn": {"currency": "JPY"}}
    assert chosen_price(shown(**given), currency) == price


def test_where_two_fields_agree_the_catalogue_tells_which_are_overridden() -> None:
    within, both = shown(priceIn={"priceMinor": 777}), shown(price=7.77, priceMinor=777)
    assert is_unclear(within, "EUR")
    assert is_unclear(both, "EUR")
    assert not is_unclear(shown(), "EUR")
    assert not is_unclear(shown(price=7.77), "EUR")
    assert not is_unclear(shown(priceIn={"priceMinor": 777, "channel": "eu"}), "EUR")
    assert chosen_price(within, "EUR", own_minor=1_000) == (777, "PRICE_IN")
    assert chosen_price(both, "EUR", own_minor=1_000) == (777, "PRICE")


def test_what_shoppers_do_not_see_is_no_offer() -> None:
    assert offer_of(shown(product=None), "EUR") is None
    assert offer_of(shown(product={"id": "p", "name": "Lamp", "soldIn": False}), "EUR") is None
    assert offer_of(shown(product={"id": "p", "name": "Lamp", "soldIn": True}), "EUR") is not None


@pytest.mark.parametrize(
    ("quantity", "more", "in_stock", "wanted", "enough"),
    [
        (None, True, True, 9_999, True),
        (None, False, True, 9_999, True),
        (None, False, False, 1, False),
        (3, False, True, 3, True),
        (3, False, True, 4, False),
        (0, True, False, 4, True),
        (999, False, True, 5_000, True),
    ],
)
def test_what_is_enough(quantity: int | None, more: bool, in_stock: bool, wanted: int, enough: bool) -> None:
    offer = Offer("v", "p", "LAMP", "Lamp", "", (1, "PRICE"), None, quantity, more, in_stock)
    assert is_enough(offer, wanted) is enough


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 50), st.integers(0, 10_000)), max_size=30))
def test_quantities_and_totals_add_up(added: list[tuple[str, int, int]]) -> None:
    cart = a_cart()
    for number, (variant, quantity, price) in enumerate(added):
        cart = with_added(cart, [a_line(str(number), variant, quantity, price)])
    last = {variant: price for variant, _, price in added}
    total = {variant: sum(n for v, n, _ in added if v == variant) for variant in last}
    assert {line.variant_id: line.quantity for line in cart.lines} == total
    assert cart.subtotal_minor == sum(total[variant] * last[variant] for variant in last)


class Carts(RuleBasedStateMachine):
    """A customer, visitors, an order process and time, in any order. A model of plain numbers stands beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.mine = a_cart("mine", "ada")
        self.other = a_cart("visitor-0")
        self.number = 0
        self.expected: dict[str, dict[str | None, int]] = {"mine": {}, "other": {}}

    def _change(self, name: str, change: Any, expected: dict[str | None, int] | None = None) -> bool:
        """Whether the cart allowed it; one that is not ACTIVE allows nothing."""
        cart = as_of(getattr(self, name), self.now)
        try:
            require_active(cart)
        except Conflict:
            assert cart.state != "ACTIVE"
            return False
        setattr(self, name, touched(change(cart), self.now, LIFETIMES))
        if expected is not None:
            self.expected[name] = expected
        return True

    @initialize()
    def begin(self) -> None:
        self.begun = True

    @rule(name=st.sampled_from(["mine", "other"]), variant=st.sampled_from("abc"), quantity=st.integers(1, 20))
    def add(self, name: str, variant: str, quantity: int) -> None:
        self.number += 1
        line = a_line(f"line-{self.number}", variant, quantity, 10)
        expected = {**self.expected[name], variant: self.expected[name].get(variant, 0) + quantity}
        self._change(name, lambda cart: with_added(cart, [line]), expected)

    @rule(name=st.sampled_from(["mine", "other"]), variant=st.sampled_from("abc"), quantity=st.integers(0, 20))
    def change(self, name: str, variant: str, quantity: int) -> None:
        line = next((one for one in getattr(self, name).lines if one.variant_id == variant), None)
        if line is not None:
            expected = {**self.expected[name], variant: quantity}
            if quantity == 0:
                del expected[variant]
            self._change(name, lambda cart: with_quantities(cart, {line.id: quantity}), expected)

    @rule()
    def merge(self) -> None:
        other = as_of(self.other, self.now)
        mine = as_of(self.mine, self.now)
        if other.state != "ACTIVE" or mine.state != "ACTIVE":
            return
        both = {v: sum(one.get(v, 0) for one in self.expected.values()) for v in "abc"}
        self.mine, gone = merged(mine, other)
        assert gone.state == "MERGED"
        self.expected["mine"] = {v: n for v, n in both.items() if n}
        self._visitor()

    @rule(name=st.sampled_from(["mine", "other"]), key=st.sampled_from(["o", "p"]), seconds=st.integers(1, 600))
    def freeze(self, name: str, key: str, seconds: int) -> None:
        cart = as_of(getattr(self, name), self.now)
        allowed = cart.state == "ACTIVE" or (cart.state == "FROZEN" and cart.freeze_key == key)
        try:
            setattr(self, name, frozen(cart, key, seconds, self.now))
            assert allowed
        except Conflict:
            assert not allowed

    @rule(name=st.sampled_from(["mine", "other"]), key=st.sampled_from(["o", "p"]))
    def release(self, name: str, key: str) -> None:
        cart = as_of(getattr(self, name), self.now)
        try:
            after = released(cart, key)
            assert after.state == "ACTIVE"
            assert cart.state == "ACTIVE" or cart.freeze_key == key
            setattr(self, name, after)
        except Conflict:
            assert cart.state != "ACTIVE"

    @precondition(lambda self: self.mine.state == "FROZEN")
    @rule(key=st.sampled_from(["o", "p"]))
    def order(self, key: str) -> None:
        cart = as_of(self.mine, self.now)
        try:
            done = ordered(cart, key, "order")
            assert (cart.state, cart.freeze_key, done.state) == ("FROZEN", key, "ORDERED")
            assert done.lines == cart.lines
            assert ordered(done, key, "order") == done
        except Conflict:
            assert (cart.state, cart.freeze_key) != ("FROZEN", key)
            return
        self.mine, self.expected["mine"] = (
            replace(a_cart("mine", "ada"), expires_at=self.now + timedelta(days=90)),
            {},
        )

    @rule(seconds=st.one_of(st.integers(1, 700), st.just(20 * 86_400)))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        if as_of(self.other, self.now).state == "EXPIRED":
            self._visitor()
        if as_of(self.mine, self.now).state == "EXPIRED":
            self.mine, self.expected["mine"] = touched(a_cart("mine", "ada"), self.now, LIFETIMES), {}

    def _visitor(self) -> None:
        """Another one comes."""
        self.other, self.expected["other"] = touched(a_cart("visitor"), self.now, LIFETIMES), {}

    @invariant()
    def everything_adds_up(self) -> None:
        for name, expected in self.expected.items():
            cart = getattr(self, name)
            assert {line.variant_id: line.quantity for line in cart.lines} == expected
            assert cart.subtotal_minor == 10 * sum(expected.values())
            assert len({line.id for line in cart.lines}) == len(cart.lines)
            assert (cart.state == "FROZEN") == (cart.frozen_until is not None)


TestCarts = Carts.TestCase
TestCarts.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
