"""The kernel's memory, messages and addresses, and what overwrites the programs of others."""

import os
from typing import Any

import attacking

SECRETS = (
    "/proc/kcore",
    "/proc/kmsg",
    "/proc/sched_debug",
    "/dev/mem",
    "/dev/kmem",
    "/dev/port",
    "/dev/kmsg",
    "/boot",
)
PROGRAMS = ("/proc/self/exe", "/proc/1/exe", "/usr/bin/python3", "/bin/sh", "/var/runtime/bootstrap.py")


def readable(path: str) -> bool:
    """Whether there is a first byte to read."""
    return bool(attacking.attempt(lambda: len(os.read(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 1))) == 1)


def handler(event: Any, context: Any) -> Any:
    """What could be read, what could be written, and whether kernel addresses show."""
    found = [path for path in SECRETS if readable(path)]
    found += [path for path in PROGRAMS if attacking.got(lambda: os.close(os.open(path, os.O_WRONLY)))]
    symbols = attacking.read("/proc/kallsyms").split("\n")[:50]
    return found + [line for line in symbols if line and not line.startswith("0" * 16)]
