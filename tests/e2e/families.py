"""The processes below one, told apart from later ones with the same pid."""

import time
from pathlib import Path
from typing import NamedTuple

from running import POLL_S


class Process(NamedTuple):
    """A process, told from a later one with the same pid by when it started (clock ticks since boot)."""

    pid: int
    started: str
    command: str

    @property
    def alive(self) -> bool:
        state, started = state_of(self.pid)
        return started == self.started and state != "Z"


def state_of(pid: int) -> tuple[str, str]:
    """(state letter, start time) of a process; empty when it is gone (proc_pid_stat(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return "", ""
    return fields[0], fields[19]


def descendants(pid: int) -> list[Process]:
    """All processes below one."""
    found: list[Process] = []
    waiting = [pid]
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            for child in children_of(task):
                waiting.append(child)
                found.append(Process(child, state_of(child)[1], command_of(child)))
    return found


def children_of(task: Path) -> list[int]:
    """What a `children` file lists; nothing when its thread has just ended."""
    try:
        return [int(child) for child in task.read_text().split()]
    except OSError:
        return []


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except OSError:
        return ""


def wait_for_the_end_of(family: list[Process], *, within_s: float = 90) -> None:
    deadline = time.monotonic() + within_s
    while survivors := [process for process in family if process.alive]:
        assert time.monotonic() < deadline, f"still alive: {survivors}"
        time.sleep(POLL_S)
