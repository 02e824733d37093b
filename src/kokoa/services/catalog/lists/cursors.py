"""Cursors: a place in a list, as text that clients keep and give back. Pure.

A cursor names the environment, the sort and the place, and is read as what a stranger may have written. It is not
signed: whoever makes one up can only say where a list begins.
"""

import base64
import binascii
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from kokoa.kernel.ids import InvalidId, require_id
from kokoa.services.catalog.errors import InvalidCursor, InvalidText
from kokoa.services.catalog.lists.model import Sort, SortField
from kokoa.services.catalog.model import PRICE_MINOR_MAX, require_plain

CURSOR_MAX = 2_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """environment: a digest of its id.  key: the values that are sorted by, moments as microseconds since 1970."""

    environment: bytes
    field: SortField
    descending: bool
    key: tuple[str | int, ...]


def write_cursor(environment_id: str, sort: Sort, key: tuple[Any, ...]) -> str:
    """The place of a product.  key: see `model.key_of`."""
    written = tuple((one - _EPOCH) // _MICROSECOND if isinstance(one, datetime) else one for one in key)
    cursor = _Cursor(_digest(environment_id), sort.field, sort.descending, written)
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode().rstrip("=")


def read_cursor(text: str, environment_id: str, sort: Sort, *, field: str) -> tuple[Any, ...]:
    """The key of the place. Raises InvalidCursor, which names the field: after or before."""
    if len(text) > CURSOR_MAX:
        raise InvalidCursor(f"{field} is longer than any cursor.", field=field)
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = msgspec.msgpack.decode(packed, type=_Cursor)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise InvalidCursor(f"{field} is no cursor of this list.", field=field) from error
    if (cursor.field, cursor.descending) != (sort.field, sort.descending):
        direction = "descending" if cursor.descending else "ascending"
        raise InvalidCursor(
            f"{field} belongs to a list sorted by {cursor.field}, {direction}. Go on with the same sort, or begin "
            "anew without a cursor.",
            field=field,
        )
    if cursor.environment != _digest(environment_id):
        raise InvalidCursor(f"{field} belongs to another store's list.", field=field)
    try:
        return _key_of(cursor)
    except (InvalidId, InvalidText, OverflowError, ValueError, TypeError) as error:
        raise InvalidCursor(f"{field} is no cursor of this list.", field=field) from error


def _key_of(cursor: _Cursor) -> tuple[Any, ...]:
    *values, product_id = cursor.key
    if not isinstance(product_id, str):
        raise TypeError("an id is text")
    return (*_values_of(cursor.field, values), require_id(product_id, field="id"))


def _values_of(sorted_by: SortField, values: list[str | int]) -> tuple[Any, ...]:
    match sorted_by, values:
        case "NAME", [str(name)]:
            require_plain(name, "name")
            return (name,)
        case "PRICE", [str(currency), int(amount)] if -1 <= amount <= PRICE_MINOR_MAX:
            require_plain(currency, "currency")
            return (currency, amount)
        case (("CREATED" | "UPDATED"), [int(microseconds)]):
            return (_EPOCH + microseconds * _MICROSECOND,)
        case _:
            raise ValueError("these values are of another form")


def _digest(environment_id: str) -> bytes:
    return hashlib.sha256(environment_id.encode()).digest()[:8]
