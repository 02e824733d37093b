"""The machine itself: restart, swap, clock, names."""

from typing import Any

import attacking

CALLS = {
    "reboot": (169, 0xFEE1DEAD, 672274793, 0, 0),  # "CAD off", which would harm nobody
    "swapon": (167, b"/tmp/swap", 0),
    "swapoff": (168, b"/tmp/swap"),
    "settimeofday": (164, 0, 0),
    "clock_settime": (227, 0, b"\0" * 16),
    "clock_adjtime": (305, 0, b"\1" + b"\0" * 255),
    "sethostname": (170, b"taken", 5),
    "setdomainname": (171, b"taken", 5),
}


def handler(event: Any, context: Any) -> Any:
    """Those that were not refused."""
    return {name: result for name, code in CALLS.items() if (result := attacking.call(*code)) != "EPERM"}
