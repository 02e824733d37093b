"""What each web process opens: everything in one (`web`), or one part with the others behind HTTP."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple

from starlette.routing import Route
from starlette.types import ASGIApp, Scope

import kokoa
from kokoa.edge.app import EdgeParts, create_edge_app
from kokoa.edge.customers import CustomerSessions, SignedInCustomers
from kokoa.edge.limits import RateLimits
from kokoa.edge.model import RouteTableInput
from kokoa.edge.native.media import ROUTES as MEDIA_ROUTES
from kokoa.edge.native.operations import load_operations
from kokoa.edge.native.payment_webhooks import ROUTE as WEBHOOK_ROUTE
from kokoa.edge.native.payment_webhooks import PaymentWebhooks
from kokoa.edge.overriding import Shadows
from kokoa.edge.policies import Policies
from kokoa.edge.tables import RouteTables
from kokoa.functions.aws.app import is_aws_request
from kokoa.gateway.supergraph import Supergraph
from kokoa.roles.asgi import Addresses, Either, Health, LifespanApp
from kokoa.roles.directory import TenantsAdministration, TenantsDirectory
from kokoa.roles.functions import FreshKeys, load_routes, open_functions_part
from kokoa.roles.graph import GraphSeam, GraphToCome, LocalGraph, RemoteGraph
from kokoa.roles.operations import RememberedOperations, TenantsOperations
from kokoa.roles.operator import PREFIX as OPERATOR_PREFIX
from kokoa.roles.operator import OperatedSubgraphs, OperatorApi
from kokoa.roles.operator_overrides import OverrideOperations
from kokoa.roles.override_reports import FieldPolicies, OverrideReporter, PublishedOverrides, TenantsOverrides
from kokoa.roles.parts import (
    Service,
    client_of_extension,
    compose_core,
    compositions,
    customer_tokens,
    follow_schemas,
    local_gateway,
    local_graphs,
    media_objects,
    open_service,
    remote_gateway,
    remote_graph,
    remote_graphs,
)
from kokoa.roles.platform import FOLLOWED, SERVICES, Platform, operator_token
from kokoa.roles.publishing.checks import SubgraphChecks
from kokoa.roles.publishing.partner_api import PREFIX as PARTNER_PREFIX
from kokoa.roles.publishing.partner_api import PartnerApi
from kokoa.roles.publishing.publisher import Publisher
from kokoa.roles.publishing.seam import Publishing
from kokoa.roles.schemas import ComposedGraph, GraphSources
from kokoa.roles.seams import (
    Administration,
    Directory,
    Functions,
    Operations,
    Overrides,
    Schemas,
    Subgraphs,
    UsedOperations,
)
from kokoa.roles.settings import Settings, load_settings
from kokoa.roles.subgraph import InnerGraphql, SchemasGraphql
from kokoa.roles.subgraphs import TenantsSubgraphs, TenantsUsedOperations
from kokoa.roles.usage import UsageNotes
from kokoa.services.catalog.service import CatalogService
from kokoa.services.customers.service import CustomersService
from kokoa.services.payments.service import PaymentsService
from kokoa.services.tenants.service import TenantsService
from kokoa.web.correlation import Correlation
from kokoa.web.health import Check
from kokoa.web.logging import configure_logging
from kokoa.web.metrics import HttpMetrics
from kokoa.web.observe import Observed
from kokoa.web.problem import Problems
from kokoa.web.proxy import RawProxy
from kokoa.web.rpc import PREFIX as RPC_PREFIX
from kokoa.web.rpc import RpcClient, RpcServer

Opener = Callable[[Settings], AbstractAsyncContextManager[ASGIApp]]
_OURS = (OPERATOR_PREFIX.encode() + b"/", PARTNER_PREFIX.encode() + b"/", RPC_PREFIX.encode())


def _factory(opener: Opener) -> Callable[[], ASGIApp]:
    """A factory for kokoa.web.server: settings and logging first, the rest when the process's loop runs."""

    def create() -> ASGIApp:
        settings = load_settings()
        configure_logging(settings.log_format)
        return LifespanApp(lambda: opener(settings))

    return create


