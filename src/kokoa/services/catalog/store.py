"""queries.sql ⇄ model. Every read takes many keys at once."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kokoa.postgres import Database, Row, load_queries
from kokoa.services.catalog.model import Country, Product, Variant

queries = load_queries(Path(__file__).with_name("queries.sql"))

_PRODUCT_FIELDS = len(Product.__struct_fields__)


class CatalogStore:
    """Reads of one environment each.  published_only: leave drafts and archived products out, as for a storefront."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def products(
        self, environment_id: str, *, limit: int, offset: int, published_only: bool = False
    ) -> list[Product]:
        """A page by name."""
        statement = queries.published_page if published_only else queries.products_page
        rows = await self._database.fetch(environment_id, statement, limit, offset)
        return [product_of(row) for row in rows]

    async def products_of_category(
        self, environment_id: str, category: str, *, limit: int, offset: int, published_only: bool = False
    ) -> list[Product]:
        """A page of one category by name."""
        statement = queries.published_of_category if published_only else queries.products_of_category
        rows = await self._database.fetch(environment_id, statement, category, limit, offset)
        return [product_of(row) for row in rows]

    async def products_of_categories(
        self,
        environment_id: str,
        categories: Sequence[str],
        *,
        limit: int,
        offset: int,
        published_only: bool = False,
        channel: str | None = None,
    ) -> dict[str, list[Product]]:
        """A page by name for each category, by its path; categories without products are missing.

        channel: only what is sold there; nothing is where no channel has this key.
        """
        paths = sorted(set(categories))
        values: list[Any] = [paths, limit, offset]
        if channel is not None:
            statement = queries.products_of_categories_sold
            values += [channel, published_only]
        else:
            statement = queries.published_of_categories if published_only else queries.products_of_categories
        rows = await self._database.fetch(environment_id, statement, *values)
        pages: dict[str, list[Product]] = defaultdict(list)
        for row in rows:
            pages[row["listed"]].append(product_of(row))
        return pages

    async def products_by_ids(
        self, environment_id: str, ids: Sequence[str], *, published_only: bool = False
    ) -> dict[str, Product]:
        """By id; missing ones are missing."""
        rows = await self._database.fetch(environment_id, queries.products_by_ids, list(ids))
        found = map(product_of, rows)
        return {one.id: one for one in found if not published_only or one.status == "PUBLISHED"}

    async def product_by_slug(
        self, environment_id: str, slug: str, *, published_only: bool = False
    ) -> Product | None:
        row = await self._database.fetchrow(environment_id, queries.product_by_slug, slug)
        found = product_of(row) if row else None
        return None if found and published_only and found.status != "PUBLISHED" else found

    async def variants_of(self, environment_id: str, product_ids: Sequence[str]) -> dict[str, list[Variant]]:
        """By product id, each product's in its order; products without variants are missing."""
        rows = await self._database.fetch(
            environment_id, queries.variants_of_products, list(dict.fromkeys(product_ids))
        )
        found: dict[str, list[Variant]] = defaultdict(list)
        for row in rows:
            variant = variant_of(row)
            found[variant.product_id].append(variant)
        return found

    async def variants_by_ids(
        self, environment_id: str, ids: Sequence[str], *, published_only: bool = False
    ) -> dict[str, Variant]:
        """By id; missing ones are missing, and with published_only those of unpublished products."""
        statement = queries.published_variants_by_ids if published_only else queries.variants_by_ids
        rows = await self._database.fetch(environment_id, statement, list(ids))
        return {variant.id: variant for variant in map(variant_of, rows)}

    async def countries(self, environment_id: str) -> list[Country]:
        """By name."""
        return [Country(*row) for row in await self._database.fetch(environment_id, queries.countries_all)]


def product_of(row: Row) -> Product:
    """A row of any of the product statements."""
    return Product(str(row[0]), *row[1:_PRODUCT_FIELDS])


def variant_of(row: Row | Sequence[Any]) -> Variant:
    """A row of any of the variant statements."""
    variant_id, product_id, *fields = row
    return Variant(str(variant_id), str(product_id), *fields)
