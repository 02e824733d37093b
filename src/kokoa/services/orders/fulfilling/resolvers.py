"""GraphQL ⇄ actions and store."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.services.orders.fulfilling.actions import ChangeActions, Wanted
from kokoa.services.orders.fulfilling.model import Change, ChangeStep
from kokoa.services.orders.fulfilling.store import ChangeStore, Happened
from kokoa.services.orders.model import Order, Who
from kokoa.services.orders.store import OrderStore

Arguments = Mapping[str, Any]


class ChangeResolvers:
    """Field resolvers of what becomes of orders."""

    def __init__(self, orders: OrderStore, store: ChangeStore, actions: ChangeActions) -> None:
        self._orders = orders
        self._store = store
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Mutation.cancelOrder": self.cancel,
            "Mutation.createFulfillment": self.fulfil,
            "Mutation.shipFulfillment": self.ship,
            "Mutation.deliverFulfillment": self.deliver,
            "Order.fulfillments": self.fulfilments,
            "Order.history": self.history,
            "Fulfillment.order": self.orders,
            "Fulfillment.lines": _lines,
            "Fulfillment.refusal": _refusals,
            "Fulfillment.trackingCarrier": _carriers,
            "Fulfillment.createdAt": _moments,
            "OrderCancellation.order": self.orders,
            "OrderCancellation.state": _states,
            "OrderHistoryEntry.fulfillmentId": _changes,
            "OrderHistoryEntry.happenedAt": _happened,
        }

    async def cancel(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        order_id = require_id(given["id"], field="id")
        wanted = Wanted(order_id, "CANCEL", version=given.get("version"), reason=given.get("reason"))
        return [await self._actions.begin(wanted, given["idempotency_key"], _who(call), _actor(call), call)]

    async def fulfil(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        lines = tuple((line["line_id"], line["quantity"]) for line in given["lines"])
        wanted = Wanted(
            order_id=require_id(given["order_id"], field="orderId"),
            kind="FULFIL",
            lines=lines,
            version=given.get("version"),
            carrier=given.get("tracking_carrier"),
            tracking_number=given.get("tracking_number"),
        )
        return [await self._actions.begin(wanted, given["idempotency_key"], _who(call), _actor(call), call)]

    async def ship(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return [await self._carry("SHIPPED", args, call)]

    async def deliver(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return [await self._carry("DELIVERED", args, call)]

    async def orders(self, parents: Sequence[Change], _: Arguments, call: Call) -> Sequence[Any]:
        """Whoever sees a change sees its order."""
        found = await self._orders.orders_by_ids(call.environment_id, [parent.order_id for parent in parents])
        return [found.get(parent.order_id) for parent in parents]

    async def fulfilments(self, parents: Sequence[Order], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.fulfilments_of(call.environment_id, [parent.id for parent in parents])
        return [found[parent.id] for parent in parents]

    async def history(self, parents: Sequence[Order], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.history_of(call.environment_id, [parent.id for parent in parents])
        return [found[parent.id] for parent in parents]

    async def _carry(self, to: ChangeStep, args: Arguments, call: Call) -> Change:
        carrier, number = args.get("tracking_carrier"), args.get("tracking_number")
        return await self._actions.carry(require_id(args["id"], field="id"), to, carrier, number, _actor(call), call)


def _who(call: Call) -> Who:
    caller = call.caller
    return Who("management" in caller.scopes, (caller.subject or None) if caller.kind == "storefront" else None)


def _actor(call: Call) -> str:
    caller = call.caller
    return f"{caller.kind}:{caller.subject}" if caller.subject else caller.kind


def _lines(parents: Sequence[Change], _args: Arguments, _call: Call) -> list[Any]:
    return [[{"lineId": one, "quantity": quantity} for one, quantity in parent.lines.items()] for parent in parents]


def _refusals(parents: Sequence[Change], _args: Arguments, _call: Call) -> list[Any]:
    refusals = [parent.refusal for parent in parents]
    return [one and {"code": one.code, "message": one.message, "field": one.field or None} for one in refusals]


def _carriers(parents: Sequence[Change], _args: Arguments, _call: Call) -> list[Any]:
    return [parent.carrier for parent in parents]


def _moments(parents: Sequence[Change], _args: Arguments, _call: Call) -> list[str]:
    return [parent.created_at.isoformat() for parent in parents]


def _states(parents: Sequence[Change], _args: Arguments, _call: Call) -> list[str]:
    return ["CANCELLED" if parent.step == "DONE" else "IN_PROGRESS" for parent in parents]


def _changes(parents: Sequence[Happened], _args: Arguments, _call: Call) -> list[Any]:
    return [parent.change_id for parent in parents]


def _happened(parents: Sequence[Happened], _args: Arguments, _call: Call) -> list[str]:
    return [parent.happened_at.isoformat() for parent in parents]