@asynccontextmanager
async def open_web(settings: Settings) -> AsyncIterator[ASGIApp]:
    """Edge, gateway, services and control plane in one process."""
    async with _platform(settings, (*SERVICES, "functions"), name="web") as platform:
        services: dict[str, Service] = {"tenants": open_service("tenants", platform)}
        tenants = services["tenants"]
        assert isinstance(tenants, TenantsService)
        composed = compositions()
        known = Tenants.inside(tenants)
        overriding = TenantsOverrides(tenants)
        policies = FieldPolicies(overriding)
        whole = ComposedGraph(composed, known.operations, known.subgraphs, policies, platform.bus)
        asked = GraphToCome()
        services |= {name: open_service(name, platform, whole, asked) for name in SERVICES if name not in services}
        overrides = await _overrides(platform, overriding)
        functions = await open_functions_part(platform, known.directory)
        gateway = local_gateway(platform, services)
        catalog, customers, payments = (services[name] for name in ("catalog", "customers", "payments"))
        assert isinstance(catalog, CatalogService)
        assert isinstance(customers, CustomersService)
        assert isinstance(payments, PaymentsService)
        sources = GraphSources(catalog.schemas, known.subgraphs, policies)
        client_of = client_of_extension(platform, functions, known.directory, overrides.reports)
        graphs = local_graphs(gateway, catalog, composed, sources, client_of)
        whole.heard = graphs.renew
        await follow_schemas(platform, graphs)
        used = TenantsUsedOperations(tenants)
        publisher = Publisher(
            known.subgraphs,
            SubgraphChecks(sources, composed.aside(), known.operations, used),
            known.directory,
            platform.bus,
        )
        publisher.heard = graphs.renew
        graph = asked.graph = LocalGraph(gateway, graphs, _usage(platform, used))
        yield await _edge(
            platform,
            known,
            overrides,
            functions,
            graph,
            publisher,
            functions.aws,
            compose_core(),
            customers.store,
            payments.webhooks,
        )


@asynccontextmanager
async def open_edge(settings: Settings) -> AsyncIterator[ASGIApp]:
    """The edge alone; tenants, gateway and functions are asked over HTTP."""
    async with _platform(settings, (), name="edge") as platform:
        tenants, functions = _peer(platform, "tenants"), _peer(platform, "functions")
        yield await _edge(
            platform,
            Tenants(
                tenants.proxy("directory", Directory),
                tenants.proxy("administration", Administration),
                tenants.proxy("operations", Operations),
                tenants.proxy("subgraphs", Subgraphs),
            ),
            await _overrides(platform, tenants.proxy("overrides", Overrides)),
            functions.proxy("functions", Functions),
            remote_graph(platform),
            _peer(platform, "gateway").proxy("publishing", Publishing),
            RawProxy(platform.http, settings.address_of("functions")),
            compose_core(),
            _peer(platform, "customers").proxy("sessions", CustomerSessions),
            _peer(platform, "payments").proxy("webhooks", PaymentWebhooks),
        )


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[ASGIApp]:
    """The gateway alone; services are asked over HTTP."""
    async with _platform(settings, (), name="gateway") as platform:
        gateway = remote_gateway(platform)
        tenants, catalog = _peer(platform, "tenants"), _peer(platform, "catalog")
        subgraphs, directory = tenants.proxy("subgraphs", Subgraphs), tenants.proxy("directory", Directory)
        overrides = await _overrides(platform, tenants.proxy("overrides", Overrides))
        policies = FieldPolicies(overrides.tenants)
        composed, sources = compositions(), GraphSources(catalog.proxy("schemas", Schemas), subgraphs, policies)
        functions = _peer(platform, "functions").proxy("functions", Functions)
        client_of = client_of_extension(platform, functions, directory, overrides.reports)
        graphs = remote_graphs(gateway, platform, composed, sources, client_of)
        await follow_schemas(platform, graphs)
        used = tenants.proxy("used_operations", UsedOperations)
        checks = SubgraphChecks(sources, composed.aside(), tenants.proxy("operations", Operations), used)
        publisher = Publisher(subgraphs, checks, directory, platform.bus)
        publisher.heard = graphs.renew
        graph = LocalGraph(gateway, graphs, _usage(platform, used))
        routes = [Route("/graphql", InnerGraphql(graph, platform.tokens), methods=["GET", "POST"])]
        seams: dict[str, tuple[type, object]] = {"graph": (GraphSeam, graph), "publishing": (Publishing, publisher)}
        yield _inner(platform, seams, routes, _checks(platform))


@asynccontextmanager
async def open_functions(settings: Settings) -> AsyncIterator[ASGIApp]:
    """The control plane alone: the AWS endpoint, and what the edge asks."""
    async with _platform(settings, ("functions",), name="functions") as platform:
        directory = _peer(platform, "tenants").proxy("directory", Directory)
        functions = await open_functions_part(platform, directory)
        inner = _inner(platform, {"functions": (Functions, functions)}, [], _checks(platform))
        yield Either(is_aws_request, functions.aws, inner)


