"""GraphQL ⇄ actions and store: declaring fields, in every schema; values, in the schemas that have any."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.services.catalog.bulk.resolvers import result_of
from kokoa.services.catalog.categories.store import CategoryStore
from kokoa.services.catalog.custom_fields.actions import DefinitionActions, ValueActions
from kokoa.services.catalog.custom_fields.batches import BatchActions
from kokoa.services.catalog.custom_fields.model import OWNERS, CustomField, Definitions, FieldChanges, Owner
from kokoa.services.catalog.custom_fields.sdl import TYPE_NAMES
from kokoa.services.catalog.custom_fields.store import CustomFieldStore
from kokoa.services.catalog.custom_fields.values import shown
from kokoa.services.catalog.model import sees_unpublished
from kokoa.services.catalog.store import CatalogStore

Arguments = Mapping[str, Any]


class DefinitionResolvers:
    """Field resolvers of schema.graphql."""

    def __init__(self, store: CustomFieldStore, actions: DefinitionActions) -> None:
        self._store = store
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.customFields": self.custom_fields,
            "Mutation.defineCustomField": self.define,
            "Mutation.changeCustomField": self.change,
            "Mutation.removeCustomField": self.remove,
        }

    async def custom_fields(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        definitions = (await self._store.current(call.environment_id)).definitions
        owner = args.get("on")
        return [definitions.of(owner) if owner else definitions.fields]

    async def define(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = dict(args["input"])
        enum_values = tuple(given.pop("enum_values", None) or ())
        new = CustomField(id=0, enum_values=enum_values, **given)
        return [await self._actions.define(call.environment_id, new, correlation_id=call.correlation_id)]

    async def change(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = dict(args["input"])
        owner, key, remove_values = given.pop("on"), given.pop("key"), given.pop("remove_values")
        if given.get("enum_values") is not None:
            given["enum_values"] = tuple(given["enum_values"])
        changed = self._actions.change(
            call.environment_id,
            owner,
            key,
            FieldChanges(**given),
            remove_values=remove_values,
            correlation_id=call.correlation_id,
        )
        return [await changed]

    async def remove(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        await self._actions.remove(
            call.environment_id,
            args["on"],
            args["key"],
            remove_values=args["remove_values"],
            correlation_id=call.correlation_id,
        )
        return [args["key"]]


class ValueResolvers:
    """Field resolvers of what definitions add to the schema."""

    def __init__(
        self,
        definitions: Definitions,
        store: CustomFieldStore,
        actions: ValueActions,
        batches: BatchActions,
        products: CatalogStore,
        categories: CategoryStore,
    ) -> None:
        self._definitions = definitions
        self._store = store
        self._actions = actions
        self._batches = batches
        self._products = products
        self._categories = categories

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        found: dict[str, Any] = {}
        for owner in OWNERS:
            if self._definitions.of(owner):
                found[f"{TYPE_NAMES[owner]}.custom"] = self._values(owner)
                found[f"Mutation.set{TYPE_NAMES[owner]}Custom"] = self._setter(owner)
        if self._definitions.of("PRODUCT"):
            found["Mutation.bulkSetProductCustom"] = self.set_many
        return found

    async def set_many(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        outcomes = await self._batches.set_values(
            call.environment_id, args["input"], dry_run=args["dry_run"], correlation_id=call.correlation_id
        )
        return [result_of(outcomes)]

    def _values(self, owner: Owner) -> Callable[..., Awaitable[Sequence[Any]]]:
        fields = self._definitions.of(owner)

        async def resolve(parents: Sequence[Any], _: Arguments, call: Call) -> Sequence[Any]:
            found = await self._store.values(call.environment_id, owner, [parent.id for parent in parents])
            return [shown(fields, found.get(parent.id, {})) for parent in parents]

        return resolve

    def _setter(self, owner: Owner) -> Callable[..., Awaitable[Sequence[Any]]]:
        async def resolve(_: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
            owner_id = require_id(args["id"], field="id")
            await self._actions.set_values(
                call.environment_id,
                owner,
                owner_id,
                args["version"],
                args["input"],
                correlation_id=call.correlation_id,
            )
            return [await self._object(owner, owner_id, call)]

        return resolve

    async def _object(self, owner: Owner, owner_id: str, call: Call) -> Any:
        """The object whose values were set, as its caller sees it."""
        environment_id, published_only = call.environment_id, not sees_unpublished(call.caller.scopes)
        found: Mapping[str, Any]
        match owner:
            case "PRODUCT":
                found = await self._products.products_by_ids(
                    environment_id, [owner_id], published_only=published_only
                )
            case "VARIANT":
                found = await self._products.variants_by_ids(
                    environment_id, [owner_id], published_only=published_only
                )
            case "CATEGORY":
                found = await self._categories.by_ids(environment_id, [owner_id])
        return found.get(owner_id)
