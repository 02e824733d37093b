"""Identifiers: UUIDs of version 7, which sort by the time they were made (RFC 9562 §5.7)."""

import os
import re
import secrets
import time
from uuid import UUID

from kokoa.kernel.errors import Invalid

# The two bits of RFC 9562's variant in front of two random ones.
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
_CANONICAL = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class InvalidId(Invalid):
    """The text is not an id."""


def new_id() -> str:
    """A fresh UUIDv7 as text: 48 bits of unix milliseconds, 12 of their fraction (§6.2, method 3), 62 random bits.

    So those that a process makes one after the other sort so within a millisecond, too.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = nanoseconds * 4096 // 1_000_000
    return str(UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0x2 << 62 | secrets.randbits(62)))


def new_ids(count: int) -> list[str]:
    """Fresh UUIDv7s of one moment, for what is made in bulk: the system is asked for randomness once."""
    milliseconds = f"{time.time_ns() // 1_000_000:012x}"
    random = os.urandom(10 * count).hex()
    return [
        f"{milliseconds[:8]}-{milliseconds[8:]}-7{one[:3]}-{_VARIANT[one[3]]}{one[4:7]}-{one[7:19]}"
        for one in (random[at : at + 20] for at in range(0, 20 * count, 20))
    ]


def new_correlation_id() -> str:
    """A fresh trace id: 32 lower-case hex digits (W3C Trace Context §3.2.2.3)."""
    return secrets.token_hex(16)


def require_id(text: str, *, field: str) -> str:
    """The id in canonical form. Raises InvalidId, which names the field."""
    try:
        # Nearly every id comes as we gave it out; a page has dozens of them.
        return text if _CANONICAL.fullmatch(text) else str(UUID(text))
    except (ValueError, AttributeError, TypeError):
        raise InvalidId(f"{field}: {text!r} is not an id (a UUID is expected)", field=field) from None
