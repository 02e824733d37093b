"""Network interfaces, addresses and filters of its own network, which only a privileged process may change."""

import socket
import struct
from typing import Any

import attacking

ACK, CREATE = 4 | 1, 0x400


def ask(kind: int, body: bytes, protocol: int = 0) -> int:
    """A netlink request's error number; 0 for success."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as netlink:
        netlink.settimeout(2)
        netlink.sendall(struct.pack("IHHII", 16 + len(body), kind, ACK | CREATE, 1, 0) + body)
        return -int(struct.unpack_from("i", netlink.recv(4096), 16)[0])


def handler(event: Any, context: Any) -> Any:
    """What worked."""
    address = struct.pack("BBBBI", 2, 32, 0, 0, 1) + struct.pack("HH4s", 8, 2, bytes([10, 9, 8, 7]))
    down = struct.pack("BxHiII", 0, 0, 1, 0, 1)
    dummy = (
        struct.pack("BxHiII", 0, 0, 0, 0, 0) + struct.pack("HH", 16, 18) + struct.pack("HH6sxx", 10, 1, b"dummy\0")
    )
    deeds = {
        "an address": lambda: ask(20, address) and 1 / 0,
        "loopback down": lambda: ask(16, down) and 1 / 0,
        "an interface": lambda: ask(16, dummy) and 1 / 0,
        "audit": lambda: ask(1001, b"\0" * 40, 9) and 1 / 0,
        "a privileged port": lambda: socket.create_server(("127.0.0.1", 80)).close(),
    }
    return [name for name, deed in deeds.items() if attacking.got(deed)]
