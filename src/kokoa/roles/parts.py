"""Services and gateways as processes need them: in this process, or behind HTTP."""

import os
from collections.abc import Mapping
from functools import cache

import aiohttp
import obstore.store

from kokoa.gateway.app import Gateway
from kokoa.gateway.compose import compose
from kokoa.gateway.execute.clients import InProcessClient
from kokoa.gateway.execute.peers import PeerClient
from kokoa.gateway.metrics import GraphMetrics
from kokoa.gateway.supergraph import SubgraphDefinition, Supergraph
from kokoa.gateway.tracing import Tracer
from kokoa.graphql.screening import ScreeningProcess
from kokoa.kernel.overrides import OverrideReports
from kokoa.messaging.feed import Feed
from kokoa.roles.compositions import Compositions
from kokoa.roles.extensions import EgressDirectory, ExtensionClients
from kokoa.roles.graph import GraphSeam, GraphToCome, RemoteGraph
from kokoa.roles.platform import SCHEMAS, SERVICES, Platform
from kokoa.roles.schemas import NOTICE, ClientOfExtension, EnvironmentGraphs, GraphSources
from kokoa.roles.seams import Functions
from kokoa.roles.settings import Settings
from kokoa.services.carts.model import Lifetimes
from kokoa.services.carts.service import CartsService
from kokoa.services.catalog.custom_fields.schemas import StoreGraph
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.catalog.service import CatalogService
from kokoa.services.customers.service import CustomersService
from kokoa.services.inventory.service import InventoryService
from kokoa.services.orders.service import OrdersService
from kokoa.services.payments.service import PaymentsService
from kokoa.services.promotions.service import PromotionsService
from kokoa.services.search.service import SearchService
from kokoa.services.shipping.service import ShippingService
from kokoa.services.taxes.service import TaxesService
from kokoa.services.tenants.service import TenantsService
from kokoa.web.customer_tokens import CustomerTokens, SignedIn
from kokoa.web.rpc import RpcClient

Service = (
    TenantsService
    | CatalogService
    | SearchService
    | InventoryService
    | CustomersService
    | CartsService
    | OrdersService
    | TaxesService
    | ShippingService
    | PromotionsService
    | PaymentsService
)

_TOKEN_TTL_S = 60.0


def open_service(
    name: str, platform: Platform, graph: StoreGraph | None = None, asked: GraphToCome | None = None
) -> Service:
    """One core service on its database.

    graph: what catalog's schema must fit, where it can be changed.  asked: the graph that services ask; without it
    there is none here to ask.
    """
    database = platform.databases[name]
    match name:
        case "tenants":
            return TenantsService(database, platform.vault)
        case "catalog":
            return CatalogService(database, Feed(platform.bus, name), media_objects(platform.settings), graph=graph)
        case "search":
            return SearchService(database)
        case "inventory":
            return InventoryService(database)
        case "customers":
            return CustomersService(database, _SignsIn(customer_tokens(platform)))
        case "taxes":
            return TaxesService(database)
        case "shipping":
            return ShippingService(database)
        case "promotions":
            return PromotionsService(database)
        case "carts":
            days = platform.settings.cart_days, platform.settings.customer_cart_days
            return CartsService(database, asked or GraphToCome(), Lifetimes(*days))
        case "payments":
            payments = PaymentsService(database, platform.vault, stripe_url=platform.settings.stripe_url)
            platform.stack.push_async_callback(payments.close)
            return payments
        case "orders":
            orders = OrdersService(database, asked or GraphToCome())
            platform.stack.push_async_callback(orders.close)
            return orders
        case _:
            raise ValueError(f"there is no service {name!r}")


class _SignsIn:
    """The service's AccessTokens."""

    def __init__(self, tokens: CustomerTokens) -> None:
        self._tokens = tokens

    def sign(self, environment_id: str, customer_id: str, session_id: str) -> tuple[str, int]:
        return self._tokens.sign(SignedIn(environment_id, customer_id, session_id))


def customer_tokens(platform: Platform) -> CustomerTokens:
    """What signed-in customers show; every process derives the same secret."""
    return CustomerTokens(platform.vault.derive("customer-tokens"))


def media_objects(settings: Settings) -> MediaObjects:
    """Where pictures are: KOKOA_MEDIA_URL, else a folder of the state folder."""
    if settings.media_url:
        return MediaObjects(obstore.store.from_url(settings.media_url))
    folder = settings.state_dir / "objects"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return MediaObjects.in_folder(folder)


