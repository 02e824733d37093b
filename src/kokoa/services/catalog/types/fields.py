"""Attributes and options of products and variants in the graph; each field is one statement for all its parents."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kokoa.kernel.call import Call
from kokoa.kernel.money import major_units
from kokoa.services.catalog.errors import InvalidPage
from kokoa.services.catalog.model import Product, Variant, sees_unpublished
from kokoa.services.catalog.store import CatalogStore
from kokoa.services.catalog.types.model import (
    ATTRIBUTES_MAX,
    AttributeDefinition,
    AttributeType,
    EnumValue,
    ProductType,
)
from kokoa.services.catalog.types.store import TypeStore
from kokoa.services.catalog.types.values import display

Arguments = Mapping[str, Any]


class Attribute(msgspec.Struct, frozen=True):
    """A value with its definition."""

    definition: AttributeDefinition
    value: Any

    @property
    def key(self) -> str:
        return self.definition.key

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def type(self) -> AttributeType:
        return self.definition.type

    @property
    def display(self) -> str:
        return display(self.definition, self.value)

    def _one(self, kind: AttributeType) -> Any:
        return self.value if self.type == kind and not self.definition.list else None

    def _many(self, kind: AttributeType) -> Any:
        return self.value if self.type == kind and self.definition.list else None

    @property
    def text(self) -> str | None:
        found: str | None = self._one("TEXT")
        return found

    @property
    def number(self) -> float | None:
        found = self._one("NUMBER")
        return None if found is None else float(found)

    @property
    def integer(self) -> int | None:
        found: int | None = self._one("INTEGER")
        return found

    @property
    def boolean(self) -> bool | None:
        found: bool | None = self._one("BOOLEAN")
        return found

    @property
    def date(self) -> str | None:
        found: str | None = self._one("DATE")
        return found

    @property
    def enum(self) -> EnumValue | None:
        found = self._one("ENUM")
        return None if found is None else self._labelled()[found]

    @property
    def money(self) -> "Amount | None":
        found = self._one("MONEY")
        return None if found is None else Amount(found["amountMinor"], found["currency"])

    @property
    def texts(self) -> list[str] | None:
        found: list[str] | None = self._many("TEXT")
        return found

    @property
    def numbers(self) -> list[float] | None:
        found = self._many("NUMBER")
        return None if found is None else [float(one) for one in found]

    @property
    def integers(self) -> list[int] | None:
        found: list[int] | None = self._many("INTEGER")
        return found

    @property
    def booleans(self) -> list[bool] | None:
        found: list[bool] | None = self._many("BOOLEAN")
        return found

    @property
    def dates(self) -> list[str] | None:
        found: list[str] | None = self._many("DATE")
        return found

    @property
    def enums(self) -> list[EnumValue] | None:
        found = self._many("ENUM")
        labelled = self._labelled()
        return None if found is None else [labelled[one] for one in found]

    def _labelled(self) -> dict[str, EnumValue]:
        return {one.key: one for one in self.definition.values}


class Amount(msgspec.Struct, frozen=True):
    """Money as an attribute has it."""

    amount_minor: int
    currency: str

    @property
    def amount(self) -> float:
        """In major units, for display."""
        return major_units(self.amount_minor, self.currency)


class DetailFields:
    """Field resolvers of schema.graphql.  products: reads those that attributes refer to."""

    def __init__(self, store: TypeStore, products: CatalogStore) -> None:
        self._store = store
        self._products = products

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Product.productType": self.product_types,
            "Product.attributes": self.product_attributes,
            "Product.attribute": self.product_attribute,
            "Product.options": self.product_options,
            "Variant.attributes": self.variant_attributes,
            "Variant.attribute": self.variant_attribute,
            "Variant.options": self.variant_options,
            "Attribute.reference": self.references,
        }

    async def product_types(self, parents: Sequence[Product], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.of_products(call.environment_id, [parent.id for parent in parents])
        return [found.get(parent.id) for parent in parents]

    async def product_attributes(self, parents: Sequence[Product], args: Arguments, call: Call) -> Sequence[Any]:
        keys = _keys(args)
        found = await self._store.attributes_of_products(call.environment_id, [parent.id for parent in parents])
        return [_attributes(found.get(parent.id), keys) for parent in parents]

    async def product_attribute(self, parents: Sequence[Product], args: Arguments, call: Call) -> Sequence[Any]:
        return _first(await self.product_attributes(parents, {"keys": [args["key"]]}, call))

    async def product_options(self, parents: Sequence[Product], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.options_of_products(call.environment_id, [parent.id for parent in parents])
        return [
            [{"key": one.key, "name": one.name, "values": list(one.values)} for one in found.get(parent.id, ())]
            for parent in parents
        ]

    async def variant_attributes(self, parents: Sequence[Variant], args: Arguments, call: Call) -> Sequence[Any]:
        keys = _keys(args)
        found = await self._store.attributes_of_variants(call.environment_id, parents)
        return [_attributes(found.get(parent.id), keys) for parent in parents]

    async def variant_attribute(self, parents: Sequence[Variant], args: Arguments, call: Call) -> Sequence[Any]:
        return _first(await self.variant_attributes(parents, {"keys": [args["key"]]}, call))

    async def variant_options(self, parents: Sequence[Variant], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.options_of_variants(call.environment_id, parents)
        return [
            [{"key": option.key, "name": option.name, "value": value} for option, value in found.get(parent.id, ())]
            for parent in parents
        ]

    async def references(self, parents: Sequence[Attribute], _: Arguments, call: Call) -> Sequence[Any]:
        ids = [parent.value for parent in parents if parent.type == "REFERENCE"]
        if not ids:
            return [None] * len(parents)
        published_only = not sees_unpublished(call.caller.scopes)
        found = await self._products.products_by_ids(call.environment_id, ids, published_only=published_only)
        return [found.get(parent.value) if parent.type == "REFERENCE" else None for parent in parents]


def _keys(args: Arguments) -> frozenset[str] | None:
    """Which attributes are asked for; None for all. Raises InvalidPage."""
    keys = args.get("keys")
    if keys is not None and len(keys) > ATTRIBUTES_MAX:
        raise InvalidPage(f"At most {ATTRIBUTES_MAX} attributes are asked for by key, not {len(keys)}.", field="keys")
    return None if keys is None else frozenset(keys)


def _attributes(found: tuple[ProductType, dict[str, Any]] | None, keys: frozenset[str] | None) -> list[Attribute]:
    """In the type's order; of these keys only, or all."""
    if found is None:
        return []
    kind, values = found
    return [
        Attribute(one, values[one.key])
        for one in kind.attributes
        if one.key in values and (keys is None or one.key in keys)
    ]


def _first(found: Sequence[list[Attribute]]) -> list[Attribute | None]:
    return [one[0] if one else None for one in found]
