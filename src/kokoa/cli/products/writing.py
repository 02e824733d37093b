"""Products of a store as rows of a file that `kokoa import products` reads again."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from kokoa.cli.products.cells import (
    ATTRIBUTE,
    CUSTOM,
    OPTION,
    Definition,
    write_cell,
    write_custom,
    write_options,
)
from kokoa.cli.products.errors import FileUnusable
from kokoa.cli.products.graph import GraphClient
from kokoa.cli.products.model import COLUMNS, TYPE_COLUMNS, join_category
from kokoa.cli.products.parts import SEO, SEO_FIELDS, TEXTS, custom_values, own_seo, texts_by_locale
from kokoa.cli.products.prices import write_price
from kokoa.cli.products.reading import COLUMNS_MAX

PAGE = 100

EXPORT = """query Export($after: String, $limit: Int!) {
  bulkProducts(after: $after, limit: $limit) {
    cursor
    products {
      id externalReference name slug description category { breadcrumbs { name } } status CUSTOM
      translations { locale name description slug seoTitle seoDescription }
      ownSeo { title description canonicalPath noIndex }
      productType { key } attributes { key type value } options { key name values }
      variants {
        sku name priceMinor currency weightGrams externalReference
        attributes { key type value } options { key value }
      }
    }
  }
}"""


Custom = Mapping[str, Definition]
"""Custom fields of products by key."""


async def pages(client: GraphClient, custom: Custom) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
    """Every product of the environment, a page at a time.  custom: which there are. Raises Refused, ImportFailed."""
    document = EXPORT.replace("CUSTOM", f"custom {{ {' '.join(custom)} }}" if custom else "")
    after = None
    while True:
        page = (await client.query(document, {"after": after, "limit": PAGE}))["bulkProducts"]
        yield page["products"]
        after = page["cursor"]
        if after is None:
            return


def reference_of(product: Mapping[str, Any]) -> str:
    """A product without an external reference is known by its id."""
    return str(product["externalReference"] or product["id"])


class Columns(msgspec.Struct, frozen=True):
    """Those that a file of CSV has beside the usual ones.  custom: how fields are written, by key."""

    fixed: Sequence[str] = ()
    attributes: Sequence[str] = ()
    options: Sequence[str] = ()
    parts: Sequence[str] = ()
    custom: Custom = {}

    @property
    def names(self) -> list[str]:
        attributes = [ATTRIBUTE + key for key in self.attributes]
        return [*COLUMNS, *self.fixed, *attributes, *(OPTION + key for key in self.options), *self.parts]


class ColumnsSeen:
    """Which columns products need; they are known when all products were seen."""

    def __init__(self, custom: Custom) -> None:
        self._custom = custom
        self._typed = False
        self._attributes: set[str] = set()
        self._options: set[str] = set()
        self._parts: set[str] = set()

    def add(self, product: Mapping[str, Any]) -> None:
        """Raises FileUnusable when there are more than a file may have."""
        self._typed = self._typed or product["productType"] is not None
        for one in (product, *product["variants"]):
            self._attributes.update(each["key"] for each in one["attributes"])
        self._options.update(one["key"] for one in product["options"])
        self._parts.update(_part_values(product))
        more = sum(map(len, (self._attributes, self._options, self._parts)))
        if len(COLUMNS) + len(TYPE_COLUMNS) + more > COLUMNS_MAX:
            raise FileUnusable(
                f"The products have so many attributes, options, texts and custom fields that CSV needs more than "
                f"{COLUMNS_MAX} columns. Use JSON lines: --format jsonl."
            )

    def columns(self) -> Columns:
        """In the order of their names."""
        fixed = [*(["productType"] if self._typed else []), *(["options"] if self._options else [])]
        parts = sorted(self._parts, key=_place)
        return Columns(fixed, sorted(self._attributes), sorted(self._options), parts, self._custom)


def _place(column: str) -> tuple[int, str, int]:
    """Texts by locale, then SEO, then custom fields."""
    before, _, rest = column.partition(".")
    if f"{before}." == CUSTOM:
        return 2, rest, 0
    return (1, "", SEO_FIELDS.index(rest)) if f"{before}." == SEO else (0, rest, TEXTS.index(before))


def _part_values(product: Mapping[str, Any]) -> dict[str, Any]:
    """Texts, SEO and custom values of a product, by column; what it has not is missing."""
    texts = texts_by_locale(product).items()
    return {
        **{f"{name}.{locale}": text for locale, of in texts for name, text in of.items()},
        **{SEO + name: value for name, value in own_seo(product).items()},
        **{CUSTOM + key: value for key, value in custom_values(product).items()},
    }


def json_rows(products: Iterable[Mapping[str, Any]]) -> bytes:
    """A line of JSON for each product."""
    return b"".join(orjson.dumps(_json(product)) + b"\n" for product in products)


def csv_head(columns: Columns) -> bytes:
    """What a file of CSV begins with."""
    return _lines([columns.names])


def csv_rows(product: Mapping[str, Any], columns: Columns) -> bytes:
    """The lines of a product."""
    return _lines(_csv(product, columns))


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def _names(product: Mapping[str, Any]) -> list[str]:
    category = product["category"]
    return [one["name"] for one in category["breadcrumbs"]] if category else []


def _json(product: Mapping[str, Any]) -> dict[str, Any]:
    kind = product["productType"]
    typed = {
        "productType": kind and kind["key"],
        "attributes": _by_key(product["attributes"]),
        "options": product["options"],
        "translations": texts_by_locale(product),
        "seo": own_seo(product),
        "custom": custom_values(product),
    }
    return {
        "externalReference": reference_of(product),
        "name": product["name"],
        "slug": product["slug"],
        "description": product["description"],
        "category": _names(product),
        "status": product["status"],
        **{name: value for name, value in typed.items() if value},
        "variants": [_json_variant(one) for one in product["variants"]],
    }


def _json_variant(variant: Mapping[str, Any]) -> dict[str, Any]:
    more = {
        "weightGrams": variant["weightGrams"],
        "externalReference": variant["externalReference"],
        "attributes": _by_key(variant["attributes"]) or None,
        "options": _by_key(variant["options"]) or None,
    }
    own = {name: variant[name] for name in ("sku", "name", "priceMinor", "currency")}
    return own | {name: value for name, value in more.items() if value is not None}


def _by_key(many: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {one["key"]: one["value"] for one in many}


def _csv(product: Mapping[str, Any], columns: Columns) -> list[list[str]]:
    """A row for each variant, or one; the product's own cells are in the first."""
    reference, kind = reference_of(product), product["productType"]
    own = {
        "name": product["name"],
        "slug": product["slug"],
        "description": product["description"],
        "category": join_category(_names(product)),
        "status": product["status"],
        "productType": kind["key"] if kind else "",
        "options": write_options(product["options"]),
        **_attribute_cells(product),
        **{name: _part_cell(name, value, columns.custom) for name, value in _part_values(product).items()},
    }
    first, *others = [_variant_cells(one) for one in product["variants"]] or [{}]
    rows = [own | first, *others]
    return [[reference, *(row.get(name, "") for name in columns.names[1:])] for row in rows]


def _part_cell(column: str, value: Any, custom: Custom) -> str:
    if column.startswith(CUSTOM):
        return write_custom(custom[column.removeprefix(CUSTOM)], value)
    return value if isinstance(value, str) else "true"  # noIndex, which is written where it holds


def _variant_cells(variant: Mapping[str, Any]) -> dict[str, str]:
    return {
        "sku": variant["sku"],
        "variantName": variant["name"],
        "price": write_price(variant["priceMinor"], variant["currency"]),
        "currency": variant["currency"],
        **{OPTION + one["key"]: one["value"] for one in variant["options"]},
        **_attribute_cells(variant),
    }


def _attribute_cells(owner: Mapping[str, Any]) -> dict[str, str]:
    return {ATTRIBUTE + one["key"]: write_cell(one["type"], one["value"]) for one in owner["attributes"]}
