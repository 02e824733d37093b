"""Services and gateways as processes need them: in this process, or behind HTTP."""

import os
from collections.abc import Mapping
from functools import cache

import obstore.store

from kokoa.gateway.app import Gateway
from kokoa.gateway.compose import compose
from kokoa.gateway.execute.clients import HttpClient, InProcessClient
from kokoa.gateway.metrics import GraphMetrics
from kokoa.gateway.supergraph import SubgraphDefinition, Supergraph
from kokoa.graphql.screening import ScreeningProcess
from kokoa.messaging.feed import Feed
from kokoa.roles.graph import GraphSeam, RemoteGraph
from kokoa.roles.platform import SCHEMAS, SERVICES, Platform
from kokoa.roles.schemas import Compositions, EnvironmentGraphs
from kokoa.roles.seams import Schemas
from kokoa.roles.settings import Settings
from kokoa.services.catalog.custom_fields.schemas import StoreGraph
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.catalog.service import CatalogService
from kokoa.services.search.service import SearchService
from kokoa.services.tenants.service import TenantsService
from kokoa.web.rpc import RpcClient

Service = TenantsService | CatalogService | SearchService

_TOKEN_TTL_S = 60.0


def open_service(name: str, platform: Platform, graph: StoreGraph | None = None) -> Service:
    """One core service on its database. graph: what catalog's schema must fit, where it can be changed."""
    database = platform.databases[name]
    match name:
        case "tenants":
            return TenantsService(database, platform.vault)
        case "catalog":
            return CatalogService(database, Feed(platform.bus, name), media_objects(platform.settings), graph=graph)
        case "search":
            return SearchService(database)
        case _:
            raise ValueError(f"there is no service {name!r}")


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
    return Gateway(compose_core(), clients, reader=_reader(platform), metrics=metrics)


def local_graphs(gateway: Gateway, catalog: CatalogService, composed: Compositions) -> EnvironmentGraphs:
    """The graphs of environments with custom fields, whose catalog is in this process."""

    async def client(environment_id: str, digest: str) -> InProcessClient:
        return InProcessClient(await catalog.schemas.subgraph(environment_id, digest))

    return EnvironmentGraphs(gateway, catalog.schemas, composed, client)


def remote_gateway(platform: Platform) -> Gateway:
    """A gateway whose services answer over HTTP."""
    clients = {name: _client(platform, name) for name in SERVICES}
    return Gateway(compose_core(), clients, reader=_reader(platform))


def remote_graphs(gateway: Gateway, platform: Platform) -> EnvironmentGraphs:
    """The graphs of environments with custom fields, whose catalog answers over HTTP."""
    peer = RpcClient(platform.http, platform.tokens, platform.settings.address_of("catalog"), caller="kokoa")

    async def client(_: str, digest: str) -> HttpClient:
        return _client(platform, "catalog", f"/{digest}")

    return EnvironmentGraphs(gateway, peer.proxy("schemas", Schemas), compositions(), client)


def compositions() -> Compositions:
    """Makes the graphs of environments, with the other services as they are."""
    return Compositions(compose_core())


def _reader(platform: Platform) -> ScreeningProcess:
    reader = ScreeningProcess()
    platform.stack.push_async_callback(reader.close)
    return reader


def remote_graph(platform: Platform, *, caller: str = "kokoa") -> RemoteGraph:
    """The graph of a gateway in another process."""
    peer = RpcClient(platform.http, platform.tokens, platform.settings.address_of("gateway"), caller=caller)
    return RemoteGraph(peer.proxy("graph", GraphSeam), _client(platform, "gateway"))


def _client(platform: Platform, role: str, path: str = "") -> HttpClient:
    """Asks another of our processes as a GraphQL server. path: below its address for GraphQL."""
    url = f"{platform.settings.address_of(role)}/graphql{path}"
    return HttpClient(role, url, platform.http, lambda call: platform.tokens.sign(call, _TOKEN_TTL_S))
