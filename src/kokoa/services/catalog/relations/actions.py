"""One function a mutation; one transaction; its events."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from kokoa.postgres import Database, Transaction
from kokoa.services.catalog.errors import ProductNotFound
from kokoa.services.catalog.model import Product, Variant
from kokoa.services.catalog.parts.actions import advance, locked, tell
from kokoa.services.catalog.relations.errors import NestedBundle
from kokoa.services.catalog.relations.model import (
    BundleItem,
    RelationKind,
    WantedItem,
    read_items,
    require_related,
    require_variants,
)
from kokoa.services.catalog.relations.store import queries
from kokoa.services.catalog.store import variant_of


class RelationActions:
    """correlation_id: of the request that caused the change; it travels with the events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def relate(
        self,
        environment_id: str,
        product_id: str,
        version: int,
        kind: RelationKind,
        ids: Sequence[str],
        *,
        correlation_id: str,
    ) -> Product:
        """What the product points to by this kind, in order, in the place of what it pointed to.

        Raises InvalidRelations, InvalidId, ProductNotFound, ProductChanged.
        """
        wanted = require_related(product_id, ids)
        try:
            async with self._database.transaction(environment_id) as tx:
                before = await locked(tx, product_id)
                rows = await tx.fetch(queries.related_ids, product_id, kind)
                if wanted == [str(row["related_id"]) for row in rows]:
                    return before
                after = await advance(tx, before, version)
                await tx.execute(queries.delete_related, product_id, kind)
                await tx.execute(queries.insert_related, product_id, kind, wanted)
                await tell(tx, after, correlation_id)
        except asyncpg.ForeignKeyViolationError as error:
            raise ProductNotFound("One of productIds is no product of this store.") from error
        return after

    async def set_bundle(
        self,
        environment_id: str,
        product_id: str,
        version: int,
        given: Sequence[Mapping[str, Any]],
        *,
        correlation_id: str,
    ) -> Product:
        """What the product is made of; no items: it is no bundle.  given: as BundleItemInput, in snake case.

        Raises InvalidBundle, InvalidId, NestedBundle, ProductNotFound, ProductChanged.
        """
        items = read_items(given)
        async with self._database.transaction(environment_id) as tx:
            await tx.execute(queries.lock_bundles)
            before = await locked(tx, product_id)
            wanted = require_variants(items, await _variants(tx, items)) if items else []
            if wanted:
                await _require_flat(tx, product_id, wanted)
            ids = [one.variant.id for one in wanted if one.variant]
            quantities = [one.quantity for one in wanted]
            rows = await tx.fetch(queries.bundle_of, product_id)
            if [(str(row["variant_id"]), row["quantity"]) for row in rows] == list(zip(ids, quantities, strict=True)):
                return before
            after = await advance(tx, before, version)
            await tx.execute(queries.delete_bundle, product_id)
            await tx.execute(queries.insert_bundle, product_id, ids, quantities)
            await tell(tx, after, correlation_id)
        return after


async def _variants(tx: Transaction, items: Sequence[WantedItem]) -> list[Variant]:
    ids = [one.variant_id for one in items if one.variant_id]
    skus = [one.sku for one in items if one.sku]
    return [variant_of(row) for row in await tx.fetch(queries.variants_named, ids, skus)]


async def _require_flat(tx: Transaction, product_id: str, items: Sequence[BundleItem]) -> None:
    """Bundles hold variants of ordinary products only, so no cycle can come about. Raises NestedBundle."""
    owners = {one.variant.product_id for one in items if one.variant}
    if product_id in owners:
        raise NestedBundle("A bundle cannot hold variants of itself.")
    if nested := await tx.fetch(queries.bundles_among, sorted(owners)):
        raise NestedBundle(f"The product {nested[0]['product_id']} is a bundle itself; name its parts instead.")
    if (sku := await tx.fetchval(queries.bundled_variant_of, product_id)) is not None:
        raise NestedBundle(f"The product's variant {sku!r} is in a bundle, so the product cannot become one.")
