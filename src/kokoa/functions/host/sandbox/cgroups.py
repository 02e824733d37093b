"""Control groups of sandboxes: limits for memory, processor and processes, freezing, and what was used.

Linux has two generations, and machines mix them: each controller is either in a version 1 hierarchy or in the single
version 2 one. A host has a folder in each hierarchy it uses, and a sandbox one group below each. A controller that
the machine does not give is listed in `missing`, with the reason, and its limits are simply not set.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

import msgspec

from kokoa.functions.host.sandbox.courtesy import Courtesy, CpuGroup

CONTROLLERS = ("memory", "pids", "cpu", "freezer")
_CPU_PERIOD_US = 100_000
_MB = 1024 * 1024
_SWEEP_S = 3.0
_SWEEP_PAUSE_S = 0.01


class Hierarchy(msgspec.Struct, frozen=True):
    """One mounted hierarchy: where our own group is in it, and what it controls."""

    version: int
    own: Path
    top: Path
    controllers: frozenset[str]


class Limits(msgspec.Struct, frozen=True):
    """What one sandbox may use."""

    memory_mb: int
    cpus: float
    processes: int


def find_hierarchies(mountinfo: str, own_cgroups: str) -> list[Hierarchy]:
    """The hierarchies of this machine that control anything we use.

    mountinfo: text of /proc/self/mountinfo.  own_cgroups: text of /proc/self/cgroup.
    """
    paths: dict[str, str] = {}
    for line in own_cgroups.splitlines():
        number, names, path = line.split(":", 2)
        paths |= {"": path} if number == "0" else dict.fromkeys(names.split(","), path)
    found = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        root, top = before.split(" ")[3:5]
        if kind == "cgroup":
            controllers = frozenset(options.split(",")) & set(CONTROLLERS)
            own = paths.get(next(iter(controllers), "?"), "/")
            if controllers:
                found.append(Hierarchy(1, _below(top, root, own), Path(top), controllers))
        elif kind == "cgroup2":
            own_path = _below(top, root, paths.get("", "/"))
            found.append(Hierarchy(2, own_path, Path(top), _available(own_path)))
    return found


def _below(top: str, root: str, path: str) -> Path:
    relative = path.removeprefix(root.rstrip("/")) if path.startswith(root) else "/"
    return Path(top + relative)


def _available(folder: Path) -> frozenset[str]:
    try:
        names = frozenset((folder / "cgroup.controllers").read_text().split()) & set(CONTROLLERS)
    except OSError:
        return frozenset()
    return names | {"freezer"} if names else names


class CgroupTree:
    """The folders of one host. Make it with `open_tree`."""

    def __init__(
        self,
        folders: list[tuple[Hierarchy, Path]],
        missing: dict[str, str],
        refused: dict[str, int | None] | None = None,
    ) -> None:
        """missing: why, by controller.  refused: with which errno; None where there is nothing to try."""
        self._folders = folders
        self.missing = missing
        self.refused = refused or {}
        self.courtesy = Courtesy(self._cpu())

    @property
    def paths(self) -> list[str]:
        """The host's folder in each hierarchy."""
        return [str(folder) for _, folder in self._folders]

    def create(self, name: str) -> "Group":
        """A fresh group for one sandbox."""
        places: dict[str, tuple[int, Path]] = {}
        for hierarchy, folder in self._folders:
            path = folder / name
            path.mkdir(exist_ok=True)
            places |= dict.fromkeys(hierarchy.controllers, (hierarchy.version, path))
        return Group(places)

    def close(self) -> None:
        """Remove the host's folders and what is left in them: a sandbox that was half made when its spawner died."""
        self.courtesy.close()
        _sweep(self._folders)
        for _, folder in self._folders:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _cpu(self) -> CpuGroup:
        for hierarchy, folder in self._folders:
            if "cpu" in hierarchy.controllers:
                return CpuGroup(hierarchy.version, folder, whole=True)
        return CpuGroup(0, Path())


def open_tree(name: str, hierarchies: list[Hierarchy]) -> CgroupTree:
    """Make the host's folders and sweep away what an earlier host of the same name left in them."""
    folders: list[tuple[Hierarchy, Path]] = []
    missing = dict.fromkeys(CONTROLLERS, "no cgroup hierarchy of this machine offers it")
    refused: dict[str, int | None] = {}
    for hierarchy in hierarchies:
        if not hierarchy.controllers:
            continue
        try:
            folder = _open_folder(hierarchy, name)
        except OSError as error:
            missing |= dict.fromkeys(hierarchy.controllers, f"{hierarchy.own}: {error.strerror}")
            refused |= dict.fromkeys(hierarchy.controllers, error.errno)
            continue
        folders.append((hierarchy, folder))
        for controller in hierarchy.controllers:
            missing.pop(controller, None)
    _sweep(folders)
    return CgroupTree(folders, missing, refused)


def _open_folder(hierarchy: Hierarchy, name: str) -> Path:
    if hierarchy.version == 1:
        folder = hierarchy.own / name
        folder.mkdir(exist_ok=True)
        return folder
    try:
        return _delegate(hierarchy.own, name, hierarchy.controllers)
    except OSError:
        # Processes of others live in our group, so it cannot hand controllers down; the top may.
        return _delegate(hierarchy.top, name, hierarchy.controllers)


