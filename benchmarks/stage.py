"""What every benchmark plays on: a running store with a thousand products, and a way to its database."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import asyncpg
import boto3
import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from benchmarks.load import post
from benchmarks.running import RunningStore
from kokoa.gateway.app import Gateway
from kokoa.gateway.execute.clients import InProcessClient
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_correlation_id
from kokoa.kernel.money import Money
from kokoa.messaging import Bus
from kokoa.messaging.feed import Feed
from kokoa.postgres import Database, service_dsn
from kokoa.postgres.connections import PinnedConnection
from kokoa.postgres.vault import Vault
from kokoa.roles.graph import GraphToCome, LocalGraph
from kokoa.roles.parts import compose_core, media_objects
from kokoa.roles.platform import SERVICES, require_servers, schema_password
from kokoa.roles.settings import Settings, load_settings, master_key
from kokoa.services.carts.service import CartsService
from kokoa.services.catalog.model import NewProduct, NewVariant, slug_of
from kokoa.services.catalog.service import CatalogService
from kokoa.services.customers.service import CustomersService
from kokoa.services.inventory.service import InventoryService
from kokoa.services.orders.service import OrdersService
from kokoa.services.payments.service import PaymentsService
from kokoa.services.promotions.service import PromotionsService
from kokoa.services.search.model import Search
from kokoa.services.search.service import SearchService
from kokoa.services.shipping.service import ShippingService
from kokoa.services.taxes.service import TaxesService
from kokoa.services.tenants.service import TenantsService

PRODUCTS = 1000
THINGS = (
    "armchair", "basket", "bench", "bowl", "cabinet", "candle", "carafe", "clock", "cushion", "desk",
    "hammock", "kettle", "ladder", "mirror", "pitcher", "planter", "shelf", "stool", "teapot", "tray",
)  # fmt: skip
EACH = PRODUCTS // len(THINGS)
_CATEGORIES = ("kitchen", "seating", "tables", "garden")
_SIZES = ("small", "medium", "large")
_BATCH = 100
_INDEX_TIMEOUT_S = 60.0
_DEADLINE_MS = 3_600_000

Tell = Callable[[str], None]


class CountingConnection(PinnedConnection):
    """Counts the statements that a service sends."""

    statements = 0

    async def fetch(self, *arguments: Any, **named: Any) -> Any:
        CountingConnection.statements += 1
        return await super().fetch(*arguments, **named)

    async def fetchrow(self, *arguments: Any, **named: Any) -> Any:
        CountingConnection.statements += 1
        return await super().fetchrow(*arguments, **named)

    async def fetchval(self, *arguments: Any, **named: Any) -> Any:
        CountingConnection.statements += 1
        return await super().fetchval(*arguments, **named)

    async def execute(self, *arguments: Any, **named: Any) -> Any:
        CountingConnection.statements += 1
        return await super().execute(*arguments, **named)


async def _keep(_: asyncpg.Connection) -> None:
    """As Kokoa's own pool: no reset query."""


class Inside(msgspec.Struct, frozen=True):
    """The store's services and gateway in the benchmark's own process, on the store's database."""

    tenants: TenantsService
    catalog: CatalogService
    search: SearchService
    gateway: Gateway


class Stage:
    """Made by `open_stage`."""

    def __init__(self, store: RunningStore, settings: Settings, environment_id: str, inside: Inside) -> None:
        self.store = store
        self.environment_id = environment_id
        self.inside = inside
        self._settings = settings

    def dsn(self, service: str) -> str:
        """The connection URL of a service's own role."""
        return _dsn(self._settings, service)

    async def environment_of(self, tenant: str) -> str:
        """The id of a tenant's prod environment."""
        found = await self.inside.tenants.store.by_alias(tenant, "prod")
        assert found is not None, f"there is no tenant {tenant}"
        return found.id

    def graphql(self, query: str, variables: Mapping[str, Any], tenant: Mapping[str, str] | None = None) -> bytes:
        """A query as a server of a tenant sends it.  tenant: its secrets; the demo tenant's when left out."""
        own = tenant or self.store.variables
        headers = {
            "Host": f"127.0.0.1:{self.store.address[1]}",
            "Content-Type": "application/json",
            "X-Tenant-ID": own["KOKOA_TENANT_ID"],
            "X-Tenant-Secret": own["KOKOA_TENANT_SECRET"],
            "X-GraphQL-Secret": own["KOKOA_GRAPHQL_SECRET"],
        }
        return post("/graphql", headers, msgspec.json.encode({"query": query, "variables": variables}))

    def call(self) -> Call:
        """A server's call, for what runs in this process."""
        caller = Caller("server", scopes=frozenset({"storefront", "management"}))
        return Call(self.environment_id, caller, new_correlation_id(), now_ms() + _DEADLINE_MS)

    async def statements(self, query: str, variables: dict[str, Any]) -> int:
        """How many SQL statements a query takes, once connections are pinned."""
        await self.inside.gateway.execute(query, variables, self.call())
        return await self.counted(query, variables)

    async def counted(self, query: str, variables: dict[str, Any]) -> int:
        """The same of an operation that is done once."""
        before = CountingConnection.statements
        result = await self.inside.gateway.execute(query, variables, self.call())
        assert not result.errors, result.errors
        return CountingConnection.statements - before

    async def fetchval(self, service: str, statement: str) -> Any:
        """What a statement says of the environment, in a service's database."""
        connection = await asyncpg.connect(self.dsn(service), server_settings={"search_path": service})
        try:
            await connection.execute("SELECT set_config('kokoa.environment_id', $1, false)", self.environment_id)
            return await connection.fetchval(statement, self.environment_id)
        finally:
            await connection.close()

    def aws(self, service: str) -> Any:
        """A boto3 client with the demo partner's key."""
        own = self.store.variables
        return boto3.client(
            service,
            endpoint_url=self.store.url,
            region_name=own["AWS_REGION"],
            aws_access_key_id=own["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=own["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"max_attempts": 1}, read_timeout=60),
        )

    def signed_invoke(self, function: str, payload: bytes) -> bytes:
        """An Invoke request, signed once; it may be sent again and again for a quarter of an hour."""
        own = self.store.variables
        path = f"/2015-03-31/functions/{function}/invocations"
        unsigned = AWSRequest("POST", self.store.url + path, data=payload)
        credentials = Credentials(own["AWS_ACCESS_KEY_ID"], own["AWS_SECRET_ACCESS_KEY"])
        SigV4Auth(credentials, "lambda", own["AWS_REGION"]).add_auth(unsigned)
        headers = {"Host": f"127.0.0.1:{self.store.address[1]}", **dict(unsigned.headers.items())}
        return post(path, headers, payload)


