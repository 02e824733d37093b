"""Returns and refunds of placed orders: their types, states and rules. Pure.

REQUESTED ► PARTIALLY_RECEIVED ► RECEIVED        nothing is missing any more
    │  └────────────┴──────────► CANCELLED       what did not come back will not; what did counts
    └──────────────────────────► REJECTED

What came back is worth what was paid for it: of each line its gross, after discount and with tax, by quantity, and
counted over all refunds of the line. It is rounded down, as captures are: no more is given back than was charged, and
all pieces of a line add up to its gross.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from kokoa.kernel.rounding import pieces_of
from kokoa.kernel.text import is_plain
from kokoa.services.orders.errors import InvalidRefund, InvalidReturn, ReturnChanged, ReturnStateDiffers
from kokoa.services.orders.fulfilling.model import become
from kokoa.services.orders.model import AMOUNT_MAX, Order, Who

LINES_MAX = 500
# What is received at once: each line is a call of inventory.
RECEIVED_MAX = 100
# Of one order.
RETURNS_MAX = 100
TEXT_MAX = 500
REASON_MAX = 100
LOCATION_MAX = 64
DEFAULT_LOCATION = "default"

ReturnState = Literal["REQUESTED", "PARTIALLY_RECEIVED", "RECEIVED", "CANCELLED", "REJECTED"]
Condition = Literal["BACK_IN_STOCK", "UNUSABLE"]

NEXT: Mapping[ReturnState, frozenset[ReturnState]] = {
    "REQUESTED": frozenset({"PARTIALLY_RECEIVED", "RECEIVED", "CANCELLED", "REJECTED"}),
    "PARTIALLY_RECEIVED": frozenset({"PARTIALLY_RECEIVED", "RECEIVED", "CANCELLED"}),
    "RECEIVED": frozenset(),
    "CANCELLED": frozenset(),
    "REJECTED": frozenset(),
}
_ENDED_EARLY = frozenset[ReturnState]({"CANCELLED", "REJECTED"})


class ReturnLine(msgspec.Struct, frozen=True):
    """So many of an order's line.  back_in_stock, unusable: how many came back so.  refunded: how many of these."""

    line_id: str
    quantity: int
    reason: str | None
    back_in_stock: int = 0
    unusable: int = 0
    refunded: int = 0

    @property
    def received(self) -> int:
        """How many came back."""
        return self.back_in_stock + self.unusable


class Return(msgspec.Struct, frozen=True):
    """What is to come back of an order.  reason: why it was cancelled or rejected.  actor: who asked for it."""

    id: str
    order_id: str
    state: ReturnState
    lines: tuple[ReturnLine, ...]
    note: str | None
    reason: str | None
    actor: str
    version: int
    created_at: datetime


class ReceivedLine(msgspec.Struct, frozen=True):
    """So many came back in a condition.  location: a key, of what is back in stock."""

    line_id: str
    quantity: int
    condition: Condition
    location: str | None


class Giving(msgspec.Struct, frozen=True):
    """What is given back, in minor units.  worth: of goods.  fee: kept back of it.  shipping: of delivery."""

    amount_minor: int
    worth_minor: int = 0
    fee_minor: int = 0
    shipping_minor: int = 0


def require_text(text: str | None, field: str, most: int = TEXT_MAX) -> str | None:
    """Raises InvalidReturn."""
    if text is not None and not (0 < len(text) <= most and is_plain(text)):
        raise InvalidReturn(f"{field} has 1 to {most} characters and no NUL.", field=field)
    return text


def require_request(lines: Sequence[ReturnLine], note: str | None) -> None:
    """What can be said of it without its order. Raises InvalidReturn, which names the field."""
    require_text(note, "note")
    if not 1 <= len(lines) <= LINES_MAX:
        raise InvalidReturn(f"A return has 1 to {LINES_MAX} lines.", field="lines")
    for index, line in enumerate(lines):
        require_text(line.reason, f"lines.{index}.reason", REASON_MAX)
    if len({line.line_id for line in lines}) < len(lines):
        raise InvalidReturn("Name each line once.", field="lines")


