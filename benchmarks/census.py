"""What a running store holds of the machine: memory, processes, files, mounts, control groups (by Linux's /proc)."""

import os
from collections import defaultdict
from pathlib import Path

from kokoa.functions.host.process import host_name

Counts = dict[str, float]

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
# What a command line holds → whose process it is; the first that fits. What fits none is a sandbox's.
_ROLES = (
    ("serve web", "web"),
    ("serve host", "host"),
    ("serve worker", "worker"),
    ("serve indexer", "indexer"),
    ("postgres", "postgres"),
    ("nats-server", "nats"),
    ("kokoa.cli.main up", "up"),
)
_SANDBOXES = "sandboxes"


def take_census(root_pid: int, host_socket: Path) -> Counts:
    """Counts by name: `<role> memory MB`, `<role> files`, `processes`, `mounts`, `control groups`.

    root_pid: of `kokoa up`.  Memory is what belongs to the processes alone, without what they share or have mapped.
    """
    counts: dict[str, float] = defaultdict(float)
    for pid, command in commands_below(root_pid).items():
        role = _role(command)
        try:
            counts[f"{role} memory MB"] += _memory_mb(pid)
            counts[f"{role} files"] += len(os.listdir(_PROC / str(pid) / "fd"))
            if role == "host":
                counts["mounts"] = (_PROC / str(pid) / "mountinfo").read_text().count("\n")
        except OSError:
            continue  # it has just ended
        counts["processes"] += 1
    counts["control groups"] = _control_groups(host_name(host_socket))
    # Their number follows the load, and each may use what its function may: `processes` tells when they pile up.
    for name in (f"{_SANDBOXES} memory MB", f"{_SANDBOXES} files"):
        counts.pop(name, None)
    return dict(counts)


def commands_below(root_pid: int) -> dict[int, str]:
    """A process and all below it, each with its command line."""
    parents, commands = {}, {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
            commands[int(entry.name)] = command.replace(b"\0", b" ").decode("utf-8", "replace")
    below = {root_pid}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return {pid: commands.get(pid, "") for pid in below}


def _role(command: str) -> str:
    return next((role for words, role in _ROLES if words in command), _SANDBOXES)


def _memory_mb(pid: int) -> float:
    for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _control_groups(name: str) -> int:
    """Groups of the host's sandboxes, in the hierarchy that has most of them."""
    hosts = (len(groups) for folder, groups, _ in os.walk(_CGROUPS) if Path(folder).name == f"kokoa-{name}")
    return max(hosts, default=0)
