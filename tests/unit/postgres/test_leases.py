"""What is kept of tables: good for a moment, asked for once, and never what was before a change that is answered."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokoa.kernel.errors import Unavailable
from kokoa.kernel.transaction import CallInsideTransaction, open_transaction
from kokoa.postgres.leases import ENTRIES_MAX, LEASE_S, Leases, Read

E, OTHER = "environment", "another"


class Time:
    """A clock that goes on when everybody waits for it, in the order of their moments."""

    def __init__(self) -> None:
        self.now = 100.0
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Until the clock has gone on."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (self.now + seconds, id(woken), woken))
        await woken

    async def run(self, *tasks: "asyncio.Future[Any]") -> None:
        """Until they are done. Raises what they raise."""
        while not all(task.done() for task in tasks):
            await settled()
            if self._waiting and not all(task.done() for task in tasks):
                self.now, _, woken = heapq.heappop(self._waiting)
                if not woken.done():
                    woken.set_result(None)
        await asyncio.gather(*tasks)


async def settled() -> None:
    """Until nobody can go on."""
    for _ in range(10):
        await asyncio.sleep(0)


class Table:
    """A server's table with a number in it. A statement is answered when `gate` is set."""

    def __init__(self) -> None:
        self.number = 0
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None
        self.lasts_s = 1_000.0

    async def __call__(self) -> Read[int]:
        self.asked += 1
        number, failure = self.number, self.failure
        await self.gate.wait()
        if failure is not None:
            raise failure
        return Read(number, "k", lasts_s=self.lasts_s)


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def kept(clock: Time) -> Leases[int]:
    return Leases(clock=clock, sleep=clock.sleep)


async def test_what_was_read_is_good_for_a_moment_from_before_it_was_asked_for(
    kept: Leases[int], clock: Time
) -> None:
    table = Table()

    async def slowly() -> Read[int]:
        clock.now += 0.75 * LEASE_S
        return await table()

    assert await kept.read(E, "asked", slowly) == 0
    assert kept.peek(E, "k") == 0
    clock.now += 0.25 * LEASE_S
    assert kept.peek(E, "k") is None


async def test_many_at_once_are_one_statement(kept: Leases[int]) -> None:
    table = Table()
    table.gate.clear()
    asking = [asyncio.ensure_future(kept.read(E, "asked", table)) for _ in range(50)]
    await settled()
    other = asyncio.ensure_future(kept.read(E, "asked otherwise", table))
    await settled()
    table.gate.set()
    assert await asyncio.gather(*asking, other) == [0] * 51
    assert table.asked == 2


async def test_who_comes_in_time_gets_what_is_late_and_who_comes_late_asks_anew(
    kept: Leases[int], clock: Time
) -> None:
    table = Table()
    table.gate.clear()
    first = asyncio.ensure_future(kept.read(E, "asked", table))
    await settled()
    clock.now += 0.9 * LEASE_S
    second = asyncio.ensure_future(kept.read(E, "asked", table))
    await settled()
    clock.now += 0.1 * LEASE_S
    table.number = 1
    third = asyncio.ensure_future(kept.read(E, "asked", table))
    await settled()
    assert table.asked == 2
    table.gate.set()
    assert await asyncio.gather(first, second, third) == [0, 0, 1]
    assert kept.peek(E, "k") == 1, "the late one does not take its place"


async def test_what_ends_by_itself_is_not_kept_for_longer(kept: Leases[int], clock: Time) -> None:
    table = Table()
    table.lasts_s = 0.4 * LEASE_S
    table.gate.clear()
    first = asyncio.ensure_future(kept.read(E, "asked", table))
    await settled()
    clock.now += 0.3 * LEASE_S
    before = asyncio.ensure_future(kept.read(E, "asked", table))
    await settled()
    clock.now += 0.2 * LEASE_S
    table.number = 1
    after = asyncio.ensure_future(kept.read(E, "asked", table))
    await settled()
    table.gate.set()
    assert await asyncio.gather(first, before, after) == [0, 0, 1]
    assert kept.peek(E, "k") is None


async def test_one_that_fails_or_gives_up_hurts_nobody_else(kept: Leases[int]) -> None:
    for failure in (None, Unavailable("down")):
        table = Table()
        table.failure = failure
        table.gate.clear()
        first, second, third = (asyncio.ensure_future(kept.read(E, "asked", table)) for _ in range(3))
        await settled()
        table.failure = None
        third.cancel()
        if failure is None:
            first.cancel()
        table.gate.set()
        ended = await asyncio.gather(first, second, third, return_exceptions=True)
        assert ended[1] == 0
        assert [type(one) for one in ended[::2]] == [
            type(failure) if failure else asyncio.CancelledError,
            asyncio.CancelledError,
        ]


async def test_a_failure_is_not_kept(kept: Leases[int]) -> None:
    table = Table()
    table.failure = Unavailable("down")
    with pytest.raises(Unavailable):
        await kept.read(E, "asked", table)
    table.failure = None
    assert await kept.read(E, "asked", table) == 0


async def test_what_is_read_while_it_is_forgotten_is_not_kept_and_not_joined(kept: Leases[int]) -> None:
    table = Table()
    table.gate.clear()
    before = asyncio.ensure_future(kept.read(E, "asked", table))
    await settled()
    kept.forget(E)
    changed_table = Table()
    changed_table.number = 1
    changed_table.gate.clear()
    after = asyncio.ensure_future(kept.read(E, "asked", changed_table))
    await settled()
    table.gate.set()
    assert await before == 0
    assert kept.peek(E, "k") is None
    joined = asyncio.ensure_future(kept.read(E, "asked", changed_table))
    await settled()
    changed_table.gate.set()
    assert await asyncio.gather(after, joined) == [1, 1]
    assert (kept.peek(E, "k"), changed_table.asked) == (1, 1)