def _dsn(settings: Settings, service: str) -> str:
    dsn, _ = require_servers(settings)
    return service_dsn(dsn, service, schema_password(Vault(master_key(settings)), service))


async def _open_database(settings: Settings, service: str) -> Database:
    pool = await asyncpg.create_pool(
        _dsn(settings, service),
        min_size=1,
        max_size=2,
        reset=_keep,
        connection_class=CountingConnection,
        server_settings={"search_path": service},
    )
    return Database(pool, service)


class _NoTokens:
    """Nobody signs in here."""

    def sign(self, environment_id: str, customer_id: str, session_id: str) -> tuple[str, int]:
        raise AssertionError("no benchmark signs in by this way")


@contextlib.asynccontextmanager
async def open_stage(store: RunningStore, tell: Tell) -> AsyncIterator[Stage]:
    """Fill the demo environment with goods and wait until search knows them."""
    settings = load_settings({"KOKOA_STATE_DIR": str(store.state_dir)})
    async with contextlib.AsyncExitStack() as stack:
        databases = {}
        for name in SERVICES:
            databases[name] = await _open_database(settings, name)
            stack.push_async_callback(databases[name].close)
        tenants = TenantsService(databases["tenants"], Vault(master_key(settings)))
        environment = await tenants.store.by_alias("demo", "prod")
        assert environment is not None, "`kokoa up` makes it"
        bus = await Bus.connect(require_servers(settings)[1], name="benchmark")
        stack.push_async_callback(bus.close)
        catalog, search = (
            CatalogService(databases["catalog"], Feed(bus, "catalog"), media_objects(settings)),
            SearchService(databases["search"]),
        )
        asked = GraphToCome()
        orders = OrdersService(databases["orders"], asked)
        stack.push_async_callback(orders.close)
        services = {
            "tenants": tenants,
            "catalog": catalog,
            "search": search,
            "inventory": InventoryService(databases["inventory"]),
            "customers": CustomersService(databases["customers"], _NoTokens()),
            "taxes": TaxesService(databases["taxes"]),
            "shipping": ShippingService(databases["shipping"]),
            "promotions": PromotionsService(databases["promotions"]),
            "carts": CartsService(databases["carts"], asked),
            "payments": PaymentsService(databases["payments"], Vault(master_key(settings))),
            "orders": orders,
        }
        clients = {name: InProcessClient(service.subgraph) for name, service in services.items()}
        gateway = Gateway(compose_core(), clients)
        asked.graph = LocalGraph(gateway)
        stage = Stage(store, settings, environment.id, Inside(tenants, catalog, search, gateway))
        tell(f"seeding {PRODUCTS} products with 3 variants each")
        for first in range(0, PRODUCTS, _BATCH):
            batch = [new_product(number) for number in range(first, first + _BATCH)]
            await catalog.actions.create_products(environment.id, batch, correlation_id=new_correlation_id())
        tell("waiting for the search index")
        await _until_indexed(search, environment.id)
        yield stage


async def _until_indexed(search: SearchService, environment_id: str) -> None:
    deadline = time.monotonic() + _INDEX_TIMEOUT_S
    for thing in THINGS:
        while (await search.store.search(environment_id, Search(thing, 1))).total < EACH:
            assert time.monotonic() < deadline, "the products were not indexed in time"
            await asyncio.sleep(0.1)


def new_product(number: int) -> NewProduct:
    """The goods: names that search can tell apart, three variants each."""
    name = product_name(number)
    return NewProduct(
        name=name,
        slug=slug_of(name),
        description=f"{name}: made to be measured, sold in three sizes, and described in one plain sentence.",
        category_slug=_CATEGORIES[number % len(_CATEGORIES)],
        external_reference=f"bench-{number}",
        variants=tuple(
            NewVariant(f"B{number:04}-{size[0].upper()}", size, Money(1990 + number * 10 + index * 500, "EUR"))
            for index, size in enumerate(_SIZES)
        ),
    )


def product_name(number: int) -> str:
    """The name of the product with this number."""
    return f"{THINGS[number % len(THINGS)].capitalize()} no {number:04}"