def require_returnable(order: Order, known: Sequence[Return], lines: Sequence[ReturnLine]) -> None:
    """Never more than has left and is in no other return. Raises InvalidReturn, which names the field."""
    if len(known) >= RETURNS_MAX:
        raise InvalidReturn(f"An order has at most {RETURNS_MAX} returns.", field="orderId")
    ordered, left = {line.cart_line_id for line in order.basket.lines}, returnable_of(order, known)
    for index, line in enumerate(lines):
        if line.line_id not in ordered:
            raise InvalidReturn("The order has no such line.", field=f"lines.{index}.lineId")
        most = left.get(line.line_id, 0)
        if not 1 <= line.quantity <= most:
            message = f"{line.quantity} cannot come back: {most} of this line have left and are in no return."
            raise InvalidReturn(message, field=f"lines.{index}.quantity")


def returnable_of(order: Order, known: Iterable[Return]) -> dict[str, int]:
    """How many of each line have left, and are in no return that is open or received."""
    left = {line_id: done.fulfilled for line_id, done in order.progress.items()}
    for one in known:
        for line in one.lines:
            left[line.line_id] -= line.received if one.state in _ENDED_EARLY else line.quantity
    return left


def require_reception(found: Return, lines: Sequence[ReceivedLine]) -> None:
    """No more comes back than was asked for. Raises InvalidReturn, which names the field, and ReturnStateDiffers."""
    if not NEXT[found.state]:
        raise ReturnStateDiffers(f"The return is {found.state}: nothing of it comes back any more.")
    if not 1 <= len(lines) <= RECEIVED_MAX:
        raise InvalidReturn(f"1 to {RECEIVED_MAX} lines are received at once.", field="lines")
    missing = {line.line_id: line.quantity - line.received for line in found.lines}
    for index, line in enumerate(lines):
        field = f"lines.{index}"
        if line.line_id not in missing:
            raise InvalidReturn("The return has no such line.", field=f"{field}.lineId")
        if not 1 <= line.quantity <= missing[line.line_id]:
            message = f"{line.quantity} do not come back: {missing[line.line_id]} of this line are missing."
            raise InvalidReturn(message, field=f"{field}.quantity")
        if line.location is not None and line.condition == "UNUSABLE":
            raise InvalidReturn("Only what is back in stock has a location.", field=f"{field}.locationKey")
        require_text(line.location, f"{field}.locationKey", LOCATION_MAX)
        missing[line.line_id] -= line.quantity


def locations_of(lines: Sequence[ReceivedLine]) -> dict[str, int]:
    """The locations that something goes to, each with the place of its first line; `default` is always there."""
    found: dict[str, int] = {}
    for index, line in enumerate(lines):
        if line.condition == "BACK_IN_STOCK" and line.location not in (None, DEFAULT_LOCATION):
            found.setdefault(str(line.location), index)
    return found


def stock_of(order: Order, lines: Sequence[ReceivedLine]) -> dict[tuple[str, str], int]:
    """How many of (SKU, location) are back in stock, always in the same order."""
    skus = {line.cart_line_id: line.sku for line in order.basket.lines if line.variant_id is not None}
    found: dict[tuple[str, str], int] = {}
    for line in lines:
        sku = skus.get(line.line_id)
        if sku is not None and line.condition == "BACK_IN_STOCK":
            place = sku, line.location or DEFAULT_LOCATION
            found[place] = found.get(place, 0) + line.quantity
    return dict(sorted(found.items()))


def quantities_of(lines: Sequence[ReceivedLine]) -> dict[str, int]:
    """How many came back, by line."""
    found: dict[str, int] = {}
    for line in lines:
        found[line.line_id] = found.get(line.line_id, 0) + line.quantity
    return found


def received(found: Return, lines: Sequence[ReceivedLine]) -> Return:
    """The return when these came back, too."""
    back = quantities_of([line for line in lines if line.condition == "BACK_IN_STOCK"])
    unusable = quantities_of([line for line in lines if line.condition == "UNUSABLE"])
    after = tuple(
        msgspec.structs.replace(
            line,
            back_in_stock=line.back_in_stock + back.get(line.line_id, 0),
            unusable=line.unusable + unusable.get(line.line_id, 0),
        )
        for line in found.lines
    )
    complete = all(line.received == line.quantity for line in after)
    return _become(found, "RECEIVED" if complete else "PARTIALLY_RECEIVED", lines=after)


def order_received(order: Order, quantities: Mapping[str, int]) -> Order:
    """The order when so many of its lines came back."""
    progress = dict(order.progress)
    for line_id, quantity in quantities.items():
        done = order.done_of(line_id)
        progress[line_id] = msgspec.structs.replace(done, returned=done.returned + quantity)
    return become(order, progress)


