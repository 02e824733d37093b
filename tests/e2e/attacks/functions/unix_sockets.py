"""Sockets of the machine with names: files and abstract ones. event: their names."""

import socket
from typing import Any

import attacking


def reach(kind: int, name: str) -> None:
    """Connect."""
    with socket.socket(socket.AF_UNIX, kind) as client:
        client.settimeout(2)
        client.connect(name)


def handler(event: Any, context: Any) -> Any:
    """Those that could be reached."""
    kinds = (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM)
    return [name for name in event if any(attacking.got(lambda: reach(kind, name)) for kind in kinds)]
