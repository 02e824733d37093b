"""Connections at every door, as many and as fast as it can. event: for how many seconds, and whether to keep them."""

import contextlib
import socket
import time
from typing import Any


def handler(event: Any, context: Any) -> Any:
    """How many were made."""
    kept, made = [], 0
    until = time.monotonic() + event["seconds"]
    while time.monotonic() < until:
        for port in (9001, 9002, 9003):
            with contextlib.suppress(OSError):
                line = socket.socket()
                line.settimeout(0.2)
                line.connect(("127.0.0.1", port))
                made += 1
                if event["keep"] and len(kept) < 900:
                    kept.append(line)
                else:
                    line.close()
    return made
