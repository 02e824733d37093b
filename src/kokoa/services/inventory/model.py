"""Stock: its types and rules. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from kokoa.kernel.text import is_plain
from kokoa.services.inventory.errors import (
    InvalidAdjustment,
    InvalidLocation,
    InvalidSku,
    InvalidStock,
    InvalidStockPage,
    NotOnHand,
)

DEFAULT_LOCATION = "default"
LOCATIONS_MAX = 100
ROWS_MAX = 1_000
QUANTITY_MAX = 1_000_000_000
SKU_MAX = 128
KEY_MAX = 64
NAME_MAX = 200
TEXT_MAX = 500
SHOWN_MAX = 999
PAGE_MAX = 250
OFFSET_MAX = 10_000

_KEY = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")

Reason = Literal["RECEIVED", "COUNTED", "DAMAGED", "LOST", "RETURNED", "TRANSFERRED", "CORRECTED"]
"""Why somebody changes what is there."""

Moved = Literal[Reason, "RESERVED", "RELEASED", "EXPIRED", "FULFILLED"]
"""Why stock changed."""


class Location(msgspec.Struct, frozen=True):
    """priority: reservations take from the lowest first."""

    id: str
    key: str
    name: str
    priority: int
    active: bool
    external_reference: str | None
    version: int


class Level(msgspec.Struct, frozen=True):
    """What lies at a location.  location: its key."""

    location_id: str
    location: str
    on_hand: int
    reserved: int

    @property
    def available(self) -> int:
        """What of it nobody was promised; less than nothing after a count that found too little."""
        return self.on_hand - self.reserved


class Item(msgspec.Struct, frozen=True):
    """An article, with its sums over all locations.  backorder_limit: None for any number."""

    sku: str
    on_hand: int
    reserved: int
    tracked: bool
    backorder_limit: int | None
    external_reference: str | None
    version: int
    changed_at: datetime

    @property
    def available(self) -> int:
        """On hand and promised to nobody; less than nothing when more was sold than is there."""
        return self.on_hand - self.reserved

    @property
    def sellable(self) -> int | None:
        """How many may be sold now; None for any number."""
        if not self.tracked or self.backorder_limit is None:
            return None
        return max(self.available + self.backorder_limit, 0)


class Availability(msgspec.Struct, frozen=True):
    """What a shopper is told.  quantity: on hand and free, at most SHOWN_MAX; None if it is not counted."""

    in_stock: bool
    quantity: int | None
    backorderable: bool
    sellable: int | None


class Movement(msgspec.Struct, frozen=True):
    """One change of an article's stock.  on_hand, reserved: by how many.  location: its key, None for none."""

    id: int
    sku: str
    location: str | None
    reason: Moved
    on_hand: int
    reserved: int
    reference: str | None
    note: str | None
    actor: str
    moved_at: datetime


class Change(msgspec.Struct, frozen=True):
    """A movement to be made."""

    sku: str
    location_id: str | None
    reason: Moved
    on_hand: int = 0
    reserved: int = 0
    reference: str | None = None
    note: str | None = None


class StockRow(msgspec.Struct, frozen=True):
    """What an article is to have at a location.  version: of the item, when it must not have changed meanwhile."""

    sku: str
    location: str
    on_hand: int
    version: int | None = None


class RowResult(msgspec.Struct, frozen=True):
    """What became of a row.  status: CHANGED, UNCHANGED or FAILED.  code, message: of a failure."""

    index: int
    sku: str
    status: Literal["CHANGED", "UNCHANGED", "FAILED"]
    code: str | None = None
    message: str | None = None


def availability(item: Item | None) -> Availability:
    """item: None for an article that is not counted."""
    if item is None or not item.tracked:
        return Availability(True, None, True, None)
    free = max(item.available, 0)
    sellable = item.sellable
    backorderable = sellable is None or sellable > free
    return Availability(free > 0, min(free, SHOWN_MAX), backorderable, sellable and min(sellable, SHOWN_MAX))


def is_sku(text: str) -> bool:
    """Whether this can be a SKU."""
    return bool(text.strip()) and len(text) <= SKU_MAX and is_plain(text)


def require_sku(sku: str, field: str = "sku") -> str:
    """Raises InvalidSku."""
    if not is_sku(sku):
        raise InvalidSku(f"A SKU has 1 to {SKU_MAX} characters and no NUL.", field=field)
    return sku


