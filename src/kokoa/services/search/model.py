"""Types and rules of search. Pure."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from kokoa.kernel.ids import require_id
from kokoa.kernel.money import CURRENCIES
from kokoa.kernel.text import made_plain
from kokoa.services.search.errors import (
    InvalidBoost,
    InvalidSearch,
    InvalidSearchFilter,
    InvalidSuggestions,
    InvalidSynonym,
    UnknownLanguage,
)

QUERY_MAX = 200
WORDS_MAX = 16
PAGE_MAX = 100
OFFSET_MAX = 1_000
TOTAL_MAX = 10_000
WAITING_MAX = 10_000
SUGGESTIONS_MAX = 20
PATH_MAX = 1_000
_VOCABULARY_WORD = range(3, 41)
_INT_MAX = 2**31 - 1
_GENERATIONS_MAX = 8
_CHUNKS_MAX = 30_000
_CHUNK_LENGTH_MAX = 40
_NONE: frozenset[bytes] = frozenset()

_WORD = re.compile(r"[^\W_]+", re.UNICODE)

Sort = Literal["RELEVANCE", "PRICE_ASC", "PRICE_DESC", "NAME", "NEWEST"]


class Document(msgspec.Struct, frozen=True):
    """What is indexed of a product.  skus, category: words of their own weight.

    category_path: slugs from the root down, joined by `/`; empty without a category.  currency, price_minor: of the
    lowest price; None without one.
    """

    product_id: str
    version: int
    name: str
    skus: str
    category: str
    description: str
    category_path: str = ""
    currency: str | None = None
    price_minor: int | None = None
    created_at: datetime = datetime.fromtimestamp(0, UTC)


class Filter(msgspec.Struct, frozen=True):
    """Everything that is not None must hold.  Prices: minor units, both included."""

    category: str | None = None
    currency: str | None = None
    min_price_minor: int | None = None
    max_price_minor: int | None = None


class Search(msgspec.Struct, frozen=True):
    """What is asked for.  counting, facetting: whether the total, the facets are wanted."""

    q: str
    limit: int = 20
    offset: int = 0
    filter: Filter = Filter()
    sort: Sort = "RELEVANCE"
    counting: bool = True
    facetting: bool = False


class PriceBand(msgspec.Struct, frozen=True):
    """Minor units, both included."""

    currency: str
    min_price_minor: int
    max_price_minor: int
    count: int


class CategoryCount(msgspec.Struct, frozen=True):
    """How many are in a category and below it."""

    path: str
    count: int


class Facets(msgspec.Struct, frozen=True):
    """exact: whether everything that fits is counted."""

    exact: bool
    categories: list[CategoryCount]
    prices: list[PriceBand]


NO_FACETS = Facets(True, [], [])


class Counted(msgspec.Struct, frozen=True):
    """What was counted while the index was in a state."""

    state: str
    total: int
    facets: Facets


class Page(msgspec.Struct, frozen=True):
    """total: how many fit in all, at most TOTAL_MAX; when nobody counts, maybe less.  product_ids: best first."""

    total: int
    product_ids: list[str]
    facets: Facets = NO_FACETS


class Rebuild(msgspec.Struct, frozen=True):
    """A generation that is building.  done: how many products it has looked at."""

    generation: str
    language: str
    done: int
    started_at: datetime


class Status(msgspec.Struct, frozen=True):
    """The index that serves.  None: there is none yet, or nothing was indexed.  waiting: at most WAITING_MAX."""

    documents: int
    generation: str | None
    language: str | None
    waiting: int
    lag_seconds: float | None
    indexed_at: datetime | None
    rebuild: Rebuild | None


class Unfinished(msgspec.Struct, frozen=True):
    """state: building or retired."""

    environment_id: str
    generation: int
    state: str


# PostgreSQL's text search configurations; `simple` takes words as they are.
_LANGUAGES = """
    simple arabic armenian basque catalan danish dutch english estonian finnish french german greek hindi hungarian
    indonesian irish italian lithuanian nepali norwegian portuguese romanian russian serbian spanish swedish tamil
    turkish yiddish
