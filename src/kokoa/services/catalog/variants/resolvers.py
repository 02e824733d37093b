"""GraphQL ⇄ actions and store, for single variants."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET

from kokoa.graphql.resolvers import Foreseeing
from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.kernel.money import Money
from kokoa.services.catalog.errors import InvalidPage
from kokoa.services.catalog.model import (
    NewVariant,
    Product,
    Variant,
    VariantWithProduct,
    require_plain,
    sees_unpublished,
)
from kokoa.services.catalog.store import CatalogStore
from kokoa.services.catalog.types.inputs import read_variant
from kokoa.services.catalog.variants.actions import VariantActions
from kokoa.services.catalog.variants.model import VariantChanges, require_keys
from kokoa.services.catalog.variants.store import VariantStore

Arguments = Mapping[str, Any]


class VariantResolvers:
    """Field resolvers of schema.graphql."""

    def __init__(self, store: VariantStore, catalog: CatalogStore, actions: VariantActions) -> None:
        self._store = store
        self._catalog = catalog
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.variant": self.variant,
            "Query.variants": Foreseeing(self.variants),
            "Variant.product": self.products,
            "Mutation.addVariant": self.add,
            "Mutation.updateVariant": self.update,
            "Mutation.removeVariant": self.remove,
            "Mutation.orderVariants": self.order,
        }

    async def variant(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = {name: args[name] for name in ("id", "sku", "external_reference") if args.get(name) is not None}
        if len(given) != 1:
            raise InvalidPage("Give one of id, sku and externalReference.", field="id")
        published_only = not sees_unpublished(call.caller.scopes)
        if "id" in given:
            variant_id = require_id(given["id"], field="id")
            found = await self._catalog.variants_by_ids(
                call.environment_id, [variant_id], published_only=published_only
            )
            return [found.get(variant_id)]
        for name, text in given.items():
            require_plain(text, "sku" if name == "sku" else "externalReference")
        return [await self._store.by_key(call.environment_id, published_only=published_only, **given)]

    async def variants(self, _: Sequence[Any], args: Arguments, call: Call, below: frozenset[str]) -> Sequence[Any]:
        ids = [require_id(one, field="ids") for one in args.get("ids") or ()]
        skus = args.get("skus") or []
        require_keys(len(ids) + len(skus), args["limit"])
        for sku in skus:
            require_plain(sku, "skus")
        published_only = not sees_unpublished(call.caller.scopes)
        found = self._store.by_keys(
            call.environment_id, ids, skus, published_only=published_only, with_products="product" in below
        )
        return [await found]

    async def products(self, parents: Sequence[Variant], _: Arguments, call: Call) -> Sequence[Any]:
        found: dict[str, Product] = {
            one.product_id: one.product for one in parents if isinstance(one, VariantWithProduct)
        }
        ids = list(dict.fromkeys(one.product_id for one in parents if one.product_id not in found))
        if ids:
            published_only = not sees_unpublished(call.caller.scopes)
            found |= await self._catalog.products_by_ids(call.environment_id, ids, published_only=published_only)
        return [found.get(parent.product_id) for parent in parents]

    async def add(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        new = NewVariant(
            given["sku"],
            given["name"],
            Money(given["price_minor"], given["currency"]),
            given.get("weight_grams"),
            given.get("external_reference"),
        )
        variant, product = await self._actions.add(
            call.environment_id,
            require_id(given["product_id"], field="productId"),
            given["version"],
            new,
            read_variant(given, ""),
            given.get("position"),
            correlation_id=call.correlation_id,
        )
        return [{"variant": variant, "product": product}]

    async def update(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        changes = VariantChanges(
            given.get("sku"),
            given.get("name"),
            given.get("price_minor"),
            given.get("currency"),
            given.get("weight_grams", UNSET),
            given.get("external_reference", UNSET),
        )
        variant, product = await self._actions.update(
            call.environment_id,
            require_id(given["id"], field="id"),
            given["version"],
            changes,
            read_variant(given, ""),
            correlation_id=call.correlation_id,
        )
        return [{"variant": variant, "product": product}]

    async def remove(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        variant_id = require_id(args["id"], field="id")
        removed = self._actions.remove(
            call.environment_id, variant_id, args["version"], correlation_id=call.correlation_id
        )
        return [await removed]

    async def order(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        ids = [require_id(one, field="ids") for one in args["ids"]]
        product_id = require_id(args["product_id"], field="productId")
        ordered = self._actions.order(
            call.environment_id, product_id, args["version"], ids, correlation_id=call.correlation_id
        )
        return [await ordered]
