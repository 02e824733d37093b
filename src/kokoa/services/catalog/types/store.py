"""queries.sql ⇄ model. Every statement takes many products at once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from kokoa.postgres import Database, Row, Transaction, load_queries
from kokoa.services.catalog.model import Variant
from kokoa.services.catalog.types.definitions import Owner
from kokoa.services.catalog.types.details import Details, Option, VariantDetails
from kokoa.services.catalog.types.model import AttributeDefinition, ProductType
from kokoa.services.catalog.types.values import sorted_values

queries = load_queries(Path(__file__).with_name("queries.sql"))

_read_definitions = msgspec.json.Decoder(tuple[AttributeDefinition, ...]).decode
_read_options = msgspec.json.Decoder(tuple[Option, ...]).decode
_EMPTY = VariantDetails()


class TypeStore:
    """Reads of one environment each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, environment_id: str, limit: int, offset: int) -> list[ProductType]:
        """By key."""
        return [type_of(row) for row in await self._database.fetch(environment_id, queries.types_page, limit, offset)]

    async def by_ids(self, environment_id: str, ids: Sequence[str]) -> dict[str, ProductType]:
        """By id; missing ones are missing."""
        rows = await self._database.fetch(environment_id, queries.types_by_ids, ids)
        return {one.id: one for one in map(type_of, rows)}

    async def by_key(self, environment_id: str, key: str) -> ProductType | None:
        row = await self._database.fetchrow(environment_id, queries.type_by_key, key)
        return type_of(row) if row else None

    async def of_products(self, environment_id: str, product_ids: Sequence[str]) -> dict[str, ProductType]:
        """By product id; products without a type are missing."""
        rows = await self._database.fetch(environment_id, queries.types_of_products, product_ids)
        kinds: dict[str, ProductType] = {}
        return {str(row[0]): kinds.setdefault(str(row[1]), type_of(row[1:])) for row in rows}

    async def attributes_of_products(
        self, environment_id: str, product_ids: Sequence[str]
    ) -> dict[str, tuple[ProductType, dict[str, Any]]]:
        """(type, values by key) by product id; products without a type are missing."""
        return _valued(await self._database.fetch(environment_id, queries.attributes_of_products, product_ids))

    async def attributes_of_variants(
        self, environment_id: str, variants: Sequence[Variant]
    ) -> dict[str, tuple[ProductType, dict[str, Any]]]:
        """(type, values by key) by variant id; variants without any are missing."""
        ids = [[one.id for one in variants], [one.product_id for one in variants]]
        return _valued(await self._database.fetch(environment_id, queries.attributes_of_variants, *ids))

    async def options_of_products(
        self, environment_id: str, product_ids: Sequence[str]
    ) -> dict[str, tuple[Option, ...]]:
        """By product id; products without anything are missing."""
        rows = await self._database.fetch(environment_id, queries.options_of_products, product_ids)
        return {str(product_id): _read_options(options) for product_id, options in rows}

    async def options_of_variants(
        self, environment_id: str, variants: Sequence[Variant]
    ) -> dict[str, list[tuple[Option, str]]]:
        """(option, the variant's value) by variant id, in the options' order; variants without any are missing."""
        ids = [[one.id for one in variants], [one.product_id for one in variants]]
        rows = await self._database.fetch(environment_id, queries.options_of_variants, *ids)
        found: dict[str, list[tuple[Option, str]]] = {}
        for variant_id, chosen, options in rows:
            values = msgspec.json.decode(chosen)
            found[str(variant_id)] = [
                (option, values[option.key]) for option in _read_options(options) if option.key in values
            ]
        return found


def _valued(rows: Sequence[Row]) -> dict[str, tuple[ProductType, dict[str, Any]]]:
    kinds = {
        row["type_id"]: ProductType(
            str(row["type_id"]), row["key"], row["name"], _read_definitions(row["attributes"]), row["version"]
        )
        for row in rows
        if row["owner_id"] is None
    }
    return {
        str(row["owner_id"]): (kinds[row["type_id"]], msgspec.json.decode(row["attributes"]))
        for row in rows
        if row["owner_id"] is not None
    }


def type_of(row: Row | Sequence[Any]) -> ProductType:
    """A row of any of the statements that read types."""
    type_id, key, name, attributes, version = row
    return ProductType(str(type_id), key, name, _read_definitions(attributes), version)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


async def owners_of_type(tx: Transaction, type_id: str, most: int) -> list[Owner]:
    """Products and variants of a type, up to a bound."""
    rows = await tx.fetch(queries.owners_of_type, type_id, most)
    return [Owner(str(product), str(owner), msgspec.json.decode(attributes)) for product, owner, attributes in rows]


async def write_owners(tx: Transaction, kind: ProductType, owners: Sequence[Owner]) -> list[Row]:
    """Values as they are to be. The (id, version, status) of the products, whose versions have grown."""
    if not owners:
        return []
    by_level: dict[str, list[Owner]] = defaultdict(list)
    for one in owners:
        by_level[one.level].append(one)
    for level, statement in (
        ("PRODUCT", queries.set_product_attributes),
        ("VARIANT", queries.set_variant_attributes),
    ):
        some = by_level[level]
        if some:
            await tx.execute(statement, [one.owner_id for one in some], [_json(one.attributes) for one in some])
    if by_level["VARIANT"]:
        await tx.execute(queries.bump_variants, [one.owner_id for one in by_level["VARIANT"]])
    await _note(tx, [(one, kind) for one in owners])
    return await tx.fetch(queries.bump_products, sorted({one.product_id for one in owners}))


