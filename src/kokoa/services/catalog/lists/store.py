"""Statements ⇄ model."""

from collections import defaultdict
from collections.abc import Sequence

from kokoa.postgres import Database
from kokoa.services.catalog.lists.model import AllOf, Condition, Filter, Sort
from kokoa.services.catalog.lists.statements import count_statement, list_statement, subtree_statement
from kokoa.services.catalog.lists.ways import BOUNDS, Bounds
from kokoa.services.catalog.model import Product
from kokoa.services.catalog.store import product_of

_PUBLISHED = Condition("published")


class ListStore:
    """Lists of one environment each; one statement a call.  bounds: of the ways to a page."""

    def __init__(self, database: Database, bounds: Bounds = BOUNDS) -> None:
        self._database = database
        self.bounds = bounds

    async def page(
        self, environment_id: str, wanted: Filter, sort: Sort, *, backwards: bool = False, limit: int, offset: int = 0
    ) -> list[Product]:
        """In the list's order; with backwards the last `limit` products of it."""
        text, values = list_statement(
            wanted, sort, backwards=backwards, limit=limit, offset=offset, bounds=self.bounds
        )
        rows = await self._database.fetch(environment_id, text, *values)
        return [product_of(row) for row in (reversed(rows) if backwards else rows)]

    async def pages_of_subtrees(
        self,
        environment_id: str,
        categories: Sequence[str],
        *,
        limit: int,
        offset: int,
        published_only: bool,
        channel: str | None = None,
    ) -> dict[str, list[Product]]:
        """A page by name for each category with all below it, by its path; categories without products are missing.

        channel: only what is sold there; nothing is where no channel has this key.
        """
        text, values = subtree_statement(
            sorted(set(categories)),
            limit=limit,
            offset=offset,
            published_only=published_only,
            channel=channel,
            bounds=self.bounds,
        )
        pages: dict[str, list[Product]] = defaultdict(list)
        for row in await self._database.fetch(environment_id, text, *values):
            pages[row["listed"]].append(product_of(row))
        return pages

    async def count(self, environment_id: str, wanted: Filter) -> int:
        """At most TOTAL_MAX."""
        text, values = count_statement(wanted, self.bounds)
        counted: int = await self._database.fetchval(environment_id, text, *values)
        return counted


def shown(wanted: Filter, *, published_only: bool) -> Filter:
    """What a caller may see of a list."""
    return AllOf((_PUBLISHED, wanted)) if published_only else wanted
