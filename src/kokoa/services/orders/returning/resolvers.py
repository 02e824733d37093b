"""GraphQL ⇄ actions and store."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.services.orders.fulfilling.model import Change
from kokoa.services.orders.model import Order, Who
from kokoa.services.orders.returning.actions import ReturnActions
from kokoa.services.orders.returning.model import ReceivedLine, Return, ReturnLine
from kokoa.services.orders.returning.store import ReturnStore, given_by, received_by
from kokoa.services.orders.store import OrderStore

Arguments = Mapping[str, Any]


class ReturnResolvers:
    """Field resolvers of what comes back of orders."""

    def __init__(self, orders: OrderStore, store: ReturnStore, actions: ReturnActions) -> None:
        self._orders = orders
        self._store = store
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Mutation.requestReturn": self.request,
            "Mutation.receiveReturn": self.receive,
            "Mutation.cancelReturn": self.cancel,
            "Mutation.rejectReturn": self.reject,
            "Mutation.refundReturn": self.refund_return,
            "Mutation.refundOrder": self.refund_order,
            "Order.returns": self.returns,
            "Order.refunds": self.refunds,
            "Return.order": self.orders,
            "Return.createdAt": _moments,
            "ReturnReception.return": self.returns_of_changes,
            "ReturnReception.state": _states("RECEIVED"),
            "ReturnReception.lines": _received,
            "ReturnReception.createdAt": _moments,
            "OrderRefund.order": self.orders,
            "OrderRefund.return": self.returns_of_changes,
            "OrderRefund.state": _states("REFUNDED"),
            "OrderRefund.amountMinor": _given("amount_minor"),
            "OrderRefund.feeMinor": _given("fee_minor"),
            "OrderRefund.shippingMinor": _given("shipping_minor"),
            "OrderRefund.refusal": _refusals,
            "OrderRefund.createdAt": _moments,
            "OrderHistoryEntry.returnId": _return_ids,
        }

    async def request(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        lines = tuple(ReturnLine(one["line_id"], one["quantity"], one.get("reason")) for one in given["lines"])
        order_id, key = require_id(given["order_id"], field="orderId"), given["idempotency_key"]
        return [
            await self._actions.request(order_id, lines, given.get("note"), key, _who(call), _actor(call), call),
        ]

    async def receive(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        lines = tuple(
            ReceivedLine(one["line_id"], one["quantity"], one["condition"], one.get("location_key"))
            for one in given["lines"]
        )
        return_id, key = require_id(given["id"], field="id"), given["idempotency_key"]
        return [await self._actions.receive(return_id, given.get("version"), lines, key, _actor(call), call)]

    async def cancel(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return_id, version, reason = require_id(args["id"], field="id"), args.get("version"), args.get("reason")
        return [await self._actions.cancel(return_id, version, reason, _who(call), _actor(call), call)]

    async def reject(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return_id = require_id(args["id"], field="id")
        return [await self._actions.reject(return_id, args.get("version"), args["reason"], _actor(call), call)]

    async def refund_return(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        return_id, key = require_id(given["return_id"], field="returnId"), given["idempotency_key"]
        amounts = given["fee_minor"], given["shipping_minor"]
        return [await self._actions.refund_return(return_id, *amounts, key, _actor(call), call)]

    async def refund_order(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        order_id, key = require_id(given["order_id"], field="orderId"), given["idempotency_key"]
        amount, reason = given["amount_minor"], given["reason"]
        return [await self._actions.refund_order(order_id, amount, reason, key, _actor(call), call)]

    async def returns(self, parents: Sequence[Order], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.of_orders(call.environment_id, [parent.id for parent in parents])
        return [found[parent.id] for parent in parents]

    async def refunds(self, parents: Sequence[Order], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.refunds_of(call.environment_id, [parent.id for parent in parents])
        return [found[parent.id] for parent in parents]

    async def orders(self, parents: Sequence[Return | Change], _: Arguments, call: Call) -> Sequence[Any]:
        """Whoever sees a return sees its order."""
        found = await self._orders.orders_by_ids(call.environment_id, [parent.order_id for parent in parents])
        return [found.get(parent.order_id) for parent in parents]

    async def returns_of_changes(self, parents: Sequence[Change], _: Arguments, call: Call) -> Sequence[Any]:
        ids = [parent.return_id for parent in parents if parent.return_id is not None]
        found = await self._store.by_ids(call.environment_id, ids) if ids else {}
        return [None if parent.return_id is None else found.get(parent.return_id) for parent in parents]


def _who(call: Call) -> Who:
    caller = call.caller
    return Who("management" in caller.scopes, (caller.subject or None) if caller.kind == "storefront" else None)


def _actor(call: Call) -> str:
    caller = call.caller
    return f"{caller.kind}:{caller.subject}" if caller.subject else caller.kind


def _states(done: str) -> Any:
    """done: what it is called when it is."""

    def resolve(parents: Sequence[Change], _args: Arguments, _call: Call) -> list[str]:
        return [done if parent.step == "DONE" else parent.state for parent in parents]

    return resolve


def _given(name: str) -> Any:
    def resolve(parents: Sequence[Change], _args: Arguments, _call: Call) -> list[int]:
        return [getattr(given_by(parent), name) for parent in parents]

    return resolve


def _received(parents: Sequence[Change], _args: Arguments, _call: Call) -> list[Any]:
    return [
        [
            {"lineId": one.line_id, "quantity": one.quantity, "condition": one.condition, "locationKey": one.location}
            for one in received_by(parent)
        ]
        for parent in parents
    ]


def _refusals(parents: Sequence[Change], _args: Arguments, _call: Call) -> list[Any]:
    refusals = [parent.refusal for parent in parents]
    return [one and {"code": one.code, "message": one.message, "field": one.field or None} for one in refusals]


def _return_ids(parents: Sequence[Any], _args: Arguments, _call: Call) -> list[Any]:
    return [parent.return_id for parent in parents]


def _moments(parents: Sequence[Return | Change], _args: Arguments, _call: Call) -> list[str]:
    return [parent.created_at.isoformat() for parent in parents]
