"""Types and rules of search. Pure."""

import re

import msgspec

from kokoa.services.search.errors import InvalidSearch

QUERY_MAX = 200
WORDS_MAX = 16
PAGE_MAX = 100
OFFSET_MAX = 1_000

_WORD = re.compile(r"[^\W_]+", re.UNICODE)


class Document(msgspec.Struct, frozen=True):
    """What is indexed of a product.  skus, category: words of their own weight."""

    product_id: str
    version: int
    name: str
    skus: str
    category: str
    description: str


class Page(msgspec.Struct, frozen=True):
    """total: how many fit in all.  product_ids: best first."""

    total: int
    product_ids: list[str]


def require_search(q: str, limit: int, offset: int) -> None:
    """Raises InvalidSearch, which names the bound."""
    if not q.strip() or len(q) > QUERY_MAX:
        raise InvalidSearch(f"q must have 1 to {QUERY_MAX} characters, not {len(q.strip())}.", field="q")
    if not 0 <= limit <= PAGE_MAX:
        raise InvalidSearch(f"limit must be 0 to {PAGE_MAX}, not {limit}.", field="limit")
    if not 0 <= offset <= OFFSET_MAX:
        raise InvalidSearch(f"offset must be 0 to {OFFSET_MAX}, not {offset}.", field="offset")


def words_of(text: str) -> list[str]:
    """Runs of letters and digits, in lower case: how both queries and SKUs are cut (`LMP-1` → lmp, 1)."""
    return _WORD.findall(text.lower())


def tsquery_of(q: str) -> str:
    """All words, the last as a prefix, in PostgreSQL's to_tsquery form; empty when there is no word.

    Only letters and digits get in, so no operator of the query language can be smuggled.
    """
    words = words_of(q)[:WORDS_MAX]
    if not words:
        return ""
    return " & ".join([*words[:-1], f"{words[-1]}:*"])
