"""Changes of placed orders: their types, steps and rules. Pure.

a part leaves:    WRITTEN ► LEFT ► CAPTURING ► PENDING ► SHIPPED ► DELIVERED     or WRITTEN ► REFUSED
a cancellation:   WRITTEN ► RELEASED ► DONE
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from kokoa.kernel.text import is_plain
from kokoa.services.orders.errors import InvalidFulfillment, OrderNotCancellable
from kokoa.services.orders.model import Order, OrderState, Progress, Refusal, Who

LINES_MAX = 500
# Of one order; whoever sends one article a day has most of a year.
CHANGES_MAX = 250
TEXT_MAX = 500
NAME_MAX = 100

Kind = Literal["FULFIL", "CANCEL"]
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
}
ORDER_NEXT: Mapping[OrderState, frozenset[OrderState]] = {
    "CONFIRMED": frozenset({"PARTIALLY_FULFILLED", "FULFILLED", "CANCELLED"}),
    "PARTIALLY_FULFILLED": frozenset({"PARTIALLY_FULFILLED", "FULFILLED", "CANCELLED"}),
    "FULFILLED": frozenset(),
    "CANCELLED": frozenset(),
}
# Nothing is done by itself at these.
SETTLED = frozenset[ChangeStep]({"PENDING", "SHIPPED", "DELIVERED", "REFUSED", "DONE"})


class Change(msgspec.Struct, frozen=True):
    """A part of an order that leaves, or its end.  lines: quantities by line.  attempts: since its last step.

    captured_minor: what was asked for of the payment; None before that is known.
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
    lines = ((line, order.progress.get(line.cart_line_id, Progress())) for line in order.basket.lines)
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
    """The order when a change of it is done."""
    progress = dict(order.progress)
    for line_id, quantity in change.lines.items():
        done = progress.get(line_id, Progress())
        if change.kind == "FULFIL":
            progress[line_id] = Progress(done.fulfilled + quantity, done.cancelled)
        else:
            progress[line_id] = Progress(done.fulfilled, done.cancelled + quantity)
    changed = msgspec.structs.replace(order, progress=progress, version=order.version + 1)
    state: OrderState = "CANCELLED"
    if change.kind == "FULFIL":
        state = "PARTIALLY_FULFILLED" if left_of(changed) else "FULFILLED"
    assert state in ORDER_NEXT[order.state], f"{order.state} does not become {state}"
    return msgspec.structs.replace(changed, state=state)


def due_minor(order: Order) -> int:
    """What is to be paid for what has left: its share by value, rounded down; all of it for all lines."""
    priced = any(line.total_minor for line in order.basket.lines)
    weights = {
        line.cart_line_id: (line.quantity, line.unit_price_minor if priced else 1) for line in order.basket.lines
    }
    whole = sum(quantity * each for quantity, each in weights.values())
    gone = sum(done.fulfilled * weights[line_id][1] for line_id, done in order.progress.items())
    complete = all(order.progress.get(one, Progress()).fulfilled == weights[one][0] for one in weights)
    return order.total_minor if complete else order.total_minor * gone // whole


def to_capture(order: Order, money: Money) -> int:
    """What is captured when the order has come so far; what failed before is made up for."""
    return max(min(due_minor(order) - money.charged - money.charge_pending, money.capturable), 0)


def to_void(order: Order, money: Money) -> int:
    """What is given up of what is authorised, when nothing more will leave."""
    owed = max(due_minor(order) - (money.charged - money.returned), 0)
    return max(money.capturable - owed, 0)


def to_refund(order: Order, money: Money) -> int:
    """What is given back of what is charged, when nothing more will leave."""
    return max(min(money.charged - money.returned - due_minor(order), money.refundable), 0)


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