@cache
def compose_core() -> Supergraph:
    """The supergraph of the core services, the same for every environment without extensions of its graph."""
    sdl = {name: SCHEMAS[name].with_name("schema.graphql").read_text() for name in SERVICES}
    return compose([SubgraphDefinition(name, text) for name, text in sdl.items()])


def local_gateway(platform: Platform, services: Mapping[str, Service]) -> Gateway:
    """A gateway whose services are in this process."""
    clients = {name: InProcessClient(service.subgraph) for name, service in services.items()}
    metrics = GraphMetrics(str(os.getpid()), SERVICES)
    return Gateway(compose_core(), clients, reader=_reader(platform), metrics=metrics, tracer=_tracer(platform))


def client_of_extension(
    platform: Platform, functions: Functions, directory: EgressDirectory, reports: OverrideReports
) -> ClientOfExtension:
    """What asks partners' subgraphs. directory: says where they may be.  reports: hear what became of overrides."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=256, limit_per_host=64, keepalive_timeout=60),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )
    platform.stack.push_async_callback(session.close)
    return ExtensionClients(functions, platform.settings.region, session, directory, reports).client


def local_graphs(
    gateway: Gateway,
    catalog: CatalogService,
    composed: Compositions,
    sources: GraphSources,
    client_of: ClientOfExtension,
) -> EnvironmentGraphs:
    """The graphs of environments with custom fields or extensions, whose catalog is in this process."""

    async def client(environment_id: str, digest: str) -> InProcessClient:
        return InProcessClient(await catalog.schemas.subgraph(environment_id, digest))

    return EnvironmentGraphs(gateway, sources, composed, client, client_of)


async def follow_schemas(platform: Platform, graphs: EnvironmentGraphs) -> None:
    """Let graphs hear at once what changes them, until the platform closes."""

    async def changed(name: str, _: bytes) -> None:
        graphs.heard(name.rsplit(".", 1)[1])

    platform.stack.push_async_callback(graphs.close)
    for notice in (f"{NOTICE}.*", "changed.tenants.*"):
        await platform.bus.listen(notice, changed)


def remote_gateway(platform: Platform) -> Gateway:
    """A gateway whose services answer over HTTP."""
    clients = {name: _client(platform, name) for name in SERVICES}
    return Gateway(compose_core(), clients, reader=_reader(platform), tracer=_tracer(platform))


def remote_graphs(
    gateway: Gateway,
    platform: Platform,
    composed: Compositions,
    sources: GraphSources,
    client_of: ClientOfExtension,
) -> EnvironmentGraphs:
    """The graphs of environments with custom fields or extensions, whose catalog answers over HTTP."""

    async def client(_: str, digest: str) -> PeerClient:
        return _client(platform, "catalog", f"/{digest}")

    return EnvironmentGraphs(gateway, sources, composed, client, client_of)


def compositions() -> Compositions:
    """Makes the graphs of environments, with the other services as they are."""
    return Compositions(compose_core())


def _tracer(platform: Platform) -> Tracer | None:
    if not platform.settings.otlp_url:
        return None
    # OpenTelemetry's SDK is 15 MB and a tenth of a second of every process: too much for those that draw nothing.
    from kokoa.roles.tracing import open_tracer  # noqa: PLC0415

    return open_tracer(platform)


def _reader(platform: Platform) -> ScreeningProcess:
    reader = ScreeningProcess()
    platform.stack.push_async_callback(reader.close)
    return reader


def remote_graph(platform: Platform, *, caller: str = "kokoa") -> RemoteGraph:
    """The graph of a gateway in another process."""
    peer = RpcClient(platform.http, platform.tokens, platform.settings.address_of("gateway"), caller=caller)
    return RemoteGraph(peer.proxy("graph", GraphSeam), _client(platform, "gateway"))


def _client(platform: Platform, role: str, path: str = "") -> PeerClient:
    """Asks another of our processes as a GraphQL server. path: below its address for GraphQL."""
    url = f"{platform.settings.address_of(role)}/graphql{path}"
    return PeerClient(
        role, url, platform.connections, platform.http, lambda call: platform.tokens.sign(call, _TOKEN_TTL_S)
    )
