"""The history of a product or a category: its entries, and places in it. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from kokoa.services.catalog.errors import InvalidCursor, InvalidPage
from kokoa.services.catalog.model import PAGE_MAX

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CURSOR = re.compile(r"(\d{1,17})\.(\d{1,18})", re.ASCII)
_WORD = re.compile(r"_([a-z])")

Place = tuple[datetime, int]
NEWEST: Place = (datetime(9999, 1, 1, tzinfo=UTC), 0)


class Actor(msgspec.Struct, frozen=True):
    """kind, subject, scopes: as the call had them."""

    kind: str
    subject: str
    scopes: list[str]


class FieldChange(msgspec.Struct, frozen=True):
    """old, new: text as it is, other values as JSON; None for nothing."""

    field: str
    old: str | None
    new: str | None


class HistoryEntry(msgspec.Struct, frozen=True):
    """What a transaction did to a product or a category.  actor: None where nobody asked, such as in a seed."""

    at: datetime
    changed_in: int
    version: int
    kind: str
    actor: Actor | None
    correlation_id: str | None
    changes: list[FieldChange]


def changes_of(kept: dict[str, tuple[Any, Any]]) -> list[FieldChange]:
    """kept: columns with what stands before them → (old, new)."""
    return [FieldChange(_field(name), _text(old), _text(new)) for name, (old, new) in sorted(kept.items())]


def _field(name: str) -> str:
    """As the graph spells it: only the last word is a column, those before it may be SKUs; behind U+001F is none."""
    if "\x1f" in name:
        return name.replace("\x1f", ".")
    part, dot, column = name.rpartition(".")
    return part + dot + _WORD.sub(lambda found: found[1].upper(), column)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


def require_first(first: int) -> None:
    """Raises InvalidPage, which names the bound."""
    if not 1 <= first <= PAGE_MAX:
        raise InvalidPage(f"first must be 1 to {PAGE_MAX}, not {first}.", field="first")


def write_place(entry: HistoryEntry) -> str:
    """The place of an entry, as text."""
    return f"{(entry.at - _EPOCH) // _MICROSECOND}.{entry.changed_in}"


def read_place(text: str | None) -> Place:
    """The newest for None. Raises InvalidCursor."""
    if text is None:
        return NEWEST
    found = _CURSOR.fullmatch(text)
    try:
        if found is None:
            raise ValueError("it has another form")
        return _EPOCH + int(found[1]) * _MICROSECOND, int(found[2])
    except (ValueError, OverflowError):
        raise InvalidCursor(f"{text[:80]!r} is no cursor of a history.", field="after") from None