"""
LANGUAGES = frozenset(_LANGUAGES.split())


def require_language(language: str) -> None:
    """Raises UnknownLanguage, which lists the known ones."""
    if language not in LANGUAGES:
        raise UnknownLanguage(
            f"language must be one of {', '.join(sorted(LANGUAGES))}, not {language[:40]!r}.", field="language"
        )


SYNONYMS_MAX = 2_000
MEANINGS_MAX = 20
MEANING_WORDS_MAX = 5
SYNONYM_LENGTH_MAX = 60
SYNONYM_PAGE_MAX = 250
BOOSTS_MAX = 200
FACTOR_MIN, FACTOR_MAX = 0.1, 10.0


class Synonym(msgspec.Struct, frozen=True, order=True):
    """Whoever searches for the word finds what the meaning, some words, fits too."""

    word: str
    meaning: str


class Boost(msgspec.Struct, frozen=True):
    """Of a product or of a category: the other is None."""

    product_id: str | None
    category: str | None
    factor: float


def synonyms_of(word: str, meanings: Sequence[str], *, both_ways: bool) -> list[Synonym]:
    """What is to be stored. Raises InvalidSynonym, which names what does not fit."""
    one = require_synonym_word(word)
    if not 1 <= len(meanings) <= MEANINGS_MAX:
        raise InvalidSynonym(f"A word has 1 to {MEANINGS_MAX} meanings, not {len(meanings)}.", field="meanings")
    found: set[Synonym] = set()
    for meaning in meanings:
        words = words_of(meaning)
        if not 1 <= len(words) <= MEANING_WORDS_MAX or len(meaning) > SYNONYM_LENGTH_MAX:
            raise InvalidSynonym(
                f"A meaning has 1 to {MEANING_WORDS_MAX} words of letters and digits, and at most "
                f"{SYNONYM_LENGTH_MAX} characters, unlike {meaning[:SYNONYM_LENGTH_MAX]!r}.",
                field="meanings",
            )
        if words == [one]:
            raise InvalidSynonym(f"{one!r} cannot be a meaning of itself.", field="meanings")
        found.add(Synonym(one, " ".join(words)))
        if both_ways and len(words) == 1:
            found.add(Synonym(words[0], one))
    return sorted(found)


def require_synonym_word(word: str) -> str:
    """The word as it is stored. Raises InvalidSynonym."""
    words = words_of(word)
    if len(words) != 1 or len(word) > SYNONYM_LENGTH_MAX:
        raise InvalidSynonym(
            f"word must be one word of letters and digits, of at most {SYNONYM_LENGTH_MAX} characters, unlike "
            f"{word[:SYNONYM_LENGTH_MAX]!r}.",
            field="word",
        )
    return words[0]


def require_boost(product_id: str | None, category: str | None, factor: float) -> Boost:
    """Raises InvalidBoost, InvalidId."""
    if (product_id is None) == (category is None):
        raise InvalidBoost("Name either a productId or a category.", field="productId")
    if category is not None and (not _is_path(category) or len(category) > PATH_MAX):
        raise InvalidBoost(
            f"category must be a category's path of 1 to {PATH_MAX} characters, such as furniture/lamps.",
            field="category",
        )
    if not FACTOR_MIN <= factor <= FACTOR_MAX:
        raise InvalidBoost(f"factor must be {FACTOR_MIN} to {FACTOR_MAX}, not {factor}.", field="factor")
    return Boost(None if product_id is None else require_id(product_id, field="productId"), category, factor)


def require_synonym_page(limit: int, offset: int) -> None:
    """Raises InvalidSearch, which names the bound."""
    if not 0 <= limit <= SYNONYM_PAGE_MAX:
        raise InvalidSearch(f"limit must be 0 to {SYNONYM_PAGE_MAX}, not {limit}.", field="limit")
    if not 0 <= offset <= SYNONYMS_MAX:
        raise InvalidSearch(f"offset must be 0 to {SYNONYMS_MAX}, not {offset}.", field="offset")


def whole_name_of(q: str) -> str:
    """What was typed, as a name is looked up: in small letters, without what no database could hold."""
    return made_plain(q.strip().lower())


def beginning_of(prefix: str) -> str:
    """What was typed so far, as the beginning of a name is looked up."""
    return made_plain(prefix.lstrip().lower())


def require_search(search: Search) -> None:
    """Raises InvalidSearch, InvalidSearchFilter, which name the argument and its bound."""
    q, limit, offset = search.q, search.limit, search.offset
    if not q.strip() or len(q) > QUERY_MAX:
        raise InvalidSearch(f"q must have 1 to {QUERY_MAX} characters, not {len(q.strip())}.", field="q")
    if not 0 <= limit <= PAGE_MAX:
        raise InvalidSearch(f"limit must be 0 to {PAGE_MAX}, not {limit}.", field="limit")
    if not 0 <= offset <= OFFSET_MAX:
        raise InvalidSearch(f"offset must be 0 to {OFFSET_MAX}, not {offset}.", field="offset")
    _require_filter(search.filter)


def _require_filter(given: Filter) -> None:
    category, currency = given.category, given.currency
    if category is not None and (
        not 0 < len(category) <= PATH_MAX or "\0" in category or category.strip("/") != category
    ):
        raise InvalidSearchFilter(
            f"category must be a category's path of 1 to {PATH_MAX} characters, such as furniture/lamps.",
            field="filter.category",
        )
    if currency is not None and currency not in CURRENCIES:
        raise InvalidSearchFilter(
            f"currency must be an ISO 4217 code such as EUR, not {currency[:10]!r}.", field="filter.currency"
        )
    for name, value in (("minPriceMinor", given.min_price_minor), ("maxPriceMinor", given.max_price_minor)):
        if value is None:
            continue
        if currency is None:
            raise InvalidSearchFilter(f"{name} needs a currency to compare in.", field="filter.currency")
        if value < 0:
            raise InvalidSearchFilter(f"{name} must not be below 0, as {value} is.", field=f"filter.{name}")
    least, most = given.min_price_minor, given.max_price_minor
    if least is not None and most is not None and least > most:
        raise InvalidSearchFilter(
            f"minPriceMinor ({least}) must not be above maxPriceMinor ({most}).", field="filter.minPriceMinor"
        )


def _is_path(text: str) -> bool:
    return text != "" and "\0" not in text and text.strip("/") == text


def require_suggestions(prefix: str, limit: int) -> None:
    """Raises InvalidSuggestions, which names the bound."""
    if not prefix.strip() or len(prefix) > QUERY_MAX:
        raise InvalidSuggestions(
            f"prefix must have 1 to {QUERY_MAX} characters, not {len(prefix.strip())}.", field="prefix"
        )
    if not 0 <= limit <= SUGGESTIONS_MAX:
        raise InvalidSuggestions(f"limit must be 0 to {SUGGESTIONS_MAX}, not {limit}.", field="limit")


def words_of(text: str) -> list[str]:
    """Runs of letters and digits, in lower case: how both queries and SKUs are cut (`LMP-1` → lmp, 1).

    Only letters and digits get into a query, so no operator of PostgreSQL's query language can be smuggled.
    """
    return _WORD.findall(text.lower())


def vocabulary_of(text: str) -> set[str]:
    """The words from which misspelt ones are guessed: no numbers, nothing very short or long."""
    return {word for word in words_of(text) if len(word) in _VOCABULARY_WORD and not word.isdigit()}


class KeptChunks:
    """The chunks of texts whose words a generation has, as far as this process knows: they need not be sent again.

    Chunks are what stands between ASCII's spaces: PostgreSQL makes the same words of a text and of its chunks.
    Bounded: the newest generations, and of each so many chunks, not the long ones.
    """

    def __init__(self) -> None:
        self._kept: dict[int, set[bytes]] = {}

    def new(self, generations: Iterable[int], texts: Iterable[str]) -> set[bytes]:
        """The chunks, but no numbers, that are not known to be in all the generations.  UTF-8."""
        chunks = set("\n".join(texts).encode().split())
        new: set[bytes] = set().union(*(chunks - self._kept.get(generation, _NONE) for generation in generations))
        return {chunk for chunk in new if not chunk.isdigit()}

    def keep(self, generations: Iterable[int], chunks: set[bytes]) -> None:
        """Their words are in these generations, and committed."""
        short = {chunk for chunk in chunks if len(chunk) <= _CHUNK_LENGTH_MAX}
        for generation in generations:
            kept = self._kept.pop(generation, set())
            kept.update(short)
            self._kept[generation] = kept if len(kept) <= _CHUNKS_MAX else set()
        while len(self._kept) > _GENERATIONS_MAX:
            del self._kept[next(iter(self._kept))]


def price_band(currency: str, least: int, count: int) -> PriceBand:
    """least: 0, or 1, 2 or 5 times a power of ten; the band ends before the next of these."""
    if least == 0:
        return PriceBand(currency, 0, 0, count)
    after = least * 5 // 2 if str(least)[0] == "2" else least * 2
    return PriceBand(currency, least, min(after - 1, _INT_MAX), count)
