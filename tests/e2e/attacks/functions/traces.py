"""Memory and descriptors of other processes. event: numbers of processes of the machine."""

import os
from typing import Any

import attacking


def handler(event: Any, context: Any) -> Any:
    """What worked on a process outside, on process 1, on a child of its own."""
    child = attacking.fork(lambda: os.read(os.pipe()[0], 1) and None)
    found = []
    for pid in [*event, 1, child]:
        deeds = {
            "ptrace attach": lambda pid=pid: attacking.call(101, 16, pid, 0, 0),
            "ptrace seize": lambda pid=pid: attacking.call(101, 0x4206, pid, 0, 0),
            "process_vm_readv": lambda pid=pid: attacking.call(310, pid, b"\0" * 16, 1, b"\0" * 16, 1, 0),
            "process_vm_writev": lambda pid=pid: attacking.call(311, pid, b"\0" * 16, 1, b"\0" * 16, 1, 0),
            "pidfd_getfd": lambda pid=pid: attacking.call(438, os.pidfd_open(pid), 0, 0),
            "kcmp": lambda pid=pid: attacking.call(312, os.getpid(), pid, 0, 0, 0),
            "move_pages": lambda pid=pid: attacking.call(279, pid, 0, 0, 0, 0, 0),
        }
        found += [[pid, name] for name, deed in deeds.items() if attacking.attempt(deed) == "done"]
    os.kill(child, 9)
    os.waitpid(child, 0)
    return found
