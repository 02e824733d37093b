"""Changes of placed orders: their types, steps and rules. Pure.

a part leaves:    WRITTEN ► LEFT ► CAPTURING ► PENDING ► SHIPPED ► DELIVERED     or WRITTEN ► REFUSED
a cancellation:   WRITTEN ► RELEASED ► DONE
goods come back:  WRITTEN ► DONE
a refund:         WRITTEN ► DONE       or WRITTEN ► REFUSED
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Literal

import msgspec

from kokoa.kernel.text import is_plain
from kokoa.services.orders.errors import InvalidFulfillment, NothingLeft, OrderNotCancellable
from kokoa.services.orders.model import Order, OrderState, Progress, Refusal, Who

LINES_MAX = 500
# Of one order, and as many receptions and refunds; whoever sends one article a day has most of a year.
CHANGES_MAX = 250
TEXT_MAX = 500
# A capture that is not decided by then, a good minute, counts as one that will be.
CAPTURE_ATTEMPTS_MAX = 6
CAPTURE_KEYS = 3
NAME_MAX = 100

Kind = Literal["FULFIL", "CANCEL", "RECEIVE", "REFUND"]
ChangeStep = Literal["WRITTEN", "LEFT", "CAPTURING", "PENDING", "SHIPPED", "DELIVERED", "REFUSED", "RELEASED", "DONE"]

NEXT: Mapping[Kind, Mapping[ChangeStep, frozenset[ChangeStep]]] = {
    "FULFIL": {
        "WRITTEN": frozenset({"LEFT", "REFUSED"}),
        "LEFT": frozenset({"CAPTURING", "PENDING"}),
        "CAPTURING": frozenset({"PENDING"}),
        "PENDING": frozenset({"SHIPPED"}),
        "SHIPPED": frozenset({"DELIVERED"}),
        "DELIVERED": frozenset(),
        "REFUSED": frozenset(),
    },
    "CANCEL": {
        "WRITTEN": frozenset({"RELEASED"}),
        "RELEASED": frozenset({"DONE"}),
        "DONE": frozenset(),
    },
    "RECEIVE": {"WRITTEN": frozenset({"DONE"}), "DONE": frozenset()},
    "REFUND": {"WRITTEN": frozenset({"DONE", "REFUSED"}), "DONE": frozenset(), "REFUSED": frozenset()},
}
# Goods may come back before the rest has left: the order is partially returned as soon as it has.
ORDER_NEXT: Mapping[OrderState, frozenset[OrderState]] = {
    "CONFIRMED": frozenset({"PARTIALLY_FULFILLED", "FULFILLED", "CANCELLED"}),
    "PARTIALLY_FULFILLED": frozenset({"FULFILLED", "PARTIALLY_RETURNED", "CANCELLED"}),
    "FULFILLED": frozenset({"PARTIALLY_RETURNED", "RETURNED"}),
    "PARTIALLY_RETURNED": frozenset({"RETURNED"}),
    "RETURNED": frozenset(),
    "CANCELLED": frozenset(),
}
# Nothing is done by itself at these.
SETTLED = frozenset[ChangeStep]({"PENDING", "SHIPPED", "DELIVERED", "REFUSED", "DONE"})


class Change(msgspec.Struct, frozen=True):
    """A part of an order that leaves, its end, goods that come back, or a refund.  attempts: since its last step.

    lines: quantities by line.  captured_minor: what was asked for of the payment; None before that is known.
    return_id: of goods that come back, and of their refund.  detail: JSON; see returning/model.py.
    """

    id: str
    order_id: str
    kind: Kind
    step: ChangeStep
    lines: dict[str, int]
    captured_minor: int | None
    reason: str | None
    carrier: str | None
    tracking_number: str | None
    refusal: Refusal | None
    actor: str
    attempts: int
    created_at: datetime
    return_id: str | None = None
    detail: str | None = None

    @property
    def state(self) -> str:
        """As it is shown: what is done by itself is in progress."""
        return self.step if self.step in SETTLED else "IN_PROGRESS"


class Money(msgspec.Struct, frozen=True):
    """A payment's amounts, in minor units.  charged: before refunds.  pending: whether anything has no result yet."""

    version: int
    charged: int
    charge_pending: int
    returned: int
    capturable: int
    refundable: int
    pending: bool


def advanced(change: Change, step: ChangeStep, **fields: object) -> Change:
    """The only way to another step; attempts count anew."""
    assert step in NEXT[change.kind][change.step], f"{change.step} does not become {step}"
    return msgspec.structs.replace(change, step=step, attempts=0, **fields)


def left_of(order: Order) -> dict[str, int]:
    """How many of each line may leave still."""
    lines = ((line, order.done_of(line.cart_line_id)) for line in order.basket.lines)
    return {
        line.cart_line_id: line.quantity - done.fulfilled - done.cancelled
        for line, done in lines
        if line.quantity > done.fulfilled + done.cancelled
    }


