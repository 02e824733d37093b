"""Statements ⇄ model."""

from kokoa.postgres import Database
from kokoa.services.catalog.lists.model import (
    RARE_MAX,
    AllOf,
    Condition,
    Filter,
    Sort,
    name_parts_in,
    with_rare_parts,
)
from kokoa.services.catalog.lists.statements import count_statement, exists_statement, list_statement, queries
from kokoa.services.catalog.model import Product
from kokoa.services.catalog.store import product_of

_PUBLISHED = Condition("published")


class ListStore:
    """Lists of one environment each; one statement a call.  wanted: as `prepared` gave it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepared(self, environment_id: str, wanted: Filter) -> Filter:
        """The filter as it is best asked: parts of names that few products have become their ids.

        Takes a statement only if there are parts of names.
        """
        parts = list(dict.fromkeys(name_parts_in(wanted)))
        if not parts:
            return wanted
        rows = await self._database.fetch(environment_id, queries.products_of_parts, parts, RARE_MAX + 1)
        found = {part: [str(one) for one in row["ids"]] for part, row in zip(parts, rows, strict=True)}
        return with_rare_parts(wanted, {part: ids for part, ids in found.items() if len(ids) <= RARE_MAX})

    async def page(
        self, environment_id: str, wanted: Filter, sort: Sort, *, backwards: bool = False, limit: int, offset: int = 0
    ) -> list[Product]:
        """In the list's order; with backwards the last `limit` products of it."""
        text, values = list_statement(wanted, sort, backwards=backwards, limit=limit, offset=offset)
        rows = await self._database.fetch(environment_id, text, *values)
        return [product_of(row) for row in (reversed(rows) if backwards else rows)]

    async def count(self, environment_id: str, wanted: Filter) -> int:
        """At most TOTAL_MAX."""
        text, values = count_statement(wanted)
        counted: int = await self._database.fetchval(environment_id, text, *values)
        return counted

    async def exists(self, environment_id: str, wanted: Filter) -> bool:
        text, values = exists_statement(wanted)
        found: bool = await self._database.fetchval(environment_id, text, *values)
        return found


def shown(wanted: Filter, *, published_only: bool) -> Filter:
    """What a caller may see of a list."""
    return AllOf((_PUBLISHED, wanted)) if published_only else wanted
