"""GraphQL ⇄ actions and store, for related products and bundles."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.services.catalog.model import Product, require_plain, sees_unpublished
from kokoa.services.catalog.relations.actions import RelationActions
from kokoa.services.catalog.relations.model import require_limit
from kokoa.services.catalog.relations.store import RelationStore

Arguments = Mapping[str, Any]


class RelationResolvers:
    """Field resolvers of schema.graphql that lead from one product to others."""

    def __init__(self, store: RelationStore, actions: RelationActions) -> None:
        self._store = store
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Product.related": self.related,
            "Product.bundle": self.bundles,
            "Mutation.relateProducts": self.relate,
            "Mutation.setBundle": self.set_bundle,
        }

    async def related(self, parents: Sequence[Product], args: Arguments, call: Call) -> Sequence[Any]:
        require_limit(args["limit"])
        found = await self._store.related(
            call.environment_id,
            [parent.id for parent in parents],
            args["kind"],
            args["limit"],
            published_only=not sees_unpublished(call.caller.scopes),
            channel=_channel(args),
        )
        return [found.get(parent.id, []) for parent in parents]

    async def bundles(self, parents: Sequence[Product], args: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.bundles(
            call.environment_id,
            [parent.id for parent in parents],
            published_only=not sees_unpublished(call.caller.scopes),
            channel=_channel(args),
        )
        return [{"items": found[parent.id]} if parent.id in found else None for parent in parents]

    async def relate(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        related = self._actions.relate(
            call.environment_id,
            require_id(args["id"], field="id"),
            args["version"],
            args["kind"],
            args["product_ids"],
            correlation_id=call.correlation_id,
        )
        return [await related]

    async def set_bundle(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        bundled = self._actions.set_bundle(
            call.environment_id,
            require_id(args["id"], field="id"),
            args["version"],
            args["items"],
            correlation_id=call.correlation_id,
        )
        return [await bundled]


def _channel(args: Arguments) -> str | None:
    channel: str | None = args.get("channel")
    if channel is not None:
        require_plain(channel, "channel")
    return channel
