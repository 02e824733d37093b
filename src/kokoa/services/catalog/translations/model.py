"""Rules of locales and of the texts that depend on them. Pure.

Terminology (BCP 47, RFC 4647 §3.4 "Lookup"):
    locale      a language, perhaps with script and region: `de`, `de-CH`, `zh-Hant-TW`
    candidates  what a shopper's locale may be served by: itself, then ever less specific
    chain       what one of the store's locales reads: its own texts, then those it falls back to
    own texts   those that the product itself has; they are in the default locale, and end every chain
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from kokoa.kernel.text import is_plain
from kokoa.services.catalog.model import DESCRIPTION_MAX, NAME_MAX, is_slug
from kokoa.services.catalog.translations.errors import InvalidLocale, InvalidLocales, InvalidTranslation
from kokoa.services.catalog.translations.seo import SEO_DESCRIPTION_MAX, SEO_TITLE_MAX

LOCALES_MAX = 50
CHAIN_MAX = 8
_LOCALE_CHARACTERS_MAX = 16

_LOCALE = re.compile(r"([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|[0-9]{3}))?", re.IGNORECASE | re.ASCII)


class Locale(msgspec.Struct, frozen=True):
    """fallback: as the merchant said it, None when it follows from the locale.  chain: nearest first, no default."""

    code: str
    is_default: bool
    fallback: str | None
    chain: tuple[str, ...]


class Texts(msgspec.Struct, frozen=True):
    """A translation of a product or a category. None: the text comes from where the locale falls back to."""

    name: str | None = None
    description: str | None = None
    slug: str | None = None
    seo_title: str | None = None
    seo_description: str | None = None


_NOTHING = Texts()


class Translation(msgspec.Struct, frozen=True):
    """Texts in exactly one locale."""

    locale: str
    texts: Texts

    @property
    def name(self) -> str | None:
        return self.texts.name

    @property
    def description(self) -> str | None:
        return self.texts.description

    @property
    def slug(self) -> str | None:
        return self.texts.slug

    @property
    def seo_title(self) -> str | None:
        return self.texts.seo_title

    @property
    def seo_description(self) -> str | None:
        return self.texts.seo_description


class Chosen(msgspec.Struct, frozen=True):
    """What there is for a shopper's locale.

    locale: the store's that was found, or None.  translations: by owner, the nearest first.
    """

    locale: str | None
    translations: Mapping[str, Sequence[Translation]]


class Localized(msgspec.Struct, frozen=True):
    """Texts as they are shown.  name_locale: whose translation the name is, None: the owner's own."""

    locale: str | None
    name: str
    name_locale: str | None
    description: str
    slug: str


def canonical_locale(text: str, *, field: str = "locale") -> str:
    """As BCP 47 writes it: `DE-ch` → `de-CH`. Raises InvalidLocale."""
    found = _LOCALE.fullmatch(text) if len(text) <= _LOCALE_CHARACTERS_MAX else None
    if found is None:
        raise InvalidLocale(
            f"{text[:_LOCALE_CHARACTERS_MAX]!r} is not a locale. It is a language, perhaps with script and region: "
            "de, de-CH, zh-Hant-TW.",
            field=field,
        )
    language, script, region = found.groups()
    parts = (language.lower(), script.title() if script else None, region.upper() if region else None)
    return "-".join(part for part in parts if part)


def candidates(locale: str) -> list[str]:
    """`zh-Hant-TW` → itself, `zh-Hant`, `zh`.  locale: canonical."""
    parts = locale.split("-")
    return ["-".join(parts[:count]) for count in range(len(parts), 0, -1)]


