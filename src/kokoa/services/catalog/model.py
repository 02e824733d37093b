"""Types and rules of catalog. Pure."""

import re
import unicodedata
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import lru_cache
from typing import Literal

import msgspec

from kokoa.kernel.money import Money, major_units
from kokoa.kernel.text import is_plain
from kokoa.services.catalog.errors import InvalidPage, InvalidProduct, InvalidText, ProductIsArchived

PAGE_MAX = 100
OFFSET_MAX = 10_000
IDS_MAX = 1_000
VARIANTS_MAX = 100
NAME_MAX = 200
DESCRIPTION_MAX = 20_000
SKU_MAX = 64
REFERENCE_MAX = 128
PRICE_MINOR_MAX = 2**31 - 1  # GraphQL's Int
WEIGHT_GRAMS_MAX = 1_000_000_000

Status = Literal["DRAFT", "PUBLISHED", "ARCHIVED"]
StatusChange = Literal["publish", "unpublish", "archive", "restore"]
NEW_STATUSES: tuple[Status, ...] = ("DRAFT", "PUBLISHED")

_SLUG = re.compile(r"^[a-z0-9]+(-[a-z0-9]+)*$")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")


class Variant(msgspec.Struct, frozen=True):
    id: str
    product_id: str
    sku: str
    name: str
    price_minor: int
    currency: str
    weight_grams: int | None = None
    external_reference: str | None = None
    version: int = 1

    @property
    def price(self) -> float:
        """In major units, for display."""
        return major_units(self.price_minor, self.currency)


class Product(msgspec.Struct, frozen=True):
    id: str
    slug: str
    name: str
    description: str
    category_slug: str | None
    external_reference: str | None
    price_minor: int | None
    currency: str | None
    version: int
    status: Status
    created_at: datetime
    updated_at: datetime

    @property
    def price(self) -> float | None:
        """The cheapest variant's, in major units, for display."""
        if self.price_minor is None or self.currency is None:
            return None
        return major_units(self.price_minor, self.currency)


class VariantWithProduct(Variant, frozen=True, kw_only=True):
    """A variant that was read together with its product, which the same callers may see."""

    product: Product


class Category(msgspec.Struct, frozen=True):
    """A root category as a seed gives it; the tree's are in `categories.model`."""

    slug: str
    name: str


class Country(msgspec.Struct, frozen=True):
    code: str
    name: str


class NewVariant(msgspec.Struct, frozen=True):
    sku: str
    name: str
    price: Money
    weight_grams: int | None = None
    external_reference: str | None = None


class NewProduct(msgspec.Struct, frozen=True):
    name: str
    slug: str
    description: str
    category_slug: str | None
    external_reference: str | None
    variants: tuple[NewVariant, ...]
    status: Status = "PUBLISHED"


class ProductChanges(msgspec.Struct, frozen=True):
    """None leaves a field as it is."""

    name: str | None = None
    description: str | None = None
    category_slug: str | None = None


def lowest_price(variants: Sequence[NewVariant]) -> Money | None:
    """The price that stands for the product: the lowest in the first variant's currency."""
    if not variants:
        return None
    currency = variants[0].price.currency
    return min((v.price for v in variants if v.price.currency == currency), key=lambda price: price.amount_minor)


def first_version(product_id: str, new: NewProduct, now: datetime) -> Product:
    """The first version of a product."""
    price = lowest_price(new.variants)
    return Product(
        id=product_id,
        slug=new.slug,
        name=new.name,
        description=new.description,
        category_slug=new.category_slug,
        external_reference=new.external_reference,
        price_minor=price.amount_minor if price else None,
        currency=price.currency if price else None,
        version=1,
        status=new.status,
        created_at=now,
        updated_at=now,
    )


def sees_unpublished(scopes: AbstractSet[str]) -> bool:
    """Whether a caller with these scopes sees drafts and archived products; all others see published ones only."""
    return "management" in scopes


def status_after(change: StatusChange, current: Status) -> Status:
    """The status that a change leads to; the current one when there is nothing to do.

    An archived product is restored, as a draft, before anything else. Raises ProductIsArchived.
    """
    if change == "archive":
        return "ARCHIVED"
    if change == "restore":
        return "DRAFT" if current == "ARCHIVED" else current
    if current == "ARCHIVED":
        raise ProductIsArchived(f"An archived product cannot be {change}ed; restore it first.")
    return "PUBLISHED" if change == "publish" else "DRAFT"


def status_change(before: Status, after: Status) -> StatusChange:
    """What leads from one status to another one, where the wanted status is said and not the way to it."""
    if after == "PUBLISHED":
        return "publish"
    if after == "ARCHIVED":
        return "archive"
    return "restore" if before == "ARCHIVED" else "unpublish"


