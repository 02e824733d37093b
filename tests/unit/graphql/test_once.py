"""Work for several at once: done once, given to all, and no one's failure or leaving is anybody else's."""

import asyncio

import pytest

from kokoa.graphql.once import Once


async def test_what_is_under_way_is_shared_and_what_is_done_is_not_kept() -> None:
    once: Once[int] = Once()
    done: list[str] = []
    go = asyncio.Event()

    async def work(key: str) -> int:
        await go.wait()
        done.append(key)
        return len(done)

    waiting = [asyncio.ensure_future(once.do(key, lambda key=key: work(key))) for key in "aababa"]  # type: ignore[misc]
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*waiting) == [1, 1, 2, 1, 2, 1]
    assert await once.do("a", lambda: work("a")) == 3


async def test_who_waits_for_a_failure_tries_itself() -> None:
    once: Once[str] = Once()
    tries: list[int] = []

    async def work() -> str:
        tries.append(len(tries))
        await asyncio.sleep(0)
        if len(tries) == 1:
            raise ValueError("the first one fails")
        return "done"

    first, *others = await asyncio.gather(*(once.do("x", work) for _ in range(5)), return_exceptions=True)
    assert isinstance(first, ValueError)
    assert others == ["done"] * 4
    assert len(tries) == 2


async def test_who_goes_away_takes_nobody_along() -> None:
    once: Once[str] = Once()
    started, go = asyncio.Event(), asyncio.Event()

    async def work() -> str:
        started.set()
        await go.wait()
        return "done"

    leader, follower, stays = (asyncio.ensure_future(once.do("x", work)) for _ in range(3))
    await started.wait()
    await asyncio.sleep(0)
    follower.cancel()
    leader.cancel()
    for one in (leader, follower):
        with pytest.raises(asyncio.CancelledError):
            await one
    go.set()
    assert await stays == "done"
