"""GraphQL ⇄ actions and store, for channels and their prices."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.services.catalog.channels.actions import ChannelActions
from kokoa.services.catalog.channels.model import ChannelChanges, Price, choose, own_price, require_currency
from kokoa.services.catalog.channels.store import ChannelStore
from kokoa.services.catalog.model import Product, Variant, require_plain

Arguments = Mapping[str, Any]


class ChannelResolvers:
    """Field resolvers of schema.graphql that are about channels."""

    def __init__(self, store: ChannelStore, actions: ChannelActions) -> None:
        self._store = store
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.channels": self.channels,
            "Product.channels": self.product_channels,
            "Product.soldIn": self.sold_in,
            "Variant.prices": self.prices,
            "Variant.priceIn": self.prices_in,
            "Mutation.createChannel": self.create,
            "Mutation.updateChannel": self.update,
            "Mutation.deleteChannel": self.delete,
            "Mutation.setProductChannels": self.set_product_channels,
            "Mutation.setVariantPrices": self.set_prices,
        }

    async def channels(self, _: Sequence[Any], __: Arguments, call: Call) -> Sequence[Any]:
        return [await self._store.channels(call.environment_id)]

    async def product_channels(self, parents: Sequence[Product], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.channels_of(call.environment_id, [parent.id for parent in parents])
        return [found.get(parent.id) for parent in parents]

    async def sold_in(self, parents: Sequence[Product], args: Arguments, call: Call) -> Sequence[Any]:
        require_plain(args["channel"], "channel")
        ids = [parent.id for parent in parents]
        found = await self._store.available(call.environment_id, ids, args["channel"])
        return [one in found for one in ids]

    async def prices(self, parents: Sequence[Variant], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.prices(call.environment_id, [parent.id for parent in parents])
        return [[own_price(parent), *found.get(parent.id, [])] for parent in parents]

    async def prices_in(self, parents: Sequence[Variant], args: Arguments, call: Call) -> Sequence[Any]:
        channel, currency = args.get("channel"), args.get("currency")
        require_currency(currency)
        found: Mapping[str, Sequence[Price]] = {}
        if channel is not None:
            require_plain(channel, "channel")
            ids = [parent.id for parent in parents]
            of_channel, found = await self._store.prices_in_channel(call.environment_id, ids, channel)
            currency = currency or of_channel
        elif currency is not None:
            # Without a channel nothing comes before a variant's own price in its own currency.
            others = [parent.id for parent in parents if parent.currency != currency]
            found = await self._store.prices_in(call.environment_id, others, currency) if others else {}
        return [choose(parent, found.get(parent.id, ()), channel, currency) for parent in parents]

    async def create(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        created = self._actions.create(
            call.environment_id,
            given["key"],
            given["name"],
            given.get("currency"),
            given.get("countries") or [],
            correlation_id=call.correlation_id,
        )
        return [await created]

    async def update(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        changes = ChannelChanges(
            name=msgspec.UNSET if given.get("name") is None else given["name"],
            currency=given.get("currency", msgspec.UNSET),
            countries=given["countries"] or [] if "countries" in given else msgspec.UNSET,
        )
        channel_id = require_id(given["id"], field="id")
        updated = self._actions.update(
            call.environment_id, channel_id, given["version"], changes, correlation_id=call.correlation_id
        )
        return [await updated]

    async def delete(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        channel_id = require_id(args["id"], field="id")
        await self._actions.delete(
            call.environment_id, channel_id, args["version"], correlation_id=call.correlation_id
        )
        return [channel_id]

    async def set_product_channels(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        product_id = require_id(args["id"], field="id")
        limited = self._actions.set_product_channels(
            call.environment_id,
            product_id,
            args["version"],
            args.get("channels"),
            correlation_id=call.correlation_id,
        )
        return [await limited]

    async def set_prices(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        product_id = require_id(given["id"], field="id")
        priced = self._actions.set_prices(
            call.environment_id, product_id, given["version"], given["variants"], correlation_id=call.correlation_id
        )
        return [await priced]
