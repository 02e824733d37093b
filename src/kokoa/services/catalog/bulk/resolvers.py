"""GraphQL ⇄ actions and store, for many products at once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.kernel.call import Call
from kokoa.services.catalog.bulk.actions import BulkActions
from kokoa.services.catalog.bulk.feed import (
    Change,
    FeedPlace,
    beginning,
    feed_cursor,
    place_after,
    read_feed_cursor,
    require_told,
)
from kokoa.services.catalog.bulk.model import Outcome, export_cursor, require_page
from kokoa.services.catalog.bulk.store import BulkStore
from kokoa.services.catalog.store import CatalogStore

Arguments = Mapping[str, Any]


class BulkResolvers:
    """Field resolvers of schema.graphql.  products: reads them by id."""

    def __init__(self, store: BulkStore, products: CatalogStore, actions: BulkActions) -> None:
        self._store = store
        self._products = products
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.bulkProducts": self.bulk_products,
            "Query.productChanges": self.product_changes,
            "Mutation.bulkUpsertProducts": self.bulk_upsert_products,
            "ProductChangeEntry.product": self.changed_products,
        }

    async def bulk_products(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        limit = args["limit"]
        require_page(limit)
        found = await self._store.export_page(call.environment_id, args.get("after"), limit)
        return [{"products": found, "cursor": export_cursor(found[-1]) if len(found) == limit else None}]

    async def product_changes(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        limit = args["limit"]
        require_page(limit)
        cursor = args.get("since")
        since = FeedPlace() if cursor is None else read_feed_cursor(cursor)
        found = await self._store.changes(call.environment_id, since, limit + 1)
        if cursor is None:
            since = beginning(found)
        require_told(since, found.forgotten)
        page = found.changes[:limit]
        place = place_after(since, page)
        return [{"changes": page, "cursor": feed_cursor(place), "has_more": len(found.changes) > limit}]

    async def changed_products(self, parents: Sequence[Change], _: Arguments, call: Call) -> Sequence[Any]:
        ids = [parent.id for parent in parents if parent.kind == "UPSERT"]
        found = await self._products.products_by_ids(call.environment_id, ids) if ids else {}
        return [found.get(parent.id) for parent in parents]

    async def bulk_upsert_products(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        outcomes = await self._actions.upsert(
            call.environment_id, args["input"], dry_run=args["dry_run"], correlation_id=call.correlation_id
        )
        return [result_of(outcomes)]


def result_of(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """A BulkResult."""
    counted = Counter(outcome.status for outcome in outcomes)
    return {
        "created": counted["CREATED"],
        "updated": counted["UPDATED"],
        "unchanged": counted["UNCHANGED"],
        "failed": counted["ERROR"],
        "rows": outcomes,
    }