def require_page(limit: int, offset: int) -> None:
    """Raises InvalidPage, which names the bound."""
    if not 0 <= limit <= PAGE_MAX:
        raise InvalidPage(f"limit must be 0 to {PAGE_MAX}, not {limit}.", field="limit")
    if not 0 <= offset <= OFFSET_MAX:
        raise InvalidPage(f"offset must be 0 to {OFFSET_MAX}, not {offset}.", field="offset")


@lru_cache(2_048)  # a batch of an import asks for each twice: whether it is free, and to write it
def slug_of(name: str) -> str:
    """A slug made from a name: ASCII letters and digits, hyphens between."""
    plain = name if name.isascii() else unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return _NOT_SLUG.sub("-", plain.lower()).strip("-")


def is_slug(text: str) -> bool:
    """Whether it is lower-case ASCII letters and digits with single hyphens between."""
    return _SLUG.fullmatch(text) is not None


def require_plain(text: str, field: str) -> None:
    """A text that is looked up. Raises InvalidText for one that no database could hold."""
    if not is_plain(text):
        raise InvalidText(f"{field} holds a NUL character or half of a surrogate pair.", field=field)


def require_new_product(product: NewProduct) -> None:
    """Raises InvalidProduct, which names the field."""
    require_product(product)
    if product.status not in NEW_STATUSES:
        raise InvalidProduct("A new product is a DRAFT or PUBLISHED.", field="status")


def require_product(product: NewProduct) -> None:
    """Everything but what is asked of new products only. Raises InvalidProduct, which names the field."""
    _require_text(product.name, "name", NAME_MAX)
    _require_slug(product.slug)
    _require_text(product.description, "description", DESCRIPTION_MAX, may_be_empty=True)
    if product.external_reference is not None:
        _require_text(product.external_reference, "externalReference", REFERENCE_MAX)
    if product.category_slug is not None:
        require_plain(product.category_slug, "category")
    if len(product.variants) > VARIANTS_MAX:
        raise InvalidProduct(f"A product has at most {VARIANTS_MAX} variants.", field="variants")
    for index, variant in enumerate(product.variants):
        require_variant(variant, f"variants.{index}.")
    skus = [variant.sku for variant in product.variants]
    if len(set(skus)) < len(skus):
        raise InvalidProduct("Two variants have the same SKU.", field="variants")
    references = [one.external_reference for one in product.variants if one.external_reference is not None]
    if len(set(references)) < len(references):
        raise InvalidProduct("Two variants have the same externalReference.", field="variants")


def require_changes(changes: ProductChanges) -> None:
    """Raises InvalidProduct, which names the field."""
    if changes == ProductChanges():
        raise InvalidProduct("There is nothing to change: give name, description or category.", field="input")
    if changes.name is not None:
        _require_text(changes.name, "name", NAME_MAX)
    if changes.description is not None:
        _require_text(changes.description, "description", DESCRIPTION_MAX, may_be_empty=True)
    if changes.category_slug is not None:
        require_plain(changes.category_slug, "category")


def require_variant(variant: NewVariant, at: str) -> None:
    """at: what stands before each field's name. Raises InvalidProduct, which names the field."""
    _require_text(variant.sku, f"{at}sku", SKU_MAX)
    _require_text(variant.name, f"{at}name", NAME_MAX, may_be_empty=True)
    if not 0 <= variant.price.amount_minor <= PRICE_MINOR_MAX:
        raise InvalidProduct(f"priceMinor must be 0 to {PRICE_MINOR_MAX}.", field=f"{at}priceMinor")
    if variant.weight_grams is not None and not 0 <= variant.weight_grams <= WEIGHT_GRAMS_MAX:
        raise InvalidProduct(f"weightGrams must be 0 to {WEIGHT_GRAMS_MAX}.", field=f"{at}weightGrams")
    if variant.external_reference is not None:
        _require_text(variant.external_reference, f"{at}externalReference", REFERENCE_MAX)


def _require_text(text: str, field: str, most: int, *, may_be_empty: bool = False) -> None:
    if not may_be_empty and not text.strip():
        raise InvalidProduct(f"{field} must not be empty.", field=field)
    if len(text) > most:
        raise InvalidProduct(f"{field} has {len(text)} characters; at most {most} are allowed.", field=field)
    if not is_plain(text):
        raise InvalidProduct(f"{field} holds a NUL character or half of a surrogate pair.", field=field)


def _require_slug(slug: str) -> None:
    if len(slug) > NAME_MAX or not is_slug(slug):
        raise InvalidProduct(
            f"slug {slug!r} must be lower-case letters and digits with single hyphens between.", field="slug"
        )
