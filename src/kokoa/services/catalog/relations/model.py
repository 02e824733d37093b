"""Related products and bundles: their rules. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from kokoa.kernel.ids import require_id
from kokoa.kernel.text import is_plain
from kokoa.services.catalog.model import SKU_MAX, Variant
from kokoa.services.catalog.relations.errors import InvalidBundle, InvalidRelations

RELATED_MAX = 50
ITEMS_MAX = 100
QUANTITY_MAX = 1_000

RelationKind = Literal["RELATED", "ACCESSORY", "UPSELL", "CROSS_SELL", "REPLACEMENT"]


class BundleItem(msgspec.Struct, frozen=True):
    """How many of a variant are in a bundle.  variant: None when the caller may not see it."""

    variant: Variant | None
    quantity: int


class WantedItem(msgspec.Struct, frozen=True):
    """An item as it is asked for: by one of id and SKU."""

    variant_id: str | None
    sku: str | None
    quantity: int


def require_related(product_id: str, ids: Sequence[str]) -> list[str]:
    """The ids in canonical form. Raises InvalidRelations, InvalidId."""
    if len(ids) > RELATED_MAX:
        raise InvalidRelations(
            f"At most {RELATED_MAX} products of a kind are related, not {len(ids)}.", field="productIds"
        )
    found = [require_id(text, field="productIds") for text in ids]
    if product_id in found:
        raise InvalidRelations("A product is not related to itself.", field="productIds")
    if len(set(found)) < len(found):
        raise InvalidRelations("A product stands there twice.", field="productIds")
    return found


def require_limit(limit: int) -> None:
    """Raises InvalidRelations, which names the bound."""
    if not 0 <= limit <= RELATED_MAX:
        raise InvalidRelations(f"limit must be 0 to {RELATED_MAX}, not {limit}.", field="limit")


def read_items(given: Sequence[Mapping[str, Any]]) -> list[WantedItem]:
    """given: as BundleItemInput, in snake case. Raises InvalidBundle, InvalidId, which name the field."""
    if len(given) > ITEMS_MAX:
        raise InvalidBundle(f"A bundle has at most {ITEMS_MAX} items, not {len(given)}.", field="items")
    items = []
    for index, one in enumerate(given):
        field = f"items.{index}"
        variant_id, sku, quantity = one.get("variant_id"), one.get("sku"), one["quantity"]
        if (variant_id is None) == (sku is None):
            raise InvalidBundle("Give either variantId or sku.", field=field)
        if variant_id is not None:
            variant_id = require_id(variant_id, field=f"{field}.variantId")
        if sku is not None and (not is_plain(sku) or len(sku) > SKU_MAX):
            raise InvalidBundle(f"No SKU has more than {SKU_MAX} characters or a NUL.", field=f"{field}.sku")
        if not 1 <= quantity <= QUANTITY_MAX:
            raise InvalidBundle(f"quantity must be 1 to {QUANTITY_MAX}, not {quantity}.", field=f"{field}.quantity")
        items.append(WantedItem(variant_id, sku, quantity))
    return items


def require_variants(items: Sequence[WantedItem], variants: Sequence[Variant]) -> list[BundleItem]:
    """The items with the variants that they mean. Raises InvalidBundle, which names the field."""
    by_id = {one.id: one for one in variants}
    by_sku = {one.sku: one for one in variants}
    found: list[BundleItem] = []
    seen: set[str] = set()
    for index, item in enumerate(items):
        variant = by_id.get(item.variant_id or "") or by_sku.get(item.sku or "")
        if variant is None:
            raise InvalidBundle(f"There is no variant {item.variant_id or item.sku!r}.", field=f"items.{index}")
        if variant.id in seen:
            raise InvalidBundle(f"The variant {variant.sku!r} stands there twice.", field=f"items.{index}")
        seen.add(variant.id)
        found.append(BundleItem(variant, item.quantity))
    return found
