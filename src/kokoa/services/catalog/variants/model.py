"""Rules of single variants. Pure."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType

from kokoa.kernel.money import Money
from kokoa.services.catalog.errors import InvalidPage, InvalidProduct
from kokoa.services.catalog.model import VARIANTS_MAX, NewVariant, Variant, lowest_price, require_variant
from kokoa.services.catalog.variants.errors import InvalidVariants

KEYS_MAX = 250


class VariantChanges(msgspec.Struct, frozen=True):
    """None leaves a field as it is; of those that may be empty UNSET does."""

    sku: str | None = None
    name: str | None = None
    price_minor: int | None = None
    currency: str | None = None
    weight_grams: int | UnsetType | None = UNSET
    external_reference: str | UnsetType | None = UNSET


def require_keys(count: int, limit: int) -> None:
    """How many ids and SKUs are asked for at once. Raises InvalidPage."""
    if not 1 <= limit <= KEYS_MAX:
        raise InvalidPage(f"limit must be 1 to {KEYS_MAX}.", field="limit")
    if count > limit:
        raise InvalidPage(f"{count} ids and SKUs are asked for, and limit is {limit}.", field="limit")


def changed_variant(before: Variant, changes: VariantChanges) -> Variant:
    """The variant after a change, its version as before. Raises InvalidProduct, which names the field."""
    if changes.currency is not None and changes.price_minor is None and changes.currency != before.currency:
        raise InvalidProduct("Another currency needs another price too.", field="priceMinor")
    given = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET}
    nullable = ("weight_grams", "external_reference")
    after = msgspec.structs.replace(
        before, **{name: value for name, value in given.items() if value is not None or name in nullable}
    )
    require_variant(as_new(after), "")
    return after


def as_new(variant: Variant) -> NewVariant:
    """What was asked for when it was made. Raises InvalidMoney."""
    price = Money(variant.price_minor, variant.currency)
    return NewVariant(variant.sku, variant.name, price, variant.weight_grams, variant.external_reference)


def price_of(variants: Sequence[Variant]) -> Money | None:
    """The price that stands for a product with these variants."""
    return lowest_price([as_new(one) for one in variants])


def place_for(position: int | None, variants: Sequence[Variant]) -> int:
    """Where a new variant comes among those that are there. Raises InvalidVariants."""
    if len(variants) >= VARIANTS_MAX:
        raise InvalidVariants(f"A product has at most {VARIANTS_MAX} variants.")
    if position is None:
        return len(variants)
    if not 0 <= position <= len(variants):
        raise InvalidVariants(f"position must be 0 to {len(variants)}, not {position}.", field="position")
    return position


def in_order(ids: Sequence[str], variants: Sequence[Variant]) -> list[Variant]:
    """The variants in this order. Raises InvalidVariants unless each is named once."""
    by_id = {one.id: one for one in variants}
    if len(ids) != len(by_id) or set(ids) != by_id.keys():
        raise InvalidVariants(
            f"ids must name each of the product's {len(by_id)} variants once, and no others.", field="ids"
        )
    return [by_id[one] for one in ids]
