"""Who gets a sandbox, who waits, who is turned away; how a host ends and what it leaves behind."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from functions_fixtures.hosting import Hosting, eventually, require_sandboxes, running_host

from kokoa.functions.host.client import HostClient
from kokoa.functions.host.errors import FunctionTooLarge, HostUnavailable, TooManyRequests
from kokoa.functions.host.process import HostSettings, HostTaken, host_name, run_host
from kokoa.kernel.errors import Unavailable

pytestmark = pytest.mark.e2e

SLEEP = "from time import sleep\ndef handler(event, context):\n    sleep(event)\n    return context.log_stream_name"


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Hosting]:
    """Room for four, three of them top-level at most."""
    await require_sandboxes()
    bounds = {"concurrency": 4, "account_concurrency": 1, "queue": 4, "queue_s": 5.0, "prewarm": 1, "memory_mb": 1024}
    async with running_host(tmp_path, **bounds) as hosting:
        yield hosting


async def test_one_sandbox_serves_one_invocation_at_a_time(tmp_path: Path) -> None:
    await require_sandboxes()
    async with running_host(tmp_path) as host:
        function = host.function(SLEEP, timeout_s=20)
        streams = await asyncio.gather(*(host.answer(function, 0.3) for _ in range(4)))
        assert len(set(streams)) == 4
        assert await host.answer(function, 0) in streams


async def test_more_than_fits_waits_and_more_than_that_is_throttled(small: Hosting) -> None:
    function = small.function(SLEEP, timeout_s=20)
    await small.answer(function, 0)
    calls = [asyncio.ensure_future(small.answer(function, 0.2)) for _ in range(6)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    throttled = [result for result in results if isinstance(result, TooManyRequests)]
    # One runs, and half of the queue of four is this account's.
    assert len(throttled) == 3
    assert {(error.reason, error.message) for error in throttled} == {
        ("ConcurrentInvocationLimitExceeded", "Rate Exceeded.")
    }
    assert len({result for result in results if isinstance(result, str)}) == 1


async def test_waiting_ends_with_the_callers_patience(tmp_path: Path) -> None:
    await require_sandboxes()
    async with running_host(tmp_path, account_concurrency=1, queue_s=0.2) as host:
        function = host.function(SLEEP, timeout_s=20)
        running = asyncio.ensure_future(host.answer(function, 2))
        await eventually(lambda: host.logs.records, "the first one runs")
        with pytest.raises(TooManyRequests):
            await host.answer(function, 0)
        assert not running.done()
        await running


async def test_a_nested_call_does_not_wait_for_top_level_work(tmp_path: Path) -> None:
    await require_sandboxes()
    async with running_host(tmp_path, concurrency=4, account_concurrency=4, queue=10) as host:
        function = host.function(SLEEP, timeout_s=60)
        top = [asyncio.ensure_future(host.answer(function, 45)) for _ in range(5)]
        await eventually(lambda: host.logs.records, "the first one runs")
        nested = await asyncio.wait_for(host.answer(function, 0, depth=1), 30)
        deeper = await asyncio.wait_for(host.answer(function, 0, depth=8), 30)
        assert nested
        assert deeper
        assert not any(call.done() for call in top)
        for call in top:
            call.cancel()


async def test_one_account_does_not_use_a_host_up(tmp_path: Path) -> None:
    await require_sandboxes()
    async with running_host(tmp_path, concurrency=8, account_concurrency=2) as host:
        greedy = host.function(SLEEP, timeout_s=60)
        modest = host.function(SLEEP, timeout_s=20, account_id="999999999999")
        greedy_calls = [asyncio.ensure_future(host.answer(greedy, 45)) for _ in range(6)]
        await eventually(lambda: host.logs.records, "the first one runs")
        await asyncio.wait_for(host.answer(modest, 0), 30)
        assert not any(call.done() for call in greedy_calls)
        for call in greedy_calls:
            call.cancel()


async def test_idle_sandboxes_make_room_for_other_functions(small: Hosting) -> None:
    for number in range(12):
        function = small.function(f"def handler(event, context): return {number}", memory_mb=512)
        assert await small.answer(function) == number


async def test_a_function_that_is_too_large_for_the_host_is_told_so(small: Hosting) -> None:
    with pytest.raises(FunctionTooLarge, match=r"2048 MB; this host gives one at most 768 MB\. Lower its MemorySize"):
        await small.answer(small.function(SLEEP, memory_mb=2048), 0)


async def test_more_memory_than_the_host_has_waits_for_what_runs(tmp_path: Path) -> None:
    await require_sandboxes()
    async with running_host(tmp_path, memory_mb=1024, prewarm=0) as host:
        large = [host.function(SLEEP, memory_mb=512, timeout_s=20, account_id=f"{n}" * 12) for n in range(1, 4)]
        streams = await asyncio.gather(*(host.answer(one, 0.2) for one in large))
        assert len(set(streams)) == 3


async def test_functions_of_two_accounts_never_share_a_sandbox(tmp_path: Path) -> None:
    await require_sandboxes()
    async with running_host(tmp_path) as host:
        source = "seen = []\ndef handler(event, context):\n    seen.append(event)\n    return seen"
        one = host.function(source, name="same", account_id="111111111111", revision_id="1")
        two = host.function(source, name="same", account_id="222222222222", revision_id="1")
        assert await host.answer(one, "a secret of one") == ["a secret of one"]
        assert await host.answer(two, "mine") == ["mine"]
        assert await host.answer(one, "again") == ["a secret of one", "again"]


async def test_idle_sandboxes_end_after_a_while(tmp_path: Path) -> None:
    await require_sandboxes()
    async with running_host(tmp_path, idle_s=0.2, prewarm=0) as host:
        await host.answer(host.function(SLEEP), 0)
        await eventually(lambda: not groups(host.settings), "the sandbox has ended")


async def test_a_sandbox_that_dies_idle_is_not_given_work(tmp_path: Path) -> None:
    await require_sandboxes()
    async with running_host(tmp_path) as host:
        function = host.function(
            "import os, threading\ndef handler(event, context):\n"
            "    if event: threading.Timer(0.7, os._exit, (1,)).start()\n    return 'ok'"
        )
        for _ in range(2):
            assert await host.answer(function, True) == "ok"
            await eventually(lambda: len(groups(host.settings)) <= host.settings.prewarm + 1, "it is gone")
            assert await host.answer(function, False) == "ok"


async def test_without_a_host_the_client_says_so_at_once(tmp_path: Path) -> None:
    client = HostClient(tmp_path / "none.sock")
    with pytest.raises(HostUnavailable, match="not running"):
        await asyncio.wait_for(client.ping(), 30)


async def test_a_client_outlives_its_host(tmp_path: Path) -> None:
    await require_sandboxes()
    async with running_host(tmp_path) as host:
        client = HostClient(host.settings.socket_path)
        await client.ping()
        function = host.function(SLEEP)
    with pytest.raises(HostUnavailable):
        await client.ping()
    async with running_host(tmp_path) as again:
        again.code.packages |= host.code.packages
        await client.ping()
        assert (await client.invoke(again.request(function, 0))).function_error is None
    await client.close()


async def test_two_hosts_run_side_by_side_but_not_on_one_socket(tmp_path: Path) -> None:
    await require_sandboxes()
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with running_host(tmp_path / "one") as one, running_host(tmp_path / "two") as two:
        assert await one.answer(one.function("def handler(e, c): return 1")) == 1
        assert await two.answer(two.function("def handler(e, c): return 2")) == 2
        with pytest.raises(HostTaken):
            await run_host(one.settings, logs=one.logs, code=one.code, stop=asyncio.Event())
        assert await one.answer(one.function("def handler(e, c): return 'unharmed'")) == "unharmed"


async def test_a_host_that_stops_leaves_nothing(tmp_path: Path) -> None:
    await require_sandboxes()
    async with running_host(tmp_path) as host:
        await host.answer(host.function(SLEEP), 0)
        assert groups(host.settings)
    assert folders(host.settings) == []
    assert not host.settings.socket_path.exists()


@pytest.mark.parametrize("victim", ["host", "spawner"])
async def test_a_host_that_is_killed_leaves_nothing(tmp_path: Path, victim: str) -> None:
    await require_sandboxes()
    settings = HostSettings(tmp_path / "host.sock", tmp_path / "state", "http://127.0.0.1:9")
    script = Path(__file__).parent / "functions_fixtures" / "killable_host.py"
    process = await asyncio.create_subprocess_exec(sys.executable, str(script), str(tmp_path))
    client = HostClient(settings.socket_path)
    try:
        await eventually((tmp_path / "busy").exists, "the host runs functions", 60)
        spawner = next(pid for pid in children(process.pid) if name_of(pid) == "kokoa-spawner")
        family = descendants(spawner)
        assert len(family) > 3
        await eventually(lambda: frozen(settings), "an idle sandbox is frozen")
        os.kill(process.pid if victim == "host" else spawner, signal.SIGKILL)
        await eventually(lambda: not any(map(alive, (*family, spawner))), "no process is left")
        if victim == "spawner":
            await asyncio.wait_for(process.wait(), 60)  # a host without a spawner ends, to be started again
        await eventually(lambda: folders(settings) == [], "no cgroup is left")
        with pytest.raises(Unavailable):
            await client.ping()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def folders(settings: HostSettings) -> list[Path]:
    """The host's cgroup folders."""
    # os.walk passes over what goes away while it looks.
    name = f"kokoa-{host_name(settings.socket_path)}"
    return [Path(folder) for folder, _, _ in os.walk("/sys/fs/cgroup") if Path(folder).name == name]


def frozen(settings: HostSettings) -> bool:
    """Whether one of its sandboxes is."""
    groups = [path for folder in folders(settings) for path in folder.iterdir() if path.is_dir()]
    return any(
        (path / name).exists() and (path / name).read_text().strip() == state
        for path in groups
        for name, state in (("freezer.state", "FROZEN"), ("cgroup.freeze", "1"))
    )


def groups(settings: HostSettings) -> set[str]:
    """The names of its sandboxes' groups."""
    return {path.name for folder in folders(settings) for path in folder.iterdir() if path.is_dir()}


def children(pid: int) -> list[int]:
    """Direct children, of any thread."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    """Every process below."""
    return [each for child in children(pid) for each in (child, *descendants(child))]


def name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def alive(pid: int) -> bool:
    """Whether it still runs; a zombie does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