def locales_of(default: str, others: Sequence[tuple[str, str | None]]) -> list[Locale]:
    """The locales of an environment with their chains, the default first.  others: (locale, fallback or None).

    Without a fallback a locale falls back to the nearest less specific one that there is. Raises InvalidLocale,
    InvalidLocales.
    """
    if len(others) >= LOCALES_MAX:
        raise InvalidLocales(f"An environment has at most {LOCALES_MAX} locales.", field="locales")
    first = canonical_locale(default, field="default")
    given = [
        (canonical_locale(code, field=f"locales.{index}.code"), _optional(fallback, f"locales.{index}.fallback"))
        for index, (code, fallback) in enumerate(others)
    ]
    codes = [first, *(code for code, _ in given)]
    twice = next((code for code in codes if codes.count(code) > 1), None)
    if twice is not None:
        raise InvalidLocales(f"{twice} is named twice.", field="locales")
    towards = {code: _target(code, fallback, codes) for code, fallback in given}
    chains = {code: _chain(code, towards, first) for code in towards}
    return [
        Locale(first, True, None, ()),
        *(Locale(code, False, fallback, chains[code]) for code, fallback in given),
    ]


def _optional(locale: str | None, field: str) -> str | None:
    return None if locale is None else canonical_locale(locale, field=field)


def _target(code: str, fallback: str | None, codes: Sequence[str]) -> str | None:
    if fallback is not None and fallback not in codes:
        raise InvalidLocales(f"{code} falls back to {fallback}, which is not among the locales.", field="locales")
    return fallback or next((wider for wider in candidates(code)[1:] if wider in codes), None)


def _chain(code: str, towards: Mapping[str, str | None], default: str) -> tuple[str, ...]:
    chain: list[str] = []
    at: str | None = code
    while at is not None and at != default:
        if at in chain:
            raise InvalidLocales(f"{' → '.join([*chain, at])} goes in a circle.", field="locales")
        chain.append(at)
        if len(chain) > CHAIN_MAX:
            raise InvalidLocales(f"{code} falls back over more than {CHAIN_MAX} locales.", field="locales")
        at = towards[at]
    return tuple(chain)


def require_texts(texts: Texts) -> None:
    """Raises InvalidTranslation, which names the field."""
    if texts == _NOTHING:
        raise InvalidTranslation("There is no text: give at least one, or remove the translation.", field="input")
    require_good(texts)


def require_good(texts: Texts, at: str = "") -> None:
    """That each text that there is can be taken.  at: what stands before the field. Raises InvalidTranslation."""
    bounds = {
        "name": (texts.name, NAME_MAX),
        "description": (texts.description, DESCRIPTION_MAX),
        "slug": (texts.slug, NAME_MAX),
        "seoTitle": (texts.seo_title, SEO_TITLE_MAX),
        "seoDescription": (texts.seo_description, SEO_DESCRIPTION_MAX),
    }
    for field, (text, most) in bounds.items():
        if text is None:
            continue
        if not text.strip():
            raise InvalidTranslation(f"{field} is empty; leave it out to fall back.", field=at + field)
        if len(text) > most:
            raise InvalidTranslation(
                f"{field} has {len(text)} characters; at most {most} are taken.", field=at + field
            )
        if not is_plain(text):
            raise InvalidTranslation(f"{field} holds a NUL character or half of a surrogate pair.", field=at + field)
    if texts.slug is not None and not is_slug(texts.slug):
        raise InvalidTranslation(
            "slug must be lower-case ASCII letters and digits with single hyphens between.", field=f"{at}slug"
        )


def localized(chosen: Chosen, owner_id: str, *, name: str, description: str, slug: str) -> Localized:
    """Each text from the nearest translation that has it, else the owner's own, which is given."""
    found = chosen.translations.get(owner_id, ())
    named = next((one for one in found if one.texts.name is not None), None)
    return Localized(
        locale=chosen.locale,
        name=named.texts.name or name if named else name,
        name_locale=named.locale if named else None,
        description=_nearest((one.texts.description for one in found), description),
        slug=_nearest((one.texts.slug for one in found), slug),
    )


def _nearest(texts: Iterable[str | None], own: str) -> str:
    return next((text for text in texts if text is not None), own)
