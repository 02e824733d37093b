"""Fills its pipes as fast as it can: empty lines, frames of nothing, noise; for some seconds."""

import contextlib
import fcntl
import os
import struct
import threading
import time
from typing import Any

FLOODS = {
    "empty lines": (1, b"\n" * 65536),
    "short lines": (1, b"x\n" * 32768),
    "a line without end": (1, b"x" * 65536),
    "empty frames": (4, struct.pack(">IIQ", 0xA55A0003, 0, 0) * 4096),
    "noise for frames": (4, os.urandom(65536)),
    "huge frames": (4, struct.pack(">IIQ", 0xA55A0003, 0xFFFFFFFF, 0) * 4096),
}


def handler(event: Any, context: Any) -> Any:
    """How many bytes were taken from it. event: the flood's name, and for how long in seconds."""
    fd, data = FLOODS[event["flood"]]
    fcntl.fcntl(fd, 1031, 1 << 20)  # F_SETPIPE_SZ
    os.set_blocking(fd, True)
    taken = [0]
    until = time.monotonic() + event["seconds"]

    def write() -> None:
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                taken[0] += os.write(fd, data)

    writers = [threading.Thread(target=write, daemon=True) for _ in range(2)]
    for writer in writers:
        writer.start()
    while time.monotonic() < until:
        writers[0].join(0.05)
    return taken[0]
