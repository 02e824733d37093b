"""GraphQL ⇄ actions and store."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.kernel.call import Call
from kokoa.kernel.places import Place, read_destination, read_places
from kokoa.services.shipping.actions import ShippingActions
from kokoa.services.shipping.errors import ShippingMethodNotFound, ShippingZoneNotFound
from kokoa.services.shipping.model import (
    Band,
    Method,
    Parcel,
    Rate,
    Zone,
    is_key,
    options_of,
    require_page,
    require_parcel,
)
from kokoa.services.shipping.store import ShippingStore

Arguments = Mapping[str, Any]


class ShippingResolvers:
    """Field resolvers of schema.graphql."""

    def __init__(self, store: ShippingStore, actions: ShippingActions) -> None:
        self._store = store
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.shippingOptions": self.options,
            "Query.shippingConfiguration": self.configuration,
            "ShippingConfiguration.zones": self.zones,
            "ShippingConfiguration.methods": self.methods,
            "ShippingMethod.rates": self.rates,
            "ShippingPlace.region": _regions,
            "ShippingPlace.postalCodePrefix": _prefixes,
            "ShippingBand.from": _starts,
            "Mutation.putShippingZone": self.put_zone,
            "Mutation.deleteShippingZone": self.delete_zone,
            "Mutation.putShippingMethod": self.put_method,
            "Mutation.deleteShippingMethod": self.delete_method,
        }

    async def options(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        place = given["destination"]
        destination = read_destination(place["country"], place.get("region"), place.get("postal_code"))
        parcel = Parcel(given["total_minor"], given.get("weight_grams"), given.get("item_count"))
        require_parcel(given["currency"], parcel)
        offers = await self._store.offers_for(call.environment_id, destination, given["currency"])
        return [options_of(offers, parcel)]

    async def configuration(self, _: Sequence[Any], __: Arguments, ___: Call) -> Sequence[Any]:
        return [{}]

    async def zones(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        after = require_page(args["limit"], args.get("after"))
        return [await self._store.zones(call.environment_id, after, args["limit"])]

    async def methods(self, _: Sequence[Any], __: Arguments, call: Call) -> Sequence[Any]:
        return [await self._store.methods(call.environment_id)]

    async def rates(self, parents: Sequence[Method], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.rates_of(call.environment_id, [parent.key for parent in parents])
        return [found.get(parent.key, []) for parent in parents]

    async def put_zone(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        places = read_places(
            [(one["country"], one.get("region"), one.get("postal_code_prefix")) for one in given["places"]]
        )
        put = self._actions.put_zone(
            call.environment_id,
            Zone(given["key"], given["name"], 0, places),
            given.get("version"),
            correlation_id=call.correlation_id,
        )
        return [await put]

    async def delete_zone(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        key, version = args["key"], args["version"]
        if not is_key(key):
            raise ShippingZoneNotFound(f"There is no shipping zone {key[:80]!r}.")
        await self._actions.delete_zone(call.environment_id, key, version, correlation_id=call.correlation_id)
        return [key]

    async def put_method(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        wanted = Method(
            given["key"],
            given["name"],
            given.get("description"),
            given["active"],
            given["position"],
            given.get("min_days"),
            given.get("max_days"),
            given.get("tax_category"),
            0,
        )
        put = self._actions.put_method(
            call.environment_id,
            wanted,
            [_rate(one) for one in given["rates"]],
            given.get("version"),
            correlation_id=call.correlation_id,
        )
        return [await put]

    async def delete_method(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        key, version = args["key"], args["version"]
        if not is_key(key):
            raise ShippingMethodNotFound(f"There is no shipping method {key[:80]!r}.")
        await self._actions.delete_method(call.environment_id, key, version, correlation_id=call.correlation_id)
        return [key]


def _rate(given: Arguments) -> Rate:
    return Rate(
        given["zone"],
        given["currency"],
        given["basis"],
        tuple(Band(one["from"], one["price_minor"]) for one in given["bands"]),
        given.get("free_from_minor"),
        given.get("max_weight_grams"),
    )


def _regions(parents: Sequence[Place], _: Arguments, __: Call) -> Sequence[Any]:
    return [parent.region or None for parent in parents]


def _prefixes(parents: Sequence[Place], _: Arguments, __: Call) -> Sequence[Any]:
    return [parent.postal_prefix or None for parent in parents]


def _starts(parents: Sequence[Band], _: Arguments, __: Call) -> Sequence[Any]:
    return [parent.start for parent in parents]
