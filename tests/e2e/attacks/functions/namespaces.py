"""Name spaces of its own, in which it would be root, and those of others."""

import os
from typing import Any

import attacking

FLAGS = {
    "time": 0x80,
    "mount": 0x20000,
    "cgroup": 0x2000000,
    "uts": 0x4000000,
    "ipc": 0x8000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}


def unshared(flag: int) -> bool:
    """Whether a child could unshare."""
    pid = attacking.fork(lambda: os._exit(0 if attacking.call(272, flag) == "done" else 1))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def cloned(flag: int) -> bool:
    """Whether clone made a child in a name space of its own."""
    if flag == 0x80:
        return False  # clone has no flag for time name spaces: these bits are the exit signal
    pid = attacking.libc.syscall(56, flag | 17, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    return bool(pid > 0 and os.waitpid(pid, 0))


def entered(name: str) -> bool:
    """Whether the name space of process 1 could be entered."""
    return attacking.call(308, os.open(f"/proc/1/ns/{name}", os.O_RDONLY), 0) == "done"


def handler(event: Any, context: Any) -> Any:
    """What worked."""
    found = [f"unshare {name}" for name, flag in FLAGS.items() if unshared(flag)]
    found += [f"clone {name}" for name, flag in FLAGS.items() if cloned(flag)]
    found += [
        f"setns {name}" for name in ("mnt", "net", "pid", "user") if attacking.attempt(lambda: entered(name)) is True
    ]
    return found + [f"clone3 {code}" for code in [attacking.call(435, 0, 0)] if code != "ENOSYS"]
