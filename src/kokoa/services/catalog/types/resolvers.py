"""GraphQL ⇄ actions and store, for product types."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.graphql import Scalar
from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.services.catalog.errors import InvalidPage
from kokoa.services.catalog.model import require_page, require_plain
from kokoa.services.catalog.types.actions import TypeActions
from kokoa.services.catalog.types.definitions import read_definitions
from kokoa.services.catalog.types.model import ProductType
from kokoa.services.catalog.types.store import TypeStore

Arguments = Mapping[str, Any]

_PLAIN = (str, bool, int, float)


def _read_value(value: Any) -> Any:
    """A text, number, boolean or amount of money, or a list of these; which of them it has to be its type knows."""
    for one in value if isinstance(value, list) else [value]:
        plain = one.values() if isinstance(one, Mapping) else [one]
        if not all(isinstance(part, _PLAIN) for part in plain):
            raise ValueError("a text, a number, true, false, {amountMinor, currency}, or a list of these")
    return value


ATTRIBUTE_VALUE = Scalar(parse=_read_value)


class TypeResolvers:
    """Field resolvers of schema.graphql that are about product types."""

    def __init__(self, store: TypeStore, actions: TypeActions) -> None:
        self._store = store
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`; a bare type name resolves its entity references."""
        return {
            "Query.productTypes": self.product_types,
            "Query.productType": self.product_type,
            "Mutation.createProductType": self.create,
            "Mutation.updateProductType": self.update,
            "Mutation.deleteProductType": self.delete,
            "ProductType": self.references,
        }

    async def product_types(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        require_page(args["limit"], args["offset"])
        return [await self._store.page(call.environment_id, args["limit"], args["offset"])]

    async def product_type(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given_id, key = args.get("id"), args.get("key")
        if (given_id is None) == (key is None):
            raise InvalidPage("Give either id or key.", field="id")
        if key is not None:
            require_plain(key, "key")
            return [await self._store.by_key(call.environment_id, key)]
        return await self.references([{"id": given_id}], call)

    async def references(self, representations: Sequence[Arguments], call: Call) -> Sequence[Any]:
        ids = [require_id(representation["id"], field="id") for representation in representations]
        found = await self._store.by_ids(call.environment_id, ids)
        return [found.get(type_id) for type_id in ids]

    async def create(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[ProductType]:
        given = args["input"]
        made = self._actions.create(
            call.environment_id,
            given["key"],
            given["name"],
            read_definitions(given["attributes"]),
            correlation_id=call.correlation_id,
        )
        return [await made]

    async def update(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[ProductType]:
        given = args["input"]
        attributes = given.get("attributes")
        changed = self._actions.update(
            call.environment_id,
            require_id(given["id"], field="id"),
            given["version"],
            name=given.get("name"),
            attributes=None if attributes is None else read_definitions(attributes),
            remove_values=given["remove_values"],
            correlation_id=call.correlation_id,
        )
        return [await changed]

    async def delete(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[str]:
        type_id = require_id(args["id"], field="id")
        await self._actions.delete(call.environment_id, type_id, args["version"], correlation_id=call.correlation_id)
        return [type_id]
