"""The embedded PostgreSQL and NATS of a state folder, for `kokoa up` and `kokoa serve data`."""

import asyncio
import os
from pathlib import Path

import msgspec

from kokoa.messaging import EmbeddedNats
from kokoa.postgres import EmbeddedPostgres, migrate
from kokoa.postgres.vault import Vault
from kokoa.roles.platform import service_schemas
from kokoa.roles.settings import Settings, servers_file


class DataServers:
    """Starts what the settings do not name elsewhere, and tells other processes where it is."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._given = load_given(settings)
        state_dir = settings.state_dir
        self._postgres = None if self._given[0] else EmbeddedPostgres(state_dir)
        self._nats = None if self._given[1] else EmbeddedNats(state_dir)

    async def start(self) -> tuple[str, str]:
        """(administrator's database URL, NATS URL), once both answer. Raises AlreadyRunning, ChildFailed."""
        self._settings.state_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        try:
            async with asyncio.TaskGroup() as group:
                database = group.create_task(self._start_postgres())
                bus = group.create_task(self._start_nats())
        except BaseExceptionGroup as failures:
            await self.stop()
            raise failures.exceptions[0] from failures
        self._announce(database.result(), bus.result())
        return database.result(), bus.result()

    async def stop(self) -> None:
        """Stop in the order that lets PostgreSQL finish last."""
        if self._postgres or self._nats:
            servers_file(self._settings.state_dir).unlink(missing_ok=True)
        if self._nats:
            await self._nats.stop()
        if self._postgres:
            await self._postgres.stop()

    async def _start_postgres(self) -> str:
        return await self._postgres.start() if self._postgres else self._given[0]

    async def _start_nats(self) -> str:
        return await self._nats.start() if self._nats else self._given[1]

    def _announce(self, database_url: str, nats_url: str) -> None:
        """Services log in with roles of their own, so the administrator's password stays here."""
        scheme, rest = database_url.split("://", 1)
        public = {"database_url": f"{scheme}://{rest.rpartition('@')[2]}", "nats_url": nats_url}
        _write_private(servers_file(self._settings.state_dir), msgspec.json.encode(public))


def load_given(settings: Settings) -> tuple[str, str]:
    """Servers that the operator named; what an earlier embedded one announced does not count."""
    announced = servers_file(settings.state_dir)
    if announced.exists():
        stale = msgspec.json.decode(announced.read_bytes(), type=dict[str, str])
        database = "" if settings.database_url == stale.get("database_url") else settings.database_url
        bus = "" if settings.nats_url == stale.get("nats_url") else settings.nats_url
        return database, bus
    return settings.database_url, settings.nats_url


async def migrate_all(database_url: str, vault: Vault) -> int:
    """Bring every service's schema up to date. database_url: of a role that may create roles and schemas."""
    return await migrate(database_url, service_schemas(vault))


def _write_private(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    partial.rename(path)
