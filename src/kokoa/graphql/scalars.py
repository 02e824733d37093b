"""Scalars beyond GraphQL's five. A subgraph passes `scalars={"DateTime": DATE_TIME}` beside its resolvers."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import msgspec

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _unchanged(value: Any) -> Any:
    return value


class Scalar(msgspec.Struct, frozen=True):
    """serialize: Python → JSON value.  parse: JSON value → Python.  They raise ValueError."""

    serialize: Callable[[Any], Any] = _unchanged
    parse: Callable[[Any], Any] = _unchanged


def _write_date_time(value: Any) -> str:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError(f"DateTime needs a datetime with a time zone, got {value!r}")
    return value.isoformat().replace("+00:00", "Z")


def _read_date_time(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError("DateTime is written as text, for example 2026-01-31T12:00:00Z")
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a date and time such as 2026-01-31T12:00:00Z") from None
    if found.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone; write 2026-01-31T12:00:00Z")
    try:
        found.astimezone(UTC)  # whoever stores or compares it will
    except OverflowError:
        raise ValueError(f"{value!r} is not within the years 1 to 9999 in UTC") from None
    return found


def _write_date(value: Any) -> str:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError(f"Date needs a date, got {value!r}")
    return value.isoformat()


def _read_date(value: Any) -> date:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("Date is written as text, for example 2026-01-31")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is no day of the calendar") from None


DATE = Scalar(_write_date, _read_date)
DATE_TIME = Scalar(_write_date_time, _read_date_time)
JSON = Scalar()
