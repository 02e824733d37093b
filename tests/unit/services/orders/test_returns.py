"""Rules of what comes back of orders: whatever happens in whatever order, quantities and money add up."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kokoa.services.orders.errors import (
    InvalidRefund,
    InvalidReturn,
    OrderNotCancellable,
    ReturnChanged,
    ReturnStateDiffers,
)
from kokoa.services.orders.fulfilling.model import (
    ORDER_NEXT,
    Change,
    Kind,
    Money,
    after,
    due_minor,
    left_of,
    require_cancellable,
    require_lines,
    to_capture,
    to_refund,
    to_void,
)
from kokoa.services.orders.model import Basket, BasketLine, Order, OrderShipping, Progress, Totals, Who
from kokoa.services.orders.returning.model import (
    NEXT,
    Condition,
    ReceivedLine,
    Return,
    ReturnLine,
    ReturnState,
    cancelled,
    locations_of,
    order_received,
    order_refunded,
    quantities_of,
    received,
    rejected,
    require_goodwill,
    require_reception,
    require_request,
    require_return_refund,
    require_returnable,
    require_version,
    return_refunded,
    returnable_of,
    stock_of,
    to_refund_of,
    worth_minor,
)

MANAGEMENT = Who(management=True)
CUSTOMER = Who(customer_id="k")


def order(lines: Sequence[tuple[int, int]], delivery_minor: int = 0) -> Order:
    """lines: (quantity, gross of all of it)."""
    total = sum(gross for _, gross in lines) + delivery_minor
    shipping = OrderShipping("post", "Post", delivery_minor, 0, None)
    basket = Basket(
        currency="EUR",
        email=None,
        locale=None,
        channel=None,
        note=None,
        shipping_address=None,
        billing_address=None,
        lines=tuple(
            BasketLine(str(index), "v", f"sku{index}", "Lamp", "", quantity, 1_000, "PRICE", gross_minor=gross)
            for index, (quantity, gross) in enumerate(lines)
        ),
        totals=Totals(0, total, shipping),
    )
    return Order("o", 10001, "CONFIRMED", "c", "k", "p", total, basket, datetime.now(UTC), 1, {})


def left(known: Order, kind: Kind, lines: Mapping[str, int]) -> Order:
    """When a change is done."""
    change = Change(
        "f", "o", kind, "WRITTEN", dict(lines), None, None, None, None, None, "server", 1, datetime.now(UTC)
    )
    return after(known, change)


def a_return(*lines: ReturnLine, state: ReturnState = "REQUESTED") -> Return:
    return Return("r", "o", state, lines, None, None, "server", 1, datetime.now(UTC))


def back(
    line_id: str, quantity: int, condition: Condition = "BACK_IN_STOCK", place: str | None = None
) -> ReceivedLine:
    return ReceivedLine(line_id, quantity, condition, place)


class Bank:
    """A payment as payments keeps it: refuses what it would refuse."""

    def __init__(self, authorized: int) -> None:
        self.authorized, self.charged, self.returned, self.voided = authorized, 0, 0, 0

    def money(self) -> Money:
        capturable = self.authorized - self.charged - self.voided
        return Money(1, self.charged, 0, self.returned, capturable, self.charged - self.returned, False)

    def capture(self, amount: int) -> None:
        assert 0 <= amount <= self.money().capturable
        self.charged += amount

    def void(self, amount: int) -> None:
        assert 0 <= amount <= self.money().capturable
        self.voided += amount

    def refund(self, amount: int) -> bool:
        """Whether there is so much."""
        if not 0 <= amount <= self.money().refundable:
            return False
        self.returned += amount
        return True


class OrdersLife(RuleBasedStateMachine):
    """One order, to which everything happens in any order, and its payment."""

    @initialize(
        lines=st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3_000)), min_size=1, max_size=3),
        delivery=st.one_of(st.just(0), st.integers(1, 999)),
    )
    def place(self, lines: list[tuple[int, int]], delivery: int) -> None:
        self.order = order(lines, delivery)
        self.returns: list[Return] = []
        self.bank = Bank(self.order.total_minor)
        self.states = [self.order.state]
        self.fees = self.goodwill = self.shipping = self.declined = 0

    def become(self, changed: Order) -> None:
        assert changed.version == self.order.version + 1
        self.order = changed
        self.states.append(changed.state)

    def put(self, changed: Return) -> None:
        at = next(index for index, one in enumerate(self.returns) if one.id == changed.id)
        self.returns[at] = changed

    @precondition(lambda self: left_of(self.order))
    @rule(data=st.data(), captured=st.sampled_from([True, True, False]))
    def fulfil(self, data: st.DataObject, captured: bool) -> None:
        rest = left_of(self.order)
        line = data.draw(st.sampled_from(sorted(rest)))
        part = require_lines(self.order, [(line, data.draw(st.integers(1, rest[line])))])
        self.become(left(self.order, "FULFIL", part))
        amount, charged = to_capture(self.order, self.bank.money()), self.bank.charged
        # A provider that declines now and then is made up for by the next part.
        if captured:
            self.bank.capture(amount)
            assert self.bank.charged == max(charged, due_minor(self.order))
        self.declined = 0 if captured else amount

    @precondition(lambda self: self.order.state in ("CONFIRMED", "PARTIALLY_FULFILLED"))
    @rule()
    def cancel(self) -> None:
        self.become(left(self.order, "CANCEL", require_cancellable(self.order, MANAGEMENT)))
        self.bank.void(to_void(self.order, self.bank.money()))
        assert self.bank.refund(to_refund(self.order, self.bank.money()))
        assert (to_void(self.order, self.bank.money()), to_refund(self.order, self.bank.money())) == (0, 0)

    @rule(amount=st.integers(0, 2_000))
    def capture_early(self, amount: int) -> None:
        """As somebody does who asks for the money before it is due."""
        if self.order.state in ("CONFIRMED", "PARTIALLY_FULFILLED"):
            self.bank.capture(min(amount, self.bank.money().capturable))

    @rule(data=st.data())
    def request(self, data: st.DataObject) -> None:
        most = {line: count for line, count in returnable_of(self.order, self.returns).items() if count}
        if not most:
            return
        chosen = data.draw(st.lists(st.sampled_from(sorted(most)), min_size=1, unique=True))
        lines = tuple(ReturnLine(line, data.draw(st.integers(1, most[line])), None) for line in chosen)
        require_request(lines, None)
        require_returnable(self.order, self.returns, lines)
        with pytest.raises(InvalidReturn):
            over = msgspec.structs.replace(lines[0], quantity=most[chosen[0]] + 1)
            require_returnable(self.order, self.returns, [over])
        self.returns.append(msgspec.structs.replace(a_return(*lines), id=str(len(self.returns))))

    def some(self, data: st.DataObject, *states: ReturnState) -> Return | None:
        found = [one for one in self.returns if one.state in states]
        return data.draw(st.sampled_from(found)) if found else None

    @rule(data=st.data(), condition=st.sampled_from(["BACK_IN_STOCK", "UNUSABLE"]))
    def receive(self, data: st.DataObject, condition: Condition) -> None:
        found = self.some(data, "REQUESTED", "PARTIALLY_RECEIVED")
        if found is None:
            return
        line = data.draw(st.sampled_from([one for one in found.lines if one.received < one.quantity]))
        lines = [back(line.line_id, data.draw(st.integers(1, line.quantity - line.received)), condition)]
        require_reception(found, lines)
        self.become(order_received(self.order, quantities_of(lines)))
        self.put(received(found, lines))

    @rule(data=st.data())
    def end_return(self, data: st.DataObject) -> None:
        found = self.some(data, "REQUESTED", "PARTIALLY_RECEIVED")
        if found is not None:
            refused = found.state == "REQUESTED" and data.draw(st.booleans())
            self.put(rejected(found, "no") if refused else cancelled(found, None, MANAGEMENT))

    @rule(data=st.data())
    def refund_return(self, data: st.DataObject) -> None:
        found = self.some(data, "PARTIALLY_RECEIVED", "RECEIVED", "CANCELLED")
        quantities = {} if found is None else to_refund_of(found)
        if found is None or not quantities:
            return
        fee = data.draw(st.integers(0, worth_minor(self.order, quantities)))
        most = self.order.delivery_minor - self.order.refunded_shipping_minor
        shipping = data.draw(st.one_of(st.just(0), st.integers(0, most)))
        giving = require_return_refund(self.order, found, fee, shipping)
        given = self.bank.refund(giving.amount_minor)
        # Refused when there is not so much, and nothing is changed then; for what came back alone there always is.
        assert given or self.declined or self.goodwill or shipping or self.order.refunded_shipping_minor
        if given:
            self.fees, self.shipping = self.fees + fee, self.shipping + shipping
            self.put(return_refunded(found, quantities))
            self.become(order_refunded(self.order, giving, quantities))

    @rule(amount=st.integers(1, 3_000))
    def refund_goodwill(self, amount: int) -> None:
        giving = require_goodwill(amount, "sorry")
        if self.bank.refund(amount):
            self.goodwill += amount
            self.become(order_refunded(self.order, giving, {}))

    @invariant()
    def quantities_add_up(self) -> None:
        for line in self.order.basket.lines:
            done = self.order.done_of(line.cart_line_id)
            assert 0 <= done.refunded <= done.returned <= done.fulfilled
            assert done.fulfilled + done.cancelled <= line.quantity
            mine = [one for found in self.returns for one in found.lines if one.line_id == line.cart_line_id]
            assert sum(one.received for one in mine) == done.returned
            assert sum(one.refunded for one in mine) == done.refunded
            # What has left is back, on its way back, or free to come back.
            coming = sum(
                one.quantity - one.received
                for found in self.returns
                for one in found.lines
                if NEXT[found.state] and one.line_id == line.cart_line_id
            )
            free = returnable_of(self.order, self.returns).get(line.cart_line_id, 0)
            assert free >= 0
            assert done.fulfilled == done.returned + coming + free

    @invariant()
    def money_adds_up(self) -> None:
        bank, known = self.bank, self.order
        assert 0 <= bank.returned <= bank.charged <= bank.authorized
        assert bank.charged + bank.voided <= bank.authorized
        # Nothing is given back but what was asked for, and what a cancellation gives.
        assert known.refunded_minor <= bank.returned
        goods = worth_minor(msgspec.structs.replace(known, progress={}), refunded_of(known))
        shipping = known.refunded_shipping_minor
        assert shipping == self.shipping
        assert known.refunded_minor == goods + shipping + self.goodwill - self.fees
        assert shipping <= known.delivery_minor
        assert goods + known.delivery_minor <= known.total_minor
        # Of all that is fulfilled and captured, what came back is worth no more than was charged.
        assert goods <= due_minor(known)
        if known.state == "CANCELLED":
            # What the shop keeps and may capture still is what has left, less what was given back of it on purpose.
            kept = bank.charged - bank.returned + bank.money().capturable
            assert kept == max(due_minor(known) - known.refunded_minor, 0)
        elif known.progress and not left_of(known) and not self.declined:
            assert bank.charged == known.total_minor

    @invariant()
    def states_are_legal(self) -> None:
        for before, now in zip(self.states, self.states[1:], strict=False):
            assert before == now or now in ORDER_NEXT[before]
        done = self.order.progress.values()
        fulfilled, returned = sum(one.fulfilled for one in done), sum(one.returned for one in done)
        if self.order.state == "RETURNED":
            assert returned == fulfilled > 0
        elif self.order.state == "PARTIALLY_RETURNED":
            assert 0 < returned < fulfilled
        elif self.order.state == "FULFILLED":
            assert returned == 0
        if self.order.state not in ("CONFIRMED", "PARTIALLY_FULFILLED"):
            with pytest.raises(OrderNotCancellable):
                require_cancellable(self.order, MANAGEMENT)


OrdersLife.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # a busy machine is no finding
)
TestOrdersLife = OrdersLife.TestCase


def refunded_of(known: Order) -> dict[str, int]:
    return {line_id: done.refunded for line_id, done in known.progress.items()}


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(0, 10_000), st.integers(0, 999), st.data())
def test_pieces_of_a_line_add_up_to_its_gross_in_whatever_portions(
    quantity: int, gross: int, delivery: int, data: st.DataObject
) -> None:
    known, given_back = left(order([(quantity, gross)], delivery), "FULFIL", {"0": quantity}), 0
    known = order_received(known, {"0": quantity})
    while rest := quantity - known.done_of("0").refunded:
        portion = {"0": data.draw(st.integers(1, rest))}
        giving = require_return_refund(known, a_return(ReturnLine("0", portion["0"], None, portion["0"])), 0, 0)
        given_back += giving.amount_minor
        known = order_refunded(known, giving, portion)
    assert given_back == known.refunded_minor == gross
    assert known.total_minor - given_back == known.delivery_minor == delivery


def test_what_a_line_costs_is_after_its_discount_and_with_its_tax() -> None:
    # Two lines of one price, one of them for half of it.
    known = order([(2, 2_000), (2, 1_000)])
    assert due_minor(left(known, "FULFIL", {"0": 2})) == 2_000
    assert due_minor(left(known, "FULFIL", {"1": 1})) == 500
    delivered = order([(2, 2_000), (2, 1_000)], 600)
    assert due_minor(left(delivered, "FULFIL", {"1": 1})) == 600
    assert (delivered.delivery_minor, delivered.grosses()) == (600, {"0": 2_000, "1": 1_000})


def test_orders_from_before_it_was_kept_divide_their_total() -> None:
    known = order([(1, 0), (2, 0)], 500)
    lines = tuple(
        msgspec.structs.replace(line, gross_minor=None, discount_minor=discount)
        for line, discount in zip(known.basket.lines, (0, 500), strict=True)
    )
    totals = Totals(500, 3_125, OrderShipping("post", "Post", 500, 0, 125), tax_included=False, tax_minor=625)
    basket = msgspec.structs.replace(known.basket, lines=lines, totals=totals)
    old = msgspec.structs.replace(known, basket=basket, total_minor=3_125)
    assert old.grosses() == {"0": 1_000, "1": 1_500}
    assert old.delivery_minor == 625
    assert [line.gross_minor for line in old.lines()] == [1_000, 1_500]


@settings(deadline=None)
@given(st.data())
def test_every_return_ends_and_none_goes_back(data: st.DataObject) -> None:
    state: ReturnState = "REQUESTED"
    seen = set()
    while NEXT[state]:
        state = data.draw(st.sampled_from(sorted(NEXT[state] - {state})))
        assert state not in seen
        seen.add(state)
    ended = a_return(ReturnLine("0", 1, None), state=state)
    for attempt in (
        lambda: require_reception(ended, [back("0", 1)]),
        lambda: cancelled(ended, None, MANAGEMENT),
        lambda: rejected(ended, "no"),
    ):
        with pytest.raises(ReturnStateDiffers):
            attempt()


def test_a_customer_cancels_only_what_has_not_begun_to_come_back() -> None:
    asked = a_return(ReturnLine("0", 2, None))
    assert cancelled(asked, None, CUSTOMER).state == "CANCELLED"
    begun = received(asked, [back("0", 1)])
    with pytest.raises(ReturnStateDiffers):
        cancelled(begun, None, CUSTOMER)
    assert cancelled(begun, None, MANAGEMENT).state == "CANCELLED"
    with pytest.raises(ReturnStateDiffers):
        rejected(begun, "no")
    with pytest.raises(ReturnChanged):
        require_version(begun, 1)


def test_stock_comes_back_by_article_and_place() -> None:
    known = order([(5, 500), (5, 500)])
    lines = [back("0", 1), back("0", 1, place="default"), back("0", 1, place="attic"), back("1", 2, "UNUSABLE")]
    assert stock_of(known, lines) == {("sku0", "attic"): 1, ("sku0", "default"): 2}
    assert locations_of(lines) == {"attic": 2}
    assert quantities_of(lines) == {"0": 3, "1": 2}


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ([], "lines"),
        ([back("0", 1)] * 101, "lines"),
        ([back("9", 1)], "lines.0.lineId"),
        ([back("0", 0)], "lines.0.quantity"),
        ([back("0", -1)], "lines.0.quantity"),
        ([back("0", 2), back("0", 2)], "lines.1.quantity"),
        ([back("0", 1, "UNUSABLE", "attic")], "lines.0.locationKey"),
        ([back("0", 1, place="")], "lines.0.locationKey"),
    ],
)
def test_what_cannot_have_come_back_names_its_field(lines: list[ReceivedLine], field: str) -> None:
    with pytest.raises(InvalidReturn) as caught:
        require_reception(a_return(ReturnLine("0", 3, None)), lines)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("fee", "shipping", "field"),
    [(-1, 0, "feeMinor"), (251, 0, "feeMinor"), (0, -1, "shippingMinor"), (0, 101, "shippingMinor")],
)
def test_a_refund_out_of_bounds_names_its_field(fee: int, shipping: int, field: str) -> None:
    known = order_received(left(order([(2, 500)], 100), "FULFIL", {"0": 2}), {"0": 1})
    found = a_return(ReturnLine("0", 1, None, unusable=1))
    with pytest.raises(InvalidRefund) as caught:
        require_return_refund(known, found, fee, shipping)
    assert caught.value.field == field
    whole = require_return_refund(known, found, 250, 100)
    assert (whole.amount_minor, whole.worth_minor) == (100, 250)
    again = order_refunded(known, whole, {"0": 1})
    with pytest.raises(InvalidRefund):
        require_return_refund(again, found, 0, 1)


def test_no_order_has_returns_without_end() -> None:
    known = left(order([(2, 500)]), "FULFIL", {"0": 2})
    ended = [a_return(ReturnLine("0", 1, None), state="REJECTED")] * 100
    with pytest.raises(InvalidReturn):
        require_returnable(known, ended, [ReturnLine("0", 1, None)])
    assert known.progress == {"0": Progress(fulfilled=2)}
