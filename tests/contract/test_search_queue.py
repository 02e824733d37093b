"""The queue of the index: each environment gets its turn, what is told meanwhile is not lost, failures wait."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

import kokoa.services.search.service as search
from contract.plans import as_superuser, explained
from contract.test_search_indexing import GraphOf, found
from kokoa.kernel.call import Call
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.messaging import Bus
from kokoa.postgres import Database
from kokoa.roles import indexing
from kokoa.roles.indexing import keep_index
from kokoa.services.search.actions import BATCH_MAX, SearchActions
from kokoa.services.search.model import Search
from kokoa.services.search.store import SearchStore
from kokoa.services.search.waiting.model import FIRST, Named
from kokoa.services.search.waiting.store import StaleStore, queries
from servers import ConnectService, until

WAITING = "SELECT count(*) FROM stale WHERE environment_id = $1"


@pytest.fixture
async def database(connect_service: ConnectService) -> Database:
    return await connect_service("search", search.FOLDER / "migrations")


@pytest.fixture
def stale(database: Database) -> StaleStore:
    return StaleStore(database)


class SlowGraph(GraphOf):
    """Answers when it is let; `asked` says that somebody waits."""

    def __init__(self, **names: str) -> None:
        super().__init__(**names)
        self.asked = asyncio.Event()
        self.open = asyncio.Event()
        self.slow: set[str] = set()

    async def query(self, document: str, variables: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        shown = await super().query(document, variables, call)
        if call.environment_id in self.slow:
            self.asked.set()
            await self.open.wait()
        return shown


async def mark(stale: StaleStore, environment: str, *products: str, since_ms: int | None = None) -> None:
    at = now_ms() if since_ms is None else since_ms
    await stale.mark(environment, [Named(one, at, new_correlation_id()) for one in products])


@contextlib.asynccontextmanager
async def working(bus: Bus, stale: StaleStore, actions: SearchActions) -> AsyncIterator["asyncio.Task[None]"]:
    job = asyncio.create_task(keep_index(bus, actions, stale))
    try:
        yield job
    finally:
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)


async def until_none_waits(database: Database, *environments: str) -> None:
    async with asyncio.timeout(60):
        for environment in environments:
            while await database.fetchval(environment, WAITING):
                await asyncio.sleep(0.02)


async def test_what_is_named_again_while_it_is_indexed_goes_on_waiting(stale: StaleStore) -> None:
    environment, first, second = new_id(), *sorted((new_id(), new_id()))
    await mark(stale, environment, first, second, since_ms=1)
    taken = await stale.take(environment, FIRST, 10)
    assert [one.product_id for one in taken] == [first, second]
    await mark(stale, environment, second, since_ms=2)
    await stale.settle(environment, taken)
    left = await stale.take(environment, FIRST, 10)
    # It waits since the first event that is not answered.
    assert [(one.product_id, one.since_ms) for one in left] == [(second, 1)]
    assert left[0].mark > taken[1].mark


async def test_what_failed_waits_for_its_time_and_an_event_makes_it_due_at_once(stale: StaleStore) -> None:
    environment, failed, other = new_id(), *sorted((new_id(), new_id()))
    await mark(stale, environment, failed, other)
    taken = await stale.take(environment, FIRST, 10)
    await stale.postpone(environment, taken, [3_600.0, 0.0])
    again = await stale.take(environment, FIRST, 10)
    assert [(one.product_id, one.attempts) for one in again] == [(other, 1)]
    await mark(stale, environment, failed)
    assert [(one.product_id, one.attempts) for one in await stale.take(environment, FIRST, 10)] == [
        (failed, 0),
        (other, 1),
    ]


async def test_each_environment_sees_its_own_and_all_are_named_in_order(stale: StaleStore) -> None:
    ours, theirs = sorted((new_id(), new_id()))
    await mark(stale, ours, one := new_id())
    await mark(stale, theirs, one)
    assert len(await stale.take(ours, FIRST, 10)) == 1
    await stale.settle(ours, await stale.take(theirs, FIRST, 10))  # marks of another environment
    assert len(await stale.take(ours, FIRST, 10)) == 1
    before = f"{int(ours.replace('-', ''), 16) - 1:032x}"
    named = await stale.environments(before)
    assert named[0] == ours
    assert theirs in named
    assert named == sorted(named)
    assert await stale.environments("ffffffff-ffff-ffff-ffff-ffffffffffff") == []


async def test_one_that_imports_keeps_no_other_waiting(database: Database, stale: StaleStore, bus: Bus) -> None:
    flooded, calm = new_id(), new_id()
    graph = GraphOf(**{new_id(): "Lamp" for _ in range(20 * BATCH_MAX)})
    lamp = new_id()
    await mark(stale, flooded, *graph.names)
    await mark(stale, calm, lamp)
    graph.names[lamp] = "Lamp"
    async with working(bus, stale, SearchActions(SearchStore(database), graph)):
        await until_none_waits(database, calm)
        served = [call.environment_id for call in graph.calls]
        await until_none_waits(database, flooded)
    assert await found(database, calm, "lamp") == [lamp]
    # Not behind the twenty batches of the other, in whatever order the two stand.
    assert served.index(calm) <= 2
    assert (await SearchStore(database).search(flooded, Search("lamp", 0))).total == 10_000
    assert len(graph.calls) <= 22


async def test_a_graph_that_hangs_takes_one_place_and_what_was_told_meanwhile_is_indexed_after_it(
    database: Database, stale: StaleStore, bus: Bus
) -> None:
    slow, other, lamp, desk = (new_id() for _ in range(4))
    graph = SlowGraph(**{lamp: "Old name", desk: "Desk"})
    graph.slow = {slow}
    await mark(stale, slow, lamp)
    async with working(bus, stale, SearchActions(SearchStore(database), graph)):
        await asyncio.wait_for(graph.asked.wait(), 60)
        graph.names[lamp] = "New name"
        await mark(stale, slow, lamp)
        await mark(stale, other, desk)
        await until_none_waits(database, other)
        assert await found(database, slow, "name") == []
        graph.slow.clear()
        graph.open.set()
        await until_none_waits(database, slow)
    assert await found(database, slow, "new") == [lamp]
    assert await found(database, slow, "old") == []


async def test_an_environment_whose_graph_fails_is_tried_again_and_given_up_in_the_end(
    database: Database, stale: StaleStore, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "_ATTEMPTS_MAX", 3)
    monkeypatch.setattr(indexing, "_PAUSES_S", (0.01,))
    hopeless, mended = new_id(), new_id()
    bad, good = new_id(), new_id()
    graph = GraphOf(**{bad: "Bad", good: "Good"})
    graph.broken = {bad}
    await mark(stale, hopeless, bad)
    await mark(stale, mended, bad, good)
    async with working(bus, stale, SearchActions(SearchStore(database), graph)):
        await until_none_waits(database, hopeless, mended)
        assert len([call for call in graph.calls if call.environment_id == hopeless]) == 3
        assert await found(database, mended, "good") == [good]
        # A new event is a new beginning.
        graph.broken.clear()
        await mark(stale, hopeless, bad)
        await until_none_waits(database, hopeless)
    assert await found(database, hopeless, "bad") == [bad]


async def test_an_outage_of_the_graph_is_waited_out_however_long_it_takes(
    database: Database, stale: StaleStore, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "_ATTEMPTS_MAX", 2)
    monkeypatch.setattr(indexing, "_PAUSES_S", (0.01,))
    environment, lamp = new_id(), new_id()
    graph = GraphOf(**{lamp: "Lamp"})
    graph.down = True
    await mark(stale, environment, lamp)
    async with working(bus, stale, SearchActions(SearchStore(database), graph)):
        await until(lambda: len([call for call in graph.calls if call.environment_id == environment]) >= 5)
        graph.down = False
        await until_none_waits(database, environment)
    assert await found(database, environment, "lamp") == [lamp]


async def test_one_of_several_indexers_works_and_another_takes_over(
    database: Database, stale: StaleStore, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "_STANDBY_S", 0.02)
    environment, lamp = new_id(), new_id()
    first, second = GraphOf(**{lamp: "Lamp"}), GraphOf(**{lamp: "Lamp"})
    store = SearchStore(database)
    async with contextlib.AsyncExitStack() as both:
        job = await both.enter_async_context(working(bus, stale, SearchActions(store, first)))
        await mark(stale, environment, lamp)
        await until_none_waits(database, environment)
        await both.enter_async_context(working(bus, stale, SearchActions(store, second)))
        for _ in range(5):
            await mark(stale, environment, lamp)
            await until_none_waits(database, environment)
        assert not second.calls
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        await mark(stale, environment, lamp)
        await until_none_waits(database, environment)
    assert second.calls


async def test_the_queue_is_read_and_emptied_by_its_key(database: Database, stale: StaleStore, postgres: str) -> None:
    environment = new_id()
    await mark(stale, environment, *(new_id() for _ in range(300)))
    taken = await stale.take(environment, FIRST, 100)
    ids, marks = [one.product_id for one in taken], [one.mark for one in taken]
    for statement, arguments in (
        (queries.take, (FIRST, 100)),
        (queries.settle, (ids, marks)),
        (queries.postpone, (ids, marks, [1.0] * 100)),
    ):
        async with as_superuser(database, postgres) as admin:
            plan = await explained(admin, database, environment, statement, *arguments)
        assert "stale_pkey" in plan, plan
        assert "product_id" in plan.partition("Index Cond")[2].splitlines()[0], plan
