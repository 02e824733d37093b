"""Reservations: their states and rules. Pure.

HELD ──► ALLOCATED ──► FULFILLED     nothing is open, and something left
  │          └───────► RELEASED      nothing is open, and nothing left
  ├──────────────────► RELEASED
  └──────────────────► EXPIRED       its time was over
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from kokoa.kernel.text import is_plain
from kokoa.services.inventory.errors import InvalidReservation, NotOnHand, OutOfStock, ReservationClosed
from kokoa.services.inventory.model import KEY_MAX, QUANTITY_MAX, Change, Item, Level, require_sku

LINES_MAX = 500
HOLD_MAX_S = 7 * 24 * 3600

State = Literal["HELD", "ALLOCATED", "FULFILLED", "RELEASED", "EXPIRED"]


class Line(msgspec.Struct, frozen=True):
    """A part of a reservation that lies at one place.  location_id: None for what is not there yet.

    open: promised still.  fulfilled, released: what became of the rest.
    """

    place: int
    sku: str
    location_id: str | None
    location: str | None
    open: int
    fulfilled: int = 0
    released: int = 0


class Reservation(msgspec.Struct, frozen=True):
    """key: whose it is, as the caller names it.  expires_at: of one that is held."""

    id: str
    key: str
    state: State
    expires_at: datetime | None
    created_at: datetime
    version: int
    lines: list[Line]


class Wanted(msgspec.Struct, frozen=True):
    """So many of an article."""

    sku: str
    quantity: int


def require_wanted(key: str, lines: Sequence[Wanted], hold_s: int | None) -> dict[str, int]:
    """How many of each article. Raises InvalidReservation, InvalidSku, which name the field."""
    require_key(key)
    if hold_s is not None and not 1 <= hold_s <= HOLD_MAX_S:
        raise InvalidReservation(f"holdSeconds must be 1 to {HOLD_MAX_S:,}.", field="holdSeconds")
    return require_lines(lines)


def require_lines(lines: Sequence[Wanted]) -> dict[str, int]:
    """How many of each article. Raises InvalidReservation, InvalidSku, which name the field."""
    if not 1 <= len(lines) <= LINES_MAX:
        raise InvalidReservation(f"A reservation has 1 to {LINES_MAX} lines.", field="lines")
    found: dict[str, int] = {}
    for index, line in enumerate(lines):
        require_sku(line.sku, f"lines.{index}.sku")
        if not 1 <= line.quantity <= QUANTITY_MAX:
            raise InvalidReservation(f"quantity must be 1 to {QUANTITY_MAX:,}.", field=f"lines.{index}.quantity")
        found[line.sku] = found.get(line.sku, 0) + line.quantity
    return found


def fingerprint_of(wanted: Mapping[str, int]) -> bytes:
    """Equal for equal quantities of the same articles."""
    return hashlib.sha256(msgspec.json.encode(sorted(wanted.items()))).digest()


def require_key(key: str) -> None:
    """Raises InvalidReservation."""
    if not key or len(key) > 2 * KEY_MAX or not is_plain(key):
        raise InvalidReservation(f"key has 1 to {2 * KEY_MAX} characters and no NUL.", field="key")


def place_lines(
    wanted: Mapping[str, int], items: Mapping[str, Item], levels: Mapping[str, Sequence[Level]]
) -> list[Line]:
    """From where each article is taken: the locations in their order, then what is not there yet.

    items: those that inventory was told of; others are not counted, and stand in no line. Raises OutOfStock, for all
    articles at once.
    """
    short = []
    lines: list[Line] = []
    for sku, quantity in wanted.items():
        item = items.get(sku)
        if item is None or not item.tracked:
            continue
        if item.sellable is not None and item.sellable < quantity:
            short.append(f"{sku}: {item.sellable} of {quantity}")
            continue
        left = quantity
        for level in levels.get(sku, ()):
            taken = min(left, max(level.available, 0))
            if taken:
                lines.append(Line(len(lines), sku, level.location_id, level.location, taken))
                left -= taken
        if left:
            lines.append(Line(len(lines), sku, None, None, left))
    if short:
        raise OutOfStock(f"Not enough is there of {'; '.join(short[:10])}.")
    return lines


def promised(items: Mapping[str, Item], lines: Sequence[Line]) -> list[Item]:
    """Articles as they are once lines are taken from them, by SKU."""
    taken: dict[str, int] = {}
    for line in lines:
        taken[line.sku] = taken.get(line.sku, 0) + line.open
    return [
        msgspec.structs.replace(items[sku], reserved=items[sku].reserved + count, version=items[sku].version + 1)
        for sku, count in sorted(taken.items())
    ]


def require_open(reservation: Reservation, *states: State) -> None:
    """Raises ReservationClosed."""
    if reservation.state not in states:
        raise ReservationClosed(
            f"The reservation {reservation.key!r} is {reservation.state}; it would have to be {' or '.join(states)}."
        )


def released(
    reservation: Reservation, wanted: Mapping[str, int] | None, reason: Literal["RELEASED", "EXPIRED"]
) -> tuple[list[Line], list[Change]]:
    """The lines afterwards, and what becomes free.  wanted: so many of each article; None for all that is open.

    What is not there yet is given up first. Raises InvalidReservation.
    """
    left = dict(wanted) if wanted is not None else None
    lines = list(reservation.lines)
    changes = []
    for line in sorted(reservation.lines, key=lambda one: (one.location_id is not None, one.place)):
        quantity = line.open if left is None else min(line.open, left.get(line.sku, 0))
        if not quantity:
            continue
        if left is not None:
            left[line.sku] -= quantity
        lines[line.place] = msgspec.structs.replace(
            line, open=line.open - quantity, released=line.released + quantity
        )
        changes.append(Change(line.sku, line.location_id, reason, reserved=-quantity, reference=reservation.key))
    _require_done(left)
    return lines, changes


def fulfilled(
    reservation: Reservation, wanted: Mapping[str, int] | None, levels: Mapping[str, Sequence[Level]]
) -> tuple[list[Line], list[Change]]:
    """The lines afterwards, and what leaves.  wanted: so many of each article; None for all that is open.

    What was not there when it was promised is taken from wherever it lies free now.
    Raises InvalidReservation, NotOnHand.
    """
    left = dict(wanted) if wanted is not None else None
    lines = list(reservation.lines)
    changes: list[Change] = []
    here = {(sku, one.location_id): one.on_hand for sku, of_sku in levels.items() for one in of_sku}
    free = {(sku, one.location_id): one.available for sku, of_sku in levels.items() for one in of_sku}
    for line in sorted(reservation.lines, key=lambda one: (one.location_id is None, one.place)):
        quantity = line.open if left is None else min(line.open, left.get(line.sku, 0))
        if not quantity:
            continue
        if left is not None:
            left[line.sku] -= quantity
        lines[line.place] = msgspec.structs.replace(
            line, open=line.open - quantity, fulfilled=line.fulfilled + quantity
        )
        if line.location_id is not None:
            place = (line.sku, line.location_id)
            if here.get(place, 0) < quantity:
                raise NotOnHand(
                    f"{line.sku}: {quantity} were to leave {line.location}, where {here.get(place, 0)} are."
                )
            here[place] -= quantity
            changes.append(_leaves(reservation, line.sku, line.location_id, quantity, quantity))
            continue
        changes += _late(reservation, line, quantity, free, here)
    _require_done(left)
    return lines, changes


def state_after(reservation: Reservation, lines: Sequence[Line]) -> State:
    """Its state when these are its lines."""
    if any(line.open for line in lines):
        return reservation.state
    return "FULFILLED" if any(line.fulfilled for line in lines) else "RELEASED"


def _late(
    reservation: Reservation,
    line: Line,
    quantity: int,
    free: dict[tuple[str, str], int],
    here: dict[tuple[str, str], int],
) -> list[Change]:
    """What was promised without being there: its promise ends, and it leaves from where it is free now."""
    changes = [Change(line.sku, None, "FULFILLED", reserved=-quantity, reference=reservation.key)]
    for (sku, location_id), available in free.items():
        taken = min(quantity, available, here[sku, location_id]) if sku == line.sku else 0
        if taken > 0:
            free[sku, location_id] -= taken
            here[sku, location_id] -= taken
            quantity -= taken
            changes.append(_leaves(reservation, sku, location_id, taken, 0))
    if quantity:
        raise NotOnHand(f"{line.sku}: {quantity} were sold before they were there, and have not come yet.")
    return changes


def _leaves(reservation: Reservation, sku: str, location_id: str, on_hand: int, reserved: int) -> Change:
    return Change(sku, location_id, "FULFILLED", on_hand=-on_hand, reserved=-reserved, reference=reservation.key)


def _require_done(left: Mapping[str, int] | None) -> None:
    for sku, quantity in (left or {}).items():
        if quantity:
            raise InvalidReservation(f"{sku}: {quantity} more than are open.", field="lines")
