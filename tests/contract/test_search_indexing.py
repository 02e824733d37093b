"""Indexing asks the graph, so what an override shows is what is found; events may come twice and late."""

from collections.abc import Mapping
from typing import Any

import pytest

import kokoa.services.search.service as search
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import Unavailable
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.kernel.transaction import CallInsideTransaction
from kokoa.postgres import Database
from kokoa.services.search.actions import BATCH_MAX, SearchActions
from kokoa.services.search.errors import IndexingFailed
from kokoa.services.search.store import SearchStore
from servers import ConnectService


class GraphOf:
    """The environment's graph, as far as indexing asks it: products by id."""

    def __init__(self, **names: str) -> None:
        self.names = names
        self.down = False
        self.calls: list[Call] = []

    async def query(self, document: str, variables: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        self.calls.append(call)
        if self.down:
            raise Unavailable("The graph does not answer.")
        shown = [product_id for product_id in variables["ids"] if product_id in self.names]
        return {"products": [product(product_id, self.names[product_id]) for product_id in shown]}


def product(product_id: str, name: str) -> dict[str, Any]:
    return {"id": product_id, "version": 1, "name": name, "description": "", "variants": [], "category": None}


@pytest.fixture
async def database(connect_service: ConnectService) -> Database:
    return await connect_service("search", search.FOLDER / "migrations")


def call_in(environment: str) -> Call:
    return Call(environment, Caller("service", "search"), new_correlation_id(), now_ms() + 10_000)


async def found(database: Database, environment: str, q: str) -> list[str]:
    return (await SearchStore(database).search(environment, q, limit=10, offset=0)).product_ids


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
