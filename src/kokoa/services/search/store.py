"""queries.sql ⇄ model."""

from collections.abc import Sequence
from pathlib import Path

from kokoa.postgres import Database, load_queries
from kokoa.services.search.model import Document, Page, tsquery_of, words_of

queries = load_queries(Path(__file__).with_name("queries.sql"))


class SearchStore:
    """The index of each environment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(self, environment_id: str, q: str, *, limit: int, offset: int) -> Page:
        """A page of the products that fit."""
        wanted = tsquery_of(q)
        if not wanted:
            return Page(0, [])
        rows = await self._database.fetch(environment_id, queries.search_page, wanted, limit, offset)
        if rows:
            return Page(rows[0]["total"], [str(row["product_id"]) for row in rows])
        if limit == 0 or offset > 0:
            return Page(await self._database.fetchval(environment_id, queries.search_count, wanted), [])
        return Page(0, [])

    async def put(self, environment_id: str, documents: Sequence[Document], gone: Sequence[str]) -> None:
        """Index these, forget those. Older versions than the indexed ones change nothing."""
        async with self._database.transaction(environment_id) as tx:
            if documents:
                # In one order, so that two batches with the same products wait for each other and do not deadlock.
                documents = sorted(documents, key=lambda document: document.product_id)
                await tx.execute(
                    queries.put_documents,
                    [d.product_id for d in documents],
                    [d.version for d in documents],
                    [d.name for d in documents],
                    [" ".join(words_of(d.skus)) for d in documents],
                    [d.category for d in documents],
                    [d.description for d in documents],
                )
            if gone:
                await tx.execute(queries.delete_documents, list(gone))
