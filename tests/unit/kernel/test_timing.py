"""Waiting for so long and no longer, as asyncio.timeout does."""

import asyncio

import pytest

from kokoa.kernel.timing import TooLate, within

LONG = 60


async def value(found: object) -> object:
    await asyncio.sleep(0)
    return found


async def fails() -> None:
    await asyncio.sleep(0)
    raise ValueError("no")


async def test_what_comes_in_time_is_returned_or_raised() -> None:
    assert await within(LONG, value(7)) == 7
    with pytest.raises(ValueError, match="no"):
        await within(LONG, fails())


@pytest.mark.parametrize("seconds", [0.01, 0, -1])
async def test_what_takes_longer_is_cancelled(seconds: float) -> None:
    ended: list[str] = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("hang")

    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(TooLate):
        await within(seconds, hang())
    assert (ended, task.cancelling()) == (["hang"], 0)
    await asyncio.sleep(0)


async def test_who_is_cancelled_from_outside_is_cancelled() -> None:
    task = asyncio.create_task(within(LONG, asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_who_is_cancelled_while_it_is_too_late_is_cancelled() -> None:
    started = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            started.set()
            await asyncio.sleep(0)

    async def work() -> None:
        with pytest.raises(asyncio.CancelledError):
            await within(0.01, stubborn())
        found = asyncio.current_task()
        assert found is not None
        assert found.cancelling() == 1, "one for whoever wanted it"
        raise asyncio.CancelledError

    task = asyncio.create_task(work())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_inner_time_that_is_over_is_not_the_outer_ones() -> None:
    async def inner() -> str:
        try:
            await within(0.01, asyncio.Event().wait())
        except TooLate:
            return "inner"
        return "none"

    assert await within(LONG, inner()) == "inner"


async def test_an_outer_time_that_is_over_goes_through_inner_ones() -> None:
    with pytest.raises(TooLate):
        await within(0.01, within(LONG, asyncio.Event().wait()))


async def test_what_does_not_let_itself_be_cancelled_is_waited_for() -> None:
    async def deaf() -> str:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "done"

    task = asyncio.current_task()
    assert task is not None
    assert await within(0.01, deaf()) == "done"
    assert task.cancelling() == 0
    await asyncio.sleep(0)
