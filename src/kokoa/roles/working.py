"""`kokoa serve worker` and `indexer`: jobs on what the process opens."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog

from kokoa.functions.control.logs import FunctionLogs
from kokoa.kernel.clock import now_ms, to_datetime
from kokoa.kernel.errors import Conflict, Unavailable
from kokoa.messaging import Together
from kokoa.processes.priority import give_way
from kokoa.roles.directory import TenantsDirectory
from kokoa.roles.functions import open_functions_part
from kokoa.roles.graph import DataOrError, GraphToCome, LocalGraph, RemoteGraph
from kokoa.roles.indexing import follow_graphs, keep_generations, keep_index, note_changes
from kokoa.roles.override_reports import FieldPolicies, OverrideReporter, TenantsOverrides
from kokoa.roles.parts import (
    Service,
    client_of_extension,
    compositions,
    follow_schemas,
    local_gateway,
    local_graphs,
    open_service,
    remote_graph,
)
from kokoa.roles.platform import SCHEMAS, SERVICES, Platform
from kokoa.roles.schemas import GraphSources
from kokoa.roles.settings import Settings
from kokoa.roles.subgraphs import TenantsSubgraphs
from kokoa.roles.worker import keep_logs, keep_schedules, relay_outbox
from kokoa.services.carts.service import CartsService
from kokoa.services.catalog.media.actions import MediaSweeper
from kokoa.services.catalog.service import CatalogService
from kokoa.services.customers.service import CustomersService
from kokoa.services.inventory.service import InventoryService
from kokoa.services.orders.service import OrdersService
from kokoa.services.payments.service import PaymentsService
from kokoa.services.search.service import SearchService
from kokoa.services.search.store import SearchStore
from kokoa.services.search.waiting.store import StaleStore
from kokoa.services.tenants.overrides.model import KEPT_DAYS
from kokoa.services.tenants.service import TenantsService

_S = TypeVar("_S")

_log = structlog.get_logger(__name__)

_FORGET_EVERY_S = 600.0
_SWEEP_EVERY_S = 600.0
_OVERDUE_EVERY_S = 1.0
_CANCEL_ATTEMPTS = 10
_CANCEL_WAIT_S = 0.5


async def run_worker(settings: Settings, stop: asyncio.Event) -> None:
    """Run all jobs until stop is set. A job that fails ends the process, so that whoever keeps it starts it anew."""
    platform = Platform(settings)
    try:
        await platform.open(SCHEMAS, name="worker")
        asked = GraphToCome()
        services = {name: open_service(name, platform, asked=asked) for name in SERVICES}
        reporter = OverrideReporter(_overrides_of(services))
        asked.graph = await _graph_to_ask(platform, services, reporter, caller="worker")
        catalog, payments = _the(services, CatalogService), _the(services, PaymentsService)
        search = platform.databases["search"]
        logs = FunctionLogs(platform.databases["functions"])
        together = Together(platform.bus)
        jobs = [
            *(relay_outbox(database, platform.bus, together) for database in platform.databases.values()),
            note_changes(platform.bus, SearchStore(search), StaleStore(search)),
            follow_graphs(platform.bus, SearchStore(search)),
            keep_schedules(catalog.publishing),
            do_overdue(_the(services, InventoryService).reservations.expire, what="reservations"),
            do_overdue(_the(services, CartsService).actions.sweep, what="carts"),
            do_overdue(payments.reconciler.sweep, what="payments"),
            do_overdue(payments.deliveries.deliver, what="test webhooks"),
            *(
                do_overdue(sweep, what="orders")
                for sweep in (
                    _the(services, OrdersService).actions.sweep,
                    _the(services, OrdersService).changes.sweep,
                    _the(services, OrdersService).acting.sweep,
                )
            ),
            reporter.run(),
            keep_logs(platform.bus, logs),
            forget_old_logs(logs),
            sweep_media(catalog.media_sweeper),
            *_retention(services, settings),
        ]
        _log.info("worker_ready", jobs=len(jobs))
        await _until(stop, jobs)
    finally:
        await platform.close()


def _the(services: Mapping[str, Service], kind: type[_S]) -> _S:
    """The service of a kind."""
    return next(one for one in services.values() if isinstance(one, kind))


def _retention(services: Mapping[str, Service], settings: Settings) -> list[Coroutine[Any, Any, None]]:
    """What is kept for so long, and no longer."""
    catalog, inventory = _the(services, CatalogService), _the(services, InventoryService)
    customers, carts = _the(services, CustomersService), _the(services, CartsService)
    payments, orders = _the(services, PaymentsService), _the(services, OrdersService)
    answers_days = settings.answers_days
    return [
        forget_older(catalog.history.forget_old, settings.history_days, what="history"),
        forget_older(catalog.bulk.forget_deletions, settings.tombstone_days, what="deletions"),
        forget_older(inventory.store.forget_answers, answers_days, what="answers"),
        forget_older(customers.store.forget_answers, answers_days, what="answers"),
        forget_older(customers.store.forget_sessions, answers_days, what="sessions"),
        forget_older(carts.store.forget_answers, answers_days, what="answers"),
        forget_older(carts.store.forget_closed, settings.cart_days, what="carts"),
        forget_older(payments.store.forget_answers, answers_days, what="answers"),
        forget_older(payments.webhooks.forget_seen, answers_days, what="webhooks"),
        forget_older(orders.store.forget_placements, answers_days, what="placements"),
        forget_older(
            _the(services, TenantsService).override_actions.forget_old, KEPT_DAYS, what="reports of overrides"
        ),
    ]


async def run_indexer(settings: Settings, stop: asyncio.Event) -> None:
    """Keep the search index until stop is set, as long as it takes: everybody else goes before."""
    platform = Platform(settings)
    try:
        await platform.open(SCHEMAS, name="indexer")
        asked = GraphToCome()
        services = {name: open_service(name, platform, asked=asked) for name in SERVICES}
        reporter = OverrideReporter(_overrides_of(services))
        graph = await _graph_to_ask(platform, services, reporter, caller="indexer")
        asked.graph = graph
        indexer = _the(services, SearchService).indexer(DataOrError(graph))
        jobs = [
            keep_index(platform.bus, indexer, StaleStore(platform.databases["search"])),
            keep_generations(indexer),
            reporter.run(),
        ]
        give_way()
        _log.info("indexer_ready", jobs=len(jobs))
        await _until(stop, jobs)
    finally:
        await platform.close()


async def _graph_to_ask(
    platform: Platform, services: Mapping[str, Service], reporter: OverrideReporter, *, caller: str
) -> LocalGraph | RemoteGraph:
    """A gateway's, if there is one; else one in this process."""
    if platform.settings.gateway_url:
        return remote_graph(platform, caller=caller)
    return await _own_graph(platform, services, reporter)


