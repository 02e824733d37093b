"""Who may run now, who waits, who is turned away."""

import asyncio
import contextlib

import pytest

from kokoa.functions.host.admission import RESERVED, Admission, AdmissionBounds, Entry, Staircase
from kokoa.functions.host.errors import FunctionTooLarge, TooManyRequests


def bounds(**changes: float) -> AdmissionBounds:
    values = {"concurrency": 8, "per_account": 8, "queue": 10, "wait_s": 5.0} | changes
    return AdmissionBounds(**values)  # type: ignore[arg-type]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_each_level_of_nesting_has_room_of_its_own() -> None:
    steps = Staircase(38, 50).steps
    assert steps[0] == 38
    assert steps[-1] == 50
    assert list(steps) == sorted(set(steps))
    assert Staircase(1, 1).steps == (1,) * 9


def test_nested_work_leaves_the_lowest_step_to_top_level_work() -> None:
    stairs = Staircase(6, 8)
    for depth in (1, 1, 2, 3, 4, 5):
        stairs.change(depth, 1)
    assert stairs.fits(0, 1)
    stairs.change(0, 1)
    assert not Staircase(6, 8).fits(0, 7)
    assert stairs.fits(8, 1)
    stairs.change(8, 1)
    assert not stairs.fits(8, 1)


async def test_a_place_that_is_left_goes_to_who_waited_longest() -> None:
    admission = Admission(bounds(concurrency=1))
    await admission.enter(Entry("a"), 1)
    order: list[str] = []

    async def wait(name: str) -> None:
        await admission.enter(Entry(name), 1)
        order.append(name)

    waiting = [asyncio.ensure_future(wait(name)) for name in "xyz"]
    await settle()
    assert order == []
    for name in "axy":
        admission.leave(Entry(name))
        await settle()
    assert order == ["x", "y", "z"]
    await asyncio.gather(*waiting)


async def test_the_deepest_go_first() -> None:
    admission = Admission(bounds(concurrency=1))
    await admission.enter(Entry("a"), 1)
    order: list[int] = []

    async def wait(depth: int) -> None:
        await admission.enter(Entry("a", depth), 1)
        order.append(depth)

    waiting = [asyncio.ensure_future(wait(depth)) for depth in (0, 3, 1)]
    await settle()
    for depth in (0, 3, 1):
        admission.leave(Entry("a", depth))
        await settle()
    assert order == [3, 1, 0]
    await asyncio.gather(*waiting)


async def test_an_account_leaves_room_for_others() -> None:
    admission = Admission(bounds(per_account=2))
    await admission.enter(Entry("greedy"), 1)
    await admission.enter(Entry("greedy"), 1)
    third = asyncio.ensure_future(admission.enter(Entry("greedy"), 1))
    await settle()
    assert not third.done()
    await asyncio.wait_for(admission.enter(Entry("modest"), 1), 0.1)
    await asyncio.wait_for(admission.enter(Entry("greedy", 1), 1), 0.1)  # nested: of a call that runs already
    admission.leave(Entry("greedy"))
    await third


async def test_the_queue_is_bounded_and_nobody_has_all_of_it() -> None:
    admission = Admission(bounds(concurrency=1, queue=4))
    await admission.enter(Entry("a"), 1)
    waiting = [asyncio.ensure_future(admission.enter(Entry("a"), 5)) for _ in range(2)]
    await settle()
    with pytest.raises(TooManyRequests):
        await admission.enter(Entry("a"), 5)
    waiting += [asyncio.ensure_future(admission.enter(Entry("b"), 5)) for _ in range(2)]
    await settle()
    with pytest.raises(TooManyRequests):
        await admission.enter(Entry("c"), 5)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_who_gives_up_holds_nothing() -> None:
    admission = Admission(bounds(concurrency=1))
    await admission.enter(Entry("a"), 1)
    with pytest.raises(TooManyRequests):
        await admission.enter(Entry("a"), 0.01)
    cancelled = asyncio.ensure_future(admission.enter(Entry("a"), 5))
    await settle()
    admission.leave(Entry("a"))
    cancelled.cancel()  # just when it was admitted
    await asyncio.gather(cancelled, return_exceptions=True)
    if not cancelled.cancelled():
        admission.leave(Entry("a"))
    await asyncio.wait_for(admission.enter(Entry("b"), 1), 0.1)


async def test_calls_that_nest_without_end_leave_room_for_others() -> None:
    admission = Admission(bounds(concurrency=50, per_account=25))
    running = 0
    for depth in range(9):
        with contextlib.suppress(TooManyRequests):
            for _ in range(50):
                await admission.enter(Entry("greedy", depth), 0.001)
                running += 1
    assert running < 38
    for _ in range(10):
        await asyncio.wait_for(admission.enter(Entry("modest"), 1), 1)


async def test_a_nested_call_does_not_wait_for_calls_above_it() -> None:
    admission = Admission(bounds(concurrency=40, per_account=10))
    for depth in range(8):
        while admission.running_of("a") < 40:
            try:
                await admission.enter(Entry("a", depth), 0.001)
            except TooManyRequests:
                break
        await asyncio.wait_for(admission.enter(Entry("a", depth + 1), 1), 1)


async def test_a_function_has_no_more_than_it_reserved() -> None:
    admission = Admission(bounds())
    one = Entry("a", function="one", reserved=1)
    await admission.enter(one, 1)
    with pytest.raises(TooManyRequests) as refused:
        await admission.enter(one, 0.01)
    assert refused.value.reason == RESERVED
    waiting = asyncio.ensure_future(admission.enter(one, 5))
    await settle()
    await asyncio.wait_for(admission.enter(Entry("a", function="two"), 1), 1)  # not held up by the one that waits
    admission.leave(one)
    await waiting
    with pytest.raises(TooManyRequests):
        await admission.enter(Entry("a", function="none", reserved=0), 5)


async def test_memory_is_counted_too() -> None:
    admission = Admission(bounds(memory_mb=4096))
    large = Entry("a", memory_mb=1500)
    await admission.enter(large, 1)
    with pytest.raises(TooManyRequests):
        await admission.enter(large, 0.01)  # half of the memory is the account's
    await asyncio.wait_for(admission.enter(Entry("b", memory_mb=1500), 1), 1)
    with pytest.raises(TooManyRequests):
        await admission.enter(Entry("c", memory_mb=1500), 0.01)
    await asyncio.wait_for(admission.enter(Entry("c", 1, memory_mb=120), 1), 1)
    with pytest.raises(FunctionTooLarge, match="at most 3072 MB"):
        await admission.enter(Entry("d", memory_mb=4000), 5)


async def test_who_has_least_running_goes_first() -> None:
    admission = Admission(bounds(concurrency=4))
    for _ in range(3):
        await admission.enter(Entry("busy"), 1)
    order: list[str] = []

    async def wait(name: str) -> None:
        await admission.enter(Entry(name), 5)
        order.append(name)

    waiting = [asyncio.ensure_future(wait(name)) for name in ("busy", "busy", "calm")]
    await settle()
    admission.leave(Entry("busy"))
    await settle()
    assert order == ["calm"]
    for _ in range(2):
        admission.leave(Entry("busy"))
    await asyncio.gather(*waiting)