def _service_opener(name: str) -> Opener:
    @asynccontextmanager
    async def open_one(settings: Settings) -> AsyncIterator[ASGIApp]:
        async with _platform(settings, (name,), name=name) as platform:
            tenants = _peer(platform, "tenants")
            operations, subgraphs = tenants.proxy("operations", Operations), tenants.proxy("subgraphs", Subgraphs)
            policies = FieldPolicies(tenants.proxy("overrides", Overrides))
            whole = ComposedGraph(compositions(), operations, subgraphs, policies, platform.bus)
            asked = GraphToCome()
            asked.graph = remote_graph(platform, caller=name)
            service = open_service(name, platform, whole, asked)
            seams: dict[str, tuple[type, object]] = {}
            if isinstance(service, TenantsService):
                seams["directory"] = (Directory, TenantsDirectory(service))
                seams["administration"] = (Administration, TenantsAdministration(service))
                seams["operations"] = (Operations, TenantsOperations(service))
                seams["overrides"] = (Overrides, TenantsOverrides(service))
                seams["subgraphs"] = (Subgraphs, TenantsSubgraphs(service))
                seams["used_operations"] = (UsedOperations, TenantsUsedOperations(service))
            routes = [Route("/graphql", InnerGraphql(service.subgraph, platform.tokens), methods=["GET", "POST"])]
            if isinstance(service, CustomersService):
                seams["sessions"] = (CustomerSessions, service.store)
            if isinstance(service, PaymentsService):
                seams["webhooks"] = (PaymentWebhooks, service.webhooks)
            if isinstance(service, CatalogService):
                seams["schemas"] = (Schemas, service.schemas)
                own = SchemasGraphql(service.schemas, platform.tokens)
                routes.append(Route("/graphql/{digest}", own, methods=["GET", "POST"]))
            yield _inner(platform, seams, routes, _checks(platform))

    return open_one


class Tenants(NamedTuple):
    """What the edge needs of tenants."""

    directory: Directory
    administration: Administration
    operations: Operations
    subgraphs: Subgraphs

    @classmethod
    def inside(cls, tenants: TenantsService) -> "Tenants":
        """In one process with the service."""
        return cls(
            TenantsDirectory(tenants),
            TenantsAdministration(tenants),
            TenantsOperations(tenants),
            TenantsSubgraphs(tenants),
        )


class OverridesHere(NamedTuple):
    """What a process knows and tells of overrides; tenants: whom it asks and tells."""

    tenants: Overrides
    policies: Policies
    reports: OverrideReporter


async def _overrides(platform: Platform, tenants: Overrides) -> OverridesHere:
    """Follows their policies, and tells what became of them, until the platform closes."""
    policies, reports = Policies(tenants), OverrideReporter(tenants)

    async def changed(name: str, _: bytes) -> None:
        policies.forget(name.rsplit(".", 1)[1])

    await platform.bus.listen("changed.tenants.*", changed)
    platform.stack.push_async_callback(reports.close)
    _background(platform, reports.run())
    return OverridesHere(tenants, policies, reports)


async def _edge(
    platform: Platform,
    tenants: Tenants,
    overrides: OverridesHere,
    functions: Functions,
    graph: LocalGraph | RemoteGraph,
    publishing: Publishing,
    aws: ASGIApp,
    supergraph: Supergraph,
    sessions: CustomerSessions,
    webhooks: PaymentWebhooks,
) -> ASGIApp:
    limits = RateLimits(platform.bus)
    operations = load_operations()
    native = [*(one.route for one in operations.values()), *MEDIA_ROUTES, WEBHOOK_ROUTE]
    tables = RouteTables(_Routes(functions, tenants.directory), native)
    registered = RememberedOperations(tenants.operations)
    await _follow_changes(platform, tables, registered)
    _background(platform, limits.run())
    shadows = Shadows()
    platform.stack.push_async_callback(shadows.close)
    edge = create_edge_app(
        EdgeParts(
            directory=tenants.directory,
            tokens=platform.tokens,
            customers=SignedInCustomers(customer_tokens(platform), sessions),
            limits=limits,
            tables=tables,
            graph=graph,
            registered=registered,
            schema=lambda: supergraph.schema,
            operations=operations,
            media=media_objects(platform.settings),
            webhooks=webhooks,
            invoker=functions,
            policies=overrides.policies,
            reports=overrides.reports,
            shadows=shadows,
            is_aws_request=is_aws_request,
            aws=aws,
            metrics=_metrics(graph),
            checks=_checks(platform),
            version=kokoa.__version__,
            plans=graph,
        )
    )
    operator = _operator(platform, tenants, overrides, graph, publishing, tables)
    partner = PartnerApi(FreshKeys(tenants.directory), platform.tokens, tenants.subgraphs, publishing)
    return Either(_is_ours, _inner(platform, {}, [*operator.routes(), *partner.routes()], {}), edge)


