"""How searches are read with 20,000 documents in each of two environments: by their indexes, in one statement."""

import re
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest
from benchmarks.search_seed import seed_documents

from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.services.search.model import Filter, Search
from kokoa.services.search.service import SearchService
from kokoa.services.search.store import SearchStore, queries

DOCUMENTS = 20_000
CURRENT_DATABASE = "SELECT current_database() WHERE $1::uuid IS NOT NULL"
ANALYSED = """
LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_level = notice;
SET auto_explain.log_nested_statements = on; SET search_path = search; SET ROLE kokoa_search
"""
SEARCH = "query($q: String!, $limit: Int!) { search(q: $q, limit: $limit) %s }"


class Seeded(msgspec.Struct):
    """A full index, and a connection on which PostgreSQL tells its plans."""

    service: SearchService
    environment: str
    connection: asyncpg.Connection
    plans: list[str]

    async def plan(self, statement: str, *arguments: Any) -> str:
        """The plans of a statement and of those in its functions, once they do not depend on the arguments."""
        for _ in range(6):
            self.plans.clear()
            await self.connection.fetch(statement, self.environment, *arguments)
        return "\n".join(self.plans)

    async def plan_of(self, search: Search) -> str:
        wanted = search.filter
        prices = (wanted.currency, wanted.min_price_minor, wanted.max_price_minor)
        return await self.plan(
            queries.search_page,
            search.q.split(),
            search.q,
            search.limit,
            search.offset,
            search.sort,
            wanted.category,
            *prices,
            search.counting,
            search.facetting,
        )


@pytest.fixture(scope="module")
async def seeded(search_index: SearchService, postgres: str) -> AsyncIterator[Seeded]:
    environments = [new_id(), new_id()]
    database = search_index.store.database
    name = await database.fetchval(environments[0], CURRENT_DATABASE)
    admin = await asyncpg.connect(postgres.replace("/postgres?", f"/{name}?"))
    for environment in environments:
        await seed_documents(admin, environment, DOCUMENTS)
    plans: list[str] = []
    admin.add_log_listener(lambda _, message: plans.append(str(message)))
    await admin.execute(ANALYSED)
    yield Seeded(search_index, environments[1], admin, plans)
    await admin.close()


@pytest.mark.parametrize(
    "search",
    [
        Search("teapot"),
        Search("copper teapo"),
        Search("teaptot"),
        Search("word1"),
        Search("b", facetting=True),
        Search("golden", filter=Filter("section-1", "EUR", 1_000, 5_000)),
    ],
    ids=str,
)
async def test_searches_go_through_the_index_of_words(seeded: Seeded, search: Search) -> None:
    plan = await seeded.plan_of(search)
    assert "Index Cond: (terms_in(generation_id, words, category_paths, currency, price_minor) @@" in plan
    assert "Seq Scan on documents" not in plan
    assert "Seq Scan on vocabulary" not in plan


async def test_a_search_within_a_category_reads_nothing_outside_it(seeded: Seeded) -> None:
    await seeded.connection.execute("RESET ROLE; SET auto_explain.log_analyze = on; SET ROLE kokoa_search")
    plan = await seeded.plan_of(Search("word1", filter=Filter("section-1/shelf-3")))
    await seeded.connection.execute("RESET ROLE; SET auto_explain.log_analyze = off; SET ROLE kokoa_search")
    assert "rows=0" not in plan.split("documents_terms_in", 1)[1][:120]
    assert "Rows Removed by Filter" not in plan


async def test_a_table_without_statistics_is_searched_by_its_index_of_words(seeded: Seeded, postgres: str) -> None:
    """As in a new store, until PostgreSQL has looked at it for the first time."""
    name = await seeded.service.store.database.fetchval(seeded.environment, CURRENT_DATABASE)
    fresh = await asyncpg.connect(postgres.replace("/postgres?", f"/{name}?"))
    plans: list[str] = []
    fresh.add_log_listener(lambda _, message: plans.append(str(message)))
    await fresh.execute("BEGIN; DELETE FROM pg_statistic WHERE starelid = 'search.documents'::regclass")
    await fresh.execute(ANALYSED)
    await Seeded(seeded.service, seeded.environment, fresh, plans).plan_of(Search("teapot"))
    await fresh.execute("ROLLBACK")
    await fresh.close()
    assert "Index Cond: (terms_in(generation_id, words, category_paths, currency, price_minor) @@" in "\n".join(plans)
    assert "documents_pkey" not in "\n".join(plans)


@pytest.mark.parametrize(
    ("sort", "index"),
    [
        ("PRICE_ASC", "documents_by_price"),
        ("PRICE_DESC", "documents_by_price"),
        ("NAME", "documents_by_name"),
        ("NEWEST", "documents_by_created"),
    ],
)
async def test_many_in_another_order_walk_the_index_of_that_order(seeded: Seeded, sort: Any, index: str) -> None:
    plan = await seeded.plan_of(Search("b", sort=sort, counting=False))
    assert index in plan
    assert "Seq Scan on documents" not in plan


