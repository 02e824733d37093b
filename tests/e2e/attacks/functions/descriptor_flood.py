"""Open files, pipes, sockets, terminals and watches without end."""

import os
import socket
from typing import Any

import attacking


def handler(event: Any, context: Any) -> Any:
    """How many of each one process could have."""
    makers = {
        "files": lambda: [os.open("/dev/null", os.O_RDONLY)],
        "pipes": lambda: list(os.pipe()),
        "sockets": lambda: [socket.socket().detach()],
        "terminals": lambda: list(os.openpty()),
        "memory files": lambda: [os.memfd_create("x")],
        "watches": lambda: [attacking.libc.inotify_init()],
        "events": lambda: [attacking.libc.epoll_create1(0)],
    }
    counts = {}
    for name, make in makers.items():
        held: list[int] = []
        try:
            while len(held) < 20_000 and (not held or held[-1] >= 0):
                held += make()
        except OSError:
            pass
        counts[name] = len(held)
        for fd in held:
            if fd >= 0:
                os.close(fd)
    return counts
