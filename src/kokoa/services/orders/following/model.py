"""References, statuses and places of the feed: their rules. Pure."""

import re

from kokoa.kernel.text import is_plain
from kokoa.services.orders.errors import InvalidOrderPage, InvalidOrderReference

CHANGES_PAGE_MAX = 250
REFERENCE_MAX = 128
STATUS_MAX = 64
# Of one order: whoever says more is caught in a loop.
NOTED_MAX = 250

FIRST = 0, "00000000-0000-0000-0000-000000000000"

_CURSOR = re.compile(r"(\d{1,18}):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.ASCII)


def require_reference(text: str | None) -> str | None:
    """Raises InvalidOrderReference."""
    return None if text is None else _require(text, "externalReference", REFERENCE_MAX)


def require_status(text: str) -> str:
    """Raises InvalidOrderReference."""
    return _require(text, "status", STATUS_MAX)


def require_changes_page(limit: int) -> None:
    """Raises InvalidOrderPage."""
    if not 1 <= limit <= CHANGES_PAGE_MAX:
        raise InvalidOrderPage(f"limit must be 1 to {CHANGES_PAGE_MAX}.", field="limit")


def read_cursor(cursor: str | None) -> tuple[int, str]:
    """Where a reader of orderChanges is. Raises InvalidOrderPage."""
    if cursor is None:
        return FIRST
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise InvalidOrderPage(f"{cursor[:80]!r} is no cursor of orderChanges.", field="since")
    return int(found[1]), found[2]


def _require(text: str, field: str, most: int) -> str:
    if not (0 < len(text) <= most and is_plain(text) and text == text.strip()):
        message = f"{field} has 1 to {most} characters, no NUL, and no space around it."
        raise InvalidOrderReference(message, field=field)
    return text
