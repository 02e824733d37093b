"""GraphQL ⇄ the history of products."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.services.catalog.audit.model import read_place, require_first, write_place
from kokoa.services.catalog.audit.store import HistoryStore

Arguments = Mapping[str, Any]


class HistoryResolvers:
    """Field resolvers of schema.graphql that say who changed what."""

    def __init__(self, store: HistoryStore) -> None:
        self._store = store

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {"Query.productHistory": self.history}

    async def history(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        first = args["first"]
        require_first(first)
        product_id, before = require_id(args["id"], field="id"), read_place(args.get("after"))
        found = await self._store.page(call.environment_id, product_id, before, first + 1)
        page = found[:first]
        return [{"entries": page, "cursor": write_place(page[-1]) if len(found) > first else None}]
