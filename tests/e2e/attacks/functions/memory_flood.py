"""Memory without end, by one of many ways. event: the way, and where to stop in MB."""

import fcntl
import mmap
import os
import socket
from typing import Any

import attacking

MB = 1 << 20


def heap(count: int) -> list[bytearray]:
    """Plain memory."""
    return [bytearray(b"x" * MB) for _ in range(count)]


def shared(count: int) -> list[mmap.mmap]:
    """Memory that children share."""
    maps = [mmap.mmap(-1, MB) for _ in range(count)]
    for each in maps:
        each.write(b"x" * MB)
    return maps


def memory_files(count: int) -> list[int]:
    """Files without a name."""
    fd = os.memfd_create("x")
    return [os.write(fd, b"x" * MB) for _ in range(count)]


def segments(count: int) -> list[int]:
    """System V segments, which outlive a process."""
    made = []
    attacking.libc.shmat.restype = attacking.ctypes.c_void_p
    for _ in range(count):
        segment = attacking.libc.shmget(0, MB, 0o1600)
        place = attacking.libc.shmat(segment, None, 0)
        attacking.ctypes.memset(place, 1, MB)
        attacking.libc.shmdt(attacking.ctypes.c_void_p(place))
        made.append(segment)
    return made


def pipes(count: int) -> list[int]:
    """What stands in pipes and sockets."""
    ends = []
    for _ in range(min(count, 400)):
        _, writing = os.pipe()
        attacking.attempt(lambda: fcntl.fcntl(writing, 1031, MB))  # refused once the user has many
        os.set_blocking(writing, False)
        left, right = socket.socketpair()
        left.setblocking(False)
        attacking.attempt(lambda: os.write(writing, b"x" * MB))
        attacking.attempt(lambda: left.send(b"x" * MB))
        ends += [writing, left.detach(), right.detach()]
    return ends


def children(count: int) -> list[int]:
    """A part in each of many processes."""
    return [attacking.fork(lambda: [heap(16), os.read(os.pipe()[0], 1)] and None) for _ in range(count // 16)]


def handler(event: Any, context: Any) -> Any:
    """The MB that it has, if that ends otherwise than by force."""
    ways = {way.__name__: way for way in (heap, shared, memory_files, segments, pipes, children)}
    kept = ways[event["way"]](event["mb"])
    if event["way"] == "children":
        os.waitpid(-1, 0)
    return len(kept)
