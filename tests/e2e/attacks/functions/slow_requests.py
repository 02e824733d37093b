"""As many connections as it gets at every door, each in the middle of a request that goes on a byte at a time."""

import contextlib
import socket
import time
from typing import Any


def handler(event: Any, context: Any) -> Any:
    """How many bytes went out. event: for how many seconds."""
    lines = []
    for port in (9001, 9002, 9003):
        for _ in range(40):
            with contextlib.suppress(OSError):
                lines.append(socket.create_connection(("127.0.0.1", port), 2))
                lines[-1].sendall(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nX-Slow: ")
    until, sent = time.monotonic() + event, 0
    while time.monotonic() < until:
        for line in lines:
            with contextlib.suppress(OSError):
                sent += line.send(b"x", socket.MSG_DONTWAIT)
    return sent
