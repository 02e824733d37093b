"""queries.sql ⇄ model."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path as FilePath
from typing import Any

import msgspec

from kokoa.postgres import Database, Row, Transaction, load_queries
from kokoa.services.catalog.bulk.model import (
    CATEGORY_DEPTH_MAX,
    Change,
    Changes,
    NewCategory,
    Path,
    looks_like_id,
    read_export_cursor,
)
from kokoa.services.catalog.model import Product, Variant
from kokoa.services.catalog.store import product_of

queries = load_queries(FilePath(__file__).with_name("queries.sql"))


class BulkStore:
    """Reads of one environment each."""

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

    async def changes(self, environment_id: str, after: tuple[int, str], limit: int) -> list[Change]:
        """Changes after a place of the feed, the oldest first."""
        rows = await self._database.fetch(environment_id, queries.changes_page, *after, limit)
        return [
            Change(changed_in, str(product_id), version, reference, "DELETE" if deleted else "UPSERT")
            for changed_in, product_id, version, reference, deleted in rows
        ]

    async def category_paths(self, environment_id: str, slugs: Sequence[str]) -> dict[str, list[str]]:
        """By slug."""
        rows = await self._database.fetch(environment_id, queries.category_paths, sorted(set(slugs)))
        return {row["slug"]: row["path"] for row in rows}


async def lock_known(
    tx: Transaction, references: Sequence[str]
) -> tuple[dict[str, Product], dict[str, list[Variant]]]:
    """The products with these references, locked until the transaction ends, and their variants by product id.

    A product without a reference is known by its id.
    """
    await tx.execute(queries.prefer_indexes)
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
            variant_id, product_id, *fields = row
            variants[str(product_id)].append(Variant(str(variant_id), str(product_id), *fields))
    return products, variants


async def owners(tx: Transaction, slugs: Sequence[str], skus: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Whose these slugs and SKUs are, as product ids."""
    of_slugs = await tx.fetch(queries.slug_owners, slugs) if slugs else []
    of_skus = await tx.fetch(queries.sku_owners, skus) if skus else []
    return {slug: str(owner) for slug, owner in of_slugs}, {sku: str(owner) for sku, owner in of_skus}


async def known_categories(tx: Transaction, paths: Sequence[Path]) -> dict[Path, str]:
    """Slug by path: of these, of those above them, and of some others."""
    names = sorted({name for path in paths for name in path})
    rows = await tx.fetch(queries.category_tree, names, CATEGORY_DEPTH_MAX) if names else []
    found: dict[Path, str] = {}
    for row in rows:
        found.setdefault(tuple(row["path"]), row["slug"])
    return found


async def lock_categories(tx: Transaction) -> None:
    """Until the transaction ends nobody else makes categories in a batch."""
    await tx.execute(queries.lock_categories)


async def category_slugs_taken(tx: Transaction, slugs: Sequence[str]) -> frozenset[str]:
    """Which of these are taken."""
    return frozenset(row["slug"] for row in await tx.fetch(queries.category_slugs_taken, slugs))


async def insert_categories(tx: Transaction, made: Sequence[NewCategory]) -> None:
    """Parents before their children."""
    rows = [(one.slug, one.name, one.parent) for one in made]
    await tx.execute(queries.insert_categories, *_columns(rows, 3))


async def write(tx: Transaction, changes: Changes) -> None:
    """A statement for each kind of change, whatever their number."""
    if changes.created:
        # In the order of references, so that two batches with the same new products wait instead of deadlocking.
        created = sorted(changes.created, key=lambda product: product.external_reference or "")
        await tx.execute(queries.insert_products, *_columns(map(msgspec.structs.astuple, created), 9))
    if changes.updated:
        await tx.execute(queries.update_products, *_columns(map(msgspec.structs.astuple, changes.updated), 9))
    if changes.gone:
        await tx.execute(queries.delete_variants, changes.gone)
    if changes.variants:
        rows = [
            (v.id, v.product_id, position, v.sku, v.name, v.price_minor, v.currency)
            for position, v in changes.variants
        ]
        await tx.execute(queries.put_variants, *_columns(rows, 7))


def _columns(rows: Iterable[Sequence[Any]], count: int) -> list[list[Any]]:
    """Rows as `count` arrays, for unnest."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in range(count)]
