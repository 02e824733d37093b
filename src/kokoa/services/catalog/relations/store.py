"""queries.sql ⇄ model. Every read takes many products at once."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kokoa.postgres import Database, Transaction, load_queries
from kokoa.services.catalog.model import Product
from kokoa.services.catalog.relations.model import BundleItem, RelationKind
from kokoa.services.catalog.store import product_of, variant_of

queries = load_queries(Path(__file__).with_name("queries.sql"))


class RelationStore:
    """Reads of one environment each; one statement a call.  published_only: as for a storefront.

    channel: a key; what is not sold there is left out, or, in a bundle, is a part without its variant.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def related(
        self,
        environment_id: str,
        product_ids: Sequence[str],
        kind: RelationKind,
        limit: int,
        *,
        published_only: bool,
        channel: str | None = None,
    ) -> dict[str, list[Product]]:
        """By the id of the product that points to them, in order; products that point to none are missing."""
        values: list[Any] = [sorted(set(product_ids)), kind, limit, published_only]
        statement = queries.related_of_products
        if channel is not None:
            statement, values = queries.related_sold, [*values, channel]
        rows = await self._database.fetch(environment_id, statement, *values)
        found: dict[str, list[Product]] = defaultdict(list)
        for row in rows:
            found[str(row["of"])].append(product_of(row))
        return found

    async def bundles(
        self, environment_id: str, product_ids: Sequence[str], *, published_only: bool, channel: str | None = None
    ) -> dict[str, list[BundleItem]]:
        """By the bundle's id, in order; products that are none are missing."""
        ids = list(product_ids)
        if channel is None:
            rows = await self._database.fetch(environment_id, queries.bundles_of_products, ids)
        else:
            rows = await self._database.fetch(environment_id, queries.bundles_sold, ids, channel)
        found: dict[str, list[BundleItem]] = defaultdict(list)
        for row in rows:
            *variant, product_id, quantity, status, sold = row
            hidden = not sold or (published_only and status != "PUBLISHED")
            found[str(product_id)].append(BundleItem(None if hidden else variant_of(variant), quantity))
        return found


async def bundled_among(tx: Transaction, variant_ids: Sequence[str]) -> frozenset[str]:
    """Those of these variants that are in a bundle; asks nothing about none."""
    if not variant_ids:
        return frozenset()
    rows = await tx.fetch(queries.bundled_among, list(variant_ids))
    return frozenset(str(row["variant_id"]) for row in rows)