async def test_an_environment_has_its_own_and_forgets_its_own(kept: Leases[int]) -> None:
    table, others = Table(), Table()
    others.number = 7
    assert (await kept.read(E, "asked", table), await kept.read(OTHER, "asked", others)) == (0, 7)
    assert (kept.peek(E, "k"), kept.peek(OTHER, "k")) == (0, 7)
    others.gate.clear()
    flying = asyncio.ensure_future(kept.read(OTHER, "asked", others))
    await settled()
    kept.forget(E)
    assert (kept.peek(E, "k"), kept.peek(OTHER, "k")) == (None, 7)
    joined = asyncio.ensure_future(kept.read(OTHER, "asked", others))
    await settled()
    others.gate.set()
    assert await asyncio.gather(flying, joined) == [7, 7]
    assert others.asked == 2


async def test_it_is_bounded_and_what_is_old_goes(kept: Leases[int], clock: Time) -> None:
    async def of(number: int) -> Read[int]:
        return Read(number, number)

    for number in range(ENTRIES_MAX + 10):
        await kept.read(E, number, partial(of, number))
    assert len(kept) == ENTRIES_MAX
    assert (kept.peek(E, 9), kept.peek(E, 10)) == (None, 10)
    clock.now += LEASE_S
    await kept.read(E, 0, lambda: of(0))
    assert len(kept) == 1


async def test_nothing_is_kept_and_nobody_waits_where_it_is_off(clock: Time) -> None:
    kept: Leases[int] = Leases(0, clock=clock, sleep=clock.sleep)
    table = Table()
    assert await kept.read(E, "asked", table) == await kept.read(E, "asked", table) == 0
    async with kept.changing(E):
        pass
    assert (table.asked, len(kept), clock.now) == (2, 0, 100.0)


async def changed(kept: Leases[int], ends: Callable[[], Awaitable[None]]) -> None:
    async with kept.changing(E):
        await ends()


async def nothing() -> None:
    pass


async def refused() -> None:
    raise Unavailable("no")


@pytest.mark.parametrize("early", [1.0, 0.7], ids=["", "early timers"])
async def test_a_change_is_answered_when_the_lease_is_over_and_all_wait_at_once(clock: Time, early: float) -> None:
    kept: Leases[int] = Leases(clock=clock, sleep=lambda seconds: clock.sleep(max(seconds * early, 1e-4)))
    changes = [asyncio.ensure_future(changed(kept, nothing)) for _ in range(20)]
    changes += [asyncio.ensure_future(changed(kept, refused)) for _ in range(20)]
    await settled()
    assert not any(one.done() for one in changes)
    with pytest.raises(Unavailable):
        await clock.run(*changes)
    assert all(one.done() for one in changes)
    assert LEASE_S <= clock.now - 100.0 <= 1.1 * LEASE_S


async def test_who_gives_up_a_change_does_not_wait_and_it_is_forgotten(kept: Leases[int], clock: Time) -> None:
    never = asyncio.Event()

    async def waits() -> None:
        await never.wait()

    for ends in (waits, nothing):
        await kept.read(E, "asked", Table())
        change = asyncio.ensure_future(changed(kept, ends))
        await settled()
        change.cancel()
        await settled()
        assert change.cancelled()
        assert (kept.peek(E, "k"), clock.now) == (None, 100.0)


async def test_nobody_waits_with_a_transaction_open(kept: Leases[int]) -> None:
    token = open_transaction.set("taxes")
    with pytest.raises(CallInsideTransaction):
        await changed(kept, nothing)
    open_transaction.reset(token)


MOMENT = st.floats(0, 4 * LEASE_S)
ACT = st.tuples(MOMENT, st.booleans(), st.integers(0, 2), st.floats(0, 2 * LEASE_S), st.floats(0, LEASE_S))


@settings(max_examples=300, deadline=None)
@given(st.lists(ACT, min_size=2, max_size=12))
async def test_nobody_gets_what_was_before_a_change_that_was_answered(
    acts: list[tuple[float, bool, int, float, float]],
) -> None:
    """acts: when, whether it changes something, in which process, how long until the server does it and answers."""
    clock = Time()
    processes: list[Leases[int]] = [Leases(clock=clock, sleep=clock.sleep) for _ in range(3)]
    committed = answered = 0

    async def changes(at: float, kept: Leases[int], there: float, back: float) -> None:
        nonlocal committed, answered
        await clock.sleep(at)
        async with kept.changing(E):
            await clock.sleep(there)
            committed += 1
            mine = committed
            await clock.sleep(back)
        answered = max(answered, mine)

    async def reads(at: float, kept: Leases[int], there: float, back: float) -> None:
        async def statement() -> Read[int]:
            await clock.sleep(there)
            found = committed
            await clock.sleep(back)
            return Read(found, "k")

        await clock.sleep(at)
        for _ in range(3):
            known = answered
            found = kept.peek(E, "k")
            if found is None:
                found = await kept.read(E, "asked", statement)
            assert found >= known
            await clock.sleep(0.4 * LEASE_S)

    await clock.run(
        *(
            asyncio.ensure_future((changes if change else reads)(at, processes[process], there, back))
            for at, change, process, there, back in acts
        )
    )
