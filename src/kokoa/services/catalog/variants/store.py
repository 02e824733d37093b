"""queries.sql ⇄ model."""

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import astuple

from kokoa.postgres import Database, load_queries
from kokoa.services.catalog.model import Variant, VariantWithProduct
from kokoa.services.catalog.store import product_of, variant_of

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
        self,
        environment_id: str,
        ids: Sequence[str],
        skus: Sequence[str],
        *,
        published_only: bool = False,
        with_products: bool = False,
    ) -> list[Variant]:
        """In the order of the ids, then of the SKUs, each once; missing ones are missing.

        with_products: each is a VariantWithProduct.
        """
        rows = await self._database.fetch(
            environment_id, queries.variants_by_keys, list(ids), list(skus), published_only, with_products
        )
        found = [variant_of(row[:-1]) for row in rows]
        if with_products:
            read = (product_of(row["product"]) for row in rows if row["product"] is not None)
            products = {one.id: one for one in read}
            found = [VariantWithProduct(*astuple(one), product=products[one.product_id]) for one in found]
        by_id, by_sku = {one.id: one for one in found}, {one.sku: one for one in found}
        wanted = [*(by_id.get(one) for one in ids), *(by_sku.get(one) for one in skus)]
        return list({one.id: one for one in wanted if one is not None}.values())
