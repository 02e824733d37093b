"""Real servers for tests: one PostgreSQL and one NATS for a test process, started from wheels."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from hypothesis import settings

from kokoa.messaging import Bus, EmbeddedNats
from kokoa.postgres import Database, EmbeddedPostgres, ServiceSchema, migrate, service_dsn
from kokoa.postgres.place import remove_place
from kokoa.roles.platform import SCHEMAS
from servers import SERVICE_PASSWORD, ConnectService
from told_events import check_told

# How long an example takes says nothing on a machine that others use as well.
settings.register_profile("kokoa", deadline=None)
settings.load_profile("kokoa")


@pytest.fixture(scope="session", autouse=True)
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What servers of state folders in our temporary folder have put outside of it goes at the end."""
    yield
    for home in tmp_path_factory.getbasetemp().rglob("postgres"):
        if home.is_symlink() or (home / "data").exists():
            remove_place(home.parent)


@pytest.fixture(scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The admin DSN of a fresh server."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    yield await server.start()
    await server.stop()


@pytest.fixture(scope="session")
async def nats_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedNats]:
    """A fresh NATS server."""
    server = EmbeddedNats(tmp_path_factory.mktemp("nats"))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def bus(nats_server: EmbeddedNats) -> AsyncIterator[Bus]:
    """A connection with the streams in place."""
    connection = await Bus.connect(nats_server.url, name="test")
    yield connection
    await connection.close()


@pytest.fixture
async def connect_service(postgres: str) -> AsyncIterator[ConnectService]:
    """connect_service(name, migrations_folder) → Database in a database of its own, migrated."""
    databases: list[Database] = []
    name = f"t{secrets.token_hex(6)}"
    admin = await asyncpg.connect(postgres)
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    dsn = postgres.replace("/postgres?", f"/{name}?")

    async def connect(service: str, folder: Path, pool_size: int = 4) -> Database:
        await migrate(dsn, [ServiceSchema(service, folder, SERVICE_PASSWORD)])
        database = await Database.connect(
            service_dsn(dsn, service, SERVICE_PASSWORD), service=service, pool_size=pool_size
        )
        databases.append(database)
        return database

    yield connect
    await asyncio.gather(*(database.close() for database in databases))
    for database in databases:
        if database.service in SCHEMAS:
            await check_told(dsn, database.service)
    admin = await asyncpg.connect(postgres)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()
