"""Rules of what becomes of orders: quantities and money always add up, and nothing goes backwards."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoa.services.orders.errors import InvalidFulfillment, OrderNotCancellable
from kokoa.services.orders.fulfilling.model import (
    NEXT,
    ORDER_NEXT,
    SETTLED,
    Change,
    Kind,
    Money,
    advanced,
    after,
    due_minor,
    left_of,
    require_cancellable,
    require_lines,
    require_text,
    stock_of,
    to_capture,
    to_refund,
    to_void,
)
from kokoa.services.orders.model import Basket, BasketLine, Order, Who

MANAGEMENT = Who(management=True)


def order(lines: list[tuple[int, int]], total_minor: int) -> Order:
    """lines: (quantity, unit price)."""
    basket = Basket(
        currency="EUR",
        email=None,
        locale=None,
        channel=None,
        note=None,
        shipping_address=None,
        billing_address=None,
        lines=tuple(
            BasketLine(str(index), f"v{index}", "lamp", "Lamp", "", quantity, price, "PRICE")
            for index, (quantity, price) in enumerate(lines)
        ),
    )
    return Order("o", 10001, "CONFIRMED", "c", "k", "p", total_minor, basket, datetime.now(UTC), 1, {})


def change(kind: Kind, lines: dict[str, int]) -> Change:
    return Change("f", "o", kind, "WRITTEN", lines, None, None, None, None, None, "server", 1, datetime.now(UTC))


def paid(total: int, charged: int, returned: int = 0, voided: int = 0) -> Money:
    return Money(1, charged, 0, returned, total - charged - voided, charged - returned, False)


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 10_000)), min_size=1, max_size=5),
    st.integers(0, 100_000),
    st.data(),
)
def test_whatever_leaves_in_whatever_parts_adds_up(
    lines: list[tuple[int, int]], total: int, data: st.DataObject
) -> None:
    known, charged, left = order(lines, total), 0, 0
    ordered = sum(quantity for quantity, _ in lines)
    while rest := left_of(known):
        if data.draw(st.integers(0, 5)) == 0:
            break
        line = data.draw(st.sampled_from(sorted(rest)))
        part = require_lines(known, [(line, data.draw(st.integers(1, rest[line])))])
        left += sum(part.values())
        known = after(known, change("FULFIL", part))
        # A provider that declines now and then is made up for.
        if data.draw(st.booleans()) or known.state == "FULFILLED":
            charged += to_capture(known, paid(total, charged))
            assert charged == due_minor(known)
        assert 0 <= charged <= total
        assert sum(line.fulfilled_quantity for line in known.lines()) == left <= ordered
    if known.state == "FULFILLED":
        assert (charged, left) == (total, ordered)
        with pytest.raises(OrderNotCancellable):
            require_cancellable(known, MANAGEMENT)
        return
    cancelled = after(known, change("CANCEL", require_cancellable(known, MANAGEMENT)))
    assert (cancelled.state, left_of(cancelled), due_minor(cancelled)) == ("CANCELLED", {}, due_minor(known))
    assert sum(line.fulfilled_quantity + line.cancelled_quantity for line in cancelled.lines()) == ordered


@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 10_000), st.data())
def test_a_cancellation_leaves_what_has_left_is_worth(
    ordered: int, gone: int, total: int, data: st.DataObject
) -> None:
    known = order([(ordered, 100)], total)
    if gone := min(gone, ordered - 1):
        known = after(known, change("FULFIL", {"0": gone}))
    due, charged = due_minor(known), data.draw(st.integers(0, total))
    money = paid(total, charged)
    voided = to_void(known, money)
    refunded = to_refund(known, money)
    # What is charged and kept, and what may be captured still, is exactly what is due.
    assert charged - refunded + money.capturable - voided == due
    assert min(voided, refunded) >= 0
    done = paid(total, charged, refunded, voided)
    assert (to_void(known, done), to_refund(known, done)) == (0, 0)


@given(st.sampled_from(sorted(NEXT)), st.data())
def test_every_way_ends_and_none_goes_back(kind: Kind, data: st.DataObject) -> None:
    now, seen = change(kind, {}), []
    while NEXT[kind][now.step]:
        seen.append(now.step)
        now = advanced(now, data.draw(st.sampled_from(sorted(NEXT[kind][now.step]))))
        assert now.step not in seen
    assert now.step in SETTLED
    with pytest.raises(AssertionError):
        advanced(now, "WRITTEN")


def test_an_order_that_has_ended_stays_so() -> None:
    assert {state for state, following in ORDER_NEXT.items() if not following} == {"RETURNED", "CANCELLED"}
    known = after(order([(1, 100)], 100), change("CANCEL", {"0": 1}))
    with pytest.raises(AssertionError):
        after(known, change("FULFIL", {"0": 1}))


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ([], "lines"),
        ([("0", 1)] * 501, "lines"),
        ([("9", 1)], "lines.0.lineId"),
        ([("0", 1), ("0", 1)], "lines.1.lineId"),
        ([("0", 0)], "lines.0.quantity"),
        ([("0", -1)], "lines.0.quantity"),
        ([("0", 4)], "lines.0.quantity"),
    ],
)
def test_what_cannot_leave_names_its_field(lines: list[tuple[str, int]], field: str) -> None:
    with pytest.raises(InvalidFulfillment) as caught:
        require_lines(order([(3, 100)], 300), lines)
    assert caught.value.field == field


@pytest.mark.parametrize("text", ["", "a\0b", "x" * 101])
def test_text_is_bounded(text: str) -> None:
    with pytest.raises(InvalidFulfillment):
        require_text(text, "trackingNumber")


def test_a_customer_cancels_what_has_not_begun_to_leave() -> None:
    known = order([(3, 100)], 300)
    assert require_cancellable(known, Who(customer_id="k")) == {"0": 3}
    begun = after(known, change("FULFIL", {"0": 1}))
    with pytest.raises(OrderNotCancellable):
        require_cancellable(begun, Who(customer_id="k"))
    assert require_cancellable(begun, MANAGEMENT) == {"0": 2}


def test_lines_of_one_article_leave_the_stock_together() -> None:
    assert stock_of(order([(3, 100), (2, 90)], 480), {"0": 1, "1": 2}) == {"lamp": 3}
