"""GraphQL ⇄ the history of products and of categories."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.services.catalog.audit.model import HistoryEntry, read_place, require_first, write_place
from kokoa.services.catalog.audit.store import HistoryStore
from kokoa.services.catalog.categories.model import CategoryNode

Arguments = Mapping[str, Any]


class HistoryResolvers:
    """Field resolvers of schema.graphql that say who changed what."""

    def __init__(self, store: HistoryStore) -> None:
        self._store = store

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.productHistory": self.history,
            "Query.categoryHistory": self.category_history,
            "Category.history": self.histories,
        }

    async def history(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        first = args["first"]
        require_first(first)
        product_id, before = require_id(args["id"], field="id"), read_place(args.get("after"))
        found = await self._store.page(call.environment_id, product_id, before, first + 1)
        return [_page(found, first)]

    async def category_history(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return await self._pages([require_id(args["id"], field="id")], args, call)

    async def histories(self, parents: Sequence[CategoryNode], args: Arguments, call: Call) -> Sequence[Any]:
        return await self._pages([parent.id for parent in parents], args, call)

    async def _pages(self, ids: Sequence[str], args: Arguments, call: Call) -> Sequence[Any]:
        first = args["first"]
        require_first(first)
        before = read_place(args.get("after"))
        found = await self._store.pages_of_categories(call.environment_id, ids, before, first + 1)
        return [_page(found.get(category_id, []), first) for category_id in ids]


def _page(found: Sequence[HistoryEntry], first: int) -> dict[str, Any]:
    """found: one more than the page has, if there are more."""
    page = found[:first]
    return {"entries": page, "cursor": write_place(page[-1]) if len(found) > first else None}
