"""One function a mutation; one transaction; its events."""

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import msgspec

from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, Transaction
from kokoa.processes.steps import reached
from kokoa.services.catalog import events
from kokoa.services.catalog.errors import AlreadyTaken, CategoryNotFound, ProductChanged, ProductNotFound
from kokoa.services.catalog.model import (
    Category,
    Country,
    NewProduct,
    Product,
    ProductChanges,
    StatusChange,
    first_version,
    require_changes,
    require_new_product,
    status_after,
)
from kokoa.services.catalog.relations.errors import VariantInBundle
from kokoa.services.catalog.store import product_of, queries

_TAKEN = {
    "products_slug": "Another product has this slug.",
    "products_external_reference": "Another product has this externalReference.",
    "variants_sku": "Another variant has this SKU.",
}


class CatalogActions:
    """correlation_id: of the request that caused the change; it travels with the events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_product(self, environment_id: str, new: NewProduct, *, correlation_id: str) -> Product:
        """Raises InvalidProduct, CategoryNotFound, AlreadyTaken."""
        return (await self.create_products(environment_id, [new], correlation_id=correlation_id))[0]

    async def create_products(
        self, environment_id: str, new: Sequence[NewProduct], *, correlation_id: str
    ) -> list[Product]:
        """All or none. Raises InvalidProduct, CategoryNotFound, AlreadyTaken."""
        for product in new:
            require_new_product(product)
        now = datetime.now(UTC)
        created = [(first_version(new_id(), product, now), product) for product in new]
        try:
            async with self._database.transaction(environment_id) as tx:
                await _insert(tx, created)
                made = [
                    events.ProductCreated(product_id=one.id, version=one.version, status=one.status)
                    for one, _ in created
                ]
                await tx.emit(*made, correlation_id=correlation_id)
                reached("write.inserted")
        except asyncpg.UniqueViolationError as error:
            raise AlreadyTaken(_TAKEN[error.constraint_name or ""]) from error
        except asyncpg.ForeignKeyViolationError as error:
            raise CategoryNotFound("There is no such category; create it first.") from error
        reached("write.committed")
        return [product for product, _ in created]

    async def update_product(
        self, environment_id: str, product_id: str, version: int, changes: ProductChanges, *, correlation_id: str
    ) -> Product:
        """Raises InvalidProduct, ProductNotFound, ProductChanged, CategoryNotFound."""
        require_changes(changes)
        values = (changes.name, changes.description, changes.category_slug)
        try:
            async with self._database.transaction(environment_id) as tx:
                row = await tx.fetchrow(queries.update_product, product_id, version, *values)
                if row is None:
                    raise await _why_not(tx, product_id, version)
                product = product_of(row)
                event = events.ProductUpdated(product_id=product.id, version=product.version, status=product.status)
                await tx.emit(event, correlation_id=correlation_id)
        except asyncpg.ForeignKeyViolationError as error:
            raise CategoryNotFound(f"There is no category {changes.category_slug!r}.") from error
        return product

    async def delete_product(
        self, environment_id: str, product_id: str, version: int, *, correlation_id: str
    ) -> None:
        """Raises ProductNotFound, ProductChanged, VariantInBundle."""
        try:
            async with self._database.transaction(environment_id) as tx:
                status = await tx.fetchval(queries.delete_product, product_id, version)
                if status is None:
                    raise await _why_not(tx, product_id, version)
                event = events.ProductDeleted(product_id=product_id, version=version + 1, status=status)
                await tx.emit(event, correlation_id=correlation_id)
        except asyncpg.ForeignKeyViolationError as error:
            raise VariantInBundle("A variant of the product is in a bundle; take it out of that first.") from error

    async def change_status(
        self, environment_id: str, product_id: str, version: int, change: StatusChange, *, correlation_id: str
    ) -> Product:
        """Publish, unpublish, archive or restore. Nothing happens when the product has the status already.

        Raises ProductNotFound, ProductChanged, ProductIsArchived.
        """
        async with self._database.transaction(environment_id) as tx:
            row = await tx.fetchrow(queries.product_for_update, product_id)
            if row is None:
                raise await _why_not(tx, product_id, version)
            before = product_of(row)
            status = status_after(change, before.status)
            if status == before.status:
                return before
            if before.version != version:
                raise await _why_not(tx, product_id, version)
            row = await tx.fetchrow(queries.set_status, product_id, status)
            assert row is not None, "it is locked"
            product = product_of(row)
            event = events.STATUS_CHANGES[change](
                product_id=product_id, version=product.version, status=status, previous_status=before.status
            )
            await tx.emit(event, correlation_id=correlation_id)
        return product

    async def put_categories(self, environment_id: str, categories: Sequence[Category]) -> None:
        """Roots, new or renamed, in this order."""
        async with self._database.transaction(environment_id) as tx:
            await tx.executemany(
                queries.put_category, [(new_id(), c.slug, c.name, n) for n, c in enumerate(categories)]
            )

    async def put_countries(self, environment_id: str, countries: Sequence[Country]) -> None:
        """New or renamed."""
        async with self._database.transaction(environment_id) as tx:
            await tx.executemany(queries.put_country, [(c.code, c.name) for c in countries])


async def _insert(tx: Transaction, created: Sequence[tuple[Product, NewProduct]]) -> None:
    await tx.executemany(queries.insert_product, [msgspec.structs.astuple(product) for product, _ in created])
    await tx.executemany(
        queries.insert_variant,
        [
            (new_id(), product.id, position, v.sku, v.name, v.price.amount_minor, v.price.currency)
            for product, new in created
            for position, v in enumerate(new.variants)
        ],
    )


async def _why_not(tx: Transaction, product_id: str, version: int) -> Exception:
    current = await tx.fetchval(queries.product_version, product_id)
    if current is None:
        return ProductNotFound(f"There is no product {product_id}.")
    return ProductChanged(f"The product is at version {current}, not {version}. Read it again and repeat the change.")
