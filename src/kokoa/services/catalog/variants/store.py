"""queries.sql ⇄ model."""

from collections.abc import Sequence
from pathlib import Path

from kokoa.postgres import Database, load_queries
from kokoa.services.catalog.model import Variant
from kokoa.services.catalog.store import variant_of

queries = load_queries(Path(__file__).with_name("queries.sql"))


class VariantStore:
    """Reads of one environment each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_key(
        self,
        environment_id: str,
        *,
        sku: str | None = None,
        external_reference: str | None = None,
        published_only: bool = False,
    ) -> Variant | None:
        """By one of the two.  published_only: not of drafts and archived products."""
        row = await self._database.fetchrow(environment_id, queries.variant_by_key, sku, external_reference)
        if row is None or (published_only and row["status"] != "PUBLISHED"):
            return None
        return variant_of(row[:-1])

    async def by_keys(
        self, environment_id: str, ids: Sequence[str], skus: Sequence[str], *, published_only: bool = False
    ) -> list[Variant]:
        """In the order of the ids, then of the SKUs, each once; missing ones are missing."""
        rows = await self._database.fetch(
            environment_id, queries.variants_by_keys, list(ids), list(skus), published_only
        )
        found = [variant_of(row) for row in rows]
        by_id, by_sku = {one.id: one for one in found}, {one.sku: one for one in found}
        wanted = [*(by_id.get(one) for one in ids), *(by_sku.get(one) for one in skus)]
        return list({one.id: one for one in wanted if one is not None}.values())
