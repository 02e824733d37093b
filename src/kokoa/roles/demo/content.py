"""What the demo shop sells: shop.json, and the pictures beside it. Pure but for reading them."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from kokoa.kernel.money import Money
from kokoa.services.catalog.media.model import RENDITIONS
from kokoa.services.catalog.media.results import Rendition
from kokoa.services.catalog.model import Country, NewProduct, NewVariant, Status
from kokoa.services.catalog.translations.model import Texts
from kokoa.services.catalog.types.details import DetailsChange, NewOption, Option, VariantChange

PICTURE_SIDE = 480
"""Width and height of the pictures, in pixels; every rendition but the thumbnail is as large."""

_SHOP = Path(__file__).with_name("shop.json")
_PICTURES = Path(__file__).with_name("pictures")


class Channel(msgspec.Struct, frozen=True):
    key: str
    name: str
    currency: str
    countries: list[str]


class Type(msgspec.Struct, frozen=True):
    """attributes: as `read_definitions` takes them."""

    key: str
    name: str
    attributes: list[dict[str, Any]]


class CategoryContent(msgspec.Struct, frozen=True):
    """path: slugs from the root down; parents come first.  names: by locale."""

    path: str
    names: dict[str, str]


class VariantContent(msgspec.Struct, frozen=True):
    """prices: minor units by currency.  options: its value of each option of the product, by key."""

    sku: str
    name: str
    prices: dict[str, int]
    options: dict[str, str]


class BundleItem(msgspec.Struct, frozen=True):
    sku: str
    quantity: int


class ProductContent(msgspec.Struct, frozen=True):
    """texts: by locale, of the default one without a slug.  picture: a name.  related: slugs."""

    slug: str
    category: str
    type: str
    picture: str
    attributes: dict[str, Any]
    texts: dict[str, Texts]
    options: list[Option]
    variants: list[VariantContent]
    related: list[str]
    status: Status = "PUBLISHED"
    bundle: list[BundleItem] = []

    def as_new(self, locale: str, currency: str) -> NewProduct:
        """The product itself, in the default locale and the currency of its own prices."""
        texts = self.texts[locale]
        variants = [NewVariant(one.sku, one.name, Money(one.prices[currency], currency)) for one in self.variants]
        return NewProduct(
            name=texts.name or "",
            slug=self.slug,
            description=texts.description or "",
            category_slug=self.category,
            external_reference=None,
            variants=tuple(variants),
            status=self.status,
        )

    def details(self) -> DetailsChange:
        """Its type, attributes and options."""
        return DetailsChange(
            product_type=self.type,
            attributes=tuple(self.attributes.items()),
            options=tuple(map(NewOption, self.options)),
            variants={one.sku: VariantChange(options=tuple(one.options.items())) for one in self.variants},
        )


class ShopContent(msgspec.Struct, frozen=True):
    """currency: of products' own prices; others are prices beside these."""

    currency: str
    default_locale: str
    locales: list[str]
    channels: list[Channel]
    countries: list[Country]
    types: list[Type]
    categories: list[CategoryContent]
    products: list[ProductContent]


@cache
def shop_content() -> ShopContent:
    """All of shop.json."""
    return msgspec.json.decode(_SHOP.read_bytes(), type=ShopContent)


def picture(name: str) -> tuple[bytes, list[Rendition]]:
    """The picture as a merchant would upload it, and all its renditions."""
    renditions = [
        Rendition(f"{size}.{ending}", _file(f"{name}{'.thumbnail' if size == 'thumbnail' else ''}.{ending}"))
        for size in RENDITIONS
        for ending in ("webp", "jpg")
    ]
    return _file(f"{name}.webp"), renditions


def _file(name: str) -> bytes:
    return (_PICTURES / name).read_bytes()
