"""What a hostile function takes away from others by taking too much: its own part, and no more."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from attacks.arena import Arena, text_of
from functions_fixtures.hosting import eventually

from kokoa.functions.host import logs, relay, runtime_api
from kokoa.functions.host.model import RESPONSE_BYTES_MAX

QUIET = "def handler(event, context): return 'served'"
MB = 1 << 20
WAITING = 64 * MB  # what no sandbox has that waits for its function


class Watch:
    """What a flood did to others.  most: the highest sum seen of a figure in the sandboxes' groups."""

    def __init__(self) -> None:
        self.most = 0
        self.host_s = 0.0


@contextlib.asynccontextmanager
async def beside(arena: Arena, figure: str = "") -> AsyncIterator[Watch]:
    """While the block runs another account's function is served; figure: a file of the control groups to watch."""
    watch = Watch()
    quiet = arena.host.function(QUIET, account_id="210987654321")
    over = asyncio.Event()
    # What earlier attacks left in their own sandboxes, which are idle now, is not this one's.
    idle = {group for group in arena.groups if figure and int(text_of(group / figure) or 0) > WAITING}

    async def look() -> None:
        while not over.is_set():
            figures = [int(text_of(group / figure) or 0) for group in arena.groups if figure and group not in idle]
            watch.most = max([watch.most, *figures])
            await asyncio.wait({asyncio.ensure_future(over.wait())}, timeout=0.02)

    async def ask() -> int:
        served = 0
        while not over.is_set() or not served:
            assert await arena.host.answer(quiet) == "served"
            served += 1
            await asyncio.wait({asyncio.ensure_future(over.wait())}, timeout=0.05)
        return served

    looking, asking = asyncio.ensure_future(look()), asyncio.ensure_future(ask())
    started = time.thread_time()
    try:
        yield watch
    finally:
        watch.host_s = time.thread_time() - started
        over.set()
        await looking
        assert await asking


PIDS = "pids.current"


@pytest.mark.parametrize("name", ["fork_bomb", "thread_flood"])
async def test_processes_and_threads(arena: Arena, name: str) -> None:
    async with beside(arena, PIDS) as watch:
        assert 100 < await arena.attack(name, memory_mb=3008) <= 1024
    assert watch.most <= 1024


async def test_descriptors(arena: Arena) -> None:
    machine = text_of("/proc/sys/fs/file-nr").split()
    async with beside(arena):
        counts = await arena.attack("descriptor_flood")
    assert all(0 < count <= 1024 for count in counts.values()), counts
    assert int(text_of("/proc/sys/fs/file-nr").split()[0]) < int(machine[0]) + 8192


WAYS = ["heap", "shared", "memory_files", "segments", "pipes", "children"]


@pytest.mark.parametrize("way", WAYS)
async def test_memory(arena: Arena, way: str) -> None:
    """However it is taken it counts, and ends what takes it and nobody else."""
    async with beside(arena, "memory.max_usage_in_bytes" if is_version_1() else "memory.peak") as watch:
        invocation = await arena.host.invoke(arena.weapon("memory_flood", memory_mb=128), {"way": way, "mb": 1024})
    if invocation.function_error is not None:
        assert b"Runtime.OutOfMemory" in invocation.payload, invocation.payload
    assert 0 < watch.most <= 128 * MB


def is_version_1() -> bool:
    """Whether memory is controlled in a hierarchy of version 1."""
    return Path("/sys/fs/cgroup/memory").is_dir()


async def test_inodes(arena: Arena) -> None:
    async with beside(arena):
        invocation = await arena.host.invoke(arena.weapon("inode_flood", memory_mb=128))
    assert invocation.function_error is None or b"Runtime.OutOfMemory" in invocation.payload, invocation.payload
    if invocation.function_error is None:
        assert int(invocation.payload) < 3_000_000


async def test_files(arena: Arena) -> None:
    async with beside(arena):
        written = await arena.attack("disk_flood", 700, memory_mb=1024)
    assert written == {"/tmp": 512, "/dev/shm": 64}
    assert not [folder for folder in ("/tmp", "/dev/shm", "/dev", "/") if "flood" in os.listdir(folder)]


async def test_processors(arena: Arena) -> None:
    async with beside(arena):
        share = await arena.attack("processor_flood", {"processes": 6, "seconds": 2}, memory_mb=128)
    assert share < 1.3, "128 MB come with one processor"


FLOODS = ["empty lines", "short lines", "a line without end", "empty frames", "noise for frames", "huge frames"]


@pytest.mark.parametrize("flood", FLOODS)
async def test_logs(arena: Arena, flood: str) -> None:
    before = len(arena.host.logs.records)
    async with beside(arena) as watch:
        await arena.attack("floods_logs", {"flood": flood, "seconds": 1.5}, memory_mb=256)
    assert watch.host_s < 1.4, "the host's own time, in which it serves others"
    written = arena.host.logs.records[before:]
    assert sum(len(record.message) for record in written) < 6 * MB
    assert len(written) < 60_000


@pytest.mark.parametrize(("what", "most_mb"), [("answer", 64), ("head", 32), ("address", 32), ("request", 32)])
async def test_requests_without_end(arena: Arena, what: str, most_mb: int) -> None:
    """The sockets' own buffers hold some MB beside what is read."""
    async with beside(arena):
        invocation = await arena.host.invoke(arena.weapon("endless_answer"), {"what": what, "mb": 200})
    if what == "answer":
        assert b"Function.ResponseSizeTooLarge" in invocation.payload
    else:
        assert int(invocation.payload) <= most_mb


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("slow_requests", 1.5),
        ("request_flood", 1.5),
        ("connection_flood", {"seconds": 1.5, "keep": True}),
        ("connection_flood", {"seconds": 1.5, "keep": False}),
    ],
    ids=str,
)
async def test_connections_and_requests(arena: Arena, name: str, event: Any) -> None:
    held = len(os.listdir("/proc/self/fd"))
    async with beside(arena) as watch:
        await arena.host.invoke(arena.weapon(name), event)
        most = runtime_api.CONNECTIONS_MAX + 2 * relay.CONNECTIONS_MAX
        assert len(os.listdir("/proc/self/fd")) <= held + most + 100
    if name != "slow_requests":  # a byte at a time at the doors is read as it comes: many short turns, no long one
        assert watch.host_s < 1.4
    await eventually(lambda: len(os.listdir("/proc/self/fd")) <= held + 330, "connections end with the sandbox", 60)


async def test_a_large_answer_is_still_read(arena: Arena) -> None:
    size = RESPONSE_BYTES_MAX - 2
    assert len(await arena.host.answer(arena.host.function(f"def handler(e, c): return 'x' * {size}"))) == size
    assert logs._BURST_BYTES < RESPONSE_BYTES_MAX
