"""`kokoa serve worker` and `indexer`: jobs on what the process opens."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

import structlog

from kokoa.functions.control.logs import FunctionLogs
from kokoa.kernel.clock import now_ms, to_datetime
from kokoa.kernel.errors import Unavailable
from kokoa.processes.priority import give_way
from kokoa.roles.graph import DataOrError, LocalGraph, RemoteGraph
from kokoa.roles.indexing import keep_generations, keep_index, note_changes
from kokoa.roles.parts import local_gateway, open_service, own_graphs, remote_graph
from kokoa.roles.platform import SCHEMAS, SERVICES, Platform
from kokoa.roles.settings import Settings
from kokoa.roles.worker import keep_logs, keep_schedules, relay_outbox
from kokoa.services.catalog.media.actions import MediaSweeper
from kokoa.services.catalog.service import CatalogService
from kokoa.services.search.service import SearchService
from kokoa.services.search.store import SearchStore
from kokoa.services.search.waiting.store import StaleStore

_log = structlog.get_logger(__name__)

_FORGET_EVERY_S = 600.0
_SWEEP_EVERY_S = 600.0
_CANCEL_ATTEMPTS = 10
_CANCEL_WAIT_S = 0.5


async def run_worker(settings: Settings, stop: asyncio.Event) -> None:
    """Run all jobs until stop is set. A job that fails ends the process, so that whoever keeps it starts it anew."""
    platform = Platform(settings)
    try:
        await platform.open(SCHEMAS, name="worker")
        catalog = open_service("catalog", platform)
        assert isinstance(catalog, CatalogService)
        search = platform.databases["search"]
        logs = FunctionLogs(platform.databases["functions"])
        jobs = [
            *(relay_outbox(database, platform.bus) for database in platform.databases.values()),
            note_changes(platform.bus, SearchStore(search), StaleStore(search)),
            keep_schedules(catalog.publishing),
            keep_logs(platform.bus, logs),
            forget_old_logs(logs),
            sweep_media(catalog.media_sweeper),
            forget_older(catalog.history.forget_old, settings.history_days, what="history"),
            forget_older(catalog.bulk.forget_deletions, settings.tombstone_days, what="deletions"),
        ]
        _log.info("worker_ready", jobs=len(jobs))
        await _until(stop, jobs)
    finally:
        await platform.close()


async def run_indexer(settings: Settings, stop: asyncio.Event) -> None:
    """Keep the search index until stop is set, as long as it takes: everybody else goes before."""
    platform = Platform(settings)
    try:
        await platform.open(SCHEMAS, name="indexer")
        services = {name: open_service(name, platform) for name in SERVICES}
        graph: LocalGraph | RemoteGraph
        if settings.gateway_url:
            graph = remote_graph(platform, caller="indexer")
        else:
            gateway = local_gateway(platform, services)
            graph = LocalGraph(gateway, own_graphs(platform, gateway, services))
        search = services["search"]
        assert isinstance(search, SearchService)
        indexer = search.indexer(DataOrError(graph))
        jobs = [
            keep_index(platform.bus, indexer, StaleStore(platform.databases["search"])),
            keep_generations(indexer),
        ]
        give_way()
        _log.info("indexer_ready", jobs=len(jobs))
        await _until(stop, jobs)
    finally:
        await platform.close()


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
