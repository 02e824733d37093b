"""Indexing asks the graph, so what an override shows is what is found; events may come twice and late."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest

import kokoa.services.search.service as search
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import Unavailable
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.kernel.transaction import CallInsideTransaction
from kokoa.messaging import Bus
from kokoa.postgres import Database
from kokoa.postgres.events import Envelope
from kokoa.roles.graph import GraphFailed
from kokoa.roles.indexing import keep_index, note_changes
from kokoa.services.search.actions import BATCH_MAX, SearchActions
from kokoa.services.search.errors import IndexingFailed
from kokoa.services.search.model import Search
from kokoa.services.search.store import SearchStore
from kokoa.services.search.waiting.store import StaleStore
from servers import ConnectService


class GraphOf:
    """The environment's graph, as far as indexing asks it: products by id."""

    def __init__(self, **names: str) -> None:
        self.names = names
        self.down = False
        self.broken: set[str] = set()
        self.calls: list[Call] = []

    async def query(self, document: str, variables: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        self.calls.append(call)
        if self.down:
            raise Unavailable("The graph does not answer.")
        asked = {alias: ids for alias, ids in variables.items() if alias.startswith("ids")}
        if self.broken & {product_id for ids in asked.values() for product_id in ids}:
            raise GraphFailed("An override answers with an error.")
        return {
            alias.replace("ids", "part"): [product(one, self.names[one]) for one in ids if one in self.names]
            for alias, ids in asked.items()
        }


def product(product_id: str, name: str) -> dict[str, Any]:
    return {
        "id": product_id,
        "version": 1,
        "name": name,
        "description": "",
        "variants": [],
        "category": None,
        "price": None,
        "currency": None,
        "createdAt": "2026-01-31T12:00:00Z",
        "translations": [],
    }


@pytest.fixture
async def database(connect_service: ConnectService) -> Database:
    return await connect_service("search", search.FOLDER / "migrations")


def call_in(environment: str) -> Call:
    return Call(environment, Caller("service", "search"), new_correlation_id(), now_ms() + 10_000)


async def found(database: Database, environment: str, q: str) -> list[str]:
    return (await SearchStore(database).search(environment, Search(q, 10))).product_ids


async def test_what_the_graph_shows_is_found_and_what_it_hides_is_forgotten(database: Database) -> None:
    environment, product_id = new_id(), new_id()
    graph = GraphOf(**{product_id: "Overridden name"})
    actions = SearchActions(SearchStore(database), graph)
    for _ in range(2):  # an event may come twice
        await actions.index([product_id], call_in(environment))
    assert await found(database, environment, "overridden") == [product_id]
    assert graph.calls[0].environment_id == environment
    graph.names.clear()
    await actions.index([product_id], call_in(environment))
    assert await found(database, environment, "overridden") == []


async def test_when_the_graph_is_down_the_index_stays_and_the_events_come_again(database: Database) -> None:
    environment, product_id = new_id(), new_id()
    graph = GraphOf(**{product_id: "Lamp"})
    actions = SearchActions(SearchStore(database), graph)
    await actions.index([product_id], call_in(environment))
    graph.down = True
    with pytest.raises(Unavailable):
        await actions.index([product_id], call_in(environment))
    assert await found(database, environment, "lamp") == [product_id]


async def test_the_graph_is_not_asked_inside_a_transaction_nor_for_too_much(database: Database) -> None:
    actions = SearchActions(SearchStore(database), GraphOf())
    async with database.transaction(new_id()):
        with pytest.raises(CallInsideTransaction, match="graph call"):
            await actions.index([new_id()], call_in(new_id()))
    with pytest.raises(IndexingFailed):
        await actions.index([new_id()] * (BATCH_MAX + 1), call_in(new_id()))


async def test_products_that_the_graph_cannot_show_keep_no_others_out(database: Database) -> None:
    environment = new_id()
    graph = GraphOf(**{new_id(): f"Lamp {number}" for number in range(BATCH_MAX)})
    ids = list(graph.names)
    graph.broken = {ids[3], ids[444]}
    actions = SearchActions(SearchStore(database), graph)
    assert await actions.index(ids, call_in(environment)) == graph.broken
    page = await SearchStore(database).search(environment, Search("lamp", 0))
    assert page.total == BATCH_MAX - 2
    graph.broken = set(ids)
    with pytest.raises(GraphFailed):
        await actions.index(ids, call_in(environment))
    assert len(graph.calls) < 100


@contextlib.asynccontextmanager
async def indexing(bus: Bus, actions: SearchActions) -> AsyncIterator[None]:
    """The worker's part and the indexer's."""
    stale = StaleStore(actions.store.database)
    jobs = [
        asyncio.create_task(note_changes(bus, actions.store, stale)),
        asyncio.create_task(keep_index(bus, actions, stale)),
    ]
    try:
        yield
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


async def tell(bus: Bus, environment: str, **data: str) -> None:
    event = Envelope(new_id(), "ProductUpdated", "catalog", environment, "key", new_correlation_id(), now_ms(), data)
    await bus.publish(event.subject(), msgspec.json.encode(event), message_id=event.id)


async def test_events_are_indexed_in_batches_and_one_environment_does_not_hold_up_another(
    database: Database, bus: Bus
) -> None:
    """A thousand events take a few graph calls; a product that fails comes again, and is indexed once mended."""
    shop, broken_shop = new_id(), new_id()
    graph = GraphOf(**{new_id(): "Lamp" for _ in range(1000)})
    broken = new_id()
    graph.names[broken] = "Broken"
    graph.broken = {broken}
    await tell(bus, broken_shop, product_id=broken)
    await tell(bus, shop, note="of something else than a product")
    await asyncio.gather(*(tell(bus, shop, product_id=one) for one in graph.names if one != broken))
    store = SearchStore(database)
    async with indexing(bus, SearchActions(store, graph)):
        async with asyncio.timeout(30):
            while (await store.search(shop, Search("lamp", 0))).total < 1000:
                await asyncio.sleep(0.02)
        assert len([call for call in graph.calls if call.environment_id == shop]) < 50
        graph.broken.clear()
        async with asyncio.timeout(30):
            while await found(database, broken_shop, "broken") != [broken]:
                await asyncio.sleep(0.02)
