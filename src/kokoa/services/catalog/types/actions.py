"""Changes of product types; one function a mutation, one transaction, its events."""

import asyncio
from collections.abc import Sequence

import asyncpg

from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, Event, Transaction
from kokoa.services.catalog import events
from kokoa.services.catalog.errors import AlreadyTaken
from kokoa.services.catalog.types import store
from kokoa.services.catalog.types.definitions import conform, loosens
from kokoa.services.catalog.types.errors import (
    AttributeValueTaken,
    InvalidProductType,
    ProductTypeChanged,
    ProductTypeInUse,
    ProductTypeNotFound,
    ProductTypeTooLarge,
    TooManyProductTypes,
)
from kokoa.services.catalog.types.model import (
    OWNERS_MAX,
    TYPES_MAX,
    AttributeDefinition,
    ProductType,
    definitions_text,
    require_key,
    require_name,
)
from kokoa.services.catalog.types.store import queries


class TypeActions:
    """correlation_id: of the request that caused the change; it travels with the events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        environment_id: str,
        key: str,
        name: str,
        attributes: Sequence[AttributeDefinition],
        *,
        correlation_id: str,
    ) -> ProductType:
        """attributes: from `read_definitions`. Raises InvalidProductType, AlreadyTaken, TooManyProductTypes."""
        require_key(key, "key")
        require_name(name, "name")
        made = ProductType(new_id(), key, name, tuple(attributes), 1)
        try:
            async with self._database.transaction(environment_id) as tx:
                await tx.execute(queries.lock_types)
                if await tx.fetchval(queries.count_types) >= TYPES_MAX:
                    raise TooManyProductTypes(f"An environment has at most {TYPES_MAX} product types.")
                text = definitions_text(made.attributes)
                await tx.execute(queries.insert_type, made.id, key, name, text, made.version)
                await tx.emit(_told(events.ProductTypeCreated, made), correlation_id=correlation_id)
        except asyncpg.UniqueViolationError as error:
            raise AlreadyTaken(f"Another product type has the key {key!r}.") from error
        return made

    async def update(
        self,
        environment_id: str,
        type_id: str,
        version: int,
        *,
        name: str | None,
        attributes: Sequence[AttributeDefinition] | None,
        remove_values: bool,
        correlation_id: str,
    ) -> ProductType:
        """Another name, other attributes (all of them) or both. Products follow in the same transaction.

        Raises InvalidProductType, ProductTypeNotFound, ProductTypeChanged, ValuesInTheWay, ProductTypeTooLarge,
        AttributeValueTaken.
        """
        if name is None and attributes is None:
            raise InvalidProductType("There is nothing to change: give name or attributes.", field="input")
        if name is not None:
            require_name(name, "name")
        try:
            async with self._database.transaction(environment_id) as tx:
                before = await _locked(tx, type_id, version)
                wanted = before.attributes if attributes is None else tuple(attributes)
                after = ProductType(before.id, before.key, name or before.name, wanted, before.version + 1)
                text = definitions_text(after.attributes)
                await tx.execute(queries.update_type, after.id, after.name, text, after.version)
                told: list[Event] = [_told(events.ProductTypeUpdated, after)]
                if not loosens(before.attributes, after.attributes):
                    told += await _follow(tx, before, after, remove_values=remove_values)
                await tx.emit(*told, correlation_id=correlation_id)
        except asyncpg.UniqueViolationError as error:
            raise AttributeValueTaken("Two products or variants have the same value; it cannot be unique.") from error
        return after

    async def delete(self, environment_id: str, type_id: str, version: int, *, correlation_id: str) -> None:
        """Only one that no product has. Raises ProductTypeNotFound, ProductTypeChanged, ProductTypeInUse."""
        try:
            async with self._database.transaction(environment_id) as tx:
                before = await _locked(tx, type_id, version)
                await tx.execute(queries.delete_type, type_id)
                await tx.emit(_told(events.ProductTypeDeleted, before), correlation_id=correlation_id)
        except asyncpg.ForeignKeyViolationError as error:
            raise ProductTypeInUse("Products have this type; give them another one first.") from error


async def _locked(tx: Transaction, type_id: str, version: int) -> ProductType:
    row = await tx.fetchrow(queries.type_for_update, type_id)
    if row is None:
        raise ProductTypeNotFound(f"There is no product type {type_id}.")
    found = store.type_of(row)
    if found.version != version:
        raise ProductTypeChanged(
            f"The product type is at version {found.version}, not {version}. Read it again and repeat the change."
        )
    return found


async def _follow(
    tx: Transaction, before: ProductType, after: ProductType, *, remove_values: bool
) -> list[events.ProductUpdated]:
    """The products of a type as its new definitions want them, and what is to be told of them."""
    owners = await store.owners_of_type(tx, after.id, OWNERS_MAX + 1)
    if len(owners) > OWNERS_MAX:
        raise ProductTypeTooLarge(
            f"More than {OWNERS_MAX} products and variants have this type, so only changes that allow more than "
            "before are possible at once. Make another type and move the products to it in batches."
        )
    # In a thread: so many values take a while to check, and others are waiting for this process too.
    changed = await asyncio.to_thread(conform, after, owners, remove_values=remove_values)
    written = await store.write_owners(tx, after, changed)
    was_unique = {one.key for one in before.attributes if one.unique}
    is_unique = {one.key for one in after.attributes if one.unique}
    for keys, unique in ((was_unique - is_unique, False), (is_unique - was_unique, True)):
        if keys:
            await tx.execute(queries.set_unique, after.id, sorted(keys), unique)
    return [
        events.ProductUpdated(product_id=str(product_id), version=version, status=status)
        for product_id, version, status in written
    ]


def _told(kind: type[events.ProductTypeEvent], one: ProductType) -> events.ProductTypeEvent:
    return kind(product_type_id=one.id, product_type=one.key, version=one.version)
