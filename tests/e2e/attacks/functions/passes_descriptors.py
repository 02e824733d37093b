"""Sends descriptors over every socket that it can reach, and asks for some."""

import array
import glob
import os
import socket
import struct
from typing import Any

import attacking


def handler(event: Any, context: Any) -> Any:
    """Unix sockets that it holds, and doors that sent a descriptor."""
    found = []
    for path in glob.glob("/proc/self/fd/*"):
        number = int(path.rpartition("/")[2])
        if str(attacking.attempt(lambda: os.readlink(path))).startswith("socket:"):
            with socket.socket(fileno=os.dup(number)) as held:
                found += [f"unix socket {number}"] if held.family == socket.AF_UNIX else []
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [1]))]
    forged = [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, struct.pack("3i", 1, 0, 0))]
    for port in (9001, 9002, 9003):
        with socket.create_connection(("127.0.0.1", port), 2) as door:
            door.sendmsg([b"x"], rights)  # the kernel takes it, and must drop it
            door.settimeout(0.2)
            received = attacking.attempt(lambda: door.recvmsg(64, 1024)[1])
            found += [f"got from {port}"] if isinstance(received, list) and received else []
    left, _ = socket.socketpair()
    return found + (["credentials of another"] if attacking.got(lambda: left.sendmsg([b"x"], forged)) else [])
