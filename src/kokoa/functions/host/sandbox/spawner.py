"""The spawner: a small single-threaded process that forks sandboxes for the host.

It exists because the host cannot do this itself: forking a large process with threads is slow and unsafe, joining
cgroups and dropping to another uid must happen between fork and exec, and a late mount needs a process that enters
the sandbox's mount namespace. As root it lives in a root directory of its own that holds only what sandboxes are
made of, so that bwrap finds everything whatever the modes of the parent folders are, and nothing else.

When the host goes away, in whatever manner, the control socket ends: the spawner then kills every sandbox, removes
the cgroups and exits. Run as `python -m kokoa.functions.host.sandbox.spawner FD STAGING-AS-JSON`.
"""

import contextlib
import fcntl
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from kokoa.functions.host.sandbox import mounts, network
from kokoa.functions.host.sandbox.orders import (
    ARGUMENTS_FD,
    CONTROL_FD,
    FDS_MAX,
    LOG_FD,
    ORDER_BYTES_MAX,
    SECCOMP_FD,
    Kill,
    Listen,
    Mount,
    Order,
    Report,
    Spawn,
    Staging,
)

_STAGING_ROOT = "/tmp"  # noqa: S108 - only a mount point, covered at once inside our own mount namespace
_FIRST_FREE_FD = 64
_OPEN_FILES_MAX = 1024
_FAREWELL_S = 5.0
_FAREWELL_PAUSE_S = 0.005
_FAILED = 126

Work = Callable[[], None]

_decoder = msgspec.json.Decoder(Order)


class Spawner:
    """Carries out orders from the socket until it ends."""

    def __init__(self, control: socket.socket, cgroups: list["CgroupFolder"]) -> None:
        self._control = control
        self._cgroups = cgroups
        self._pids: dict[int, int] = {}  # process id → order number

    def run(self) -> None:
        """Serve until the host is gone, then leave nothing behind."""
        woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waker)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(woken, select.POLLIN)
        alive = True
        while alive:
            for fd, _ in poll.poll():
                if fd == woken:
                    os.read(woken, 4096)
                    self._reap()
                else:
                    alive = self._serve_one()
        self._farewell()

    def _serve_one(self) -> bool:
        try:
            message, fds, _, _ = socket.recv_fds(self._control, ORDER_BYTES_MAX, FDS_MAX)
        except ConnectionError:
            return False
        if not message:
            return False
        order = _decoder.decode(message)
        match order:
            case Kill():
                self._kill(order.number)
            case Spawn():
                self._fork(order.number, lambda: become_sandbox(order, fds))
            case Mount():
                self._fork(order.number, lambda: mounts.mount_into(order.pid, order.source, order.target))
            case Listen():
                self._fork(order.number, lambda: self._listen(order))
        for fd in fds:
            os.close(fd)
        return True

    def _fork(self, number: int, work: Work) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            self._report(Report(number, _FAILED, error=f"fork: {error.strerror}"))
            return
        if pid == 0:
            _work_and_exit(work)
        self._pids[pid] = number

    def _listen(self, order: Listen) -> None:
        """In a forked child."""
        opened = network.open_inside(order.pid, order.endpoints)
        report = msgspec.json.encode(Report(order.number, 0, opened=True))
        socket.send_fds(self._control, [report], [one.fileno() for one in opened])

    def _kill(self, number: int) -> None:
        for pid, owner in self._pids.items():
            if owner == number:
                # Not reaped yet, so the number still belongs to this process.
                os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        while self._pids:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            number = self._pids.pop(pid, None)
            if number is not None:
                self._report(Report(number, os.waitstatus_to_exitcode(status)))

    def _report(self, report: Report) -> None:
        # A host that is gone reads no reports; the next read of the socket notices.
        with contextlib.suppress(ConnectionError):
            self._control.send(msgspec.json.encode(report))

    def _farewell(self) -> None:
        for cgroup in self._cgroups:
            cgroup.thaw()  # first: of what is frozen, nothing dies
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + _FAREWELL_S
        while self._pids and time.monotonic() < deadline:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid:
                self._pids.pop(pid, None)
            else:
                time.sleep(_FAREWELL_PAUSE_S)
        for cgroup in self._cgroups:
            cgroup.remove(deadline)


