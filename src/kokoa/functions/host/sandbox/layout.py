"""Where the parts of a sandbox are on the machine, and the bwrap options that make a sandbox of them.

As root, bwrap is started in a root directory of our own (see `spawner`), and the parts are found below /kokoa there;
otherwise they are found where they are. Either way the function sees only what is listed here.
"""

import os
from pathlib import Path

import msgspec

from kokoa.functions.host.sandbox.orders import SECCOMP_FD

_SYSTEM = ("/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/share/zoneinfo")
_ROOT_LINKS = ("/bin", "/lib", "/lib32", "/lib64")
# Packages that the operator installed for the machine's own Python are no business of a function.
_HIDDEN = ("/usr/lib/python3/dist-packages",)
_STAGED = "/kokoa"
_BOOTSTRAP = "/var/runtime/bootstrap.py"
# Only folders of ours: some interpreters find their own library by it.
ISOLATED_ENVIRONMENT = {"LD_LIBRARY_PATH": "/var/lang/lib"}
_UID_INSIDE = 993  # as in AWS Lambda
_GID_INSIDE = 990
_SHARED_MEMORY_BYTES = 64 * 1024 * 1024
TMP_BYTES = 512 * 1024 * 1024


class Interpreter(msgspec.Struct, frozen=True):
    """A Python on this machine.

    prefix: its sys.base_prefix; mounted at /var/lang unless it is /usr, which every sandbox has anyway.
    """

    version: tuple[int, int, int]
    prefix: str

    @property
    def minor(self) -> str:
        """Such as "3.11"."""
        return f"{self.version[0]}.{self.version[1]}"

    @property
    def prefix_inside(self) -> str:
        """Where the interpreter is inside a sandbox."""
        return "/usr" if self.prefix == "/usr" else "/var/lang"

    @property
    def executable_inside(self) -> str:
        """The program to start inside a sandbox."""
        return f"{self.prefix_inside}/bin/python{self.minor}"


class Parts(msgspec.Struct, frozen=True):
    """What the host has prepared on the machine's disk.

    bwrap: the program.  runtime: /var/runtime.  etc: /etc.  seccomp: the filter.  code: folder of unpacked packages.
    """

    bwrap: Path
    runtime: Path
    etc: Path
    seccomp: Path
    code: Path
    interpreters: tuple[Interpreter, ...]


class Layout:
    """Answers where things are for bwrap; staged tells whether it runs in a root directory of our own."""

    def __init__(self, parts: Parts, *, staged: bool) -> None:
        self._parts = parts
        self.staged = staged
        self._places: dict[Path, str] = {}
        if staged:
            package = parts.bwrap.parent.parent
            libraries = package.with_name(f"{package.name}.libs")
            self._places = {folder: f"{_STAGED}/bwrap/{folder.name}" for folder in (package, libraries)}
            self._places |= {
                parts.runtime: f"{_STAGED}/runtime",
                parts.etc: f"{_STAGED}/etc",
                parts.seccomp: f"{_STAGED}/seccomp",
                parts.code: f"{_STAGED}/code",
            }
            self._places |= {
                Path(interpreter.prefix): f"{_STAGED}/lang/{number}"
                for number, interpreter in enumerate(parts.interpreters)
                if interpreter.prefix_inside != "/usr"
            }

    def binds(self) -> list[tuple[str, str]]:
        """What the spawner's root is made of; empty when bwrap runs in the machine's own root."""
        if not self.staged:
            return []
        system = [path for path in (*_SYSTEM, *_ROOT_LINKS, "/proc", "/dev") if Path(path).exists()]
        parts = [(str(path), place) for path, place in self._places.items() if path.exists()]
        return [(path, path) for path in system] + parts

    def place(self, path: Path) -> str:
        """Where a file or folder of the parts is for bwrap."""
        for folder, place in self._places.items():
            if path.is_relative_to(folder):
                return str(Path(place, path.relative_to(folder)))
        return str(path)

    @property
    def bwrap(self) -> str:
        """The program as the spawner finds it."""
        return self.place(self._parts.bwrap)

    @property
    def seccomp(self) -> str:
        """The filter as the spawner finds it."""
        return self.place(self._parts.seccomp)

    def options(self, interpreter: Interpreter, environment: dict[str, str], code: Path | None) -> list[str]:
        """bwrap's options for a sandbox. code: what to mount at /var/task; None = later."""
        return [
            *_NAMESPACES,
            *_system(),
            *self._runtime(interpreter, code),
            *_FILE_SYSTEMS,
            *("--seccomp", str(SECCOMP_FD)),
            "--clearenv",
            *(part for name, value in environment.items() for part in ("--setenv", name, value)),
            *("--chdir", "/"),
        ]

    def command(self, interpreter: Interpreter) -> list[str]:
        """What runs a function."""
        return [interpreter.executable_inside, "-X", "utf8", "-s", _BOOTSTRAP]

    def isolated_command(self, interpreter: Interpreter) -> list[str]:
        """What bwrap starts when code of a function is there: it looks at nothing but the standard library."""
        return [interpreter.executable_inside, "-I", "-S", "-X", "utf8", _BOOTSTRAP]

    def _runtime(self, interpreter: Interpreter, code: Path | None) -> list[str]:
        parts = self._parts
        arguments = ["--ro-bind", self.place(parts.etc), "/etc"]
        if interpreter.prefix_inside != "/usr":
            packages = f"/var/lang/lib/python{interpreter.minor}/site-packages"
            arguments += ["--ro-bind", self.place(Path(interpreter.prefix)), "/var/lang"]
            if Path(interpreter.prefix, packages.removeprefix("/var/lang/")).is_dir():
                arguments += ["--tmpfs", packages, "--remount-ro", packages]
        arguments += ["--ro-bind", self.place(parts.runtime), "/var/runtime", "--dir", "/opt"]
        if code is None:
            return [*arguments, "--dir", "/var/task"]
        return [*arguments, "--ro-bind", self.place(code), "/var/task"]


_NAMESPACES = (
    *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
    *("--disable-userns", "--die-with-parent", "--new-session"),
    *("--uid", str(_UID_INSIDE), "--gid", str(_GID_INSIDE), "--hostname", "sandbox"),
    *("--cap-drop", "ALL"),
)

_FILE_SYSTEMS = (
    # bwrap covers /proc/sys only where the user may write; in newer kernels the maker of a pid name space may too.
    *("--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"),
    *("--perms", "1777", "--size", str(_SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm"),  # noqa: S108
    *("--perms", "1777", "--size", str(TMP_BYTES), "--tmpfs", "/tmp"),  # noqa: S108
    *("--remount-ro", "/dev", "--remount-ro", "/"),
)


def _system() -> list[str]:
    arguments: list[str] = []
    for path in _SYSTEM:
        if Path(path).is_dir():
            arguments += ["--ro-bind", path, path]
    for path in _ROOT_LINKS:
        if Path(path).is_symlink():
            arguments += ["--symlink", str(Path(path).readlink()), path]
        elif Path(path).is_dir():
            arguments += ["--ro-bind", path, path]
    for path in _HIDDEN:
        if Path(path).is_dir():
            arguments += ["--tmpfs", path, "--remount-ro", path]
    return arguments


def running_as_root() -> bool:
    """Whether uids of their own and a staged root are possible at all."""
    return os.geteuid() == 0
