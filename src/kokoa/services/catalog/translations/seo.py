"""What a page says to search engines: set, translated or derived. Pure."""

import html
import re
from collections.abc import Sequence

import msgspec

from kokoa.kernel.text import is_plain
from kokoa.services.catalog.translations.errors import InvalidSeo

SEO_TITLE_MAX = 200
SEO_DESCRIPTION_MAX = 500
CANONICAL_PATH_MAX = 500
EXCERPT_MAX = 160  # what search engines show of a description
_READ_MAX = 4_000  # of a description: the beginning is behind no more markup than this

_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+/?|/")
_UNSEEN = re.compile(r"<(script|style)\b[^<>]*>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_TAG = re.compile(r"<[/!?]?[A-Za-z][^<>]*(?:>|\Z)")


class OwnSeo(msgspec.Struct, frozen=True):
    """What was set, in the default locale. None: derived."""

    title: str | None = None
    description: str | None = None
    canonical_path: str | None = None
    no_index: bool = False


class Level(msgspec.Struct, frozen=True):
    """The texts of one locale of a chain, or an owner's own."""

    name: str | None
    description: str | None
    seo_title: str | None
    seo_description: str | None


class Seo(msgspec.Struct, frozen=True):
    """As it is shown."""

    title: str
    description: str
    canonical_path: str | None
    no_index: bool


def seo_of(own: OwnSeo, levels: Sequence[Level]) -> Seo:
    """Level by level, nearest first, a level's own title before its name: German words win over an English title."""
    titles = (text for level in levels for text in (level.seo_title, level.name))
    descriptions = (
        text
        for level in levels
        for text in (level.seo_description, excerpt(level.description) if level.description else None)
    )
    return Seo(
        title=next((text for text in titles if text), ""),
        description=next((text for text in descriptions if text), ""),
        canonical_path=own.canonical_path,
        no_index=own.no_index,
    )


def excerpt(text: str, most: int = EXCERPT_MAX) -> str:
    """The beginning of a text without markup, cut at a word: at most `most` characters, the ellipsis among them."""
    beginning = text[:_READ_MAX]
    for unseen in (_COMMENT, _UNSEEN, _TAG):
        beginning = unseen.sub(" ", beginning)
    words = " ".join(html.unescape(beginning).split())
    if len(words) <= most:
        return words
    kept = words[: most - 1]
    if words[most - 1] != " " and " " in kept:
        kept = kept[: kept.rindex(" ")]
    return kept.rstrip(" ,;:.-–—") + "…"


def require_seo(seo: OwnSeo, at: str = "") -> None:
    """at: what stands before the field. Raises InvalidSeo, which names it."""
    _require_text(seo.title, "title", SEO_TITLE_MAX, at)
    _require_text(seo.description, "description", SEO_DESCRIPTION_MAX, at)
    path = seo.canonical_path
    if path is not None and (len(path) > CANONICAL_PATH_MAX or not _PATH.fullmatch(path)):
        raise InvalidSeo(
            f"canonicalPath is a path of the store's own domain, like /products/chair: it begins with one slash, has "
            f"no query and at most {CANONICAL_PATH_MAX} characters, and what is not ASCII is percent-encoded.",
            field=f"{at}canonicalPath",
        )


def _require_text(text: str | None, field: str, most: int, at: str) -> None:
    if text is None:
        return
    if not text.strip():
        raise InvalidSeo(f"{field} is empty; leave it out to have it derived.", field=at + field)
    if len(text) > most:
        raise InvalidSeo(f"{field} has {len(text)} characters; at most {most} are taken.", field=at + field)
    if not is_plain(text):
        raise InvalidSeo(f"{field} holds a NUL character or half of a surrogate pair.", field=at + field)
