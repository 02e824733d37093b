"""Signals, priorities and limits of processes outside. event: their numbers on the machine."""

import os
import resource
import signal
from typing import Any

import attacking


def handler(event: Any, context: Any) -> Any:
    """What worked: [process, what]."""
    deeds = {
        "look": lambda pid: os.kill(pid, 0),
        "kill": lambda pid: os.kill(pid, signal.SIGKILL),
        "stop": lambda pid: os.kill(pid, signal.SIGSTOP),
        "kill its group": lambda pid: os.killpg(pid, signal.SIGKILL),
        "slow down": lambda pid: os.setpriority(os.PRIO_PROCESS, pid, 19),
        "limit": lambda pid: resource.prlimit(pid, resource.RLIMIT_NOFILE, (1, 1)),
        "open": lambda pid: os.pidfd_open(pid),
        "read": lambda pid: os.listdir(f"/proc/{pid}/fd"),
    }
    own = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    victims = [pid for pid in event if pid not in own]
    return [[pid, name] for pid in victims for name, deed in deeds.items() if attacking.got(lambda: deed(pid))]
