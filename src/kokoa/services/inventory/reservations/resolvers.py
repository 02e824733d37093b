"""GraphQL ⇄ actions and store, for reservations."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.graphql.resolvers import moments
from kokoa.kernel.call import Call
from kokoa.services.inventory.reservations.actions import ReservationActions
from kokoa.services.inventory.reservations.model import Wanted, require_key
from kokoa.services.inventory.reservations.store import ReservationStore
from kokoa.services.inventory.resolvers import cause_of

Arguments = Mapping[str, Any]


class ReservationResolvers:
    """Field resolvers of schema.graphql that are about reservations."""

    def __init__(self, store: ReservationStore, actions: ReservationActions) -> None:
        self._store = store
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.stockReservation": self.find,
            "StockReservation.expiresAt": moments("expires_at"),
            "StockReservation.createdAt": moments("created_at"),
            "Mutation.reserveStock": self.reserve,
            "Mutation.allocateStock": self.allocate,
            "Mutation.fulfilStock": self.fulfil,
            "Mutation.releaseStock": self.release,
        }

    async def find(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        require_key(args["key"])
        return [await self._store.find(call.environment_id, args["key"])]

    async def reserve(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        lines, hold_s = _wanted(given["lines"]) or [], given.get("hold_seconds")
        return [await self._actions.reserve(call.environment_id, given["key"], lines, hold_s, cause_of(call))]

    async def allocate(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return [await self._actions.allocate(call.environment_id, args["key"], cause_of(call))]

    async def fulfil(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        lines = _wanted(args.get("lines"))
        return [await self._actions.fulfil(call.environment_id, args["key"], lines, cause_of(call, args))]

    async def release(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        lines = _wanted(args.get("lines"))
        return [await self._actions.release(call.environment_id, args["key"], lines, cause_of(call))]


def _wanted(lines: Sequence[Mapping[str, Any]] | None) -> list[Wanted] | None:
    return None if lines is None else [Wanted(line["sku"], line["quantity"]) for line in lines]
