"""queries.sql ⇄ model."""

from collections.abc import Sequence
from pathlib import Path

import orjson

from kokoa.postgres import Database, Transaction, load_queries
from kokoa.services.search.model import (
    NO_FACETS,
    TOTAL_MAX,
    WORDS_MAX,
    CategoryCount,
    Document,
    Facets,
    Page,
    Search,
    price_band,
    vocabulary_of,
    words_of,
)

queries = load_queries(Path(__file__).with_name("queries.sql"))

_NOTHING = Page(0, [])


class SearchStore:
    """The index of each environment."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def search(self, environment_id: str, search: Search) -> Page:
        """A page of the products that fit, in one statement."""
        words = words_of(search.q)[:WORDS_MAX]
        if not words:
            return _NOTHING
        wanted = search.filter
        row = await self.database.fetchrow(
            environment_id,
            queries.search_page,
            words,
            search.limit,
            search.offset,
            search.sort,
            wanted.category,
            wanted.currency,
            wanted.min_price_minor,
            wanted.max_price_minor,
            search.counting or search.facetting,
            search.facetting,
        )
        assert row is not None
        facets = NO_FACETS
        if search.facetting:
            facets = Facets(
                row["total"] <= TOTAL_MAX,
                [CategoryCount(path, count) for path, count in orjson.loads(row["categories"])],
                [price_band(*band) for band in orjson.loads(row["prices"])],
            )
        return Page(min(row["total"], TOTAL_MAX), [str(one) for one in row["product_ids"]], facets)

    async def suggestions(self, environment_id: str, prefix: str, limit: int) -> list[str]:
        """Names of products, each once."""
        words = words_of(prefix)[:WORDS_MAX]
        if not words:
            return []
        beginning = prefix.lstrip().lower()
        rows = await self.database.fetch(environment_id, queries.suggestions, words, beginning, limit)
        return [row["name"] for row in rows]

    async def put(self, environment_id: str, documents: Sequence[Document], gone: Sequence[str]) -> None:
        """Index these, forget those. Older versions than the indexed ones change nothing."""
        async with self.database.transaction(environment_id) as tx:
            generations = await _generations(tx)
            if documents:
                await put_documents(tx, generations, documents)
            if gone:
                await tx.execute(queries.delete_documents, generations, list(gone))


async def _generations(tx: Transaction) -> list[int]:
    """The indexes that changes go to; the environment's first is made."""
    rows = await tx.fetch(queries.written_generations)
    if not rows:
        await tx.execute(queries.first_generation)
        rows = await tx.fetch(queries.written_generations)
    return [row["id"] for row in rows]


async def put_documents(tx: Transaction, generations: Sequence[int], documents: Sequence[Document]) -> None:
    """Index documents, and their words, in each generation."""
    # In one order, so that two batches with the same products wait for each other and do not deadlock.
    documents = sorted(documents, key=lambda document: document.product_id)
    await tx.execute(
        queries.put_documents,
        generations,
        [d.product_id for d in documents],
        [d.version for d in documents],
        [d.name for d in documents],
        [" ".join(words_of(d.skus)) for d in documents],
        [d.category for d in documents],
        [d.description for d in documents],
        [d.category_path for d in documents],
        [d.currency for d in documents],
        [d.price_minor for d in documents],
        [d.created_at for d in documents],
    )
    words = {word for d in documents for word in vocabulary_of(f"{d.name} {d.category}")}
    await tx.execute(queries.put_vocabulary, generations, sorted(words))
