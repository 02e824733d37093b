"""What rows of a batch want of translations, SEO and custom fields, as if applied one after the other. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from kokoa.graphql.names import snake_case
from kokoa.services.catalog.bulk.errors import UnknownCustomField, UnknownLocale
from kokoa.services.catalog.custom_fields.errors import InvalidCustomValue
from kokoa.services.catalog.custom_fields.model import CustomField
from kokoa.services.catalog.custom_fields.values import Document, merged, read_value
from kokoa.services.catalog.translations.errors import InvalidLocale, InvalidTranslation
from kokoa.services.catalog.translations.model import LOCALES_MAX, Texts, canonical_locale, require_good
from kokoa.services.catalog.translations.seo import OwnSeo, require_seo

_GIVEN = frozenset({"translations", "seo", "custom"})
_NO_TEXTS = Texts()
_NO_SEO = OwnSeo()

LocaleSlug = tuple[str, str]
"""Locale and slug."""


class TextsChange(msgspec.Struct, frozen=True):
    """What a translation gets.  texts: by the fields of Texts; None takes one away.  at: its path."""

    locale: str
    texts: Mapping[str, str | None]
    at: str


class PartsChange(msgspec.Struct, frozen=True):
    """What a product gets; what is not named stays.  seo: by the fields of OwnSeo.  custom: (key, value)."""

    translations: tuple[TextsChange, ...] = ()
    seo: Mapping[str, Any] = {}
    custom: tuple[tuple[str, Any], ...] = ()

    def slugs(self) -> set[LocaleSlug]:
        """Those that it gives."""
        return {(one.locale, slug) for one in self.translations if (slug := one.texts.get("slug"))}


NO_PARTS = PartsChange()


def read_parts(given: Mapping[str, Any]) -> PartsChange:
    """given: as BulkProductInput. Raises InvalidLocale, InvalidTranslation, InvalidSeo, InvalidCustomValue."""
    if _GIVEN.isdisjoint(given):
        return NO_PARTS
    read = PartsChange(
        _read_translations(given.get("translations") or ()),
        _read_seo(given.get("seo") or {}),
        _read_custom(given.get("custom") or ()),
    )
    return NO_PARTS if read == NO_PARTS else read


def _read_translations(given: Sequence[Mapping[str, Any]]) -> tuple[TextsChange, ...]:
    if len(given) >= LOCALES_MAX:
        raise InvalidTranslation(
            f"There are texts in {len(given)} locales; at most {LOCALES_MAX - 1} are possible.", field="translations"
        )
    found: dict[str, TextsChange] = {}
    for index, one in enumerate(given):
        at = f"translations.{index}."
        locale = canonical_locale(one["locale"], field=f"{at}locale")
        if locale in found:
            raise InvalidTranslation(f"{locale} is named twice.", field=f"{at}locale")
        texts = {name: one[name] for name in Texts.__struct_fields__ if name in one}
        require_good(Texts(**texts), at)
        found[locale] = TextsChange(locale, texts, at)
    return tuple(found.values())


def _read_seo(given: Mapping[str, Any]) -> Mapping[str, Any]:
    named = {name: given[name] for name in OwnSeo.__struct_fields__ if name in given}
    if "no_index" in named:
        named["no_index"] = bool(named["no_index"])
    require_seo(OwnSeo(**named), "seo.")
    return named


def _read_custom(given: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, Any], ...]:
    seen: set[str] = set()
    for index, one in enumerate(given):
        if one["key"] in seen:
            raise InvalidCustomValue(f"{one['key'][:80]!r} is given twice.", field=f"custom.{index}.key")
        seen.add(one["key"])
    return tuple((one["key"], one.get("value")) for one in given)


class KnownParts(msgspec.Struct, frozen=True):
    """What there is, as far as a batch names it.

    locales: whether each is the default.  texts: by product id and locale.  slugs: whose they are.
    seo, documents: by product id.  fields: of products.
    """

    locales: Mapping[str, bool] = {}
    texts: Mapping[tuple[str, str], Texts] = {}
    slugs: Mapping[LocaleSlug, str] = {}
    seo: Mapping[str, OwnSeo] = {}
    fields: Sequence[CustomField] = ()
    documents: Mapping[str, Document] = {}


NOTHING_KNOWN = KnownParts()


class ChangedParts(msgspec.Struct, frozen=True):
    """What differs, by product id (and locale).  texts: None where a translation goes."""

    texts: dict[tuple[str, str], Texts | None] = {}
    seo: dict[str, OwnSeo] = {}
    documents: dict[str, Document] = {}

    def __bool__(self) -> bool:
        return bool(self.texts or self.seo or self.documents)


NO_CHANGES = ChangedParts()


class PartsPlan:
    """Follows rows through their batch: a slug that one row gives up another may take.

    changed: what is to be written.
    """

    def __init__(self, known: KnownParts) -> None:
        self._known = known
        self._slugs = dict(known.slugs)
        self._custom_fields = {one.key: one for one in known.fields}
        self.changed = ChangedParts({}, {}, {})

    def after(self, product_id: str, change: PartsChange) -> ChangedParts:
        """What differs then.

        Raises UnknownLocale, InvalidLocale, UnknownCustomField, InvalidCustomValue, CustomValueMissing.
        """
        if change is NO_PARTS:
            return NO_CHANGES
        texts = dict(self._texts(product_id, change.translations))
        seo, own = {}, self._known.seo.get(product_id, _NO_SEO)
        if change.seo and (wanted := msgspec.structs.replace(own, **change.seo)) != own:
            seo[product_id] = wanted
        documents, stored = {}, self._known.documents.get(product_id, {})
        if change.custom and (document := self._document(stored, change.custom)) != stored:
            documents[product_id] = document
        return ChangedParts(texts, seo, documents)

    def taken(self, product_id: str, change: PartsChange, more: ChangedParts) -> tuple[str, str] | None:
        """(message, path) for a slug that is another product's in its locale."""
        for one in change.translations:
            texts = more.texts.get((product_id, one.locale))
            if texts and texts.slug and self._slugs.get((one.locale, texts.slug), product_id) != product_id:
                return f"Another product has the slug {texts.slug!r} in {one.locale}.", f"{one.at}slug"
        return None

    def keep(self, more: ChangedParts) -> None:
        """Remember what a row changes."""
        for (product_id, locale), texts in more.texts.items():
            before = self._known.texts.get((product_id, locale), _NO_TEXTS)
            if before.slug and self._slugs.get((locale, before.slug)) == product_id:
                del self._slugs[locale, before.slug]
            if texts and texts.slug:
                self._slugs[locale, texts.slug] = product_id
        self.changed.texts.update(more.texts)
        self.changed.seo.update(more.seo)
        self.changed.documents.update(more.documents)

    def _texts(
        self, product_id: str, changes: Iterable[TextsChange]
    ) -> Iterable[tuple[tuple[str, str], Texts | None]]:
        for one in changes:
            is_default = self._known.locales.get(one.locale)
            if is_default is None:
                message = f"{one.locale} is not a locale of this store; add it by setLocales."
                raise UnknownLocale(message, field=f"{one.at}locale")
            if is_default:
                message = f"{one.locale} is the default locale: its texts are the product's own."
                raise InvalidLocale(message, field=f"{one.at}locale")
            before = self._known.texts.get((product_id, one.locale), _NO_TEXTS)
            after = msgspec.structs.replace(before, **one.texts)
            if after != before:
                yield (product_id, one.locale), None if after == _NO_TEXTS else after

    def _document(self, stored: Document, given: Sequence[tuple[str, Any]]) -> Document:
        values: dict[str, Any] = {}
        gone = True
        for index, (key, value) in enumerate(given):
            field = self._custom_fields.get(key)
            if field is None:
                message = f"Products of this store have no custom field {key[:80]!r}."
                raise UnknownCustomField(message, field=f"custom.{index}.key")
            values[snake_case(key)] = read_value(field, value, f"custom.{key}")
            gone = gone and value is None and str(field.id) not in stored
        # Taking away what is not there is no change, and no reason to ask for what is required.
        return stored if gone else merged(self._known.fields, stored, values, "custom")