def require_lines(order: Order, lines: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Quantities by line. Raises InvalidFulfillment, which names the field."""
    if not 1 <= len(lines) <= LINES_MAX:
        raise InvalidFulfillment(f"A fulfilment has 1 to {LINES_MAX} lines.", field="lines")
    known, left = {line.cart_line_id for line in order.basket.lines}, left_of(order)
    found: dict[str, int] = {}
    for index, (line_id, quantity) in enumerate(lines):
        field = f"lines.{index}"
        if line_id not in known:
            raise InvalidFulfillment("The order has no such line.", field=f"{field}.lineId")
        if line_id in found:
            raise InvalidFulfillment("Name each line once.", field=f"{field}.lineId")
        if not 1 <= quantity <= left.get(line_id, 0):
            message = f"{quantity} cannot leave: {left.get(line_id, 0)} are left of this line."
            raise InvalidFulfillment(message, field=f"{field}.quantity")
        found[line_id] = quantity
    return found


def require_left(order: Order) -> dict[str, int]:
    """All that may leave still, by line. Raises NothingLeft."""
    left = left_of(order)
    if not left:
        raise NothingLeft(f"The order is {order.state}: nothing is left of it to fulfil.")
    return left


def require_text(text: str | None, field: str, most: int = NAME_MAX) -> str | None:
    """Raises InvalidFulfillment."""
    if text is not None and not (0 < len(text) <= most and is_plain(text)):
        raise InvalidFulfillment(f"{field} has 1 to {most} characters and no NUL.", field=field)
    return text


def require_cancellable(order: Order, who: Who) -> dict[str, int]:
    """What is cancelled, by line. Raises OrderNotCancellable."""
    if "CANCELLED" not in ORDER_NEXT[order.state]:
        raise OrderNotCancellable(f"The order is {order.state}: nothing is left to cancel.")
    if not who.management and order.state != "CONFIRMED":
        raise OrderNotCancellable("A part of the order has left already: ask the shop.")
    return left_of(order)


def after(order: Order, change: Change) -> Order:
    """The order when a part of it has left, or what is left of it is cancelled."""
    progress = dict(order.progress)
    for line_id, quantity in change.lines.items():
        done = order.done_of(line_id)
        if change.kind == "FULFIL":
            progress[line_id] = msgspec.structs.replace(done, fulfilled=done.fulfilled + quantity)
        else:
            progress[line_id] = msgspec.structs.replace(done, cancelled=done.cancelled + quantity)
    return become(order, progress, cancelled=change.kind == "CANCEL")


def become(order: Order, progress: dict[str, Progress], *, cancelled: bool = False) -> Order:
    """The order with what has become of its lines; the only way to another state."""
    changed = msgspec.structs.replace(order, progress=progress, version=order.version + 1)
    for line in changed.basket.lines:
        done = changed.done_of(line.cart_line_id)
        assert done.refunded <= done.returned <= done.fulfilled, f"{done} does not add up"
        assert done.fulfilled + done.cancelled <= line.quantity, f"{done} is more than {line.quantity}"
    state: OrderState = "CANCELLED" if cancelled or order.state == "CANCELLED" else _state_of(changed)
    assert state == order.state or state in ORDER_NEXT[order.state], f"{order.state} does not become {state}"
    return msgspec.structs.replace(changed, state=state)


def _state_of(order: Order) -> OrderState:
    """Of one that is not cancelled."""
    fulfilled = sum(done.fulfilled for done in order.progress.values())
    returned = sum(done.returned for done in order.progress.values())
    if left_of(order):
        return "PARTIALLY_FULFILLED" if fulfilled else "CONFIRMED"
    if not returned:
        return "FULFILLED"
    return "PARTIALLY_RETURNED" if returned < fulfilled else "RETURNED"


def due_minor(order: Order) -> int:
    """What is to be paid for what has left: its share by what lines cost, rounded down; all of it for all lines.

    What a line costs is after its discount and with its tax; delivery is in proportion.
    """
    grosses = order.grosses()
    priced = any(grosses.values())
    whole, gone, complete = 0, Fraction(0), True
    for line in order.basket.lines:
        weight = grosses[line.cart_line_id] if priced else line.quantity
        fulfilled = order.done_of(line.cart_line_id).fulfilled
        whole += weight
        gone += Fraction(weight * fulfilled, line.quantity)
        complete = complete and fulfilled == line.quantity
    return order.total_minor if complete else int(order.total_minor * gone / whole)


def to_capture(order: Order, money: Money) -> int:
    """What is captured when the order has come so far; what failed before is made up for.

    What was given back counts as charged: it is not captured again.
    """
    return max(min(due_minor(order) - money.charged - money.charge_pending, money.capturable), 0)


def to_void(order: Order, money: Money) -> int:
    """What is given up of what is authorised, when nothing more will leave."""
    owed = max(due_minor(order) - money.charged, 0)
    return max(money.capturable - owed, 0)


def to_refund(order: Order, money: Money) -> int:
    """What is given back of what is charged, when nothing more will leave.

    What was given back of what has left is the customer's already, and not kept back of the rest.
    """
    kept = max(due_minor(order) - order.refunded_minor, 0)
    return max(min(money.charged - money.returned - kept, money.refundable), 0)


def stock_of(order: Order, lines: Mapping[str, int]) -> dict[str, int]:
    """How many of each article, of so many of some lines."""
    found: dict[str, int] = {}
    for line in order.basket.lines:
        quantity = lines.get(line.cart_line_id, 0)
        if quantity and line.variant_id is not None and line.sku is not None:
            found[line.sku] = found.get(line.sku, 0) + quantity
    return found


def fingerprint_of(*request: object) -> bytes:
    """Equal for equal requests."""
    return hashlib.sha256(msgspec.json.encode(request)).digest()
