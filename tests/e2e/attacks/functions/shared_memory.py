"""System V and POSIX memory, semaphores and queues of the machine. event: the key of a segment outside."""

from typing import Any

import attacking


def handler(event: Any, context: Any) -> Any:
    """What it found of others, after making one of its own with the same key."""
    found = []
    if attacking.call(29, event, 1, 0) == "done":  # shmget of what is there already
        found.append("the segment")
    found += attacking.read("/proc/sysvipc/shm").split("\n")[1:-1]
    attacking.call(29, event + 1, 4096, 0o1666)
    return found