async def _own_graph(platform: Platform, services: Mapping[str, Service], reporter: OverrideReporter) -> LocalGraph:
    """The graphs of all environments in this process, as a web process has them."""
    tenants, catalog = services["tenants"], services["catalog"]
    assert isinstance(tenants, TenantsService)
    assert isinstance(catalog, CatalogService)
    directory = TenantsDirectory(tenants)
    functions = await open_functions_part(platform, directory)
    gateway = local_gateway(platform, services)
    policies = FieldPolicies(_overrides_of(services))
    sources = GraphSources(catalog.schemas, TenantsSubgraphs(tenants), policies)
    client_of = client_of_extension(platform, functions, directory, reporter)
    graphs = local_graphs(gateway, catalog, compositions(), sources, client_of)
    await follow_schemas(platform, graphs)
    return LocalGraph(gateway, graphs)


def _overrides_of(services: Mapping[str, Service]) -> TenantsOverrides:
    tenants = services["tenants"]
    assert isinstance(tenants, TenantsService)
    return TenantsOverrides(tenants)


async def do_overdue(work: Callable[[], Awaitable[int]], *, what: str) -> None:
    """Do what it is time for, again and again; of several workers each is done by one.  work: what a batch did."""
    while True:
        done = 0
        try:
            done = await work()
        except (Unavailable, Conflict) as error:
            _log.warning("overdue_waits", what=what, error=error.message, detail=error.detail)
        if not done:
            await asyncio.sleep(_OVERDUE_EVERY_S)


async def forget_old_logs(logs: FunctionLogs) -> None:
    """Keep function logs within their retention."""
    while True:
        try:
            while await logs.forget_old():
                pass
        except Unavailable as error:
            _log.warning("logs_not_forgotten", error=error.message)
        await asyncio.sleep(_FORGET_EVERY_S)


async def sweep_media(sweeper: MediaSweeper) -> None:
    """Remove uploads that nobody used, and pictures that nobody shows."""
    while True:
        try:
            while await sweeper.sweep():
                pass
        except Unavailable as error:
            _log.warning("media_not_swept", error=error.message, detail=error.detail)
        await asyncio.sleep(_SWEEP_EVERY_S)


async def forget_older(forget: Callable[[datetime], Awaitable[int]], days: int, *, what: str) -> None:
    """Keep something within its retention.  forget: a batch of what is older than a moment; how many went."""
    while True:
        try:
            while await forget(to_datetime(now_ms()) - timedelta(days=days)):
                pass
        except Unavailable as error:
            _log.warning("not_forgotten", what=what, error=error.message)
        await asyncio.sleep(_FORGET_EVERY_S)


async def _until(stop: asyncio.Event, jobs: list[Coroutine[Any, Any, None]]) -> None:
    stopping = asyncio.create_task(stop.wait())
    tasks = {asyncio.create_task(job) for job in jobs}
    done, pending = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    # More than once, because a library that cleans up may lose a cancellation; bounded, because we are leaving.
    for _ in range(_CANCEL_ATTEMPTS):
        if not pending:
            break
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_WAIT_S)
    for task in done & tasks:
        task.result()
