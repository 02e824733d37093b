"""Sockets that see or make packets, and families with a history."""

import socket
from typing import Any

import attacking

KINDS = {
    "raw icmp": (2, socket.SOCK_RAW, 1),
    "raw tcp": (2, socket.SOCK_RAW, 6),
    "raw ipv6": (10, socket.SOCK_RAW, 58),
    "packet": (17, socket.SOCK_RAW, 0x0300),
    "packet datagrams": (17, socket.SOCK_DGRAM, 0x0300),
    "vsock": (40, socket.SOCK_STREAM, 0),
    "alg": (38, socket.SOCK_SEQPACKET, 0),
    "can": (29, socket.SOCK_RAW, 1),
    "bluetooth": (31, socket.SOCK_STREAM, 3),
    "xdp": (44, socket.SOCK_RAW, 0),
    "tipc": (30, socket.SOCK_DGRAM, 0),
    "rds": (21, socket.SOCK_SEQPACKET, 0),
    "key": (15, socket.SOCK_RAW, 2),
    "smc": (43, socket.SOCK_STREAM, 0),
    "rxrpc": (33, socket.SOCK_DGRAM, 2),
    "x25": (9, socket.SOCK_SEQPACKET, 0),
}


def handler(event: Any, context: Any) -> Any:
    """Those that could be opened."""
    return [name for name, kind in KINDS.items() if attacking.got(lambda: socket.socket(*kind).close())]
