"""The wall clock is set while functions run.

It is the clock that all our code reads (`time.time_ns`), moved in the process of the host. It cannot be moved for one
store from outside: a time namespace moves only the clocks that nobody sets, and a preloaded library would have to be
installed first.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from functions_fixtures.hosting import Hosting, eventually, require_sandboxes, running_host

DAY_S = 86_400
HOUR_S = 3_600
ECHO = """
from time import sleep
def handler(event, context):
    sleep(event)
    return context.log_stream_name, context.get_remaining_time_in_millis()
"""

Move = Callable[[float], None]


@pytest.fixture
def move(monkeypatch: pytest.MonkeyPatch) -> Move:
    """Set the wall clock by so many seconds."""
    real_ns, real_s = time.time_ns, time.time
    moved = [0.0]
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + int(moved[0] * 1e9))
    monkeypatch.setattr(time, "time", lambda: real_s() + moved[0])

    def by(seconds: float) -> None:
        moved[0] += seconds

    return by


@pytest.fixture
async def hosting(tmp_path: Path, move: Move) -> AsyncIterator[Hosting]:
    await require_sandboxes()
    async with running_host(tmp_path, prewarm=0) as running:
        yield running


@pytest.mark.parametrize("seconds", [DAY_S, -DAY_S, HOUR_S, -HOUR_S])
async def test_an_invocation_that_runs_while_the_clock_is_set_ends_as_it_would(
    hosting: Hosting, move: Move, seconds: float
) -> None:
    function = hosting.function(ECHO)
    await hosting.answer(function, 0)
    running = asyncio.create_task(hosting.answer(function, 1, request_id="running"))
    await started(hosting, "running")
    move(seconds)
    async with asyncio.timeout(60):
        await running
        await hosting.answer(function, 0)


@pytest.mark.parametrize("seconds", [DAY_S, -DAY_S])
async def test_a_functions_timeout_is_as_long_as_it_was(hosting: Hosting, move: Move, seconds: float) -> None:
    function = hosting.function(ECHO, timeout_s=2)
    await hosting.answer(function, 0)
    begun = time.monotonic()
    failing = asyncio.create_task(hosting.failure(function, 600, request_id="failing"))
    await started(hosting, "failing")
    move(seconds)
    async with asyncio.timeout(60):
        assert (await failing)["errorType"] == "Sandbox.Timedout"
    assert time.monotonic() - begun >= 2


async def test_a_sandbox_whose_credentials_have_run_out_meanwhile_takes_no_more_work(
    hosting: Hosting, move: Move
) -> None:
    function = hosting.function(ECHO)
    before, _ = await hosting.answer(function, 0)
    assert (await hosting.answer(function, 0))[0] == before, "a warm sandbox"
    move(HOUR_S)
    assert (await hosting.answer(function, 0))[0] == before, "an hour does not matter"
    move(DAY_S)
    after, _ = await hosting.answer(function, 0)
    assert after != before


async def started(hosting: Hosting, request_id: str) -> None:
    """Wait until the function has the event."""
    said = lambda: any(line.startswith("START") for line in hosting.logs.messages(request_id))  # noqa: E731
    await eventually(said, "the start of the invocation", 60)
