"""queries.sql ⇄ model. Every read takes many keys at once."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from kokoa.postgres import Database, Row, Transaction, load_queries
from kokoa.services.catalog.categories.model import Beside, CategoryNode, Names, by_names

queries = load_queries(Path(__file__).with_name("queries.sql"))


class CategoryStore:
    """Reads of one environment each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, environment_id: str, *, limit: int, offset: int, depth: int | None = None
    ) -> list[CategoryNode]:
        """Level by level in the merchant's order; of one level with `depth`."""
        if depth is None:
            rows = await self._database.fetch(environment_id, queries.categories_page, limit, offset)
        else:
            rows = await self._database.fetch(environment_id, queries.categories_of_depth, depth, limit, offset)
        return [node_of(row) for row in rows]

    async def by_paths(self, environment_id: str, paths: Sequence[str]) -> dict[str, CategoryNode]:
        """By path; missing ones are missing."""
        wanted = sorted(set(paths))
        rows = await self._database.fetch(environment_id, queries.categories_by_paths, wanted) if wanted else []
        return {node.path: node for node in map(node_of, rows)}

    async def by_ids(self, environment_id: str, ids: Sequence[str]) -> dict[str, CategoryNode]:
        """By id; missing ones are missing."""
        wanted = sorted(set(ids))
        rows = await self._database.fetch(environment_id, queries.categories_by_ids, wanted) if wanted else []
        return {node.id: node for node in map(node_of, rows)}

    async def children_of(
        self, environment_id: str, parent_ids: Sequence[str], *, limit: int, offset: int
    ) -> dict[str, list[CategoryNode]]:
        """By the parent's id, in the merchant's order; parents without children are missing."""
        rows = await self._database.fetch(
            environment_id, queries.children_of_categories, sorted(set(parent_ids)), limit, offset
        )
        children: dict[str, list[CategoryNode]] = defaultdict(list)
        for node in map(node_of, rows):
            children[node.parent_id or ""].append(node)
        return children


async def find_by_names(tx: Transaction, wanted: Sequence[Names]) -> dict[Names, list[CategoryNode]]:
    """The categories with these names, and those above them, in the merchant's order; missing ones are missing."""
    names = sorted({name for one in wanted for name in one})
    return by_names(wanted, map(node_of, await tx.fetch(queries.categories_named, names)))


async def children_of_parents(tx: Transaction, parents: Sequence[str | None]) -> dict[str | None, Beside]:
    """By the parent's id, None for the roots; parents without children are missing."""
    ids = [parent_id for parent_id in parents if parent_id is not None]
    found: dict[str | None, Beside] = {}
    for parent_id, slug, position in await tx.fetch(queries.children_places, ids, None in parents):
        beside = found.setdefault(str(parent_id) if parent_id else None, Beside(set()))
        beside.slugs.add(slug)
        beside.next_position = max(beside.next_position, position + 1)
    return found


async def insert_categories(tx: Transaction, nodes: Sequence[CategoryNode]) -> None:
    """New ones, with one statement."""
    await tx.execute(
        queries.insert_categories,
        [one.id for one in nodes],
        [one.parent_id for one in nodes],
        [one.slug for one in nodes],
        [one.name for one in nodes],
        [one.path for one in nodes],
        [one.depth for one in nodes],
        [one.position for one in nodes],
    )


def node_of(row: Row) -> CategoryNode:
    """A row of any of the category statements."""
    category_id, parent_id, *fields = row
    return CategoryNode(str(category_id), str(parent_id) if parent_id else None, *fields)
