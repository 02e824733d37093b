"""One function a mutation; one transaction; its events."""

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import msgspec

from kokoa.kernel.errors import KokoaError
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
from kokoa.services.catalog.store import product_of, queries, variant_of
from kokoa.services.catalog.types.details import NO_CHANGE, DetailsChange
from kokoa.services.catalog.types.errors import AttributeValueTaken
from kokoa.services.catalog.types.writing import changing, create_details

_TAKEN = {
    "products_slug": "Another product has this slug.",
    "products_external_reference": "Another product has this externalReference.",
    "variants_sku": "Another variant has this SKU.",
    "variants_external_reference": "Another variant has this externalReference.",
}


class CatalogActions:
    """correlation_id: of the request that caused the change; it travels with the events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_product(
        self, environment_id: str, new: NewProduct, *, details: DetailsChange = NO_CHANGE, correlation_id: str
    ) -> Product:
        """Raises InvalidProduct, CategoryNotFound, AlreadyTaken, AttributeValueTaken, what `changed_details` does."""
        made = self.create_products(environment_id, [new], details=[details], correlation_id=correlation_id)
        return (await made)[0]

    async def create_products(
        self,
        environment_id: str,
        new: Sequence[NewProduct],
        *,
        details: Sequence[DetailsChange] = (),
        correlation_id: str,
    ) -> list[Product]:
        """All or none.  details: of each, or of none of them. Raises what `create_product` does."""
        for product in new:
            require_new_product(product)
        now = datetime.now(UTC)
        created = [(first_version(new_id(), product, now), product) for product in new]
        try:
            async with self._database.transaction(environment_id) as tx:
                variant_ids = await _insert(tx, created)
                await create_details(
                    tx,
                    [
                        (product.id, ids, change)
                        for (product, _), ids, change in zip(created, variant_ids, details, strict=False)
                    ],
                )
                made = [
                    events.ProductCreated(product_id=one.id, version=one.version, status=one.status)
                    for one, _ in created
                ]
                await tx.emit(*made, correlation_id=correlation_id)
                reached("write.inserted")
        except asyncpg.UniqueViolationError as error:
            raise taken(error) from error
        except asyncpg.ForeignKeyViolationError as error:
            raise CategoryNotFound("There is no such category; create it first.") from error
        reached("write.committed")
        return [product for product, _ in created]

    async def update_product(
        self,
        environment_id: str,
        product_id: str,
        version: int,
        changes: ProductChanges,
        *,
        details: DetailsChange = NO_CHANGE,
        correlation_id: str,
    ) -> Product:
        """Raises InvalidProduct, ProductNotFound, ProductChanged, CategoryNotFound, AttributeValueTaken and what
        `changed_details` does."""
        if changes != ProductChanges() or details.says_nothing():
            require_changes(changes)
        values = (changes.name, changes.description, changes.category_slug)
        try:
            async with self._database.transaction(environment_id) as tx:
                more = None if details.says_nothing() else await changing(tx, product_id, details)
                row = await tx.fetchrow(queries.update_product, product_id, version, *values)
                if row is None:
                    raise await why_not(tx, product_id, version)
                product = product_of(row)
                if more is not None:
                    variants = map(variant_of, await tx.fetch(queries.variants_of_products, [product_id]))
                    await more.write(tx, {one.sku: one.id for one in variants})
                event = events.ProductUpdated(product_id=product.id, version=product.version, status=product.status)
                await tx.emit(event, correlation_id=correlation_id)
        except asyncpg.UniqueViolationError as error:
            raise taken(error) from error
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
                    raise await why_not(tx, product_id, version)
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
                raise await why_not(tx, product_id, version)
            before = product_of(row)
            status = status_after(change, before.status)
            if status == before.status:
                return before
            if before.version != version:
                raise await why_not(tx, product_id, version)
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


def taken(error: asyncpg.UniqueViolationError) -> KokoaError:
    """What it means to the caller that a write met another row."""
    if error.constraint_name == "attribute_values_unique":
        return AttributeValueTaken("Another product or variant of this type has a value that is to be unique.")
    return AlreadyTaken(_TAKEN[error.constraint_name or ""])


async def _insert(tx: Transaction, created: Sequence[tuple[Product, NewProduct]]) -> list[dict[str, str]]:
    """The ids of each product's variants, by SKU."""
    await tx.executemany(queries.insert_product, [msgspec.structs.astuple(product) for product, _ in created])
    ids = [{one.sku: new_id() for one in new.variants} for _, new in created]
    await tx.executemany(
        queries.insert_variant,
        [
            (
                own[v.sku],
                product.id,
                position,
                v.sku,
                v.name,
                v.price.amount_minor,
                v.price.currency,
                v.weight_grams,
                v.external_reference,
            )
            for (product, new), own in zip(created, ids, strict=True)
            for position, v in enumerate(new.variants)
        ],
    )
    return ids


async def why_not(tx: Transaction, product_id: str, version: int) -> Exception:
    """Why no product was found at this version."""
    current = await tx.fetchval(queries.product_version, product_id)
    if current is None:
        return ProductNotFound(f"There is no product {product_id}.")
    return ProductChanged(f"The product is at version {current}, not {version}. Read it again and repeat the change.")
