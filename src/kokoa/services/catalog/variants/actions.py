"""Changes of a product's variants; one function a mutation, one transaction, one more version of the product."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import asyncpg
import msgspec

from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, Transaction
from kokoa.services.catalog import events
from kokoa.services.catalog.actions import taken, why_not
from kokoa.services.catalog.model import NewVariant, Product, Variant, require_variant
from kokoa.services.catalog.relations.errors import VariantInBundle
from kokoa.services.catalog.store import product_of, variant_of
from kokoa.services.catalog.store import queries as product_queries
from kokoa.services.catalog.types.details import Details, DetailsChange, VariantChange
from kokoa.services.catalog.types.writing import Changing, changing
from kokoa.services.catalog.variants.errors import VariantNotFound
from kokoa.services.catalog.variants.model import (
    VariantChanges,
    changed_variant,
    in_order,
    place_for,
    price_of,
)
from kokoa.services.catalog.variants.store import queries


class Opened(msgspec.Struct, frozen=True):
    """A locked product whose variants are about to change.  variants: in their order."""

    tx: Transaction
    product: Product
    variants: Sequence[Variant]
    details: Changing

    def one(self, variant_id: str) -> Variant:
        """Raises VariantNotFound for one that was removed meanwhile."""
        for variant in self.variants:
            if variant.id == variant_id:
                return variant
        raise _not_found(variant_id)

    async def close(self, variants: Sequence[Variant], correlation_id: str) -> Product:
        """The product with a new version and the price that these variants give it; told to others."""
        price = price_of(variants)
        values = (price.amount_minor, price.currency) if price else (None, None)
        row = await self.tx.fetchrow(queries.touch_product, self.product.id, *values)
        assert row is not None, "it is locked"
        product = product_of(row)
        event = events.ProductUpdated(product_id=product.id, version=product.version, status=product.status)
        await self.tx.emit(event, correlation_id=correlation_id)
        return product


class VariantActions:
    """version: the product's.  correlation_id: of the request that caused the change; it travels with the events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self,
        environment_id: str,
        product_id: str,
        version: int,
        new: NewVariant,
        details: VariantChange,
        position: int | None,
        *,
        correlation_id: str,
    ) -> tuple[Variant, Product]:
        """The last one unless there is a position, from 0.

        Raises InvalidProduct, InvalidVariants, ProductNotFound, ProductChanged, AlreadyTaken, AttributeValueTaken and
        what `changed_details` does.
        """
        require_variant(new, "")
        async with self._opened(environment_id, product_id, version, {new.sku: details}) as opened:
            place = place_for(position, opened.variants)
            variant = Variant(
                new_id(),
                product_id,
                new.sku,
                new.name,
                new.price.amount_minor,
                new.price.currency,
                new.weight_grams,
                new.external_reference,
            )
            values = msgspec.structs.astuple(variant)
            await opened.tx.execute(product_queries.insert_variant, *values[:2], len(opened.variants), *values[2:8])
            after = [*opened.variants[:place], variant, *opened.variants[place:]]
            if place < len(opened.variants):
                await opened.tx.execute(queries.order_variants, product_id, [one.id for one in after])
            await opened.details.write(opened.tx, {one.sku: one.id for one in after})
            return variant, await opened.close(after, correlation_id)

    async def update(
        self,
        environment_id: str,
        variant_id: str,
        version: int,
        changes: VariantChanges,
        details: VariantChange,
        *,
        correlation_id: str,
    ) -> tuple[Variant, Product]:
        """Nothing happens, and no version grows, when nothing differs.

        Raises VariantNotFound, InvalidProduct, InvalidMoney, ProductChanged, AlreadyTaken, AttributeValueTaken and
        what `changed_details` does.
        """
        known = await self._known(environment_id, variant_id)
        sku = changes.sku or known.sku
        async with self._opened(environment_id, known.product_id, version, {sku: details}) as opened:
            before = opened.one(variant_id)
            after = changed_variant(before, changes)
            variants = [after if one.id == variant_id else one for one in opened.variants]
            renamed = _renamed(opened.details.before, before.sku, after.sku)
            ids = {one.sku: one.id for one in variants}
            differs = await opened.details.write(opened.tx, ids, before=renamed)
            if after == before and not differs:
                return before, opened.product
            row = await opened.tx.fetchrow(
                queries.update_variant,
                variant_id,
                after.sku,
                after.name,
                after.price_minor,
                after.currency,
                after.weight_grams,
                after.external_reference,
            )
            assert row is not None, "its product is locked"
            return variant_of(row), await opened.close(variants, correlation_id)

    async def remove(self, environment_id: str, variant_id: str, version: int, *, correlation_id: str) -> Product:
        """Raises VariantNotFound, ProductChanged, VariantInBundle."""
        known = await self._known(environment_id, variant_id)
        async with self._opened(environment_id, known.product_id, version, {}) as opened:
            opened.one(variant_id)
            after = [one for one in opened.variants if one.id != variant_id]
            await opened.tx.execute(queries.delete_variant, variant_id)
            await opened.tx.execute(queries.order_variants, known.product_id, [one.id for one in after])
            await opened.details.write(opened.tx, {one.sku: one.id for one in after}, gone=[variant_id])
            return await opened.close(after, correlation_id)

    async def order(
        self, environment_id: str, product_id: str, version: int, ids: Sequence[str], *, correlation_id: str
    ) -> Product:
        """All variants in this order. Raises InvalidVariants, ProductNotFound, ProductChanged."""
        async with self._opened(environment_id, product_id, version, {}) as opened:
            after = in_order(ids, opened.variants)
            if after == list(opened.variants):
                return opened.product
            await opened.tx.execute(queries.order_variants, product_id, list(ids))
            return await opened.close(after, correlation_id)

    async def _known(self, environment_id: str, variant_id: str) -> Variant:
        row = await self._database.fetchrow(environment_id, product_queries.variants_by_ids, [variant_id])
        if row is None:
            raise _not_found(variant_id)
        return variant_of(row)

    @asynccontextmanager
    async def _opened(
        self, environment_id: str, product_id: str, version: int, details: Mapping[str, VariantChange]
    ) -> AsyncIterator[Opened]:
        """A transaction with the product locked at this version. Raises ProductNotFound, ProductChanged."""
        try:
            async with self._database.transaction(environment_id) as tx:
                more = await changing(tx, product_id, DetailsChange(variants=details))
                row = await tx.fetchrow(product_queries.product_for_update, product_id)
                product = product_of(row) if row else None
                if product is None or product.version != version:
                    raise await why_not(tx, product_id, version)
                rows = await tx.fetch(product_queries.variants_of_products, [product_id])
                yield Opened(tx, product, [variant_of(one) for one in rows], more)
        except asyncpg.UniqueViolationError as error:
            raise taken(error) from error
        except asyncpg.ForeignKeyViolationError as error:
            raise VariantInBundle("The variant is in a bundle; take it out of that first.") from error


def _not_found(variant_id: str) -> VariantNotFound:
    return VariantNotFound(f"There is no variant {variant_id}.")


def _renamed(details: Details, before: str, after: str) -> Details:
    """The details of a product one of whose variants has another SKU."""
    variants = dict(details.variants)
    if before != after and before in variants:
        variants[after] = variants.pop(before)
    return msgspec.structs.replace(details, variants=variants)
