"""One function a mutation; one transaction; its events. Saying again what holds already changes nothing."""

from collections.abc import Sequence

import asyncpg

from kokoa.postgres import Database, Transaction
from kokoa.services.catalog.categories.model import CategoryNode
from kokoa.services.catalog.categories.store import node_of
from kokoa.services.catalog.categories.store import queries as category_queries
from kokoa.services.catalog.errors import AlreadyTaken, CategoryChanged, CategoryNotFound
from kokoa.services.catalog.model import Product
from kokoa.services.catalog.parts.actions import locked, require_version
from kokoa.services.catalog.parts.changes import next_version
from kokoa.services.catalog.translations.errors import InvalidLocale, LocaleInUse, LocaleNotFound
from kokoa.services.catalog.translations.events import CategoryTextsChanged, LocalesChanged
from kokoa.services.catalog.translations.model import Locale, Texts, canonical_locale, locales_of, require_texts
from kokoa.services.catalog.translations.seo import OwnSeo, require_seo
from kokoa.services.catalog.translations.store import (
    CATEGORIES,
    PRODUCTS,
    locale_of,
    own_seo,
    queries,
    texts_of,
)


class TranslationActions:
    """correlation_id: of the request that caused the change; it travels with the events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set_locales(
        self, environment_id: str, default: str, others: Sequence[tuple[str, str | None]], *, correlation_id: str
    ) -> list[Locale]:
        """Exactly these locales.  others: (locale, fallback or None). Raises InvalidLocale(s), LocaleInUse."""
        wanted = locales_of(default, others)
        try:
            async with self._database.transaction(environment_id) as tx:
                await tx.execute(queries.lock_locales)
                current = [locale_of(row) for row in await tx.fetch(queries.all_locales)]
                if current != wanted:
                    await _require_unused(tx, current, wanted)
                    await _replace_locales(tx, wanted)
                    await tx.emit(LocalesChanged(default=wanted[0].code), correlation_id=correlation_id)
        except asyncpg.ForeignKeyViolationError as error:
            raise LocaleInUse("Somebody translates into a locale that was to go; it stays.") from error
        return wanted

    async def translate_product(
        self,
        environment_id: str,
        product_id: str,
        version: int,
        locale: str,
        texts: Texts,
        *,
        correlation_id: str,
    ) -> Product:
        """These texts in this locale, in place of what there was.

        Raises InvalidLocale, InvalidTranslation, LocaleNotFound, ProductNotFound, ProductChanged, AlreadyTaken.
        """
        code = canonical_locale(locale)
        require_texts(texts)
        values = (texts.name, texts.description, texts.slug, texts.seo_title, texts.seo_description)
        try:
            async with self._database.transaction(environment_id) as tx:
                before = await locked(tx, product_id)
                await _require_locale(tx, code)
                if await texts_of(tx, PRODUCTS, product_id, code) == texts:
                    return before
                require_version(before, version)
                await tx.execute(queries.put_product_translation, product_id, code, *values)
                return await next_version(tx, before, correlation_id=correlation_id)
        except asyncpg.UniqueViolationError as error:
            raise AlreadyTaken(f"Another product has the slug {texts.slug!r} in {code}.") from error

    async def remove_product_translation(
        self, environment_id: str, product_id: str, version: int, locale: str, *, correlation_id: str
    ) -> Product:
        """No texts in this locale. Raises InvalidLocale, ProductNotFound, ProductChanged."""
        code = canonical_locale(locale)
        async with self._database.transaction(environment_id) as tx:
            before = await locked(tx, product_id)
            if await tx.fetchval(PRODUCTS.remove_translation, product_id, code) is None:
                return before
            require_version(before, version)
            return await next_version(tx, before, correlation_id=correlation_id)

    async def set_product_seo(
        self, environment_id: str, product_id: str, version: int, seo: OwnSeo, *, correlation_id: str
    ) -> Product:
        """Raises InvalidSeo, ProductNotFound, ProductChanged."""
        require_seo(seo)
        async with self._database.transaction(environment_id) as tx:
            before = await locked(tx, product_id)
            if await own_seo(tx, PRODUCTS, product_id) == seo:
                return before
            require_version(before, version)
            await _put_seo(tx, PRODUCTS.put_seo, product_id, seo)
            return await next_version(tx, before, correlation_id=correlation_id)

    async def translate_category(
        self,
        environment_id: str,
        category_id: str,
        version: int,
        locale: str,
        texts: Texts,
        *,
        correlation_id: str,
    ) -> CategoryNode:
        """As `translate_product`; a category has a name and texts for search engines.

        Raises InvalidLocale, InvalidTranslation, LocaleNotFound, CategoryNotFound, CategoryChanged.
        """
        code = canonical_locale(locale)
        require_texts(texts)
        async with self._database.transaction(environment_id) as tx:
            before = await _locked_category(tx, category_id)
            await _require_locale(tx, code)
            if await texts_of(tx, CATEGORIES, category_id, code) == texts:
                return before
            _require_version(before, version)
            values = (texts.name, texts.seo_title, texts.seo_description)
            await tx.execute(queries.put_category_translation, category_id, code, *values)
            return await _next_version(tx, before, correlation_id)

    async def remove_category_translation(
        self, environment_id: str, category_id: str, version: int, locale: str, *, correlation_id: str
    ) -> CategoryNode:
        """No texts in this locale. Raises InvalidLocale, CategoryNotFound, CategoryChanged."""
        code = canonical_locale(locale)
        async with self._database.transaction(environment_id) as tx:
            before = await _locked_category(tx, category_id)
            if await tx.fetchval(CATEGORIES.remove_translation, category_id, code) is None:
                return before
            _require_version(before, version)
            return await _next_version(tx, before, correlation_id)

    async def set_category_seo(
        self, environment_id: str, category_id: str, version: int, seo: OwnSeo, *, correlation_id: str
    ) -> CategoryNode:
        """Raises InvalidSeo, CategoryNotFound, CategoryChanged."""
        require_seo(seo)
        async with self._database.transaction(environment_id) as tx:
            before = await _locked_category(tx, category_id)
            if await own_seo(tx, CATEGORIES, category_id) == seo:
                return before
            _require_version(before, version)
            await _put_seo(tx, CATEGORIES.put_seo, category_id, seo)
            return await _next_version(tx, before, correlation_id)


async def _require_unused(tx: Transaction, current: Sequence[Locale], wanted: Sequence[Locale]) -> None:
    """A locale with translations stays, and stays one that is translated to."""
    translated = {one.code for one in wanted if not one.is_default}
    leaving = {one.code for one in current if not one.is_default} - translated
    used = [row["locale"] for row in await tx.fetch(queries.translated_locales, sorted(leaving))]
    if used:
        raise LocaleInUse(
            f"There are translations into {', '.join(used)}; remove them before it goes or becomes the default."
        )


async def _replace_locales(tx: Transaction, wanted: Sequence[Locale]) -> None:
    await tx.execute(queries.remove_locales, [one.code for one in wanted])
    await tx.execute(queries.clear_default)
    rows = [
        (one.code, position, one.is_default, one.fallback, list(one.chain)) for position, one in enumerate(wanted)
    ]
    await tx.executemany(queries.put_locale, rows)


async def _require_locale(tx: Transaction, code: str) -> None:
    is_default = await tx.fetchval(queries.locale_for_share, code)
    if is_default is None:
        raise LocaleNotFound(f"{code} is not a locale of this store; add it by setLocales.")
    if is_default:
        raise InvalidLocale(f"{code} is the default locale: its texts are the product's or category's own.")


async def _put_seo(tx: Transaction, statement: str, owner_id: str, seo: OwnSeo) -> None:
    await tx.execute(statement, owner_id, seo.title, seo.description, seo.canonical_path, seo.no_index)


async def _locked_category(tx: Transaction, category_id: str) -> CategoryNode:
    await tx.execute(category_queries.lock_tree)
    rows = await tx.fetch(category_queries.categories_by_ids, [category_id])
    if not rows:
        raise CategoryNotFound(f"There is no category {category_id}.")
    return node_of(rows[0])


def _require_version(category: CategoryNode, version: int) -> None:
    if category.version != version:
        raise CategoryChanged(
            f"The category is at version {category.version}, not {version}. Read it again and repeat the change."
        )


async def _next_version(tx: Transaction, category: CategoryNode, correlation_id: str) -> CategoryNode:
    row = await tx.fetchrow(queries.touch_category, category.id)
    assert row is not None, "it is locked with the tree"
    changed = node_of(row)
    event = CategoryTextsChanged(category_id=changed.id, version=changed.version, path=changed.path)
    await tx.emit(event, correlation_id=correlation_id)
    return changed