def _delegate(parent: Path, name: str, controllers: frozenset[str]) -> Path:
    wanted = " ".join(f"+{controller}" for controller in sorted(controllers - {"freezer"}))
    try:
        (parent / "cgroup.subtree_control").write_text(wanted)
    except OSError:
        # Version 2 lets a group have either processes or controlled children: step aside and try again.
        aside = parent / f"{name}-host"
        aside.mkdir(exist_ok=True)
        (aside / "cgroup.procs").write_text(str(os.getpid()))
        (parent / "cgroup.subtree_control").write_text(wanted)
    folder = parent / name
    folder.mkdir(exist_ok=True)
    (folder / "cgroup.subtree_control").write_text(wanted)
    return folder


def _sweep(folders: list[tuple[Hierarchy, Path]]) -> None:
    names = {entry.name for _, folder in folders if folder.is_dir() for entry in folder.iterdir() if entry.is_dir()}
    deadline = time.monotonic() + _SWEEP_S
    for name in sorted(names):
        # The groups of one sandbox together: what is frozen by one of them dies only once that is thawed.
        group = Group(
            {
                controller: (hierarchy.version, folder / name)
                for hierarchy, folder in folders
                if (folder / name).is_dir()
                for controller in hierarchy.controllers
            }
        )
        group.kill()
        while not group.remove() and time.monotonic() < deadline:
            time.sleep(_SWEEP_PAUSE_S)


class Group:
    """The groups of one sandbox: controller → (version, folder)."""

    def __init__(self, places: dict[str, tuple[int, Path]]) -> None:
        self._places = places
        self._frozen = False
        self._peak_fd = -1
        self.cpu = CpuGroup(*places.get("cpu", (0, Path())))

    def open_members(self) -> list[int]:
        """A writable descriptor of each `cgroup.procs`: who writes 0 there has joined."""
        return [os.open(path / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC) for path in self._folders()]

    def limit(self, limits: Limits) -> None:
        """Set what may be used; may be called again while the sandbox runs."""
        memory = str(limits.memory_mb * _MB)
        quota = int(limits.cpus * _CPU_PERIOD_US)
        weight = max(2, limits.memory_mb)
        self._set("memory", {1: ("memory.limit_in_bytes", memory), 2: ("memory.max", memory)})
        self._set("memory", {2: ("memory.oom.group", "1")})
        self._set("memory", {1: ("memory.memsw.limit_in_bytes", memory), 2: ("memory.swap.max", "0")}, optional=True)
        self._set("pids", {1: ("pids.max", str(limits.processes)), 2: ("pids.max", str(limits.processes))})
        self._set("cpu", {1: ("cpu.cfs_quota_us", str(quota)), 2: ("cpu.max", f"{quota} {_CPU_PERIOD_US}")})
        self.cpu.weigh(min(10_000, weight))

    def memory_peak_mb(self) -> int:
        """The most memory that was in use at once, in whole MB; 0 when the machine does not say."""
        if self._peak_fd < 0:
            # Held open, because every invocation asks.
            self._peak_fd = self._open("memory", {1: "memory.max_usage_in_bytes", 2: "memory.peak"})
        try:
            return -(-int(os.pread(self._peak_fd, 32, 0)) // _MB) if self._peak_fd >= 0 else 0
        except OSError:
            return 0  # the group is gone

    def out_of_memory_kills(self) -> int:
        """How many processes the kernel killed because the limit was reached."""
        text = self._get("memory", {1: "memory.oom_control", 2: "memory.events"})
        counts = dict(line.split(" ", 1) for line in text.splitlines())
        return int(counts.get("oom_kill", "0"))

    def freeze(self) -> None:
        """Stop every process, so that a function does nothing between its invocations."""
        if self._frozen:
            return
        self._set("freezer", {1: ("freezer.state", "FROZEN"), 2: ("cgroup.freeze", "1")})
        self._frozen = True

    def thaw(self) -> None:
        """Let the processes go on."""
        if self._frozen:
            self._set("freezer", {1: ("freezer.state", "THAWED"), 2: ("cgroup.freeze", "0")})
            self._frozen = False

    def kill(self) -> None:
        """Kill every process in the groups."""
        self._frozen = True  # a frozen process of version 1 does not notice that it was killed
        with contextlib.suppress(OSError):
            self.thaw()
        for folder in self._folders():
            with contextlib.suppress(OSError):
                pids = (folder / "cgroup.procs").read_text().split()
                for pid in pids:
                    os.kill(int(pid), signal.SIGKILL)

    def remove(self) -> bool:
        """Remove the groups. False while a process is still in one of them: try again."""
        self.cpu.close()
        if self._peak_fd >= 0:
            os.close(self._peak_fd)
            self._peak_fd = -1
        done = True
        for folder in self._folders():
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                done = False
        return done

    def _folders(self) -> list[Path]:
        return list(dict.fromkeys(path for _, path in self._places.values()))

    def _set(self, controller: str, files: dict[int, tuple[str, str]], *, optional: bool = False) -> None:
        version, folder = self._places.get(controller, (0, Path()))
        if version in files:
            name, value = files[version]
            try:
                (folder / name).write_text(value)
            except OSError:
                if not optional:
                    raise

    def _open(self, controller: str, files: dict[int, str]) -> int:
        version, folder = self._places.get(controller, (0, Path()))
        try:
            return os.open(folder / files[version], os.O_RDONLY | os.O_CLOEXEC) if version in files else -1
        except FileNotFoundError:
            return -1  # the group is gone, or the kernel is older than memory.peak (Linux 5.19)

    def _get(self, controller: str, files: dict[int, str]) -> str:
        version, folder = self._places.get(controller, (0, Path()))
        if version not in files:
            return ""
        try:
            return (folder / files[version]).read_text()
        except FileNotFoundError:
            return ""  # the group is gone
