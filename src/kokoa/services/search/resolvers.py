"""GraphQL ⇄ store."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.kernel.call import Call
from kokoa.services.search.model import require_search
from kokoa.services.search.store import SearchStore


class SearchResolvers:
    """Field resolvers of schema.graphql."""

    def __init__(self, store: SearchStore) -> None:
        self._store = store

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {"Query.search": self.search}

    async def search(self, _: Sequence[Any], args: Mapping[str, Any], call: Call) -> Sequence[Any]:
        q, limit, offset = args["q"], args["limit"], args["offset"]
        require_search(q, limit, offset)
        page = await self._store.search(call.environment_id, q, limit=limit, offset=offset)
        return [{"total": page.total, "items": [{"id": product_id} for product_id in page.product_ids]}]
