"""Columns of CSV for texts in other locales, for SEO and for custom fields, and what their cells say. Pure.

`name.de` is a text of a locale, `seo.title` what is said to search engines, `custom.<key>` a custom field, whose
cells are read as the store defines it. An empty cell takes away what the product has there.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from kokoa.cli.products.cells import CUSTOM, BadCell, Definition, read_boolean, read_cell
from kokoa.cli.products.errors import FileUnusable
from kokoa.cli.products.model import Problem

TEXTS = ("name", "description", "slug", "seoTitle", "seoDescription")
SEO_FIELDS = ("title", "description", "canonicalPath", "noIndex")
SEO = "seo."
SEO_COLUMNS = tuple(SEO + name for name in SEO_FIELDS)

_TEXT = re.compile(rf"({'|'.join(TEXTS)})\.(.+)", re.DOTALL)


class StoreParts(msgspec.Struct, frozen=True):
    """What a store knows.  locales: but the default.  custom: fields of products by key."""

    default: str = ""
    locales: Sequence[str] = ()
    custom: Mapping[str, Definition] = {}


class PartColumns(msgspec.Struct, frozen=True):
    """The columns of a file.  texts: by locale and text.  seo: by field.  custom: by column."""

    texts: Mapping[str, Mapping[str, str]] = {}
    seo: Mapping[str, str] = {}
    custom: Mapping[str, Definition] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*(name for of in self.texts.values() for name in of.values()), *self.seo.values(), *self.custom)


NO_COLUMNS = PartColumns()


def is_part(name: str) -> bool:
    """Whether a column is one of these; which locales and custom fields there are the store knows."""
    return bool(_TEXT.fullmatch(name)) or name in SEO_COLUMNS or (name.startswith(CUSTOM) and name != CUSTOM)


def part_columns(header: Iterable[str], known: StoreParts) -> PartColumns:
    """Raises FileUnusable for a locale or a custom field that the store has not."""
    texts: dict[str, dict[str, str]] = {}
    seo: dict[str, str] = {}
    custom: dict[str, Definition] = {}
    for name in header:
        if found := _TEXT.fullmatch(name):
            text, locale = found.groups()
            if locale not in known.locales:
                raise FileUnusable(_no_locale(name, text, locale, known))
            texts.setdefault(locale, {})[text] = name
        elif name in SEO_COLUMNS:
            seo[name.removeprefix(SEO)] = name
        elif name.startswith(CUSTOM):
            key = name.removeprefix(CUSTOM)
            if key not in known.custom:
                said = f"products of this store have no custom field {key[:60]!r}"
                raise FileUnusable(_unknown(said, CUSTOM, key, known.custom))
            custom[name] = known.custom[key]
    return PartColumns(texts, seo, custom)


def _no_locale(name: str, text: str, locale: str, known: StoreParts) -> str:
    if locale == known.default:
        return (
            f"Line 1: {locale} is the default locale, whose texts are in the column {text!r}, not in {name[:60]!r}."
        )
    said = f"this store has no locale {locale[:60]!r}"
    return _unknown(said, f"{text}.", locale, known.locales)


def _unknown(said: str, prefix: str, name: str, there: Iterable[str]) -> str:
    by_small = {one.lower(): one for one in there}
    near = difflib.get_close_matches(name[:60].lower(), by_small, 1)
    hint = f" Did you mean {prefix + by_small[near[0]]!r}?" if near else ""
    return f"Line 1: {said} (UNKNOWN_COLUMN).{hint}"


def read_parts(
    columns: PartColumns, found: Mapping[str, str], line: int
) -> tuple[Mapping[str, Any], Sequence[Problem]]:
    """(parts of a BulkProductInput, what is wrong).  found: the product's own cells.  line: of its first row."""
    given: dict[str, Any] = {}
    problems: list[Problem] = []

    def read(column: str, as_what: Any) -> Any:
        try:
            return as_what(found[column])
        except BadCell as bad:
            problems.append(Problem(line, column, bad.code, bad.message, found["externalReference"]))
            return None

    if columns.texts:
        given["translations"] = [
            {"locale": locale, **{text: found[name] or None for text, name in of.items()}}
            for locale, of in columns.texts.items()
        ]
    if columns.seo:
        given["seo"] = {
            field: read(name, read_boolean) if field == "noIndex" and found[name] else found[name] or None
            for field, name in columns.seo.items()
        }
    if columns.custom:
        given["custom"] = [
            {"key": one.key, "value": read(name, lambda cell, one=one: read_cell(one, cell))}
            for name, one in columns.custom.items()
        ]
    return given, problems


def texts_by_locale(product: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The texts that an exported product has, by locale."""
    return {
        one["locale"]: {text: one[text] for text in TEXTS if one[text] is not None} for one in product["translations"]
    }


def own_seo(product: Mapping[str, Any]) -> dict[str, Any]:
    """What an exported product says to search engines of its own."""
    own = product["ownSeo"] or {}
    return {field: own[field] for field in SEO_FIELDS if own.get(field)}


def custom_values(product: Mapping[str, Any]) -> dict[str, Any]:
    """The custom values that an exported product has."""
    return {key: value for key, value in product.get("custom", {}).items() if value is not None}
