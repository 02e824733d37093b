"""A batch is one transaction, and an event for each product that it changed."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from kokoa.kernel.ids import new_ids
from kokoa.postgres import Database, Transaction
from kokoa.services.catalog import events
from kokoa.services.catalog.bulk import store
from kokoa.services.catalog.bulk.errors import BatchContended
from kokoa.services.catalog.bulk.model import (
    Changes,
    Known,
    Outcome,
    Path,
    Row,
    category_slugs,
    missing_categories,
    new_categories,
    plan_batch,
    read_rows,
    slug_for,
)

ATTEMPTS_MAX = 5

# Somebody else took a reference, a slug or an SKU between our look and our write, or waited for what we hold.
_CONTENDED = (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


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
        for _ in range(ATTEMPTS_MAX):
            try:
                done = await self._attempt(environment_id, rows, dry_run, correlation_id) if rows else []
            except _CONTENDED:
                continue
            return sorted([*failed, *done], key=lambda outcome: outcome.index)
        raise BatchContended("Others change the same products right now; send the batch again.")

    async def _attempt(
        self, environment_id: str, rows: Sequence[Row], dry_run: bool, correlation_id: str
    ) -> list[Outcome]:
        try:
            async with self._database.transaction(environment_id) as tx:
                ids = iter(new_ids(sum(1 + len(row.variants or ()) for row in rows)))
                changes = plan_batch(rows, await _look(tx, rows), ids.__next__)
                await store.write(tx, changes)
                if dry_run:
                    raise _DryRun(changes.outcomes)
                if told := _events(changes):
                    await tx.emit(*told, correlation_id=correlation_id)
                return changes.outcomes
        except _DryRun as shown:
            return shown.outcomes


async def _look(tx: Transaction, rows: Sequence[Row]) -> Known:
    """What the store has of what the rows name; missing categories are made."""
    products, variants = await store.lock_known(tx, [row.reference for row in rows])
    slugs = [row.slug or slug_for(row) for row in rows if row.slug or row.reference not in products]
    skus = [variant.sku for row in rows for variant in row.variants or ()]
    of_slugs, of_skus = await store.owners(tx, slugs, skus)
    categories = await _categories(tx, [row.category for row in rows if row.category])
    return Known(products, variants, of_slugs, of_skus, categories)


async def _categories(tx: Transaction, paths: Sequence[Path]) -> Mapping[Path, str]:
    wanted = list(set(paths))
    known = await store.known_categories(tx, wanted)
    if not missing_categories(wanted, known):
        return known
    await store.lock_categories(tx)
    known = await store.known_categories(tx, wanted)  # again: another batch may have made them while we waited
    missing = missing_categories(wanted, known)
    if not missing:
        return known
    taken = await store.category_slugs_taken(tx, [slug for path in missing for slug in category_slugs(path)])
    made = new_categories(missing, known, taken)
    await store.insert_categories(tx, list(made.values()))
    return {**known, **{path: category.slug for path, category in made.items()}}


def _events(changes: Changes) -> list[events.ProductCreated | events.ProductUpdated]:
    return [
        *(events.ProductCreated(product_id=one.id, version=one.version) for one in changes.created),
        *(events.ProductUpdated(product_id=one.id, version=one.version) for one in changes.updated),
    ]
