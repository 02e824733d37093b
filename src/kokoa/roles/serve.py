"""`kokoa serve`: one role in this process, until it is told to stop."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
import uvloop

from kokoa.functions.host.process import HostSettings, run_host
from kokoa.kernel.errors import Invalid
from kokoa.messaging import Bus
from kokoa.postgres.vault import Vault
from kokoa.roles.data import DataServers, migrate_all
from kokoa.roles.functions import code_store
from kokoa.roles.platform import SERVICES, operator_token, require_servers
from kokoa.roles.settings import Settings, master_key
from kokoa.roles.up import write_secret
from kokoa.roles.worker import BusLogSink
from kokoa.roles.working import run_indexer, run_worker
from kokoa.web.logging import configure_logging
from kokoa.web.server import ServerSettings, run_server

_log = structlog.get_logger(__name__)

# role → the factory that kokoa.web.server calls in each worker process
_WEB_ROLES = {
    "web": "kokoa.roles.web:create_web",
    "edge": "kokoa.roles.web:create_edge",
    "gateway": "kokoa.roles.web:create_gateway",
    "functions": "kokoa.roles.web:create_functions",
    **{service: f"kokoa.roles.web:create_{service}" for service in SERVICES},
}


class UnknownRole(Invalid):
    """There is no such role."""


def serve_role(role: str, settings: Settings) -> None:
    """Run until SIGINT or SIGTERM. Raises PortBusy, InvalidSetting and what opening the role raises."""
    configure_logging(settings.log_format)
    if role in _WEB_ROLES:
        require_servers(settings)
        _serve_web(role, settings)
        return
    jobs: dict[str, Callable[[Settings, asyncio.Event], Coroutine[Any, Any, None]]] = {
        "host": _host,
        "worker": run_worker,
        "indexer": run_indexer,
        "data": _data,
    }
    if role not in jobs:
        raise UnknownRole(f"There is no role {role!r}.")
    uvloop.run(_until_told(lambda stop: jobs[role](settings, stop)))


def _serve_web(role: str, settings: Settings) -> None:
    setting = "KOKOA_PORT" if role in ("web", "edge") else f"KOKOA_{role.upper()}_URL"
    os.environ["KOKOA_STATE_DIR"] = str(settings.state_dir)  # worker processes load their settings anew
    run_server(
        ServerSettings(
            target=_WEB_ROLES[role],
            host=settings.host,
            port=settings.port_of(role),
            workers=settings.web_processes,
            setting=setting,
        )
    )


async def _until_told(job: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await job(stop)


async def _host(settings: Settings, stop: asyncio.Event) -> None:
    """The function host: sandboxes on a Unix socket; logs to the bus, packages from the code store."""
    _, nats_url = require_servers(settings)
    bus = await Bus.connect(nats_url, name="host")
    try:
        host_settings = HostSettings(
            socket_path=settings.socket,
            state_dir=settings.state_dir / "host",
            web_url=settings.address_of("edge"),
            memory_mb=settings.function_memory_mb,
            concurrency=settings.function_concurrency,
            account_concurrency=settings.account_concurrency,
            prewarm=settings.prewarm,
        )
        await run_host(host_settings, logs=BusLogSink(bus), code=code_store(settings), stop=stop)
    finally:
        await bus.close()


async def _data(settings: Settings, stop: asyncio.Event) -> None:
    """The embedded servers, migrated; for roles that are started separately on one machine."""
    servers = DataServers(settings)
    database_url, _ = await servers.start()
    try:
        vault = Vault(master_key(settings))
        await migrate_all(database_url, vault)
        write_secret(settings.state_dir / "operator.token", operator_token(vault))
        _log.info("data_servers_answer", state_dir=str(settings.state_dir))
        await stop.wait()
    finally:
        await servers.stop()