async def _note(tx: Transaction, owners: Sequence[tuple[Owner, ProductType | None]]) -> None:
    """The sorted values of these owners, in place of those that there were."""
    await tx.execute(
        queries.forget_values,
        sorted({one.product_id for one, _ in owners}),
        [one.owner_id for one, _ in owners],
    )
    rows = [row for one, kind in owners if kind for row in _sorted_rows(one, kind)]
    if rows:
        await tx.execute(queries.note_values, *map(list, zip(*rows, strict=True)))


def _sorted_rows(owner: Owner, kind: ProductType) -> Iterable[tuple[Any, ...]]:
    for one in kind.attributes:
        if one.key in owner.attributes:
            for position, value in enumerate(sorted_values(one, owner.attributes[one.key])):
                unique_in = kind.id if one.unique else None
                yield owner.product_id, owner.owner_id, one.key, position, value, unique_in


async def types_for_products(tx: Transaction, keys: Iterable[str], ids: Iterable[str]) -> list[ProductType]:
    """Types by key or id; they stay as they are until the transaction ends."""
    wanted = [sorted(set(keys)), sorted(set(ids))]
    return [type_of(row) for row in await tx.fetch(queries.types_for_products, *wanted)] if any(wanted) else []


async def products_there(tx: Transaction, ids: Iterable[str]) -> frozenset[str]:
    """Which of these products there are."""
    wanted = sorted(set(ids))
    return frozenset(str(row[0]) for row in await tx.fetch(queries.products_there, wanted)) if wanted else frozenset()


async def load_details(
    tx: Transaction, product_ids: Sequence[str], type_keys: Iterable[str] = ()
) -> tuple[dict[str, Details], dict[str, ProductType]]:
    """What products have, by id; and types by key: theirs and those that are asked for."""
    rows = await tx.fetch(queries.details_of_products, product_ids) if product_ids else []
    variants: dict[str, dict[str, VariantDetails]] = defaultdict(dict)
    if rows:
        for product_id, sku, attributes, options in await tx.fetch(
            queries.details_of_variants, [row["product_id"] for row in rows]
        ):
            read = VariantDetails(msgspec.json.decode(attributes), msgspec.json.decode(options))
            variants[str(product_id)][sku] = read
    types = await types_for_products(tx, type_keys, (str(row["type_id"]) for row in rows if row["type_id"]))
    by_id = {one.id: one for one in types}
    found = {
        str(row["product_id"]): Details(
            by_id[str(row["type_id"])] if row["type_id"] else None,
            msgspec.json.decode(row["attributes"]),
            _read_options(row["options"]),
            variants[str(row["product_id"])],
        )
        for row in rows
    }
    return found, {one.key: one for one in types}


async def unique_owners(
    tx: Transaction, values: Iterable[tuple[str, str, str]]
) -> dict[tuple[str, str, str], tuple[str, str]]:
    """(product id, SKU or nothing) by type id, key and sorted value."""
    wanted = sorted(set(values))
    rows = await tx.fetch(queries.unique_owners, *map(list, zip(*wanted, strict=True))) if wanted else []
    return {(str(kind), key, value): (str(owner), sku) for kind, key, value, owner, sku in rows}


class Written(msgspec.Struct, frozen=True):
    """Details of a product before and after a change.  variant_ids: by SKU, of those that it has after.  gone: ids of
    variants that it had before."""

    product_id: str
    before: Details
    after: Details
    variant_ids: Mapping[str, str]
    gone: Sequence[str] = ()


async def write_details(tx: Transaction, changes: Sequence[Written]) -> None:
    """What differs, in a statement for each kind of change, whatever their number."""
    products = [one for one in changes if _own(one.before) != _own(one.after)]
    variants = [
        (one.variant_ids[sku], details)
        for one in changes
        for sku, details in one.after.variants.items()
        if details != one.before.variants.get(sku, _EMPTY)
    ]
    if products:
        await tx.execute(
            queries.put_product_details,
            [one.product_id for one in products],
            [one.after.type.id if one.after.type else None for one in products],
            [_json(one.after.attributes) for one in products],
            [_json(one.after.options) for one in products],
        )
    if variants:
        await tx.execute(
            queries.put_variant_details,
            [variant_id for variant_id, _ in variants],
            [_json(details.attributes) for _, details in variants],
            [_json(details.options) for _, details in variants],
        )
    owners = [owner for one in changes for owner in _changed_owners(one)]
    if owners:
        await _note(tx, owners)


def _own(details: Details) -> tuple[Any, ...]:
    return details.type.id if details.type else None, details.attributes, details.options


def _changed_owners(change: Written) -> Iterable[tuple[Owner, ProductType | None]]:
    """Whose sorted values are to be written again, or removed."""
    before, after = change.before, change.after
    retyped = before.type != after.type
    if retyped or before.attributes != after.attributes:
        yield Owner(change.product_id, change.product_id, after.attributes), after.type
    for sku, details in after.variants.items():
        was = before.variants.get(sku, _EMPTY).attributes
        if details.attributes != was or (retyped and was):
            yield Owner(change.product_id, change.variant_ids[sku], details.attributes), after.type
    for variant_id in change.gone:
        yield Owner(change.product_id, variant_id, {}), None
