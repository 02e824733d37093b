"""Staged changes: what they may hold, what they make of a product, and where they conflict with it. Pure."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from kokoa.kernel.money import Money
from kokoa.services.catalog.errors import InvalidProduct
from kokoa.services.catalog.model import (
    NewProduct,
    NewVariant,
    Product,
    Status,
    Variant,
    lowest_price,
    require_product,
)
from kokoa.services.catalog.publishing.errors import StagedChangesConflict


class StagedVariant(msgspec.Struct, frozen=True):
    """A variant as it is to be; it is known by its SKU."""

    sku: str
    name: str
    price_minor: int
    currency: str


class Fields(msgspec.Struct, frozen=True, omit_defaults=True):
    """Some fields of a product; None is one that is not among them.  variants: all of them, in their order."""

    name: str | None = None
    description: str | None = None
    category_id: str | None = None
    variants: tuple[StagedVariant, ...] | None = None

    def given(self) -> dict[str, object]:
        """Those that are among them."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}


class Staged(msgspec.Struct, frozen=True):
    """The staged changes of a product.  base: what the product had in these fields when they were staged."""

    product_id: str
    changes: Fields
    base: Fields
    staged_at: datetime


class Live(msgspec.Struct, frozen=True):
    """A product as the store has it.  category_id: of its category."""

    product: Product
    variants: Sequence[Variant]
    category_id: str | None

    def fields(self) -> Fields:
        """Those that can be staged; the empty text for no category, so that it differs from any."""
        variants = tuple(StagedVariant(one.sku, one.name, one.price_minor, one.currency) for one in self.variants)
        return Fields(self.product.name, self.product.description, self.category_id or "", variants)


def require_staged(live: Live, changes: Fields) -> None:
    """Raises InvalidProduct, InvalidMoney, which name the field."""
    if changes == Fields():
        raise InvalidProduct(
            "There is nothing to stage: give name, description, category or variants.", field="input"
        )
    require_product(wanted_product(live, changes, live.product.category_slug))


def stage_more(live: Live, before: tuple[Fields, Fields] | None, changes: Fields) -> tuple[Fields, Fields]:
    """(changes, base) after staging: what is given takes the place of what was staged before."""
    old, old_base = before or (Fields(), Fields())
    now = live.fields()
    base = {name: getattr(now, name) for name in changes.given()}
    return msgspec.structs.replace(old, **changes.given()), msgspec.structs.replace(old_base, **base)


def conflicts_of(staged: Staged, live: Live) -> list[str]:
    """Fields in which the product is neither as it was when they were staged, nor as they want it."""
    now = live.fields()
    return [
        _SHOWN.get(name, name)
        for name, wanted in staged.changes.given().items()
        if getattr(now, name) not in (getattr(staged.base, name), wanted)
    ]


_SHOWN = {"category_id": "category"}


def require_no_conflict(staged: Staged, live: Live) -> None:
    """Raises StagedChangesConflict, which says what to do."""
    if conflicts := conflicts_of(staged, live):
        raise StagedChangesConflict(
            f"Since they were staged, the product itself got another {' and '.join(conflicts)}. Stage these fields "
            "again, discard the staged changes, or publish them with overwrite."
        )


def wanted_product(live: Live, changes: Fields, category: str | None) -> NewProduct:
    """The product with its staged changes.  category: its path then. Raises InvalidMoney."""
    before = live.product
    variants = changes.variants if changes.variants is not None else live.fields().variants or ()
    return NewProduct(
        name=before.name if changes.name is None else changes.name,
        slug=before.slug,
        description=before.description if changes.description is None else changes.description,
        category_slug=category,
        external_reference=before.external_reference,
        variants=tuple(NewVariant(one.sku, one.name, Money(one.price_minor, one.currency)) for one in variants),
        status=before.status,
    )


def next_product(before: Product, wanted: NewProduct, status: Status) -> Product:
    """The next version, as it is wanted."""
    price = lowest_price(wanted.variants)
    return msgspec.structs.replace(
        before,
        name=wanted.name,
        description=wanted.description,
        category_slug=wanted.category_slug,
        price_minor=price.amount_minor if price else None,
        currency=price.currency if price else None,
        version=before.version + 1,
        status=status,
    )
