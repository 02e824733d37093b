"""Addresses of the machine and beyond, by TCP and UDP. event: [host, port] pairs."""

import socket
from typing import Any

import attacking


def reach(kind: int, host: str, port: int) -> None:
    """Connect and say something."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as client:
        client.settimeout(1)
        client.connect((host, port))
        client.sendall(b"hello")
        if kind == socket.SOCK_DGRAM:
            client.recv(1)


def handler(event: Any, context: Any) -> Any:
    """Those that could be reached."""
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
    return [address for address in event if any(attacking.got(lambda: reach(kind, *address)) for kind in kinds)]
