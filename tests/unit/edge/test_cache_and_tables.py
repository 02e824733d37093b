"""What is cached is fresh, bounded, asked for once, and gone when it is said to have changed."""

import asyncio

import pytest

from kokoa.edge.cache import FreshCache
from kokoa.edge.model import Grant, NativeRoute, RouteTableInput
from kokoa.edge.tables import STALE_MAX_S, TTL_S, RouteTables
from kokoa.kernel.errors import Unavailable
from unit.edge.edge_fakes import ACCOUNT, FakeRouteSource, extension_route


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_cache_asks_again_when_the_answer_is_old() -> None:
    clock, answers = Clock(), iter("abc")
    cache: FreshCache[str] = FreshCache(ttl_s=1, entries_max=10, clock=clock)

    async def load() -> str:
        return next(answers)

    assert [await cache.get("k", load), await cache.get("k", load)] == ["a", "a"]
    clock.now += 1
    assert await cache.get("k", load) == "b"


async def test_cache_says_until_when_a_value_is_fresh() -> None:
    clock = Clock()
    cache: FreshCache[str | None] = FreshCache(ttl_s=1, entries_max=1, clock=clock)

    async def nothing() -> None:
        clock.now += 0.4  # what was read may be as old as the question

    asked_at = clock.now
    await cache.get("k", nothing)
    assert cache.until("k", None) == asked_at + 1
    assert cache.until("k", "another") == cache.until("unknown", None) == 0.0
    await cache.get("pushes k out", nothing)
    assert cache.until("k", None) == 0.0


async def test_cache_is_bounded() -> None:
    cache: FreshCache[str] = FreshCache(ttl_s=1, entries_max=3)

    async def load() -> str:
        return "v"

    for number in range(10):
        await cache.get(str(number), load)
    assert [cache.peek(str(number)) for number in range(10)] == [None] * 7 + ["v"] * 3


async def test_what_was_being_read_while_it_changed_is_not_kept() -> None:
    cache: FreshCache[str] = FreshCache(ttl_s=60, entries_max=3)
    gate = asyncio.Event()

    async def slow() -> str:
        await gate.wait()
        return "old"

    async def fast() -> str:
        return "new"

    waiting = asyncio.ensure_future(cache.get("k", slow))
    await asyncio.sleep(0)
    cache.forget("k")
    assert await cache.get("k", fast) == "new"
    gate.set()
    assert await waiting == "old"
    assert cache.peek("k") == "new"


async def test_one_that_gives_up_does_not_take_the_answer_from_the_others() -> None:
    cache: FreshCache[str] = FreshCache(ttl_s=60, entries_max=3)
    gate = asyncio.Event()

    async def slow() -> str:
        await gate.wait()
        return "v"

    first = asyncio.ensure_future(cache.get("k", slow))
    second = asyncio.ensure_future(cache.get("k", slow))
    await asyncio.sleep(0)
    first.cancel()
    gate.set()
    assert await second == "v"


async def test_a_failure_is_not_remembered() -> None:
    cache: FreshCache[str] = FreshCache(ttl_s=60, entries_max=3)

    async def fails() -> str:
        raise Unavailable("down")

    async def works() -> str:
        return "v"

    with pytest.raises(Unavailable):
        await cache.get("k", fails)
    assert await cache.get("k", works) == "v"


def overridden(source: FakeRouteSource) -> None:
    source.inputs["e"] = RouteTableInput((extension_route("GET /api/x"),), (Grant(ACCOUNT, "/api/*"),))


async def test_a_change_is_seen_at_once_when_told_and_within_a_second_when_not() -> None:
    clock, source = Clock(), FakeRouteSource()
    tables = RouteTables(source, [], clock=clock)
    assert (await tables.of("e")).match("GET", ("api", "x")) is None
    overridden(source)
    assert (await tables.of("e")).match("GET", ("api", "x")) is None
    tables.invalidate("e")
    assert (await tables.of("e")).match("GET", ("api", "x"))
    source.inputs.clear()
    clock.now += TTL_S
    assert (await tables.of("e")).match("GET", ("api", "x")) is None


async def test_a_table_is_built_again_only_when_something_changed() -> None:
    clock, source = Clock(), FakeRouteSource()
    tables = RouteTables(source, [], clock=clock)
    overridden(source)
    first = await tables.of("e")
    clock.now += 2
    overridden(source)
    assert await tables.of("e") is first
    assert source.loads == 2


async def test_environments_without_partners_routes_share_a_table() -> None:
    clock, source = Clock(), FakeRouteSource()
    source.inputs["granted"] = RouteTableInput(grants=(Grant(ACCOUNT, "/api/*"),))
    tables = RouteTables(source, [NativeRoute("GET", "/api/things", "Things")], clock=clock)
    plain = await tables.of("plain")
    assert plain is await tables.of("granted")
    overridden(source)
    assert plain is not await tables.of("e")


async def test_the_last_table_serves_for_a_minute_when_the_source_is_away() -> None:
    clock, source = Clock(), FakeRouteSource()
    tables = RouteTables(source, [], clock=clock)
    overridden(source)
    await tables.of("e")
    source.failure = Unavailable("database away")
    for _ in range(int(STALE_MAX_S // 2)):
        clock.now += 2
        assert (await tables.of("e")).match("GET", ("api", "x"))
    clock.now += 2
    with pytest.raises(Unavailable):
        await tables.of("e")


async def test_one_environments_routes_are_not_anothers() -> None:
    source = FakeRouteSource()
    overridden(source)
    tables = RouteTables(source, [])
    assert (await tables.of("other")).match("GET", ("api", "x")) is None
