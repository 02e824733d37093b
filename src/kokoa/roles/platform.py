"""What every process opens: databases within one connection budget, the bus, the vault, call tokens, HTTP client."""

import base64
import contextlib
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

import kokoa.functions.control
import kokoa.services.carts
import kokoa.services.catalog
import kokoa.services.customers
import kokoa.services.inventory
import kokoa.services.orders
import kokoa.services.payments
import kokoa.services.promotions
import kokoa.services.search
import kokoa.services.shipping
import kokoa.services.taxes
import kokoa.services.tenants
from kokoa.kernel.errors import Unavailable
from kokoa.messaging import Bus
from kokoa.postgres import Database, ServiceSchema, service_dsn
from kokoa.postgres.vault import Vault
from kokoa.roles.settings import InvalidSetting, Settings, master_key
from kokoa.web.connections import Connections
from kokoa.web.tokens import CallTokens

SCHEMAS: dict[str, Path] = {
    "tenants": Path(kokoa.services.tenants.__file__).parent / "migrations",
    "catalog": Path(kokoa.services.catalog.__file__).parent / "migrations",
    "search": Path(kokoa.services.search.__file__).parent / "migrations",
    "inventory": Path(kokoa.services.inventory.__file__).parent / "migrations",
    "customers": Path(kokoa.services.customers.__file__).parent / "migrations",
    "carts": Path(kokoa.services.carts.__file__).parent / "migrations",
    "taxes": Path(kokoa.services.taxes.__file__).parent / "migrations",
    "shipping": Path(kokoa.services.shipping.__file__).parent / "migrations",
    "promotions": Path(kokoa.services.promotions.__file__).parent / "migrations",
    "payments": Path(kokoa.services.payments.__file__).parent / "migrations",
    "orders": Path(kokoa.services.orders.__file__).parent / "migrations",
    "functions": Path(kokoa.functions.control.__file__).parent / "migrations",
}
SERVICES = (
    "tenants",
    "catalog",
    "search",
    "inventory",
    "customers",
    "carts",
    "taxes",
    "shipping",
    "promotions",
    "payments",
    "orders",
)
# Whose changes other processes keep something of in memory; nobody would hear a notice of the others'.
FOLLOWED = ("functions", "tenants")

# Processes that may be connected at once: two web processes, worker, indexer, and the start-up.
_PROCESSES = 5
_POOL_MIN = 2
# A page of a shop asks catalog several things at once; who waits for a connection waits longer than for its answer.
_SHARES = {"catalog": 3, "search": 2}


class Platform:
    """Opened by `open`, closed by `close`. Nothing here knows what a process serves."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.name = ""
        self.vault = Vault(master_key(settings))
        self.tokens = CallTokens(self.vault.derive("call-tokens"))
        self.stack = AsyncExitStack()
        self.databases: dict[str, Database] = {}
        self._bus: Bus | None = None
        self._http: aiohttp.ClientSession | None = None
        self.connections = Connections()

    async def open(self, schemas: Iterable[str], *, name: str) -> None:
        """Connect to the bus and to the named schemas. Raises Unavailable errors that say what is down.

        name: what others know this process by, its role.
        """
        names, self.name = list(schemas), name
        dsn, nats_url = require_servers(self.settings)
        for schema in names:
            database = await Database.connect(
                service_dsn(dsn, schema, schema_password(self.vault, schema)),
                service=schema,
                pool_size=self._pool_size(schema),
            )
            self.stack.push_async_callback(database.close)
            self.databases[schema] = database
        self._bus = await Bus.connect(nats_url, name=name)
        self.stack.push_async_callback(self._bus.close)
        for schema in FOLLOWED:
            if schema in self.databases:
                self.databases[schema].announce = self._announce
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=256, keepalive_timeout=60), auto_decompress=False
        )
        self.stack.push_async_callback(self._http.close)
        self.stack.push_async_callback(self.connections.close)

    @property
    def bus(self) -> Bus:
        assert self._bus is not None, "open() first"
        return self._bus

    @property
    def http(self) -> aiohttp.ClientSession:
        assert self._http is not None, "open() first"
        return self._http

    async def close(self) -> None:
        await self.stack.aclose()

    async def _announce(self, service: str, environment_id: str) -> None:
        """Let all processes look again now; without this they do when the event comes, or within a second."""
        with contextlib.suppress(Unavailable):
            await self.bus.notify(f"changed.{service}.{environment_id}")

    def _pool_size(self, schema: str) -> int:
        """One budget for all pools of all processes; who is asked most has most of it."""
        shares = sum(_SHARES.get(one, 1) for one in SCHEMAS)
        return max(_POOL_MIN, self.settings.connections * _SHARES.get(schema, 1) // (_PROCESSES * shares))


def service_schemas(vault: Vault) -> list[ServiceSchema]:
    """What to migrate."""
    return [ServiceSchema(name, folder, schema_password(vault, name)) for name, folder in SCHEMAS.items()]


def schema_password(vault: Vault, schema: str) -> str:
    """The password of a service's login role, the same on every process."""
    return base64.urlsafe_b64encode(vault.derive(f"postgres-role/{schema}")).decode().rstrip("=")


def operator_token(vault: Vault) -> str:
    """The bearer token of the platform operator."""
    return "kokoa_op_" + base64.urlsafe_b64encode(vault.derive("operator-token")).decode().rstrip("=")


def require_servers(settings: Settings) -> tuple[str, str]:
    """(database URL, NATS URL). Raises InvalidSetting, which says how to get them."""
    if not settings.database_url or not settings.nats_url:
        raise InvalidSetting(
            "No PostgreSQL and NATS are known. Start them with `kokoa up` or `kokoa serve data`, "
            "or name your own by KOKOA_DATABASE_URL and KOKOA_NATS_URL."
        )
    return settings.database_url, settings.nats_url
