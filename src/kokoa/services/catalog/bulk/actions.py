"""A batch is one transaction, and an event for each product that it changed."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from kokoa.kernel.ids import new_id, new_ids
from kokoa.kernel.text import is_plain
from kokoa.postgres import ChangedConcurrently, Database, Event, Transaction
from kokoa.processes.steps import reached
from kokoa.services.catalog import events
from kokoa.services.catalog.bulk import store
from kokoa.services.catalog.bulk.details import KnownDetails, wanted_unique
from kokoa.services.catalog.bulk.errors import BatchContended
from kokoa.services.catalog.bulk.model import (
    Categories,
    Changes,
    Known,
    Outcome,
    Row,
    Update,
    gone_variants,
    plan_batch,
    read_rows,
    slug_for,
)
from kokoa.services.catalog.bulk.parts import NO_PARTS, NOTHING_KNOWN, ChangedParts, KnownParts
from kokoa.services.catalog.categories import store as category_store
from kokoa.services.catalog.categories.model import CategoryNode, Names, missing_names, new_by_names
from kokoa.services.catalog.categories.store import queries as category_queries
from kokoa.services.catalog.custom_fields import store as custom_field_store
from kokoa.services.catalog.custom_fields.model import CustomField
from kokoa.services.catalog.custom_fields.values import Document
from kokoa.services.catalog.model import Product, status_change
from kokoa.services.catalog.relations.store import bundled_among
from kokoa.services.catalog.translations import store as translation_store
from kokoa.services.catalog.translations.model import Texts
from kokoa.services.catalog.translations.seo import OwnSeo
from kokoa.services.catalog.types import store as type_store
from kokoa.services.catalog.types.details import NO_DETAILS

ATTEMPTS_MAX = 5

# Between our look and our write somebody else took a reference, a slug or an SKU, or moved or removed a category; or
# waits for what we hold.
_CONTENDED = (
    asyncpg.UniqueViolationError,
    asyncpg.ForeignKeyViolationError,
    asyncpg.SerializationError,
    ChangedConcurrently,
)


class _TreeFirst(Exception):
    """Categories are to be made and products to be locked: whoever moves a category locks in the other order."""


class _Appeared(Exception):
    """Products of the batch came between two looks: their slugs and SKUs seemed to be taken by strangers."""


class _DryRun(Exception):
    """Rolls a transaction back that was only to show what would happen."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        super().__init__()
        self.outcomes = outcomes


