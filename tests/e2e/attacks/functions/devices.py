"""Device nodes: those of the machine, and ones made here."""

import os
import stat
from typing import Any

import attacking

THERE = ("/dev/mem", "/dev/kmem", "/dev/kvm", "/dev/fuse", "/dev/loop-control", "/dev/loop0", "/dev/vda", "/dev/sda")
MORE = (
    "/dev/net/tun",
    "/dev/vhost-vsock",
    "/dev/kmsg",
    "/dev/console",
    "/dev/uinput",
    "/dev/rtc0",
    "/dev/mapper/control",
)
MADE = {"mem": (1, 1), "null": (1, 3), "vda": (254, 0), "sda": (8, 0), "kmsg": (1, 11)}


def handler(event: Any, context: Any) -> Any:
    """Those that could be opened or made."""
    found = [
        path for path in THERE + MORE if attacking.got(lambda: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK)))
    ]
    for name, (major, minor) in MADE.items():
        for kind in (stat.S_IFCHR, stat.S_IFBLK):
            path = f"/tmp/{name}-{kind}"
            if attacking.got(lambda: os.mknod(path, kind | 0o666, os.makedev(major, minor))):
                found.append(path)
    return found
