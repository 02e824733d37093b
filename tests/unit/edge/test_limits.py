"""Rate limits: exact in one process, shared between several, bounded when the bus is away."""

import asyncio
import random

import msgspec
import pytest

from kokoa.edge import limits
from kokoa.edge.errors import RateLimited
from kokoa.edge.limits import KEYS_MAX, RateLimits
from kokoa.edge.model import RatePolicy
from kokoa.kernel.errors import Unavailable
from unit.edge.edge_fakes import FakeGossip

POLICY = RatePolicy(requests=100, window_s=10)


class Clock:
    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms


def admitted(one: RateLimits, count: int, key: str = "e") -> int:
    return sum(one.take(key, POLICY).admitted for _ in range(count))


async def listening(gossip: FakeGossip, clock: Clock) -> RateLimits:
    one = RateLimits(gossip, clock=clock)
    await gossip.listen(limits.NOTICE, one._hear)
    return one


def test_one_process_admits_exactly_the_limit() -> None:
    one = RateLimits(FakeGossip(), clock=Clock())
    assert admitted(one, 150) == 100
    refused = one.take("e", POLICY)
    assert (refused.remaining, refused.reset_s) == (0, 10)
    with pytest.raises(RateLimited) as caught:
        refused.require()
    assert caught.value.retry_after_s == 10


@pytest.mark.parametrize("jump_s", [-86_400, -3_600, 3_600, 86_400])
def test_a_clock_that_jumps_locks_nobody_out(jump_s: int) -> None:
    clock = Clock()
    one = RateLimits(FakeGossip(), clock=clock)
    assert admitted(one, 150) == 100
    clock.now_ms += jump_s * 1000
    assert admitted(one, 150) == 100


def test_a_clock_that_is_set_back_a_little_gives_nothing_away() -> None:
    clock = Clock()
    one = RateLimits(FakeGossip(), clock=clock)
    assert admitted(one, 150) == 100
    clock.now_ms -= 20
    assert admitted(one, 50) == 0


def test_headers_tell_limit_remaining_and_reset() -> None:
    clock = Clock()
    clock.now_ms += 2500
    headers = dict(RateLimits(FakeGossip(), clock=clock).take("e", POLICY).headers())
    assert headers == {
        b"ratelimit-limit": b"100",
        b"ratelimit-remaining": b"99",
        b"ratelimit-reset": b"8",
        b"ratelimit-policy": b"100;w=10",
    }


def test_no_window_of_ten_seconds_holds_more_than_the_limit() -> None:
    clock, one = Clock(), RateLimits(FakeGossip())
    one = RateLimits(FakeGossip(), clock=clock)
    dice, times = random.Random(7), []
    for _ in range(3000):
        clock.now_ms += dice.randrange(0, 60)
        if one.take("e", POLICY).admitted:
            times.append(clock.now_ms)
    most = max(sum(1 for other in times if start <= other < start + 10_000) for start in times)
    # The sliding window is an estimate: it takes the last window's requests as evenly spread.
    assert most <= 110
    assert len(times) > 0.9 * 100 * (times[-1] - times[0]) / 10_000


def test_environments_do_not_share_a_limit() -> None:
    one = RateLimits(FakeGossip(), clock=Clock())
    assert admitted(one, 150, "e") == 100
    assert admitted(one, 50, "f") == 50


def test_after_the_window_requests_are_admitted_again() -> None:
    clock = Clock()
    one = RateLimits(FakeGossip(), clock=clock)
    admitted(one, 150)
    clock.now_ms += 20_000
    assert admitted(one, 150) == 100


async def test_processes_share_one_limit() -> None:
    clock, gossip = Clock(), FakeGossip()
    processes = [await listening(gossip, clock) for _ in range(4)]
    total = 0
    for _ in range(30):  # each turn is one gossip interval, with 5 requests in each process
        total += sum(admitted(one, 5) for one in processes)
        for one in processes:
            await one.tell()
    overshoot_max = (len(processes) - 1) * 5
    assert 100 <= total <= 100 + overshoot_max
    assert all(not one.take("e", POLICY).admitted for one in processes)


async def test_what_was_admitted_just_before_the_window_turned_is_told_too() -> None:
    clock, gossip = Clock(), FakeGossip()
    first, second = await listening(gossip, clock), await listening(gossip, clock)
    assert admitted(first, 60) == 60
    clock.now_ms += 10_000
    assert admitted(first, 10) == 10, "60 of the last window and 10 of this one"
    await first.tell()
    assert admitted(second, 100) == 30
    await second.tell()
    await first.tell()
    assert not first.take("e", POLICY).admitted
    assert not second.take("e", POLICY).admitted


async def test_with_the_bus_away_each_process_holds_the_limit_and_tells_later() -> None:
    clock, gossip = Clock(), FakeGossip()
    first, second = await listening(gossip, clock), await listening(gossip, clock)
    gossip.away = Unavailable("away")
    assert admitted(first, 150) == 100
    with pytest.raises(Unavailable):
        await first.tell()
    gossip.away = None
    await first.tell()
    assert not second.take("e", POLICY).admitted


async def test_run_survives_a_bus_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GOSSIP_INTERVAL_S", 0.001)
    clock, gossip = Clock(), FakeGossip()
    first, second = RateLimits(gossip, clock=clock), await listening(gossip, clock)
    gossip.away = Unavailable("away")
    admitted(first, 100)
    running = asyncio.ensure_future(first.run())
    for _ in range(5):
        await asyncio.sleep(0.002)
    gossip.away = None
    async with asyncio.timeout(5):
        while second.take("e", POLICY).admitted:
            await asyncio.sleep(0.001)
    running.cancel()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"nonsense",
        msgspec.msgpack.encode({"process": 1}),
        msgspec.msgpack.encode({"process": "x", "counts": [("e", 10, 170_000_000, -1000)]}),
        msgspec.msgpack.encode({"process": "x", "counts": [("e", 0, 1, 5)]}),
        msgspec.msgpack.encode({"process": "x", "counts": [("e", 10, 5, 1000)]}),
    ],
)
async def test_a_strange_notice_changes_nothing(payload: bytes) -> None:
    gossip = FakeGossip()
    one = await listening(gossip, Clock())
    await gossip.notify(limits.NOTICE, payload)
    assert admitted(one, 150) == 100


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEYS_MAX", 100)
    clock = Clock()
    one = RateLimits(FakeGossip(), clock=clock)
    admitted(one, 100, "busy")
    for number in range(1000):
        one.take(str(number), POLICY)
    assert len(one._windows) <= 100
    assert not one.take("busy", POLICY).admitted
    assert KEYS_MAX >= 1000
