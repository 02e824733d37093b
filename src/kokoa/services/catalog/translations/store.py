"""queries.sql ⇄ model. Every read takes many owners at once: products, or categories, never both."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from kokoa.postgres import Database, Row, Transaction, load_queries
from kokoa.services.catalog.translations.model import Chosen, Locale, Texts, Translation, candidates
from kokoa.services.catalog.translations.seo import Level, OwnSeo

queries = load_queries(Path(__file__).with_name("queries.sql"))

SLUGS_OF: Final = "product_translations_slug"
LOCALE_OF: Final = frozenset({"product_translations_locale", "category_translations_locale"})


class Owners(msgspec.Struct, frozen=True):
    """The statements for one kind of what has texts."""

    texts_in: str
    translations_of: str
    seo_of: str
    put_seo: str
    remove_translation: str


PRODUCTS = Owners(
    queries.product_texts_in,
    queries.product_translations_of,
    queries.product_seo_of,
    queries.put_product_seo,
    queries.remove_product_translation,
)
CATEGORIES = Owners(
    queries.category_texts_in,
    queries.category_translations_of,
    queries.category_seo_of,
    queries.put_category_seo,
    queries.remove_category_translation,
)


class SeoParts(msgspec.Struct):
    """What seo is made of: what was set, and the levels of the locale's chain, nearest first."""

    own: OwnSeo
    levels: list[Level]


class TranslationStore:
    """Reads of one environment each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def locales(self, environment_id: str) -> list[Locale]:
        """The default first."""
        rows = await self._database.fetch(environment_id, queries.all_locales)
        return [locale_of(row) for row in rows]

    async def texts_in(self, environment_id: str, owners: Owners, ids: Sequence[str], locale: str) -> Chosen:
        """What there is for a shopper's locale, for all owners.  locale: canonical."""
        rows = await self._database.fetch(environment_id, owners.texts_in, candidates(locale), list(ids))
        found: dict[str, list[Translation]] = defaultdict(list)
        for _, owner_id, *translation in rows:
            if owner_id is not None:
                found[str(owner_id)].append(_translation(translation))
        return Chosen(rows[0]["found"] if rows else None, found)

    async def translations_of(
        self, environment_id: str, owners: Owners, ids: Sequence[str], locale: str | None
    ) -> dict[str, list[Translation]]:
        """By owner, in one locale or in all; owners without any are missing."""
        rows = await self._database.fetch(environment_id, owners.translations_of, list(ids), locale)
        found: dict[str, list[Translation]] = defaultdict(list)
        for owner_id, *translation in rows:
            found[str(owner_id)].append(_translation(translation))
        return found

    async def seo_of(
        self, environment_id: str, owners: Owners, ids: Sequence[str], locale: str | None
    ) -> dict[str, SeoParts]:
        """By owner; those for which nothing is known are missing."""
        wanted = candidates(locale) if locale else []
        rows = await self._database.fetch(environment_id, owners.seo_of, wanted, list(ids))
        found: dict[str, SeoParts] = defaultdict(lambda: SeoParts(OwnSeo(), []))
        for owner_id, nearness, name, body, title, description, canonical_path, no_index in rows:
            parts = found[str(owner_id)]
            if nearness is None:
                parts.own = OwnSeo(title, description, canonical_path, no_index)
            else:
                parts.levels.append(Level(name, body, title, description))
        return found

    async def product_ids_by_slug(self, environment_id: str, slug: str, locale: str) -> list[str]:
        """The nearest to the locale first."""
        rows = await self._database.fetch(
            environment_id, queries.products_by_localized_slug, candidates(locale), slug
        )
        return [str(row["product_id"]) for row in rows]


async def own_seo(tx: Transaction, owners: Owners, owner_id: str) -> OwnSeo:
    """What was set for one owner."""
    rows = await tx.fetch(owners.seo_of, [], [owner_id])
    return OwnSeo(*rows[0][4:]) if rows else OwnSeo()


async def texts_of(tx: Transaction, owners: Owners, owner_id: str, locale: str) -> Texts | None:
    """One owner's texts in exactly one locale."""
    row = await tx.fetchrow(owners.translations_of, [owner_id], locale)
    return Texts(*row[2:]) if row else None


async def locales_among(tx: Transaction, codes: Iterable[str]) -> dict[str, bool]:
    """Whether each of these locales that there are is the default; none goes until the transaction ends."""
    return {row["locale"]: row["is_default"] for row in await tx.fetch(queries.locales_for_share, sorted(codes))}


async def texts_to_change(tx: Transaction, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Texts]:
    """By product id and locale, as they are wanted; missing ones are missing."""
    if not wanted:
        return {}
    rows = await tx.fetch(queries.translations_to_change, *map(list, zip(*wanted, strict=True)))
    return {(str(product_id), code): Texts(*texts) for product_id, code, *texts in rows}


async def translated_slug_owners(tx: Transaction, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Whose these (locale, slug) are, as product ids."""
    rows = await tx.fetch(queries.translated_slug_owners, *map(list, zip(*sorted(wanted), strict=True)))
    return {(code, slug): str(owner) for code, slug, owner in rows}


async def seo_to_change(tx: Transaction, product_ids: Sequence[str]) -> dict[str, OwnSeo]:
    """By product id; products for which nothing was set are missing."""
    return {str(one): OwnSeo(*own) for one, *own in await tx.fetch(queries.seo_to_change, product_ids)}


async def write_translations(tx: Transaction, changes: Mapping[tuple[str, str], Texts | None]) -> None:
    """By product id and locale, in an order in which no slug has two owners; None: the translation goes."""
    gone = [key for key, texts in changes.items() if texts is None]
    if gone:
        await tx.execute(queries.remove_translations, *map(list, zip(*gone, strict=True)))
    rows = [(*key, *msgspec.structs.astuple(texts)) for key, texts in changes.items() if texts is not None]
    if rows:
        await tx.execute(queries.put_translations, *map(list, zip(*rows, strict=True)))


async def write_seo(tx: Transaction, changes: Mapping[str, OwnSeo]) -> None:
    """By product id."""
    rows = [(one, *msgspec.structs.astuple(seo)) for one, seo in changes.items()]
    if rows:
        await tx.execute(queries.put_seo_of_products, *map(list, zip(*rows, strict=True)))


def locale_of(row: Row) -> Locale:
    code, is_default, fallback, chain = row
    return Locale(code, is_default, fallback, tuple(chain))


def _translation(row: Sequence[str | None]) -> Translation:
    locale, *texts = row
    return Translation(locale or "", Texts(*texts))
