"""An index is built anew beside the one that serves: events go on, a crash goes on, the swap is at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from contract.test_search_indexing import product
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import Unavailable
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.postgres import Database, ServiceSchema, migrate, service_dsn
from kokoa.roles.indexing import keep_generations
from kokoa.services.search.actions import SearchActions
from kokoa.services.search.model import Search
from kokoa.services.search.service import FOLDER, SearchService
from servers import SERVICE_PASSWORD

COUNT = 600
REBUILD = (
    "mutation($language: String) { rebuildSearch(language: $language) { generation rebuild { done language } } }"
)
STATUS = """{ searchStatus {
  documents generation language waiting lagSeconds indexedAt rebuild { generation done startedAt } } }"""
DOCUMENT_OF_BEFORE = """
INSERT INTO search.documents (environment_id, product_id, version, words)
VALUES ($1, $2, 1, setweight(to_tsvector('english', 'Brass lamp'), 'A'))
"""
LEFT = "SELECT count(*) FROM generations WHERE environment_id = $1 AND state = 'retired'"


class Store:
    """A graph with products, in pages and by ids; pages may be held, or fail."""

    def __init__(self) -> None:
        self.names = {new_id(): f"Lamp {number}" for number in range(COUNT)}
        self.hidden: set[str] = set()
        self.pages = 0
        self.fails_at: int | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.read = asyncio.Event()

    async def query(self, document: str, variables: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        if "SearchBuild" in document:
            assert "management" in call.caller.scopes
            return {"bulkProducts": self.page(variables["after"], variables["limit"])}
        assert call.caller.scopes == {"storefront"}
        asked = {alias: ids for alias, ids in variables.items() if alias.startswith("ids")}
        found = {alias.replace("ids", "part"): self.shown(ids) for alias, ids in asked.items()}
        self.read.set()
        await self.open.wait()  # what was read becomes old meanwhile
        return found

    def shown(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        return [product(one, self.names[one]) for one in ids if one in self.names and one not in self.hidden]

    def page(self, after: str | None, limit: int) -> dict[str, Any]:
        self.pages += 1
        if self.fails_at == self.pages:
            raise Unavailable("The graph does not answer.")
        ids = sorted(one for one in self.names if after is None or one > after)
        cursor = ids[limit - 1] if len(ids) > limit else None
        return {"products": [{"id": one} for one in ids[:limit]], "cursor": cursor}


class Shop:
    """One environment of an index, asked as its owner, and the graph that is indexed."""

    def __init__(self, service: SearchService) -> None:
        self.service = service
        self.environment = new_id()
        self.graph = Store()
        self.actions = SearchActions(service.store, self.graph)

    def call(self, *scopes: str) -> Call:
        caller = Caller("server", scopes=frozenset(scopes))
        return Call(self.environment, caller, new_correlation_id(), now_ms() + 60_000)

    async def ask(self, document: str, **variables: Any) -> Any:
        result = await self.service.subgraph.execute(document, variables, self.call("storefront", "management"))
        assert not result.errors, result.errors
        return result.data

    async def index(self, *ids: str) -> None:
        await self.actions.index(ids, self.call("storefront"))

    async def total(self, q: str = "lamp") -> int:
        return (await self.service.store.search(self.environment, Search(q, 0))).total

    async def status(self) -> Any:
        return (await self.ask(STATUS))["searchStatus"]

    async def rebuilt(self) -> Any:
        """The status when nothing is building any more and what was retired is gone."""
        async with asyncio.timeout(60):
            while (status := await self.status())["rebuild"] or await self.left():
                await asyncio.sleep(0.02)
        return status

    async def left(self) -> int:
        found: int = await self.service.store.database.fetchval(self.environment, LEFT)
        return found


@pytest.fixture
def shop(search_index: SearchService) -> Shop:
    return Shop(search_index)


@contextlib.asynccontextmanager
async def working(actions: SearchActions) -> AsyncIterator[None]:
    job = asyncio.create_task(keep_generations(actions))
    try:
        yield
    finally:
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)


async def test_a_rebuild_finds_what_events_did_not_tell_and_forgets_what_is_gone(shop: Shop) -> None:
    assert (await shop.status())["generation"] is None
    ids = list(shop.graph.names)
    await shop.index(*ids[:10])
    first = (await shop.status())["generation"]
    del shop.graph.names[ids[0]]  # and no event says so
    shop.graph.hidden = {ids[1]}
    assert (await shop.ask(REBUILD))["rebuildSearch"]["rebuild"] == {"done": 0, "language": "simple"}
    assert await shop.total() == 10
    async with working(shop.actions):
        status = await shop.rebuilt()
    assert status["generation"] != first
    assert status["documents"] == await shop.total() == COUNT - 2


async def test_events_during_a_rebuild_are_newer_than_what_it_read(shop: Shop) -> None:
    changed, deleted, *others = list(shop.graph.names)
    await shop.index(changed, deleted)
    await shop.ask(REBUILD)
    shop.graph.open.clear()
    async with working(shop.actions):
        async with asyncio.timeout(30):
            await shop.graph.read.wait()
        # The rebuild holds the old names in its hands now.
        shop.graph.names[changed] = "Chandelier"
        del shop.graph.names[deleted]
        fresh = new_id()
        shop.graph.names[fresh] = "Candle"
        shop.graph.read.clear()
        telling = asyncio.create_task(shop.index(changed, deleted, fresh))
        events = SearchActions(shop.service.store, shop.graph)
        async with asyncio.timeout(30):
            await shop.graph.read.wait()
        real, shop.graph.open = shop.graph.open, asyncio.Event()
        shop.graph.open.set()
        await events.index([changed, deleted, fresh], shop.call("storefront"))
        assert await shop.total("chandelier") == await shop.total("candle") == 1, "the old one serves and keeps up"
        real.set()
        await telling
        await shop.rebuilt()
    assert await shop.total("chandelier") == await shop.total("candle") == 1
    assert await shop.total() == len(others)


async def test_a_rebuild_that_was_broken_off_goes_on_where_it_was(shop: Shop) -> None:
    await shop.index(*list(shop.graph.names)[:3])
    await shop.ask(REBUILD)
    shop.graph.fails_at = 2
    async with working(shop.actions), asyncio.timeout(30):
        while shop.graph.pages < 2:
            await asyncio.sleep(0.02)
    # The worker is gone: the old index serves, and another worker needs only the pages that are missing.
    assert await shop.total() == 3
    assert (await shop.status())["rebuild"]["done"] == 250
    async with working(shop.actions), working(SearchActions(shop.service.store, shop.graph)):
        await shop.rebuilt()
    assert shop.graph.pages == 4
    assert await shop.total() == COUNT


async def test_a_second_rebuild_takes_the_place_of_the_first_and_keeps_its_language(shop: Shop) -> None:
    shop.graph.names = {new_id(): "Lamps for houses", new_id(): "Die Häuser"}
    await shop.index(*shop.graph.names)
    await shop.ask(REBUILD, language="english")
    await shop.ask(REBUILD, language="german")
    async with working(shop.actions):
        status = await shop.rebuilt()
        assert status["language"] == "german"
        assert await shop.total("haus") == 1
        await shop.ask(REBUILD)
        assert (await shop.rebuilt())["language"] == "german"


async def test_rebuilds_that_are_asked_for_at_once_are_one_at_the_end(shop: Shop) -> None:
    await asyncio.gather(*(shop.ask(REBUILD) for _ in range(8)))
    async with working(shop.actions):
        status = await shop.rebuilt()
    assert status["documents"] == COUNT


async def test_rebuilding_is_for_owners_and_languages_are_known_ones(shop: Shop) -> None:
    for document in (REBUILD, STATUS):
        result = await shop.service.subgraph.execute(document, {}, shop.call("storefront"))
        assert result.errors[0]["extensions"]["code"] == "FORBIDDEN"
    call = shop.call("storefront", "management")
    result = await shop.service.subgraph.execute(REBUILD, {"language": "klingon"}, call)
    assert result.errors[0]["extensions"]["code"] == "UNKNOWN_LANGUAGE"
    assert "finnish" in result.errors[0]["message"]
    assert (await shop.status())["rebuild"] is None


async def test_an_index_of_before_generations_serves_on_until_it_is_rebuilt(postgres: str, tmp_path: Path) -> None:
    """Migrations meet what was there: it is found still, and a new generation is asked for."""
    first = tmp_path / "0001_documents.sql"
    first.write_text((FOLDER / "migrations" / first.name).read_text())
    name = f"t{new_id().replace('-', '')}"
    admin = await asyncpg.connect(postgres)
    await admin.execute(f"CREATE DATABASE {name}")
    dsn = postgres.replace("/postgres?", f"/{name}?")
    await migrate(dsn, [ServiceSchema("search", tmp_path, SERVICE_PASSWORD)])
    before = await asyncpg.connect(dsn)
    environment, product_id = new_id(), new_id()
    await before.execute(DOCUMENT_OF_BEFORE, environment, product_id)
    await before.close()
    await migrate(dsn, [ServiceSchema("search", FOLDER / "migrations", SERVICE_PASSWORD)])
    database = await Database.connect(service_dsn(dsn, "search", SERVICE_PASSWORD), service="search", pool_size=2)
    store = SearchService(database).store
    for q in ("lamps", "bras"):
        assert (await store.search(environment, Search(q))).product_ids == [product_id]
    status = await store.status(environment)
    assert status.rebuild is not None
    assert (status.documents, status.rebuild.language) == (1, "english")
    await database.close()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()
