"""Run a function host: put its parts together, serve until told to stop, leave nothing behind."""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from kokoa.functions.host.admission import Admission, AdmissionBounds
from kokoa.functions.host.code import CodeCache
from kokoa.functions.host.errors import SandboxUnavailable
from kokoa.functions.host.foundation import lay_foundation
from kokoa.functions.host.logs import LogShipper
from kokoa.functions.host.model import CodeSource, LogSink
from kokoa.functions.host.pool import IdleBounds, Pool
from kokoa.functions.host.relay import open_session
from kokoa.functions.host.sandbox.cgroups import CgroupTree, find_hierarchies, open_tree
from kokoa.functions.host.sandbox.layout import running_as_root
from kokoa.functions.host.sandbox.spawning import SpawnerHandle
from kokoa.functions.host.server import HostServer
from kokoa.functions.host.shares import AccountShares
from kokoa.functions.host.staff import Staff, StaffBounds
from kokoa.functions.host.worker import Outside

_log = structlog.get_logger(__name__)

_UID_FIRST = 700_000
_UIDS_EACH = 1024
_HOSTS_MAX = 64
_SPARE_SLOTS = 4


class HostSettings(msgspec.Struct, frozen=True):
    """socket_path: where dispatchers connect.  state_dir: ours to write in.  web_url: where the relays go.

    concurrency: invocations at once; `memory_mb`: the sum of the sandboxes' limits.  account_concurrency: top-level
    invocations of one account at once.  queue, queue_s: how many callers wait, and how long, before they are
    throttled.  prewarm: sandboxes that wait for any function, for each runtime; prewarm_runtimes: for which from the
    start.  freeze_s, idle_s: after so long without work a sandbox is frozen, ended.  lifetime_s: the oldest a sandbox
    gets; credentials must live longer than this plus the longest timeout.  drain_s: how long a stopping host lets
    running invocations go on.
    """

    socket_path: Path
    state_dir: Path
    web_url: str
    concurrency: int = 50
    memory_mb: int = 8192
    account_concurrency: int = 25
    queue: int = 1000
    queue_s: float = 10.0
    prewarm: int = 2
    prewarm_runtimes: tuple[str, ...] = (f"python3.{sys.version_info.minor}",)
    freeze_s: float = 1.0
    idle_s: float = 300.0
    lifetime_s: float = 3600.0
    code_cache_mb: int = 2048
    drain_s: float = 3.0


class HostTaken(SandboxUnavailable):
    """Another host runs with this socket path already."""


async def run_host(settings: HostSettings, *, logs: LogSink, code: CodeSource, stop: asyncio.Event) -> None:
    """Serve functions until stop is set. Raises SandboxUnavailable when this machine cannot, or can no more."""
    name = host_name(settings.socket_path)
    folder = settings.state_dir / "hosts" / name
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder), _uid_range() as uid_first:
        cgroups = open_cgroups(f"kokoa-{name}")
        try:
            await _serve(settings, folder, cgroups, uid_first, logs, code, stop)
        finally:
            cgroups.close()


async def _serve(
    settings: HostSettings,
    folder: Path,
    cgroups: CgroupTree,
    uid_first: int,
    logs: LogSink,
    code: CodeSource,
    stop: asyncio.Event,
) -> None:
    cache = CodeCache(folder / "code", code, bytes_max=settings.code_cache_mb * 1024 * 1024)
    await asyncio.to_thread(cache.open)
    foundation = await lay_foundation(settings.state_dir, folder, cgroups)
    async with open_session() as session, contextlib.AsyncExitStack() as ending:
        ending.push_async_callback(foundation.ground.spawner.stop)
        shipper, shipped = LogShipper(logs), asyncio.Event()
        outside = Outside(session, settings.web_url, shipper, cgroups.courtesy, AccountShares())
        staff = Staff(foundation, cache, outside, _staff_bounds(settings), uid_first)
        pool = Pool(staff, Admission(_admission_bounds(settings)), _idle_bounds(settings))
        shipping = asyncio.ensure_future(shipper.run(shipped))
        keeping = [asyncio.ensure_future(work) for work in (staff.keep_spares(), pool.keep_house())]
        staff.want_spares(settings.prewarm_runtimes)
        server = HostServer(pool)
        await server.listen(settings.socket_path)
        _log.info("host.ready", socket=str(settings.socket_path), missing=sorted(cgroups.missing), uid=uid_first)
        try:
            await _until_stopped(stop, foundation.ground.spawner, keeping)
        finally:
            settings.socket_path.unlink(missing_ok=True)
            await server.close(settings.drain_s)
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)
            await staff.close()
            shipped.set()
            await shipping


async def _until_stopped(
    stop: asyncio.Event, spawner: SpawnerHandle, keeping: Sequence["asyncio.Future[None]"]
) -> None:
    stopping = asyncio.ensure_future(stop.wait())
    try:
        ends: set[asyncio.Future[Any]] = {stopping, spawner.lost, *keeping}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
    for task in keeping:
        if task.done():
            task.result()  # it never ends by itself: raise what ended it
    if spawner.lost.done():
        raise SandboxUnavailable("The spawner of sandboxes ended; the host must be started again.")


def host_name(socket_path: Path) -> str:
    """A short name that belongs to this socket path, for folders and cgroups."""
    return hashlib.sha256(os.fsencode(socket_path.absolute())).hexdigest()[:12]


def open_cgroups(name: str) -> CgroupTree:
    """The host's cgroup folders; what an earlier host of this name left in them is killed and removed."""
    mountinfo = Path("/proc/self/mountinfo").read_text()
    return open_tree(name, find_hierarchies(mountinfo, Path("/proc/self/cgroup").read_text()))


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HostTaken("A function host serves this socket path already; give each host its own.") from None
        yield


@contextlib.contextmanager
def _uid_range() -> Iterator[int]:
    """The first uid of a range that no other host of this machine has; -1 when we are no root.

    The range is held by an abstract socket, which the kernel drops with us.
    """
    if not running_as_root():
        yield -1
        return
    for number in range(_HOSTS_MAX):
        first = _UID_FIRST + number * _UIDS_EACH
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as claim:
            try:
                claim.bind(f"\0kokoa-sandbox-uids-{first}")
            except OSError:
                continue
            yield first
            return
    raise SandboxUnavailable(f"{_HOSTS_MAX} function hosts run on this machine already.")


def _staff_bounds(settings: HostSettings) -> StaffBounds:
    sandboxes = settings.concurrency + settings.prewarm + _SPARE_SLOTS
    return StaffBounds(min(sandboxes, _UIDS_EACH), settings.memory_mb, settings.prewarm)


def _admission_bounds(settings: HostSettings) -> AdmissionBounds:
    return AdmissionBounds(
        settings.concurrency, settings.account_concurrency, settings.queue, settings.queue_s, settings.memory_mb
    )


def _idle_bounds(settings: HostSettings) -> IdleBounds:
    return IdleBounds(settings.freeze_s, settings.idle_s, settings.lifetime_s)
