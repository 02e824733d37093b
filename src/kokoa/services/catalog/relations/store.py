"""queries.sql ⇄ model. Every read takes many products at once."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from kokoa.postgres import Database, Transaction, load_queries
from kokoa.services.catalog.model import Product
from kokoa.services.catalog.relations.model import BundleItem, RelationKind
from kokoa.services.catalog.store import product_of, variant_of

queries = load_queries(Path(__file__).with_name("queries.sql"))


class RelationStore:
    """Reads of one environment each; one statement a call.  published_only: as for a storefront."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def related(
        self, environment_id: str, product_ids: Sequence[str], kind: RelationKind, limit: int, *, published_only: bool
    ) -> dict[str, list[Product]]:
        """By the id of the product that points to them, in order; products that point to none are missing."""
        ids = sorted(set(product_ids))
        rows = await self._database.fetch(
            environment_id, queries.related_of_products, ids, kind, limit, published_only
        )
        found: dict[str, list[Product]] = defaultdict(list)
        for row in rows:
            found[str(row["of"])].append(product_of(row))
        return found

    async def bundles(
        self, environment_id: str, product_ids: Sequence[str], *, published_only: bool
    ) -> dict[str, list[BundleItem]]:
        """By the bundle's id, in order; products that are none are missing."""
        rows = await self._database.fetch(environment_id, queries.bundles_of_products, list(product_ids))
        found: dict[str, list[BundleItem]] = defaultdict(list)
        for row in rows:
            *variant, product_id, quantity, status = row
            hidden = published_only and status != "PUBLISHED"
            found[str(product_id)].append(BundleItem(None if hidden else variant_of(variant), quantity))
        return found


async def bundled_among(tx: Transaction, variant_ids: Sequence[str]) -> frozenset[str]:
    """Those of these variants that are in a bundle; asks nothing about none."""
    if not variant_ids:
        return frozenset()
    rows = await tx.fetch(queries.bundled_among, list(variant_ids))
    return frozenset(str(row["variant_id"]) for row in rows)
