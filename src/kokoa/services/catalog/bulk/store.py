"""queries.sql ⇄ model."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from kokoa.postgres import Database, Row, Transaction, load_queries
from kokoa.services.catalog.bulk.feed import Change, FeedPage, FeedPlace
from kokoa.services.catalog.bulk.model import Changes, looks_like_id, read_export_cursor
from kokoa.services.catalog.model import Product, Variant
from kokoa.services.catalog.store import product_of, variant_of

queries = load_queries(Path(__file__).with_name("queries.sql"))

FORGET_BATCH = 1_000

_BEFORE_VERSION = Product.__struct_fields__.index("version")
_CHANGEABLE = len(Product.__struct_fields__) - 2  # not the moments


class BulkStore:
    """Reads of one environment each; `forget_deletions` spans them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def export_page(self, environment_id: str, after: str | None, limit: int) -> list[Product]:
        """Products by reference, then those without one by id. Raises InvalidCursor."""
        reference, product_id = read_export_cursor(after)
        rows: list[Row] = []
        if reference is not None:
            rows = await self._database.fetch(environment_id, queries.products_by_reference, reference, limit)
        if len(rows) < limit:
            rows += await self._database.fetch(
                environment_id, queries.products_without_reference, product_id, limit - len(rows)
            )
        return [product_of(row) for row in rows]

    async def changes(self, environment_id: str, after: FeedPlace, limit: int) -> FeedPage:
        """Changes after a place of the feed, the oldest first."""
        rows = await self._database.fetch(environment_id, queries.changes_page, *after.key, limit)
        settled, forgotten_in, forgotten_id, *_ = rows[0]
        changes = [
            Change(changed_in, str(product_id), version, reference, "DELETE" if deleted else "UPSERT")
            for _, _, _, changed_in, product_id, version, reference, deleted in rows
            if product_id is not None
        ]
        return FeedPage(changes, settled, None if forgotten_id is None else (forgotten_in, str(forgotten_id)))

    async def forget_deletions(self, before: datetime) -> int:
        """Forget what was deleted before a moment, in all environments, one batch; how many went. Call it until 0."""
        rows = await self._database.fetch_anywhere(queries.forget_deletions, before, FORGET_BATCH)
        return int(rows[0][0])


async def any_known(tx: Transaction, references: Sequence[str]) -> bool:
    """Whether some of these may be products that are there; nothing is locked."""
    return any(map(looks_like_id, references)) or bool(await tx.fetchval(queries.any_known, references))


async def appeared(tx: Transaction, references: Sequence[str]) -> bool:
    """Whether there is a product with one of these references by now."""
    return bool(await tx.fetchval(queries.any_known, list(references)))


async def lock_known(
    tx: Transaction, references: Sequence[str]
) -> tuple[dict[str, Product], dict[str, list[Variant]]]:
    """The products with these references, locked until the transaction ends, and their variants by product id.

    A product without a reference is known by its id.
    """
    rows = await tx.fetch(queries.lock_products, references)
    products = {product.external_reference or "": product for product in map(product_of, rows)}
    ids = [reference for reference in references if reference not in products and looks_like_id(reference)]
    if ids:
        found = map(product_of, await tx.fetch(queries.lock_products_without_reference, ids))
        products.update((product.id, product) for product in found)
    variants: dict[str, list[Variant]] = defaultdict(list)
    if products:
        theirs = [product.id for product in products.values()]
        for row in await tx.fetch(queries.variants_of_products, theirs):
            variant = variant_of(row)
            variants[variant.product_id].append(variant)
    return products, variants


async def reference_owners(tx: Transaction, references: Sequence[str]) -> dict[str, tuple[str, str]]:
    """(product id, SKU) of the variants that have these external references."""
    rows = await tx.fetch(queries.variant_reference_owners, references) if references else []
    return {reference: (str(owner), sku) for reference, owner, sku in rows}


async def owners(tx: Transaction, slugs: Sequence[str], skus: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Whose these slugs and SKUs are, as product ids."""
    of_slugs = await tx.fetch(queries.slug_owners, slugs) if slugs else []
    of_skus = await tx.fetch(queries.sku_owners, skus) if skus else []
    return {slug: str(owner) for slug, owner in of_slugs}, {sku: str(owner) for sku, owner in of_skus}


async def write(tx: Transaction, changes: Changes) -> None:
    """A statement for each kind of change, whatever their number."""
    if changes.created:
        # In the order of references, so that two batches with the same new products wait instead of deadlocking.
        created = sorted(changes.created, key=lambda product: product.external_reference or "")
        rows = [(*msgspec.structs.astuple(one)[:_BEFORE_VERSION], one.status) for one in created]
        await tx.execute(queries.insert_products, *_columns(rows), created[0].created_at)
    if changes.updated:
        rows = [msgspec.structs.astuple(one.product)[:_CHANGEABLE] for one in changes.updated]
        await tx.execute(queries.update_products, *_columns(rows))
    if changes.gone:
        await tx.execute(queries.delete_variants, changes.gone)
    if changes.variants:
        new = {product.id for product in changes.created}
        of_new = [_variant_row(*one) for one in changes.variants if one[1].product_id in new]
        others = [_variant_row(*one) for one in changes.variants if one[1].product_id not in new]
        if of_new:
            await tx.execute(queries.insert_variants, *_columns(of_new))
        if others:
            await tx.execute(queries.put_variants, *_columns(others))


def _variant_row(position: int, one: Variant) -> tuple[Any, ...]:
    place = (one.id, one.product_id, position, one.sku)
    return *place, one.name, one.price_minor, one.currency, one.weight_grams, one.external_reference


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Rows, at least one, as arrays for unnest."""
    return [list(column) for column in zip(*rows, strict=True)]
