"""What orders do because another system said something of them. Durable, one after the other of each order.

An action is written with the status that it is for. Whoever holds its lease does it by what everybody uses, with the
action's id as key, so that doing it again does no more; when they die, or the order has no time, the sweeper goes on.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from kokoa.kernel.call import Call
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import KokoaError
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.postgres import Database
from kokoa.services.orders import events
from kokoa.services.orders.errors import InvalidFulfillment, NothingLeft, OrderNotCancellable, OrderStepUnavailable
from kokoa.services.orders.following.model import ATTEMPTS_MAX, Action, StatusAction, parts_to_carry
from kokoa.services.orders.following.store import FollowingStore, settle_action
from kokoa.services.orders.fulfilling.actions import ChangeActions, Wanted
from kokoa.services.orders.fulfilling.model import TEXT_MAX, Change, ChangeStep, Kind
from kokoa.services.orders.fulfilling.running import SWEPT_MAX, SWEPT_OF_ONE_MAX, resume_each
from kokoa.services.orders.fulfilling.store import ChangeStore, lock_order, touch_order, write_history
from kokoa.services.orders.model import Order, Refusal, Who, back_off_s
from kokoa.services.orders.placing.graph import Declined, own_call
from kokoa.services.orders.store import OrderStore

_MANAGEMENT = Who(management=True)
_CALL_MS = 60_000
# What stays so, however often it is tried.
_FOR_GOOD = (InvalidFulfillment, NothingLeft, OrderNotCancellable)


class Acting:
    """Does what statuses mean, of one environment each."""

    def __init__(
        self,
        database: Database,
        store: FollowingStore,
        orders: OrderStore,
        parts: ChangeStore,
        changes: ChangeActions,
    ) -> None:
        self._database = database
        self._store = store
        self._orders = orders
        self._parts = parts
        self._changes = changes
        self._ways: Mapping[Action, Callable[[StatusAction, Call], Awaitable[None]]] = {
            "FULFILL": self._fulfil,
            "SHIP": self._ship,
            "DELIVER": self._deliver,
            "CANCEL": self._cancel,
        }

    async def order(self, order_id: str, call: Call) -> Order:
        """As it is now; orders stay."""
        return (await self._orders.orders_by_ids(call.environment_id, [order_id]))[order_id]

    async def do(self, action: StatusAction, call: Call) -> None:
        """An action that is leased to the caller, as far as it goes now; what is left is due later."""
        try:
            await self._ways[action.action](action, call)
        except Declined as declined:
            await self._settle(action, declined.refusal, call)
        except _FOR_GOOD as refused:
            await self._settle(action, Refusal(refused.code, refused.message), call)
        except KokoaError as failed:
            if action.attempts >= ATTEMPTS_MAX:
                await self._settle(action, Refusal(failed.code, failed.message), call)
                return
            said = f"{failed.code}: {failed.message} {failed.detail}".replace("\x00", "")[:500]
            await self._store.leave(call.environment_id, action, back_off_s(action.attempts), said)
        else:
            await self._settle(action, None, call)

    async def sweep(self) -> int:
        """Go on with actions of all environments that are overdue, a batch; with how many."""
        return await resume_each(await self._store.overdue(SWEPT_MAX, SWEPT_OF_ONE_MAX), self._resume)

    async def _resume(self, environment_id: str, action_id: str) -> bool:
        claimed = await self._store.claim(environment_id, action_id, new_id())
        if claimed is None:
            return False
        await self.do(claimed, own_call(environment_id, new_correlation_id(), now_ms() + _CALL_MS))
        return True

    async def _fulfil(self, action: StatusAction, call: Call) -> None:
        try:
            await self._begin(action, "FULFIL", call)
        except NothingLeft:
            if (await self.order(action.order_id, call)).state == "CANCELLED":
                raise

    async def _ship(self, action: StatusAction, call: Call) -> None:
        # What has left before is shipped nevertheless.
        with suppress(NothingLeft):
            await self._begin(action, "FULFIL", call)
        await self._carry(action, call)

    async def _deliver(self, action: StatusAction, call: Call) -> None:
        await self._carry(action, call)

    async def _cancel(self, action: StatusAction, call: Call) -> None:
        try:
            await self._begin(action, "CANCEL", call)
        except OrderNotCancellable:
            if (await self.order(action.order_id, call)).state != "CANCELLED":
                raise

    async def _begin(self, action: StatusAction, kind: Kind, call: Call) -> Change:
        """Raises Declined, OrderStepUnavailable as long as it is not settled, and as ChangeActions.begin does."""
        reason = action.reason if kind == "CANCEL" else None
        wanted = Wanted(action.order_id, kind, lines=None if kind == "FULFIL" else (), reason=reason)
        change = await self._changes.begin(wanted, action.id, _MANAGEMENT, action.actor, call)
        if change.state == "IN_PROGRESS":
            raise OrderStepUnavailable("It is begun, and not done yet.")
        if change.refusal is not None:
            raise Declined(change.refusal)
        return change

    async def _carry(self, action: StatusAction, call: Call) -> None:
        """What has left is shipped, or what is shipped is delivered. Raises Declined."""
        parts = (await self._parts.fulfilments_of(call.environment_id, [action.order_id]))[action.order_id]
        found = parts_to_carry("SHIP" if action.action == "SHIP" else "DELIVER", parts)
        if isinstance(found, Refusal):
            raise Declined(found)
        to: ChangeStep = "SHIPPED" if action.action == "SHIP" else "DELIVERED"
        for part in found:
            await self._changes.carry(part.id, to, None, None, action.actor, call)

    async def _settle(self, action: StatusAction, refusal: Refusal | None, call: Call) -> None:
        """It is done, or the history and others are told why not; nothing when somebody else has settled it."""
        async with self._database.transaction(call.environment_id) as tx:
            found = await lock_order(tx, action.order_id)
            assert found is not None, "orders stay"
            if not await settle_action(tx, action, refusal):
                return
            await touch_order(tx, action.order_id)
            if refusal is None:
                return
            said = f"{action.action}: {refusal.code}: {refusal.message}"[:TEXT_MAX]
            await write_history(tx, action.order_id, "EXTERNAL_ACTION_REFUSED", action.actor, note=said)
            told = events.OrderStatusActionRefused(
                order_id=action.order_id,
                external_reference=found[0].external_reference,
                status=action.status,
                action=action.action,
                code=refusal.code,
            )
            await tx.emit(told, correlation_id=call.correlation_id)
