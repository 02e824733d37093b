"""Who may run now, who waits, who is turned away."""

import asyncio

import pytest

from kokoa.functions.host.admission import Admission, AdmissionBounds
from kokoa.functions.host.errors import TooManyRequests


def bounds(**changes: float) -> AdmissionBounds:
    values = {"concurrency": 8, "per_account": 8, "queue": 10, "wait_s": 5.0} | changes
    return AdmissionBounds(**values)  # type: ignore[arg-type]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_each_level_of_nesting_has_room_of_its_own() -> None:
    rooms = [bounds(concurrency=50).room(depth) for depth in range(10)]
    assert rooms[0] < rooms[1] < rooms[2]
    assert rooms == sorted(rooms)
    assert rooms[8] == rooms[9] == 50
    assert bounds(concurrency=1).room(0) == 1


async def test_a_place_that_is_left_goes_to_who_waited_longest() -> None:
    admission = Admission(bounds(concurrency=1))
    await admission.enter("a", 0, 1)
    order: list[str] = []

    async def wait(name: str) -> None:
        await admission.enter(name, 0, 1)
        order.append(name)

    waiting = [asyncio.ensure_future(wait(name)) for name in "xyz"]
    await settle()
    assert order == []
    for name in "axy":
        admission.leave(name, 0)
        await settle()
    assert order == ["x", "y", "z"]
    await asyncio.gather(*waiting)


async def test_the_deepest_go_first() -> None:
    admission = Admission(bounds(concurrency=1))
    await admission.enter("a", 0, 1)
    order: list[int] = []

    async def wait(depth: int) -> None:
        await admission.enter("a", depth, 1)
        order.append(depth)

    waiting = [asyncio.ensure_future(wait(depth)) for depth in (0, 3, 1)]
    await settle()
    for depth in (0, 3, 1):
        admission.leave("a", depth)
        await settle()
    assert order == [3, 1, 0]
    await asyncio.gather(*waiting)


async def test_an_account_leaves_room_for_others() -> None:
    admission = Admission(bounds(per_account=2))
    await admission.enter("greedy", 0, 1)
    await admission.enter("greedy", 0, 1)
    third = asyncio.ensure_future(admission.enter("greedy", 0, 1))
    await settle()
    assert not third.done()
    await asyncio.wait_for(admission.enter("modest", 0, 1), 0.1)
    await asyncio.wait_for(admission.enter("greedy", 1, 1), 0.1)  # nested: of a call that runs already
    admission.leave("greedy", 0)
    await third


async def test_the_queue_is_bounded_and_nobody_has_all_of_it() -> None:
    admission = Admission(bounds(concurrency=1, queue=4))
    await admission.enter("a", 0, 1)
    waiting = [asyncio.ensure_future(admission.enter("a", 0, 5)) for _ in range(2)]
    await settle()
    with pytest.raises(TooManyRequests):
        await admission.enter("a", 0, 5)
    waiting += [asyncio.ensure_future(admission.enter("b", 0, 5)) for _ in range(2)]
    await settle()
    with pytest.raises(TooManyRequests):
        await admission.enter("c", 0, 5)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_who_gives_up_holds_nothing() -> None:
    admission = Admission(bounds(concurrency=1))
    await admission.enter("a", 0, 1)
    with pytest.raises(TooManyRequests):
        await admission.enter("a", 0, 0.01)
    cancelled = asyncio.ensure_future(admission.enter("a", 0, 5))
    await settle()
    admission.leave("a", 0)
    cancelled.cancel()  # just when it was admitted
    await asyncio.gather(cancelled, return_exceptions=True)
    if not cancelled.cancelled():
        admission.leave("a", 0)
    await asyncio.wait_for(admission.enter("b", 0, 1), 0.1)
