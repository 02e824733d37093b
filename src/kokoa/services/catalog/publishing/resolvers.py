"""GraphQL ⇄ actions and store, for schedules."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.services.catalog.model import Product
from kokoa.services.catalog.publishing.actions import PublishingActions
from kokoa.services.catalog.publishing.store import PublishingStore

Arguments = Mapping[str, Any]


class PublishingResolvers:
    """Field resolvers of schema.graphql that say when something is in the store."""

    def __init__(self, store: PublishingStore, actions: PublishingActions) -> None:
        self._store = store
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Product.schedule": self.schedules,
            "Mutation.schedulePublication": self.schedule,
            "Mutation.cancelSchedule": self.cancel,
        }

    async def schedules(self, parents: Sequence[Product], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.schedules(call.environment_id, [parent.id for parent in parents])
        return [found.get(parent.id) for parent in parents]

    async def schedule(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        scheduled = self._actions.schedule(
            call.environment_id,
            require_id(args["id"], field="id"),
            args["version"],
            args.get("publish_at"),
            args.get("unpublish_at"),
            correlation_id=call.correlation_id,
        )
        return [await scheduled]

    async def cancel(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        product_id = require_id(args["id"], field="id")
        cancelled = self._actions.cancel(
            call.environment_id, product_id, args["version"], correlation_id=call.correlation_id
        )
        return [await cancelled]
