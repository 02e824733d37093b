"""Durations as people write them: 300ms, 2s, 15m, 24h, 7d."""

import re

from kokoa.kernel.errors import Invalid

_DURATION = re.compile(r"(\d{1,9})(ms|s|m|h|d)")
_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class InvalidDuration(Invalid):
    """An option is not a duration."""


def milliseconds_of(text: str, option: str) -> int:
    """Raises InvalidDuration, which names the option."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise InvalidDuration(f"{option} {text[:40]!r} is not a duration; write 300ms, 2s, 15m, 24h or 7d.")
    return int(found[1]) * _UNITS_MS[found[2]]
