"""Capabilities, users and limits that it does not have."""

import os
import resource
import struct
from typing import Any

import attacking


def raise_limit(kind: int) -> None:
    """One more than the hard limit."""
    _, hard = resource.getrlimit(kind)
    if hard == resource.RLIM_INFINITY:
        raise ValueError
    resource.setrlimit(kind, (hard + 1, hard + 1))


def powers(pid: str) -> list[str]:
    """What a process has beyond the least."""
    status = dict(line.split(":\t", 1) for line in attacking.read(f"/proc/{pid}/status").split("\n") if ":\t" in line)
    caps = [name for name in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb") if int(status[name], 16)]
    return caps + [name for name, kept in (("NoNewPrivs", "1"), ("Seccomp", "2")) if status[name] != kept]


def handler(event: Any, context: Any) -> Any:
    """What it could do or become."""
    every = struct.pack("II", 0x20080522, 0), struct.pack("6I", *[0xFFFFFFFF] * 6)
    open("/tmp/own", "w").close()
    deeds = {
        "capset": lambda: attacking.call(126, *every) == "done" or 1 / 0,
        "ambient capability": lambda: attacking.call(157, 47, 2, 21, 0, 0) == "done" or 1 / 0,
        "forget no_new_privs": lambda: attacking.call(157, 38, 0, 0, 0, 0) == "done" or 1 / 0,
        "setuid": lambda: os.setuid(0),
        "setgid": lambda: os.setgid(0),
        "setgroups": lambda: os.setgroups([0]),
        "setreuid": lambda: os.setreuid(1000, 1000),
        "chown": lambda: os.chown("/tmp/own", 0, 0),
        "nice": lambda: os.setpriority(os.PRIO_PROCESS, 0, -20),
        "real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)),
        "open files": lambda: raise_limit(resource.RLIMIT_NOFILE),
        "core dumps": lambda: raise_limit(resource.RLIMIT_CORE),
        "oom score": lambda: attacking.write("/proc/self/oom_score_adj", "-1000") or 1 / 0,
    }
    found = [name for name, deed in deeds.items() if attacking.got(deed)]
    # Process 1 can be written to (it is of the same user): it must have nothing more to give.
    return found + [f"{name} of {pid}" for pid in ("self", "1") for name in powers(pid)]
