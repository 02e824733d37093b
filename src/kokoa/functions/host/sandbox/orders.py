"""What the host asks of its spawner, and what the spawner reports (one JSON message a packet, descriptors beside)."""

import msgspec

ORDER_BYTES_MAX = 128 * 1024
"""Largest order: bwrap's arguments with a function's 4 KB environment are far below it."""

FDS_MAX = 64

CONTROL_FD = 3
LOG_FD = 4
ARGUMENTS_FD = 5
SECCOMP_FD = 6


class Staging(msgspec.Struct, frozen=True):
    """How to start the spawner.

    binds: (source, target) pairs of the root that bwrap is started in; empty = the machine's own root.
    cgroups: folders below which this host's groups are; the spawner empties them when the host dies.
    """

    binds: list[tuple[str, str]]
    cgroups: list[str]


class Spawn(msgspec.Struct, frozen=True, tag="spawn"):
    """Start a sandbox. Descriptors: output, control, log, then one `cgroup.procs` for each group to join.

    uid: the host uid (and gid) to start bwrap under; -1 = our own.
    """

    number: int
    bwrap: str
    options: list[str]
    command: list[str]
    seccomp_path: str
    uid: int
    processes_max: int


class Mount(msgspec.Struct, frozen=True, tag="mount"):
    """Mount source read-only at target inside the sandbox that process pid lives in."""

    number: int
    pid: int
    source: str
    target: str


class Endpoint(msgspec.Struct, frozen=True):
    """A socket to make.  kind: "tcp" (listening) or "udp"."""

    kind: str
    address: str
    port: int


class Listen(msgspec.Struct, frozen=True, tag="listen"):
    """Make sockets in the network of process pid; they come back with a report, in this order."""

    number: int
    pid: int
    endpoints: list[Endpoint]


class Kill(msgspec.Struct, frozen=True, tag="kill"):
    """Kill the sandbox that order `number` started."""

    number: int


class Report(msgspec.Struct, frozen=True):
    """The process of order `number` ended.  status: exit status, or minus the signal that ended it.

    opened: it has not ended yet; with this report come the sockets that it made.
    """

    number: int
    status: int
    error: str = ""
    opened: bool = False


Order = Spawn | Mount | Listen | Kill
