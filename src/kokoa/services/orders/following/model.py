"""References, statuses, what these mean, and places of the feed: their rules. Pure."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from kokoa.kernel.text import is_plain
from kokoa.services.orders.errors import (
    InvalidOrderPage,
    InvalidOrderReference,
    InvalidOrderStatusMapping,
    OrderStatusMappingChanged,
)
from kokoa.services.orders.fulfilling.model import TEXT_MAX, Change
from kokoa.services.orders.model import Refusal

CHANGES_PAGE_MAX = 250
REFERENCE_MAX = 128
STATUS_MAX = 64
# Of one order: whoever says more is caught in a loop.
NOTED_MAX = 250
RULES_MAX = 200
DISPLAY_MAX = 100
# Of an action that its order has no time for, each at most a minute after the other: a good day.
ATTEMPTS_MAX = 1_500

FIRST = 0, "00000000-0000-0000-0000-000000000000"

Action = Literal["FULFILL", "SHIP", "DELIVER", "CANCEL"]

_CURSOR = re.compile(r"(\d{1,18}):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.ASCII)


class StatusRule(msgspec.Struct, frozen=True):
    """What a status of another system means.

    display_status: what customers are told; None for nothing.  action: what the order does; None for nothing.
    reason: of a cancellation.
    """

    status: str
    display_status: str | None = None
    action: Action | None = None
    reason: str | None = None


class StatusMapping(msgspec.Struct, frozen=True):
    """What all of them mean; each status has one rule at most.  version: 0 before anything was said."""

    rules: tuple[StatusRule, ...] = ()
    version: int = 0

    def rule_of(self, status: str) -> StatusRule:
        """One that means nothing when there is none."""
        return next((rule for rule in self.rules if rule.status == status), StatusRule(status))


class StatusAction(msgspec.Struct, frozen=True):
    """What an order does because a status was said of it, once for each time that it was said.

    open: whether something is left to do.  refusal: why it was not done.  attempts: so far.  lease: who works on it.
    """

    id: str
    order_id: str
    status: str
    said_at: datetime
    action: Action
    reason: str | None
    actor: str
    open: bool
    refusal: Refusal | None
    lease: str | None
    attempts: int

    @property
    def state(self) -> str:
        if self.open:
            return "IN_PROGRESS"
        return "DONE" if self.refusal is None else "REFUSED"


def require_mapping(rules: Sequence[StatusRule]) -> StatusMapping:
    """Raises InvalidOrderStatusMapping, which names the field."""
    if len(rules) > RULES_MAX:
        raise InvalidOrderStatusMapping(f"A mapping has at most {RULES_MAX} rules.", field="rules")
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        at = f"rules.{index}"
        _require_rule_text(rule.status, f"{at}.status", STATUS_MAX)
        _require_rule_text(rule.display_status, f"{at}.displayStatus", DISPLAY_MAX)
        _require_rule_text(rule.reason, f"{at}.reason", TEXT_MAX)
        if rule.status in seen:
            raise InvalidOrderStatusMapping("Name each status once.", field=f"{at}.status")
        if rule.display_status is None and rule.action is None:
            raise InvalidOrderStatusMapping("Give displayStatus, action or both.", field=at)
        if rule.reason is not None and rule.action != "CANCEL":
            raise InvalidOrderStatusMapping("Only CANCEL has a reason.", field=f"{at}.reason")
        seen.add(rule.status)
    return StatusMapping(tuple(rules))


def require_mapping_version(before: StatusMapping, version: int) -> None:
    """Raises OrderStatusMappingChanged."""
    if version != before.version:
        raise OrderStatusMappingChanged(f"The mapping has version {before.version}, not {version}. Read it again.")


def parts_to_carry(action: Literal["SHIP", "DELIVER"], parts: Sequence[Change]) -> list[Change] | Refusal:
    """Those that are shipped, or delivered, now; none when all are already.

    A refusal when there is none that was or could be.
    """
    waiting = "PENDING" if action == "SHIP" else "SHIPPED"
    found = [part for part in parts if part.step == waiting]
    already = ("SHIPPED", "DELIVERED") if action == "SHIP" else ("DELIVERED",)
    if found or any(part.step in already for part in parts):
        return found
    if action == "SHIP":
        return Refusal("NOTHING_LEFT", "Nothing of the order has left, and nothing is left of it to ship.")
    return Refusal("NOTHING_SHIPPED", "Nothing of the order is shipped.")


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


def _require_rule_text(text: str | None, field: str, most: int) -> None:
    if text is not None and not (0 < len(text) <= most and is_plain(text) and text == text.strip()):
        message = f"It has 1 to {most} characters, no NUL, and no space around it."
        raise InvalidOrderStatusMapping(message, field=field)