def become_sandbox(order: Spawn, fds: list[int]) -> None:
    """In the forked child: join the cgroups, arrange descriptors, drop privileges, become bwrap."""
    mounts.die_with_parent(signal.SIGKILL)
    output, control, log, *groups = fds
    for group in groups:
        os.write(group, b"0")
    arguments = os.memfd_create("arguments")
    os.write(arguments, pack_arguments(order.options))
    os.lseek(arguments, 0, os.SEEK_SET)
    seccomp = os.open(order.seccomp_path, os.O_RDONLY)
    nothing = os.open("/dev/null", os.O_RDONLY)
    _place(
        {
            0: nothing,
            1: output,
            2: output,
            CONTROL_FD: control,
            LOG_FD: log,
            ARGUMENTS_FD: arguments,
            SECCOMP_FD: seccomp,
        }
    )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES_MAX, _OPEN_FILES_MAX))
    if order.uid >= 0:
        if order.processes_max:
            resource.setrlimit(resource.RLIMIT_NPROC, (order.processes_max, order.processes_max))
        os.setgroups([])
        os.setresgid(order.uid, order.uid, order.uid)
        os.setresuid(order.uid, order.uid, order.uid)
        mounts.die_with_parent(signal.SIGKILL)  # a change of uid forgets it
    os.chdir("/")
    os.execve(order.bwrap, ["bwrap", "--args", str(ARGUMENTS_FD), "--", *order.command], {})  # noqa: S606 - no shell is the point


def pack_arguments(options: list[str]) -> bytes:
    """As bwrap's --args reads them. Raises ValueError for a NUL, after which a value would go on as options."""
    if any("\0" in option for option in options):
        raise ValueError("an option of bwrap has a NUL character")
    return b"".join(option.encode() + b"\0" for option in options)


def _place(wanted: dict[int, int]) -> None:
    """Put descriptors at their numbers, inheritable, and close every other one."""
    # Twice: a descriptor must not be overwritten before it has found its own place.
    high = {target: fcntl.fcntl(source, fcntl.F_DUPFD, _FIRST_FREE_FD) for target, source in wanted.items()}
    for target, source in high.items():
        os.dup2(source, target, inheritable=True)
    os.closerange(max(wanted) + 1, _OPEN_FILES_MAX)


def _work_and_exit(work: Work) -> None:
    status = 0
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        work()
    except BaseException as error:
        # Whatever it was: this is a forked child, and must never go on as a second spawner.
        os.write(2, f"spawner: {type(error).__name__}: {error}\n".encode())
        status = _FAILED
    os._exit(status)


class CgroupFolder:
    """A host's folder in one cgroup hierarchy, held open because its path is out of reach from our root."""

    def __init__(self, path: str) -> None:
        self._name = Path(path).name
        self._parent = os.open(Path(path).parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def thaw(self) -> None:
        """Let what is frozen go on: version 1 delivers not even a kill before that."""
        for name in self._groups():
            with contextlib.suppress(FileNotFoundError):
                state = os.open(f"{name}/freezer.state", os.O_WRONLY, dir_fd=self._folder)
                os.write(state, b"THAWED")
                os.close(state)

    def remove(self, deadline: float) -> None:
        """Kill what is left in the groups below, then remove them and the folder itself."""
        for name in self._groups():
            group = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._folder)
            _remove(group, name, self._folder, deadline)
            os.close(group)
        with contextlib.suppress(OSError):  # a group that outlived the deadline is swept by the next host
            os.rmdir(self._name, dir_fd=self._parent)

    def _groups(self) -> list[str]:
        return [entry.name for entry in os.scandir(self._folder) if entry.is_dir(follow_symlinks=False)]


def _remove(group: int, name: str, parent: int, deadline: float) -> None:
    while time.monotonic() < deadline:
        _kill_members(group)
        try:
            os.rmdir(name, dir_fd=parent)
        except OSError:
            time.sleep(0.005)  # killed processes take a moment to leave their group
        else:
            return


def _kill_members(group: int) -> None:
    with os.fdopen(os.open("cgroup.procs", os.O_RDONLY, dir_fd=group)) as members:
        pids = [int(line) for line in members]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def build_root(staging: Staging) -> None:
    """Move into a root directory that holds only the binds and what bwrap itself needs."""
    mounts.unshare_mounts()
    root = _STAGING_ROOT
    sources = [(os.open(source, os.O_PATH | os.O_CLOEXEC), target) for source, target in staging.binds]
    mounts.mount_tmpfs(root, "mode=755,size=1m")
    for fd, target in sources:
        place = root + target
        if Path(f"/proc/self/fd/{fd}").is_dir():
            Path(place).mkdir(parents=True, exist_ok=True)
        else:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            Path(place).touch()
        mounts.bind(f"/proc/self/fd/{fd}", place)
        os.close(fd)
    Path(root, "tmp").mkdir()
    mounts.change_root(root)


def main() -> None:
    """Set up and serve; the arguments are the control socket's descriptor and the staging."""
    control = socket.socket(fileno=int(sys.argv[1]))
    staging = msgspec.json.decode(sys.argv[2], type=Staging)
    mounts.set_process_name("kokoa-spawner")
    cgroups = [CgroupFolder(path) for path in staging.cgroups]
    if staging.binds:
        build_root(staging)
    control.send(b"ready")
    Spawner(control, cgroups).run()


if __name__ == "__main__":
    main()