async def test_the_cheapest_of_many_are_found_without_reading_the_others(seeded: Seeded) -> None:
    await seeded.connection.execute("RESET ROLE; SET auto_explain.log_analyze = on; SET ROLE kokoa_search")
    plan = await seeded.plan_of(Search("word1", sort="PRICE_ASC", counting=False))
    await seeded.connection.execute("RESET ROLE; SET auto_explain.log_analyze = off; SET ROLE kokoa_search")
    fit = (await seeded.service.store.search(seeded.environment, Search("word1"))).total
    read = [int(rows) for rows in re.findall(r"Bitmap Heap Scan on documents.*?actual .*?rows=(\d+)", plan)]
    assert fit > 1_000
    assert sum(read) < fit / 2


async def test_counting_goes_through_the_index_of_words(seeded: Seeded) -> None:
    plan = await seeded.plan(queries.search_count, ["teapot"], None, None, None, None, True, None)
    assert "Index Cond: (terms_in(generation_id, words, category_paths, currency, price_minor) @@" in plan
    assert "Seq Scan on documents" not in plan


async def test_suggestions_look_at_an_index_for_each_name(seeded: Seeded) -> None:
    plan = await seeded.plan(queries.suggestions, ["go"], "go", 10)
    assert "using documents_by_name" in plan
    assert "Seq Scan" not in plan


async def test_many_that_fit_are_ranked_counted_and_paged(seeded: Seeded) -> None:
    store, environment = SearchStore(seeded.service.store.database), seeded.environment
    page = await store.search(environment, Search("b", 100, facetting=True))
    # Words of names that begin with b are in at least 5 of 100 names; those of no name begin with w and a digit.
    assert 1_000 < page.total < 10_000
    assert len(set(page.product_ids)) == 100
    assert page.facets.exact
    assert sum(count.count for count in page.facets.categories if "/" not in count.path) == page.total
    assert sum(band.count for band in page.facets.prices) == page.total
    second = await store.search(environment, Search("b", 100, 100))
    assert not set(second.product_ids) & set(page.product_ids)
    cheapest = await store.search(environment, Search("b", 100, sort="PRICE_ASC"))
    dearest = await store.search(environment, Search("b", 100, sort="PRICE_DESC"))
    assert len(cheapest.product_ids) == 100
    assert not set(cheapest.product_ids) & set(dearest.product_ids)
    everywhere = await store.search(environment, Search("word1", facetting=True))
    assert everywhere.total <= 10_000


@pytest.mark.parametrize(
    "selected",
    ["{ items { id } }", "{ total }", "{ total items { id } facets { exact } }"],
)
async def test_a_search_is_one_statement_whatever_is_asked(
    seeded: Seeded, selected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    real = asyncpg.Connection.fetchrow

    async def counted(self: Any, statement: str, *arguments: Any, **named: Any) -> Any:
        sent.append(statement)
        return await real(self, statement, *arguments, **named)

    monkeypatch.setattr(asyncpg.Connection, "fetchrow", counted)
    for limit in (1, 50):
        sent.clear()
        call = Call(seeded.environment, Caller("storefront"), new_correlation_id(), now_ms() + 60_000)
        result = await seeded.service.subgraph.execute(SEARCH % selected, {"q": "teapot", "limit": limit}, call)
        assert not result.errors, result.errors
        assert len(sent) == 1
        if "items" in selected:
            assert len(result.data["search"]["items"]) == limit


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ('q: " "', "INVALID_SEARCH", "q must have 1 to 200 characters, not 0"),
        (f'q: "{"x" * 201}"', "INVALID_SEARCH", "not 201"),
        ('q: "a", limit: 101', "INVALID_SEARCH", "limit must be 0 to 100, not 101"),
        ('q: "a", offset: -1', "INVALID_SEARCH", "offset must be 0 to 1000, not -1"),
        ('q: "a", filter: {category: "/lamps"}', "INVALID_SEARCH_FILTER", "such as furniture/lamps"),
        ('q: "a", filter: {currency: "euro"}', "INVALID_SEARCH_FILTER", "ISO 4217 code such as EUR, not 'euro'"),
        ('q: "a", filter: {minPriceMinor: 1}', "INVALID_SEARCH_FILTER", "minPriceMinor needs a currency"),
        ('q: "a", filter: {currency: "EUR", maxPriceMinor: -1}', "INVALID_SEARCH_FILTER", "must not be below 0"),
        (
            'q: "a", filter: {currency: "EUR", minPriceMinor: 2, maxPriceMinor: 1}',
            "INVALID_SEARCH_FILTER",
            "minPriceMinor (2) must not be above maxPriceMinor (1)",
        ),
    ],
)
async def test_what_cannot_be_searched_is_refused_by_name(
    search_index: SearchService, arguments: str, code: str, says: str
) -> None:
    call = Call(new_id(), Caller("storefront"), new_correlation_id(), now_ms() + 60_000)
    result = await search_index.subgraph.execute(f"{{ search({arguments}) {{ total }} }}", {}, call)
    assert result.errors[0]["extensions"]["code"] == code
    assert says in result.errors[0]["message"]


@pytest.mark.parametrize(("arguments", "says"), [('prefix: ""', "not 0"), ('prefix: "a", limit: 21', "not 21")])
async def test_suggestions_that_are_out_of_bounds_are_refused(
    search_index: SearchService, arguments: str, says: str
) -> None:
    call = Call(new_id(), Caller("storefront"), new_correlation_id(), now_ms() + 60_000)
    result = await search_index.subgraph.execute(f"{{ searchSuggestions({arguments}) }}", {}, call)
    assert result.errors[0]["extensions"]["code"] == "INVALID_SUGGESTIONS"
    assert says in result.errors[0]["message"]