def require_location(key: str, name: str, priority: int, external_reference: str | None) -> None:
    """Raises InvalidLocation, which names the field."""
    if len(key) > KEY_MAX or not _KEY.fullmatch(key):
        raise InvalidLocation(
            f"key has 1 to {KEY_MAX} lower-case letters and digits, with single hyphens or underscores between.",
            field="key",
        )
    if not name.strip() or len(name) > NAME_MAX or not is_plain(name):
        raise InvalidLocation(f"name must have 1 to {NAME_MAX} characters and no NUL.", field="name")
    if not 0 <= priority <= 1_000:
        raise InvalidLocation("priority must be 0 to 1,000.", field="priority")
    if external_reference is not None:
        require_text(external_reference, "externalReference")
        if not external_reference:
            raise InvalidLocation("externalReference must not be empty; leave it out.", field="externalReference")


def require_text(text: str | None, field: str) -> None:
    """A note or a reference. Raises InvalidAdjustment."""
    if text is not None and (len(text) > TEXT_MAX or not is_plain(text)):
        raise InvalidAdjustment(f"{field} has at most {TEXT_MAX} characters and no NUL.", field=field)


def require_delta(delta: int) -> None:
    """Raises InvalidAdjustment."""
    if delta == 0 or abs(delta) > QUANTITY_MAX:
        raise InvalidAdjustment(f"delta must be -{QUANTITY_MAX:,} to {QUANTITY_MAX:,}, and not 0.", field="delta")


def require_transfer(quantity: int, origin: str, target: str) -> None:
    """Raises InvalidAdjustment."""
    if not 1 <= quantity <= QUANTITY_MAX:
        raise InvalidAdjustment(f"quantity must be 1 to {QUANTITY_MAX:,}.", field="quantity")
    if origin == target:
        raise InvalidAdjustment("It lies there already: `to` must be another location than `from`.", field="to")


def require_policy(backorder_limit: int | None) -> None:
    """Raises InvalidStock."""
    if backorder_limit is not None and not 0 <= backorder_limit <= QUANTITY_MAX:
        raise InvalidStock(
            f"backorderLimit must be 0 to {QUANTITY_MAX:,}, or null for any number.", field="backorderLimit"
        )


def require_rows(rows: Sequence[StockRow]) -> None:
    """What makes the whole call wrong. Raises InvalidStock."""
    if not rows or len(rows) > ROWS_MAX:
        raise InvalidStock(f"One call takes 1 to {ROWS_MAX:,} rows, not {len(rows):,}.", field="rows")
    seen: dict[tuple[str, str], int] = {}
    for index, row in enumerate(rows):
        first = seen.setdefault((row.sku, row.location), index)
        if first != index:
            raise InvalidStock(
                f"Rows {first} and {index} are about the same article at the same location.", field=f"rows.{index}"
            )


def require_row(row: StockRow) -> None:
    """Raises InvalidSku, InvalidStock."""
    require_sku(row.sku)
    if not 0 <= row.on_hand <= QUANTITY_MAX:
        raise InvalidStock(f"onHand must be 0 to {QUANTITY_MAX:,}.", field="onHand")


def may_be_new(row: StockRow) -> bool:
    """Whether a row may make an article known: it is counted then, so one that fails must not."""
    return is_sku(row.sku) and 0 <= row.on_hand <= QUANTITY_MAX and not row.version


def require_page(limit: int, offset: int = 0) -> None:
    """Raises InvalidStockPage."""
    if not 1 <= limit <= PAGE_MAX:
        raise InvalidStockPage(f"limit must be 1 to {PAGE_MAX}.", field="limit")
    if not 0 <= offset <= OFFSET_MAX:
        raise InvalidStockPage(f"offset must be 0 to {OFFSET_MAX:,}; use a narrower filter.", field="offset")


def adjusted(level: Level | None, delta: int) -> int:
    """What lies there afterwards. Raises NotOnHand."""
    there = level.on_hand if level else 0
    if there + delta < 0:
        raise NotOnHand(f"Only {there:,} are there; {-delta:,} cannot be taken away.")
    return there + delta


def change_cursor(changed_in: int, sku: str) -> str:
    """Where a reader of the feed of changes is."""
    return f"{changed_in}:{sku}"


def read_change_cursor(cursor: str | None) -> tuple[int, str]:
    """Raises InvalidStockPage."""
    if cursor is None:
        return 0, ""
    number, colon, sku = cursor.partition(":")
    if not colon or not number.isascii() or not number.isdigit() or len(number) > 18 or not is_plain(sku):
        raise InvalidStockPage(f"{cursor[:80]!r} is no cursor of stockChanges.", field="since")
    return int(number), sku


def by_sku(levels: Iterable[tuple[str, Level]]) -> Mapping[str, list[Level]]:
    """Levels of each article, in their order."""
    found: dict[str, list[Level]] = {}
    for sku, level in levels:
        found.setdefault(sku, []).append(level)
    return found