def _operator(
    platform: Platform,
    tenants: Tenants,
    overrides: OverridesHere,
    graph: LocalGraph | RemoteGraph,
    publishing: Publishing,
    tables: RouteTables,
) -> OperatorApi:
    return OperatorApi(
        tenants.administration,
        tenants.directory,
        tenants.operations,
        graph,
        tables,
        OverrideOperations(overrides.tenants, tables, PublishedOverrides(tenants.subgraphs)),
        OperatedSubgraphs(tenants.subgraphs, publishing),
        token=operator_token(platform.vault),
    )


def _metrics(graph: LocalGraph | RemoteGraph) -> HttpMetrics:
    """Of requests, and of a gateway in this process."""
    metrics = HttpMetrics(str(os.getpid()))
    if isinstance(graph, LocalGraph) and graph.metrics is not None:
        metrics.registry.register(graph.metrics)
    return metrics


class _Routes:
    """The edge's RouteSource."""

    def __init__(self, functions: Functions, directory: Directory) -> None:
        self._functions = functions
        self._directory = directory

    async def load(self, environment_id: str) -> RouteTableInput:
        return await load_routes(self._functions, self._directory, environment_id)


def _usage(platform: Platform, used: UsedOperations) -> UsageNotes:
    notes = UsageNotes(used)
    _background(platform, notes.run())
    return notes


async def _follow_changes(platform: Platform, tables: RouteTables, registered: RememberedOperations) -> None:
    async def changed(name: str, _: bytes) -> None:
        environment_id = name.rsplit(".", 1)[1]
        tables.invalidate(environment_id)
        registered.forget(environment_id)

    for source in FOLLOWED:
        await platform.bus.listen(f"changed.{source}.*", changed)


def _inner(
    platform: Platform, seams: Mapping[str, tuple[type, object]], routes: list[Route], checks: Mapping[str, Check]
) -> ASGIApp:
    """An application for our own processes and the operator."""
    rpc = RpcServer(platform.tokens, seams)
    rpc_route = Route(RPC_PREFIX + "{seam}/{method}", rpc.handle, methods=["POST"])
    app: ASGIApp = Addresses([*routes, rpc_route])
    metrics = HttpMetrics(str(os.getpid()))
    for layer in (Problems, lambda inner: Observed(inner, metrics), Correlation):
        app = layer(app)
    return Health(app, checks)


@asynccontextmanager
async def _platform(settings: Settings, schemas: tuple[str, ...], *, name: str) -> AsyncIterator[Platform]:
    platform = Platform(settings)
    try:
        await platform.open(schemas, name=name)
        yield platform
    finally:
        await platform.close()


def _background(platform: Platform, job: Coroutine[Any, Any, None]) -> None:
    """Run a job until the platform closes; it is stopped before what it uses."""
    task = asyncio.create_task(job)

    async def stop() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    platform.stack.push_async_callback(stop)


def _checks(platform: Platform) -> dict[str, Check]:
    checks: dict[str, Check] = {"bus": platform.bus.require_connected}
    if platform.databases:
        database = next(iter(platform.databases.values()))
        checks["database"] = lambda: database.fetch_anywhere("SELECT 1")
    return checks


def _peer(platform: Platform, role: str) -> RpcClient:
    return RpcClient(platform.http, platform.tokens, platform.settings.address_of(role), caller="kokoa")


def _is_ours(scope: Scope) -> bool:
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    return path.startswith(_OURS)


create_web = _factory(open_web)
create_edge = _factory(open_edge)
create_gateway = _factory(open_gateway)
create_functions = _factory(open_functions)
create_tenants = _factory(_service_opener("tenants"))
create_catalog = _factory(_service_opener("catalog"))
create_search = _factory(_service_opener("search"))
create_inventory = _factory(_service_opener("inventory"))
create_customers = _factory(_service_opener("customers"))
create_taxes = _factory(_service_opener("taxes"))
create_shipping = _factory(_service_opener("shipping"))
create_promotions = _factory(_service_opener("promotions"))
create_carts = _factory(_service_opener("carts"))
create_payments = _factory(_service_opener("payments"))
create_orders = _factory(_service_opener("orders"))