class BulkActions:
    """correlation_id: of the request that caused the change; it travels with the events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def upsert(
        self, environment_id: str, given: Sequence[Mapping[str, Any]], *, dry_run: bool, correlation_id: str
    ) -> list[Outcome]:
        """One outcome for each row, in order.  given: as BulkProductInput. Raises InvalidBatch, BatchContended."""
        rows, failed = read_rows(given)
        tree_first = False
        for _ in range(ATTEMPTS_MAX):
            try:
                done = await self._attempt(environment_id, rows, tree_first, dry_run, correlation_id) if rows else []
            except (*_CONTENDED, _TreeFirst, _Appeared):
                tree_first = True
                continue
            return sorted([*failed, *done], key=lambda outcome: outcome.index)
        raise BatchContended("Others change the same products right now; send the batch again.")

    async def _attempt(
        self, environment_id: str, rows: Sequence[Row], tree_first: bool, dry_run: bool, correlation_id: str
    ) -> list[Outcome]:
        """tree_first: take the tree of categories before anything is planned, and not only to write what is new."""
        try:
            async with self._database.transaction(environment_id) as tx:
                categories = await _categories(tx, [row.category for row in rows if row.category], lock=tree_first)
                if categories.made and not tree_first and await store.any_known(tx, [row.reference for row in rows]):
                    raise _TreeFirst
                ids = iter(new_ids(sum(1 + len(row.variants or ()) for row in rows)))
                known = await _look(tx, rows, categories)
                changes = plan_batch(rows, known, ids.__next__, datetime.now(UTC))
                await _require_one_look(tx, changes.outcomes, known)
                made = categories.needed([*changes.created, *(one.product for one in changes.updated)])
                later = bool(made) and not tree_first
                if later and known.products:
                    raise _TreeFirst
                if later:
                    await tx.execute(category_queries.check_categories_later)
                elif made:
                    await category_store.insert_categories(tx, made)
                await _write(tx, changes)
                if dry_run:
                    raise _DryRun(changes.outcomes)
                if later:
                    made = await _make(tx, categories, made)
                if told := _events(made, changes):
                    await tx.emit(*told, correlation_id=correlation_id)
                reached("import.inserted")
            reached("import.committed")
            return changes.outcomes
        except _DryRun as shown:
            return shown.outcomes


async def _require_one_look(tx: Transaction, outcomes: Sequence[Outcome], known: Known) -> None:
    """Raises _Appeared if a row failed that names a product which was not there at the first look, and is now."""
    unseen = [
        one.external_reference
        for one in outcomes
        if one.status == "ERROR" and one.external_reference not in known.products
    ]
    if unseen and await store.appeared(tx, unseen):
        raise _Appeared


async def _look(tx: Transaction, rows: Sequence[Row], categories: Categories) -> Known:
    """What the store has of what the rows name."""
    products, variants = await store.lock_known(tx, [row.reference for row in rows])
    slugs = [row.slug or slug_for(row) for row in rows if row.slug or row.reference not in products]
    skus = [variant.sku for row in rows for variant in row.variants or ()]
    of_slugs, of_skus = await store.owners(tx, list(filter(is_plain, slugs)), list(filter(is_plain, skus)))
    given = [one.external_reference for row in rows for one in row.variants or () if one.external_reference]
    of_references = await store.reference_owners(tx, list(filter(is_plain, given)))
    gone = [
        variant.id
        for row in rows
        if row.reference in products
        for variant in gone_variants(row, variants.get(products[row.reference].id, ()))
    ]
    bundled = await bundled_among(tx, gone)
    details = await _look_at_details(tx, rows, products)
    parts = await _look_at_parts(tx, rows, products)
    return Known(products, variants, of_slugs, of_skus, of_references, categories, bundled, details, parts)


async def _look_at_details(tx: Transaction, rows: Sequence[Row], products: Mapping[str, Product]) -> KnownDetails:
    """What the products of the rows have beyond their columns, and what the rows refer to. Types stay as they are."""
    keys = {row.details.product_type for row in rows if row.details.product_type}
    found, types = await type_store.load_details(tx, [product.id for product in products.values()], keys)
    references = set().union(*(row.details.possible_references() for row in rows))
    there = await type_store.products_there(tx, references)
    known = KnownDetails(found, types, there)
    before = {row.index: known.before(products[row.reference].id) for row in rows if row.reference in products}
    values = [one for row in rows for one in wanted_unique(row.details, before.get(row.index, NO_DETAILS), types)]
    return msgspec.structs.replace(known, unique=await type_store.unique_owners(tx, values))


async def _look_at_parts(tx: Transaction, rows: Sequence[Row], products: Mapping[str, Product]) -> KnownParts:
    """Texts, SEO and custom values of what the rows name; no statement for a kind that none names."""
    given = [(row.parts, products.get(row.reference)) for row in rows if row.parts is not NO_PARTS]
    if not given:
        return NOTHING_KNOWN
    locales: dict[str, bool] = {}
    texts: dict[tuple[str, str], Texts] = {}
    slugs: dict[tuple[str, str], str] = {}
    codes = {one.locale for parts, _ in given for one in parts.translations}
    if codes:
        locales = await translation_store.locales_among(tx, codes)
        texts = await translation_store.texts_to_change(
            tx, [(product.id, one.locale) for parts, product in given if product for one in parts.translations]
        )
        wanted = set().union(*(parts.slugs() for parts, _ in given))
        slugs = await translation_store.translated_slug_owners(tx, wanted) if wanted else {}
    seo: dict[str, OwnSeo] = {}
    if any(parts.seo for parts, _ in given):
        seo = await translation_store.seo_to_change(tx, [one.id for parts, one in given if one and parts.seo])
    fields: Sequence[CustomField] = ()
    documents: dict[str, Document] = {}
    if any(parts.custom for parts, _ in given):
        fields = (await custom_field_store.current_definitions(tx)).of("PRODUCT")
        theirs = [product.id for parts, product in given if product and parts.custom]
        documents = await custom_field_store.values_of_products(tx, theirs)
    return KnownParts(locales, texts, slugs, seo, fields, documents)


async def _write(tx: Transaction, changes: Changes) -> None:
    await store.write(tx, changes)
    await type_store.write_details(
        tx,
        [
            type_store.Written(one.product_id, one.before, one.after, one.variant_ids, one.gone)
            for one in changes.details
        ],
    )
    await _write_parts(tx, changes.parts)


async def _write_parts(tx: Transaction, parts: ChangedParts) -> None:
    """After the products: parts of new ones are no changes for the history."""
    if parts.texts:
        await translation_store.write_translations(tx, parts.texts)
    if parts.seo:
        await translation_store.write_seo(tx, parts.seo)
    if parts.documents:
        await custom_field_store.put_documents(tx, parts.documents)


async def _categories(tx: Transaction, given: Sequence[Names], *, lock: bool) -> Categories:
    """What these names mean; new categories for those that are missing are not written yet.

    lock: the tree stays as it is until the transaction ends, but for what this batch makes. Without it only when
    nothing is missing.
    """
    wanted = list(dict.fromkeys(given))
    if not wanted:
        return Categories()
    found = await category_store.find_by_names(tx, wanted)
    if not missing_names(wanted, found):
        await tx.execute(category_queries.keep_tree)
        return Categories(found)
    if lock:
        await tx.execute(category_queries.lock_tree)
        # Again: another batch may have made them while we waited.
        found = await category_store.find_by_names(tx, wanted)
    return await _with_new(tx, found, missing_names(wanted, found))


async def _with_new(
    tx: Transaction, found: Mapping[Names, Sequence[CategoryNode]], missing: Sequence[Names]
) -> Categories:
    """missing: parents first."""
    if not missing:
        return Categories(found)
    above = {names[:-1] for names in missing}
    parents = [found[names][0].id if names else None for names in above if not names or names in found]
    children = await category_store.children_of_parents(tx, parents)
    in_all = await tx.fetchval(category_queries.count_all, None)
    return Categories(found, *new_by_names(missing, found, children, in_all, new_id))


async def _make(tx: Transaction, planned: Categories, needed: Sequence[CategoryNode]) -> list[CategoryNode]:
    """Write the categories that products were put into already; those that another batch has made by now are there.

    At the end of a batch, because from here on nobody else changes the tree until the transaction ends. Raises
    ChangedConcurrently when the tree is not what the products were planned for.
    """
    await tx.execute(category_queries.lock_tree)
    paths = {node.path for node in needed}
    wanted = [names for names, node in planned.made.items() if node.path in paths]
    found = await category_store.find_by_names(tx, wanted)
    now = await _with_new(tx, found, missing_names(wanted, found))
    there = [nodes[0] for nodes in planned.found.values()]
    as_planned = await tx.fetchval(
        category_queries.count_at_paths, [one.id for one in there], [one.path for one in there]
    )
    same = as_planned == len(there) and not now.refused
    if not same or any(now.path_of(one, None) != planned.made[one].path for one in wanted):
        raise ChangedConcurrently("Somebody else changed the categories at the same time.")
    made = list(now.made.values())
    if made:
        await category_store.insert_categories(tx, made)
    return made


def _events(made: Sequence[CategoryNode], changes: Changes) -> list[Event]:
    return [
        *(events.CategoryCreated(category_id=one.id, version=one.version, path=one.path) for one in made),
        *(
            events.ProductCreated(product_id=one.id, version=one.version, status=one.status)
            for one in changes.created
        ),
        *(event for one in changes.updated for event in update_events(one)),
    ]


def update_events(update: Update) -> list[Event]:
    """That of an edit, that of the status, or both."""
    after, before = update.product, update.status_before
    told: list[Event] = []
    if update.edited:
        told.append(events.ProductUpdated(product_id=after.id, version=after.version, status=after.status))
    if after.status != before:
        kind = events.STATUS_CHANGES[status_change(before, after.status)]
        told.append(kind(product_id=after.id, version=after.version, status=after.status, previous_status=before))
    return told