def cancelled(found: Return, reason: str | None, who: Who) -> Return:
    """What did not come back will not. Raises ReturnStateDiffers."""
    if "CANCELLED" not in NEXT[found.state]:
        raise ReturnStateDiffers(f"The return is {found.state}; it does not become CANCELLED.")
    if not who.management and found.state != "REQUESTED":
        raise ReturnStateDiffers("A part of the return has come back already: ask the shop.")
    return _become(found, "CANCELLED", reason=reason)


def rejected(found: Return, reason: str) -> Return:
    """Nothing of it is accepted. Raises ReturnStateDiffers."""
    if "REJECTED" not in NEXT[found.state]:
        raise ReturnStateDiffers(f"The return is {found.state}; it does not become REJECTED.")
    return _become(found, "REJECTED", reason=reason)


def require_version(found: Return, version: int | None) -> None:
    """version: None for any. Raises ReturnChanged."""
    if version is not None and version != found.version:
        raise ReturnChanged(f"The return has version {found.version}, not {version}. Read it again.")


def to_refund_of(found: Return) -> dict[str, int]:
    """How many of each line came back and are not refunded."""
    return {line.line_id: line.received - line.refunded for line in found.lines if line.received > line.refunded}


def worth_minor(order: Order, quantities: Mapping[str, int]) -> int:
    """What was paid for so many more of some lines than were refunded before; all pieces add up to a line's gross."""
    grosses, worth = order.grosses(), 0
    for line in order.basket.lines:
        quantity = quantities.get(line.cart_line_id, 0)
        before, gross = order.done_of(line.cart_line_id).refunded, grosses[line.cart_line_id]
        worth += pieces_of(gross, before + quantity, line.quantity) - pieces_of(gross, before, line.quantity)
    return worth


def require_return_refund(order: Order, found: Return, fee_minor: int, shipping_minor: int) -> Giving:
    """What is given back of what came back. Raises InvalidRefund, which names the field."""
    quantities = to_refund_of(found)
    if not quantities:
        raise InvalidRefund("Nothing came back that is not refunded.", field="returnId")
    worth = worth_minor(order, quantities)
    if not 0 <= fee_minor <= worth:
        raise InvalidRefund(f"feeMinor must be 0 to {worth}, what came back is worth.", field="feeMinor")
    most = order.delivery_minor - order.refunded_shipping_minor
    if not 0 <= shipping_minor <= most:
        message = f"shippingMinor must be 0 to {most}, what was paid for delivery and is not given back."
        raise InvalidRefund(message, field="shippingMinor")
    return Giving(worth - fee_minor + shipping_minor, worth, fee_minor, shipping_minor)


def require_goodwill(amount_minor: int, reason: str) -> Giving:
    """Raises InvalidRefund, InvalidReturn."""
    require_text(reason, "reason")
    if not 1 <= amount_minor <= AMOUNT_MAX:
        raise InvalidRefund(f"amountMinor must be 1 to {AMOUNT_MAX:,}.", field="amountMinor")
    return Giving(amount_minor)


def return_refunded(found: Return, quantities: Mapping[str, int]) -> Return:
    """The return when so many of its lines are refunded."""
    after = tuple(
        msgspec.structs.replace(line, refunded=line.refunded + quantities.get(line.line_id, 0))
        for line in found.lines
    )
    assert all(line.refunded <= line.received for line in after), "no more is refunded than came back"
    return msgspec.structs.replace(found, lines=after, version=found.version + 1)


def order_refunded(order: Order, giving: Giving, quantities: Mapping[str, int]) -> Order:
    """The order when so much is given back for so many of its lines."""
    progress = dict(order.progress)
    for line_id, quantity in quantities.items():
        done = order.done_of(line_id)
        progress[line_id] = msgspec.structs.replace(done, refunded=done.refunded + quantity)
    return msgspec.structs.replace(
        become(order, progress),
        refunded_minor=order.refunded_minor + giving.amount_minor,
        refunded_shipping_minor=order.refunded_shipping_minor + giving.shipping_minor,
    )


def _become(found: Return, state: ReturnState, **fields: object) -> Return:
    """The only way to another state."""
    assert state in NEXT[found.state], f"{found.state} does not become {state}"
    return msgspec.structs.replace(found, state=state, version=found.version + 1, **fields)
