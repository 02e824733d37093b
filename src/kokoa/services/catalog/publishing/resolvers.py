"""GraphQL ⇄ actions and store, for schedules and staged changes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.services.catalog.categories.store import CategoryStore
from kokoa.services.catalog.model import Product, require_plain
from kokoa.services.catalog.publishing.actions import PublishingActions
from kokoa.services.catalog.publishing.staged import Live, Staged, StagedVariant, conflicts_of
from kokoa.services.catalog.publishing.staging import StagingActions
from kokoa.services.catalog.publishing.store import PublishingStore
from kokoa.services.catalog.store import CatalogStore

Arguments = Mapping[str, Any]


class _Shown(msgspec.Struct, frozen=True):
    """Staged changes, and the product that they are of."""

    staged: Staged
    product: Product

    @property
    def name(self) -> str | None:
        return self.staged.changes.name

    @property
    def description(self) -> str | None:
        return self.staged.changes.description

    @property
    def variants(self) -> Sequence[StagedVariant] | None:
        return self.staged.changes.variants

    @property
    def staged_at(self) -> datetime:
        return self.staged.staged_at


class PublishingResolvers:
    """Field resolvers of schema.graphql that say when something is in the store."""

    def __init__(
        self,
        store: PublishingStore,
        products: CatalogStore,
        categories: CategoryStore,
        actions: PublishingActions,
        staging: StagingActions,
    ) -> None:
        self._store = store
        self._products = products
        self._categories = categories
        self._actions = actions
        self._staging = staging

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Product.schedule": self.schedules,
            "Mutation.schedulePublication": self.schedule,
            "Mutation.cancelSchedule": self.cancel,
            "Product.staged": self.staged,
            "StagedChanges.category": self.staged_categories,
            "StagedChanges.conflicts": self.conflicts,
            "Mutation.stageProductChanges": self.stage,
            "Mutation.publishStagedChanges": self.publish_staged,
            "Mutation.discardStagedChanges": self.discard_staged,
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

    async def staged(self, parents: Sequence[Product], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.staged(call.environment_id, [parent.id for parent in parents])
        return [_Shown(found[parent.id], parent) if parent.id in found else None for parent in parents]

    async def staged_categories(self, parents: Sequence[_Shown], _: Arguments, call: Call) -> Sequence[Any]:
        wanted = [one.staged.changes.category_id or "" for one in parents]
        found = await self._categories.by_ids(call.environment_id, [one for one in wanted if one])
        return [found.get(one) for one in wanted]

    async def conflicts(self, parents: Sequence[_Shown], _: Arguments, call: Call) -> Sequence[Any]:
        products = [one.product for one in parents]
        variants = await self._products.variants_of(call.environment_id, [one.id for one in products])
        paths = [one.category_slug for one in products if one.category_slug]
        categories = await self._categories.by_paths(call.environment_id, paths)
        lives = [
            Live(
                one,
                variants.get(one.id, []),
                categories[one.category_slug].id if one.category_slug in categories else None,
            )
            for one in products
        ]
        return [conflicts_of(one.staged, live) for one, live in zip(parents, lives, strict=True)]

    async def stage(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        if given.get("category") is not None:
            require_plain(given["category"], "category")
        product_id = require_id(given["id"], field="id")
        staged = self._staging.stage(
            call.environment_id, product_id, given["version"], given, correlation_id=call.correlation_id
        )
        return [await staged]

    async def publish_staged(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        published = self._staging.publish(
            call.environment_id,
            require_id(args["id"], field="id"),
            args["version"],
            overwrite=args["overwrite"],
            correlation_id=call.correlation_id,
        )
        return [await published]

    async def discard_staged(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        product_id = require_id(args["id"], field="id")
        discarded = self._staging.discard(
            call.environment_id, product_id, args["version"], correlation_id=call.correlation_id
        )
        return [await discarded]
