"""Staged changes are kept, discarded and published; each is one transaction with its event."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, Event, Transaction
from kokoa.services.catalog.bulk import store as bulk_store
from kokoa.services.catalog.bulk.actions import update_events
from kokoa.services.catalog.bulk.model import Changes, Update, changed_variants
from kokoa.services.catalog.categories.store import node_of
from kokoa.services.catalog.categories.store import queries as category_queries
from kokoa.services.catalog.errors import AlreadyTaken, CategoryNotFound, ProductIsArchived
from kokoa.services.catalog.model import Product, Status
from kokoa.services.catalog.parts.actions import advance, locked, require_version, tell
from kokoa.services.catalog.publishing import store
from kokoa.services.catalog.publishing.staged import (
    Fields,
    Live,
    Staged,
    StagedVariant,
    next_product,
    require_no_conflict,
    require_staged,
    stage_more,
    wanted_product,
)
from kokoa.services.catalog.relations.errors import VariantInBundle
from kokoa.services.catalog.store import variant_of
from kokoa.services.catalog.types.details import DetailsChange
from kokoa.services.catalog.types.writing import Changing, changing


class StagingActions:
    """correlation_id: of the request that caused the change; it travels with the events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stage(
        self, environment_id: str, product_id: str, version: int, given: Mapping[str, Any], *, correlation_id: str
    ) -> Product:
        """Keep changes beside the product.  given: as StageProductChangesInput, in snake case.

        Raises InvalidProduct, InvalidMoney, ProductNotFound, ProductChanged, ProductIsArchived, CategoryNotFound.
        """
        async with self._database.transaction(environment_id) as tx:
            before = await locked(tx, product_id)
            if before.status == "ARCHIVED":
                raise ProductIsArchived("Changes of an archived product cannot be staged; restore it first.")
            live = await live_of(tx, before)
            changes = await _read(tx, given)
            require_staged(live, changes)
            old = await store.staged_of(tx, product_id)
            kept = stage_more(live, (old.changes, old.base) if old else None, changes)
            if old and kept == (old.changes, old.base):
                return before
            after = await advance(tx, before, version)
            await store.put_staged(tx, product_id, *kept)
            await tell(tx, after, correlation_id)
        return after

    async def discard(self, environment_id: str, product_id: str, version: int, *, correlation_id: str) -> Product:
        """Without staged changes nothing happens. Raises ProductNotFound, ProductChanged."""
        async with self._database.transaction(environment_id) as tx:
            before = await locked(tx, product_id)
            if await store.staged_of(tx, product_id) is None:
                return before
            after = await advance(tx, before, version)
            await tx.execute(store.queries.delete_staged, product_id)
            await tell(tx, after, correlation_id)
        return after

    async def publish(
        self, environment_id: str, product_id: str, version: int, *, overwrite: bool, correlation_id: str
    ) -> Product:
        """The staged changes become the product's; its status stays. Without any nothing happens.

        overwrite: also where the product itself was changed meanwhile. Raises StagedChangesConflict, InvalidProduct,
        ProductNotFound, ProductChanged, ProductIsArchived, CategoryNotFound, AlreadyTaken.
        """
        async with self._database.transaction(environment_id) as tx:
            details = await changing(tx, product_id, DetailsChange())
            before = await locked(tx, product_id)
            staged = await store.staged_of(tx, product_id)
            if staged is None:
                return before
            require_version(before, version)
            if before.status == "ARCHIVED":
                raise ProductIsArchived("An archived product cannot be changed; restore it first.")
            after, told = await apply(tx, before, staged, details, before.status, overwrite=overwrite)
            await tx.emit(*told, correlation_id=correlation_id)
        return after


async def apply(
    tx: Transaction, before: Product, staged: Staged, details: Changing, status: Status, *, overwrite: bool
) -> tuple[Product, list[Event]]:
    """Write the next version of a locked product, with its staged changes and this status; the events to emit.

    details: that change nothing, but know the product's.  Raises StagedChangesConflict, InvalidProduct,
    CategoryNotFound, AlreadyTaken, VariantInBundle, and what `changed_details` does for new variants.
    """
    live = await live_of(tx, before)
    if not overwrite:
        require_no_conflict(staged, live)
    category = before.category_slug
    if staged.changes.category_id is not None:
        category = await _path_of(tx, staged.changes.category_id)
    wanted = wanted_product(live, staged.changes, category)
    after = next_product(before, wanted, status)
    update = Update(after, before.status, edited=True)
    keep = {variant.sku for variant in wanted.variants}
    gone = [variant.id for variant in live.variants if variant.sku not in keep]
    variants = changed_variants(wanted.variants, live.variants, before.id, new_id)
    try:
        await bulk_store.write(tx, Changes([], [update], variants, gone, [], []))
        ids = {one.sku: one.id for one in (*live.variants, *(one for _, one in variants)) if one.sku in keep}
        await details.write(tx, {one.sku: ids[one.sku] for one in wanted.variants}, gone=gone)
    except asyncpg.UniqueViolationError as error:
        raise AlreadyTaken("Another product has one of the staged SKUs by now.") from error
    except asyncpg.ForeignKeyViolationError as error:
        if error.constraint_name == "bundle_items_variant":
            raise VariantInBundle("A variant that would go is in a bundle; take it out of that first.") from error
        raise _gone_category() from error
    await tx.execute(store.queries.delete_staged, before.id)
    return after, update_events(update)


async def live_of(tx: Transaction, product: Product) -> Live:
    """A locked product with what can be staged of it."""
    rows = await tx.fetch(bulk_store.queries.variants_of_products, [product.id])
    category_id = None
    if product.category_slug is not None:
        found = await tx.fetch(category_queries.categories_by_paths, [product.category_slug])
        category_id = node_of(found[0]).id
    return Live(product, [variant_of(row) for row in rows], category_id)


async def _read(tx: Transaction, given: Mapping[str, Any]) -> Fields:
    path, variants = given.get("category"), given.get("variants")
    category_id = None
    if path is not None:
        found = await tx.fetch(category_queries.categories_by_paths, [path])
        if not found:
            raise CategoryNotFound(f"There is no category {path!r}.")
        category_id = node_of(found[0]).id
    return Fields(
        name=given.get("name"),
        description=given.get("description"),
        category_id=category_id,
        variants=None if variants is None else _variants(variants),
    )


def _variants(given: Sequence[Mapping[str, Any]]) -> tuple[StagedVariant, ...]:
    return tuple(StagedVariant(one["sku"], one.get("name", ""), one["price_minor"], one["currency"]) for one in given)


async def _path_of(tx: Transaction, category_id: str) -> str:
    found = await tx.fetch(category_queries.categories_by_ids, [category_id])
    if not found:
        raise _gone_category()
    return node_of(found[0]).path


def _gone_category() -> CategoryNotFound:
    return CategoryNotFound("The staged category is there no more; stage another one.")
