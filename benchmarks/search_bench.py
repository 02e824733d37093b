"""`python -m benchmarks.search_bench`: searches among 100,000 products in each of two stores.

PostgreSQL and the service alone, on this machine, 16 searches at a time: latencies are the search service's own,
without HTTP, gateway and catalog.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Annotated, Any

import asyncpg
import msgspec
import uvloop
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from benchmarks.search_seed import ADJECTIVES, MATERIALS, THINGS, seed_documents
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.postgres import Database, EmbeddedPostgres, ServiceSchema, migrate, service_dsn
from kokoa.services.search.service import FOLDER, SearchService

_AT_ONCE = 16
_POOL = 4
_PASSWORD = "of-a-server-that-lives-for-a-minute"
_PAGE = """query($q: String!, $filter: SearchFilter, $sort: SearchSort! = RELEVANCE) {
  search(q: $q, filter: $filter, sort: $sort) { items { id } } }"""
_COUNTED = "query($q: String!) { search(q: $q) { total items { id } } }"
_FACETS = "query($q: String!) { search(q: $q) { items { id } facets { exact categories { path count } } } }"
_SUGGESTIONS = "query($q: String!) { searchSuggestions(prefix: $q) }"

app = App(name="search_bench")


class Kind(msgspec.Struct, frozen=True):
    """share: of a hundred searches of the mix.  variables: made from a word of each sort."""

    name: str
    share: int
    document: str
    q: str
    more: Mapping[str, Any] = {}


MIX = [
    Kind("two words", 30, _PAGE, "{material} {thing}"),
    Kind("two words, counted", 10, _COUNTED, "{adjective} {thing}"),
    Kind("as you type", 20, _PAGE, "{material} {begun}"),
    Kind("one word of 1,000 names", 10, _COUNTED, "{thing}"),
    Kind("one word of 3,000 names", 5, _PAGE, "{adjective}"),
    Kind("within category and prices", 10, _PAGE, "{thing}", {
        "filter": {"category": "section-1", "currency": "EUR", "minPriceMinor": 1000, "maxPriceMinor": 90000},
    }),
    Kind("misspelt", 5, _PAGE, "{material} {misspelt}"),
    Kind("cheapest first", 5, _PAGE, "{thing}", {"sort": "PRICE_ASC"}),
    Kind("facets", 2, _FACETS, "{material} {thing}"),
    Kind("suggestions", 3, _SUGGESTIONS, "{begun}"),
]  # fmt: skip


def _variables(kind: Kind, random: Random) -> dict[str, Any]:
    thing = random.choice(THINGS)
    words = {
        "adjective": random.choice(ADJECTIVES[:32]),
        "material": random.choice(MATERIALS),
        "thing": thing,
        "begun": thing[: max(3, len(thing) - 2)],
        "misspelt": thing[:2] + thing[1:],
    }
    return {"q": kind.q.format(**words), **kind.more}


@app.default
def bench(
    *,
    products: Annotated[int, Parameter(help="In each of two environments.")] = 100_000,
    searches: Annotated[int, Parameter(help="Of the whole mix.")] = 4_000,
) -> None:
    """Make the documents, search, print latencies by kind of search."""
    uvloop.run(_bench(products, searches))


async def _bench(products: int, searches: int) -> None:
    with tempfile.TemporaryDirectory(prefix="kokoa-search-bench-") as folder:
        server = EmbeddedPostgres(Path(folder))
        admin_dsn = await server.start()
        try:
            await migrate(admin_dsn, [ServiceSchema("search", FOLDER / "migrations", _PASSWORD)])
            environments = [new_id(), new_id()]
            admin = await asyncpg.connect(admin_dsn)
            begun = time.perf_counter()
            for environment in environments:
                await seed_documents(admin, environment, products)
            await admin.close()
            print(f"{2 * products} documents in {time.perf_counter() - begun:.0f} s")
            dsn = service_dsn(admin_dsn, "search", _PASSWORD)
            database = await Database.connect(dsn, service="search", pool_size=_POOL)
            await _measure(SearchService(database), environments, searches)
            await database.close()
        finally:
            await server.stop()


async def _measure(service: SearchService, environments: Sequence[str], searches: int) -> None:
    random = Random(7)
    kinds = random.choices(MIX, [kind.share for kind in MIX], k=searches + 400)
    work = iter([(kind, _variables(kind, random), random.choice(environments)) for kind in kinds])
    found: list[tuple[str, float]] = []

    async def search_on() -> None:
        for kind, variables, environment in work:
            call = Call(environment, Caller("storefront"), new_correlation_id(), now_ms() + 60_000)
            begun = time.perf_counter()
            result = await service.subgraph.execute(kind.document, variables, call)
            found.append((kind.name, (time.perf_counter() - begun) * 1000))
            assert not result.errors, result.errors

    busy = os.getloadavg()[0]
    begun = time.perf_counter()
    await asyncio.gather(*(search_on() for _ in range(_AT_ONCE)))
    per_second = len(found) / (time.perf_counter() - begun)
    _show(found[400:])
    print(f"{per_second:.0f} searches/s, {_AT_ONCE} at once; {os.cpu_count()} processors, {busy:.1f} busy before")


def _show(found: Sequence[tuple[str, float]]) -> None:
    """The first ones, with cold plans and caches, are left out."""
    table = Table("SEARCH", "COUNT", "P50 MS", "P99 MS", box=None, header_style="bold")
    for name in ["all", *(kind.name for kind in MIX)]:
        times = sorted(ms for kind, ms in found if name in {"all", kind})
        if times:
            p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
            table.add_row(name, str(len(times)), f"{p50:.1f}", f"{p99:.1f}")
    Console(highlight=False, width=100).print(table)


if __name__ == "__main__":
    app()
