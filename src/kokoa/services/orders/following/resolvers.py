"""GraphQL ⇄ actions and store."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.services.orders.following.actions import FollowingActions
from kokoa.services.orders.following.model import StatusAction, StatusMapping, StatusRule, require_changes_page
from kokoa.services.orders.following.store import FollowingStore
from kokoa.services.orders.model import Order

Arguments = Mapping[str, Any]


class FollowingResolvers:
    """Field resolvers of how other systems follow orders."""

    def __init__(self, store: FollowingStore, actions: FollowingActions) -> None:
        self._store = store
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.orderChanges": self.changes,
            "Mutation.setOrderReference": self.set_reference,
            "Mutation.setOrderExternalStatus": self.set_status,
            "Query.orderStatusMapping": self.mapping,
            "Mutation.setOrderStatusMapping": self.set_mapping,
            "Order.externalStatus": _statuses,
            "OrderExternalStatus.status": _words,
            "OrderExternalStatus.at": _moments,
            "OrderExternalStatus.action": self.actions,
            "OrderStatusAction.refusal": _refusals,
        }

    async def changes(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        require_changes_page(args["limit"])
        return [await self._store.changes(call.environment_id, args.get("since"), args["limit"])]

    async def set_reference(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        order_id, reference = require_id(args["id"], field="id"), args.get("external_reference")
        return [await self._actions.set_reference(order_id, reference, args["version"], _actor(call), call)]

    async def set_status(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args.get("id")
        order_id = None if given is None else require_id(given, field="id")
        reference, status = args.get("external_reference"), args["status"]
        return [await self._actions.set_status(order_id, reference, status, _actor(call), call)]

    async def mapping(self, _: Sequence[Any], __: Arguments, call: Call) -> Sequence[Any]:
        return [await self._store.mapping(call.environment_id)]

    async def set_mapping(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[StatusMapping]:
        given = args["input"]
        rules = [
            StatusRule(one["status"], one.get("display_status"), one.get("action"), one.get("reason"))
            for one in given["rules"]
        ]
        return [await self._actions.set_mapping(rules, given["version"], call)]

    async def actions(self, parents: Sequence[Order], _: Arguments, call: Call) -> Sequence[StatusAction | None]:
        return await self._store.actions_of(call.environment_id, parents)


def _actor(call: Call) -> str:
    caller = call.caller
    return f"{caller.kind}:{caller.subject}" if caller.subject else caller.kind


def _statuses(parents: Sequence[Order], _args: Arguments, _call: Call) -> list[Any]:
    return [None if one.external_status is None else one for one in parents]


def _words(parents: Sequence[Order], _args: Arguments, _call: Call) -> list[Any]:
    return [one.external_status for one in parents]


def _moments(parents: Sequence[Order], _args: Arguments, _call: Call) -> list[Any]:
    return [one.external_status_at and one.external_status_at.isoformat() for one in parents]


def _refusals(parents: Sequence[StatusAction], _args: Arguments, _call: Call) -> list[Any]:
    refusals = [parent.refusal for parent in parents]
    return [one and {"code": one.code, "message": one.message, "field": one.field or None} for one in refusals]
