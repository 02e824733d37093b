"""`kokoa up`: everything on one machine. Real servers, real processes, each kept alive; Ctrl-C stops all of them."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import structlog

from kokoa.functions.host.client import HostClient
from kokoa.functions.host.errors import HostUnavailable
from kokoa.kernel.errors import Unavailable
from kokoa.postgres.vault import Vault
from kokoa.processes import Child, ChildFailed, FileLock, Keeper, require_free_port
from kokoa.roles.data import DataServers, migrate_all
from kokoa.roles.demo import seed_demo
from kokoa.roles.platform import operator_token
from kokoa.roles.settings import Settings, master_key

_log = structlog.get_logger(__name__)

_ROLES = ("host", "worker", "indexer", "web")
_READY_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 25.0
_POLL_S = 0.05

Report = Callable[[str], None]


class NotReady(Unavailable):
    """The store was started but does not answer."""


class Store:
    """All of a laptop's store; made by `run_store`."""

    def __init__(self, settings: Settings, report: Report) -> None:
        self._settings = settings
        self._report = report
        self._data = DataServers(settings)
        self._keepers: dict[str, Keeper] = {}

    async def start(self) -> None:
        """Start in order, each as soon as what it needs is there."""
        settings, begun = self._settings, time.monotonic()
        require_free_port(settings.host, settings.port, setting="KOKOA_PORT")
        vault = Vault(master_key(settings))
        database_url, _ = await self._data.start()
        self._report(f"PostgreSQL and NATS answer ({_since(begun)})")
        applied = await migrate_all(database_url, vault)
        if applied:
            self._report(f"{applied} migrations applied ({_since(begun)})")
        write_secret(settings.state_dir / "operator.token", operator_token(vault))
        logs = settings.state_dir / "logs"
        logs.mkdir(exist_ok=True)
        for role in _ROLES:
            self._keepers[role] = Keeper(role, partial(self._launch, role, logs))
        started = asyncio.gather(*(keeper.start() for keeper in self._keepers.values()))
        if settings.demo:
            await seed_demo(settings)
        await started
        await self._answers()
        self._report(f"The store answers ({_since(begun)})")

    async def stop(self) -> None:
        """Stop the edge first, so that nothing is accepted that cannot be finished; the data last."""
        for role in ("web", "indexer", "worker", "host"):
            if (keeper := self._keepers.get(role)) and (child := await keeper.release()):
                await child.stop(signal.SIGTERM, timeout_s=_STOP_TIMEOUT_S)
        await self._data.stop()

    async def _launch(self, role: str, logs: Path) -> Child:
        child = Child(
            [sys.executable, "-m", "kokoa.cli.main", "serve", role],
            log=logs / f"{role}.log",
            environment={**os.environ, "KOKOA_STATE_DIR": str(self._settings.state_dir), "KOKOA_LOG_FORMAT": "json"},
            death_signal=signal.SIGTERM,
        )
        await child.start()
        return child

    async def _answers(self) -> None:
        """Wait for the edge and for the function host. Raises NotReady with what was seen last, ChildFailed."""
        url = f"http://{self._settings.host}:{self._settings.port}/readyz"
        async with aiohttp.ClientSession() as session:
            await self._until(lambda: _edge_refusal(session, url))
        host = HostClient(self._settings.socket)
        try:
            await self._until(lambda: _host_refusal(host))
        finally:
            await host.close()

    async def _until(self, refusal: Callable[[], Awaitable[str]]) -> None:
        """refusal: why it is not ready yet; empty when it is."""
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while reason := await refusal():
            self._require_running()
            if time.monotonic() > deadline:
                raise NotReady(f"The store does not get ready: {reason}")
            await asyncio.sleep(_POLL_S)

    def _require_running(self) -> None:
        for role, keeper in self._keepers.items():
            if keeper.child is not None and not keeper.child.running:
                log = self._settings.state_dir / "logs" / f"{role}.log"
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise ChildFailed(f"The {role} process ended. The end of {log}:\n{tail}")


async def run_store(settings: Settings, report: Report, *, on_ready: Callable[[], None]) -> None:
    """Run until SIGINT or SIGTERM. Raises AlreadyRunning, PortBusy, ChildFailed, NotReady."""
    settings.state_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
    with FileLock(settings.state_dir / "up.lock", what="The store of this folder"):
        store = Store(settings, report)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        try:
            await _unless(stop, store.start())
            if not stop.is_set():
                on_ready()
                await stop.wait()
        finally:
            report("Stopping …")
            await store.stop()


async def _unless(stop: asyncio.Event, starting: Coroutine[Any, Any, None]) -> None:
    """Wait for the start, or give it up when we are told to stop."""
    start, stopping = asyncio.create_task(starting), asyncio.create_task(stop.wait())
    await asyncio.wait({start, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not start.done():
        start.cancel()
        await asyncio.gather(start, return_exceptions=True)
        return
    await start


async def _edge_refusal(session: aiohttp.ClientSession, url: str) -> str:
    try:
        async with session.get(url) as response:
            return "" if response.status == 200 else await response.text()
    except aiohttp.ClientError as error:
        return repr(error)


async def _host_refusal(host: HostClient) -> str:
    try:
        await host.ping()
    except HostUnavailable as error:
        return error.message
    return ""


def write_secret(path: Path, text: str) -> None:
    """A file that only its owner can read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def _since(begun: float) -> str:
    return f"{time.monotonic() - begun:.1f} s"
