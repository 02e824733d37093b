"""queries.sql ⇄ model. Every read takes many keys at once."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from kokoa.postgres import Database, Row, load_queries
from kokoa.services.catalog.categories.model import CategoryNode

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


def node_of(row: Row) -> CategoryNode:
    """A row of any of the category statements."""
    category_id, parent_id, *fields = row
    return CategoryNode(str(category_id), str(parent_id) if parent_id else None, *fields)
