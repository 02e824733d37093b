"""What is done to placed orders: parts of them leave, what is left is cancelled. Durable: see running.py."""

from collections.abc import Sequence

import msgspec

from kokoa.kernel.call import Call
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, Event
from kokoa.postgres.answers import require_key
from kokoa.processes.steps import reached
from kokoa.services.orders import events
from kokoa.services.orders.errors import (
    FulfillmentNotFound,
    FulfillmentStateDiffers,
    OrderNotFound,
    OrderStepUnavailable,
)
from kokoa.services.orders.fulfilling.graph import Charge, Store
from kokoa.services.orders.fulfilling.model import (
    CAPTURE_ATTEMPTS_MAX,
    CAPTURE_KEYS,
    TEXT_MAX,
    Change,
    ChangeStep,
    Kind,
    advanced,
    after,
    fingerprint_of,
    left_of,
    require_cancellable,
    require_left,
    require_lines,
    require_text,
    stock_of,
    to_capture,
    to_refund,
    to_void,
)
from kokoa.services.orders.fulfilling.running import Held, LeaseLost, Running, require_free
from kokoa.services.orders.fulfilling.store import (
    ChangeStore,
    change_of,
    insert_change,
    known_change,
    lock_order,
    put_change,
    put_order,
    queries,
    touch_order,
    write_history,
)
from kokoa.services.orders.model import Order, Who
from kokoa.services.orders.placing.graph import Declined

KINDS: tuple[Kind, ...] = ("FULFIL", "CANCEL")


class Wanted(msgspec.Struct, frozen=True):
    """What somebody asks for.  version: None for any.

    lines: (line id, quantity); None for all that is left; of a cancellation none.
    """

    order_id: str
    kind: Kind
    lines: tuple[tuple[str, int], ...] | None = ()
    version: int | None = None
    reason: str | None = None
    carrier: str | None = None
    tracking_number: str | None = None


class ChangeActions:
    """Changes of orders of one environment each."""

    def __init__(self, database: Database, store: ChangeStore, running: Running, others: Store) -> None:
        self._database = database
        self._store = store
        self._running = running
        self._others = others
        running.does(
            {
                ("FULFIL", "WRITTEN"): self._let_leave,
                ("FULFIL", "LEFT"): self._price,
                ("FULFIL", "CAPTURING"): self._capture,
                ("CANCEL", "WRITTEN"): self._give_stock_back,
                ("CANCEL", "RELEASED"): self._give_money_back,
            }
        )

    async def begin(self, wanted: Wanted, key: str, who: Who, actor: str, call: Call) -> Change:
        """A part leaves, or what is left is cancelled; as far as that goes now. The same key again: as it is.

        Raises InvalidIdempotencyKey, IdempotencyKeyReused, OrderNotFound, OrderBusy, OrderChanged,
        InvalidFulfillment, NothingLeft, OrderNotCancellable.
        """
        require_key(key)
        require_text(wanted.reason, "reason", TEXT_MAX)
        require_text(wanted.carrier, "trackingCarrier")
        require_text(wanted.tracking_number, "trackingNumber")
        lease = new_id()
        async with self._database.transaction(call.environment_id) as tx:
            found = await lock_order(tx, wanted.order_id)
            if found is None or not (who.management or _is_of(found[0], who)):
                raise OrderNotFound("There is no such order, or it is not yours.")
            order, is_placed = found
            known = await known_change(tx, key, fingerprint_of(wanted))
            if known is not None:
                return known
            await require_free(tx, order, is_placed, wanted.version, KINDS)
            lines = _lines_of(order, wanted, who)
            change = await insert_change(
                tx,
                order.id,
                wanted.kind,
                lines,
                key,
                fingerprint_of(wanted),
                lease,
                actor,
                reason=wanted.reason,
                carrier=wanted.carrier,
                tracking_number=wanted.tracking_number,
            )
        return await self._running.begin(change, order, lease, call)

    async def carry(
        self, change_id: str, to: ChangeStep, carrier: str | None, number: str | None, actor: str, call: Call
    ) -> Change:
        """A fulfilment is on its way, or there; again is no error.

        Raises InvalidFulfillment, FulfillmentNotFound, FulfillmentStateDiffers.
        """
        require_text(carrier, "trackingCarrier")
        require_text(number, "trackingNumber")
        known = await self._store.change(call.environment_id, change_id)
        if known is None or known.kind != "FULFIL":
            raise FulfillmentNotFound("There is no such fulfilment.")
        async with self._database.transaction(call.environment_id) as tx:
            await lock_order(tx, known.order_id)
            row = await tx.fetchrow(queries.lock_change, change_id)
            assert row is not None, "changes stay"
            before = change_of(row)
            if before.step == to:
                return before
            if before.step != ("PENDING" if to == "SHIPPED" else "SHIPPED"):
                raise FulfillmentStateDiffers(f"The fulfilment is {before.state}; it does not become {to}.")
            shipped = advanced(
                before,
                to,
                carrier=carrier or before.carrier,
                tracking_number=number or before.tracking_number,
            )
            await touch_order(tx, shipped.order_id)
            await tx.execute(queries.carry_change, shipped.id, shipped.step, shipped.carrier, shipped.tracking_number)
            await write_history(tx, shipped.order_id, to, actor, shipped.id)
            told = events.FulfillmentShipped if to == "SHIPPED" else events.FulfillmentDelivered
            await tx.emit(
                told(order_id=shipped.order_id, fulfillment_id=shipped.id), correlation_id=call.correlation_id
            )
        return shipped

    async def sweep(self) -> int:
        """Go on with changes of all environments that are overdue, a batch; how many."""
        return await self._running.sweep()

    async def _let_leave(self, held: Held) -> Held:
        change, order = held.change, held.order
        wanted = stock_of(order, change.lines)
        try:
            if wanted:
                await self._others.let_leave(order.id, wanted, change.id, held.call)
        except Declined as declined:
            refused = advanced(change, "REFUSED", refusal=declined.refusal)
            said = declined.refusal.message[:TEXT_MAX]
            return await self._running.advance(held, refused, "FULFILLMENT_REFUSED", said, change.id)
        reached("fulfilment.left")
        return await self._running.advance(held, advanced(change, "LEFT"))

    async def _price(self, held: Held) -> Held:
        """What is captured is written down before it is asked for."""
        change, order = held.change, held.order
        amount = 0
        if order.payment_id is not None:
            amount = to_capture(after(order, change), await self._others.money(order.payment_id, held.call))
        reached("fulfilment.priced")
        if not amount:
            return await self._finish(held, advanced(change, "PENDING", captured_minor=0))
        return await self._running.advance(held, advanced(change, "CAPTURING", captured_minor=amount))

    async def _capture(self, held: Held) -> Held:
        change = held.change
        assert change.captured_minor is not None, "CAPTURING says how much"
        charge = await self._charged(held, change.captured_minor)
        reached("fulfilment.captured")
        if charge == "PENDING" and change.attempts <= CAPTURE_ATTEMPTS_MAX:
            raise OrderStepUnavailable("What became of the capture is not known yet.")
        captured = 0 if charge == "DECLINED" else change.captured_minor
        return await self._finish(held, advanced(change, "PENDING", captured_minor=captured))

    async def _charged(self, held: Held, amount_minor: int) -> Charge:
        """A request that died before the provider heard of it fails in the end, and its key with it.

        So who comes back to a capture asks with another key before it counts as declined.
        """
        change, payment_id = held.change, held.order.payment_id
        assert payment_id is not None, "without a payment nothing is captured"
        keys = [change.id, *(f"{change.id}-{again}" for again in range(1, CAPTURE_KEYS))]
        for key in keys if change.attempts else keys[:1]:
            charge = await self._others.capture(payment_id, amount_minor, key, held.call)
            if charge != "DECLINED":
                return charge
        return "DECLINED"

    async def _give_stock_back(self, held: Held) -> Held:
        await self._others.give_back(held.order.id, held.call)
        reached("cancellation.released")
        return await self._running.advance(held, advanced(held.change, "RELEASED"))

    async def _give_money_back(self, held: Held) -> Held:
        """Until the payment is what has left is worth. Raises OrderStepUnavailable when it is not yet."""
        order, others = held.order, self._others
        if order.payment_id is not None:
            money = await others.money(order.payment_id, held.call)
            if not money.pending and (amount := to_void(order, money)):
                money = await others.void_part(order.payment_id, amount, money, held.call)
            if not money.pending and (amount := to_refund(order, money)):
                money = await others.refund(order.payment_id, amount, money, held.call)
            if money.pending or to_void(order, money) or to_refund(order, money):
                raise OrderStepUnavailable("The money is not given back yet.")
        reached("cancellation.refunded")
        return await self._finish(held, advanced(held.change, "DONE"))

    async def _finish(self, held: Held, to: Change) -> Held:
        """The order as it is now, what is told of it, and its history."""
        async with self._database.transaction(held.call.environment_id) as tx:
            found = await lock_order(tx, to.order_id)
            if found is None or not await put_change(tx, to, held.lease):
                raise LeaseLost
            order = after(found[0], to)
            await put_order(tx, order)
            fulfils = to.kind == "FULFIL"
            kind = "FULFILLMENT_CREATED" if fulfils else "CANCELLED"
            await write_history(tx, order.id, kind, to.actor, to.id if fulfils else None, to.reason)
            await tx.emit(*_told(order, to), correlation_id=held.call.correlation_id)
        return msgspec.structs.replace(held, change=to, order=order)


def _lines_of(order: Order, wanted: Wanted, who: Who) -> dict[str, int]:
    """Quantities by line. Raises OrderNotCancellable, NothingLeft, InvalidFulfillment."""
    if wanted.kind == "CANCEL":
        return require_cancellable(order, who)
    return require_left(order) if wanted.lines is None else require_lines(order, wanted.lines)


def _is_of(order: Order, who: Who) -> bool:
    return who.customer_id is not None and order.customer_id == who.customer_id


def _told(order: Order, change: Change) -> Sequence[Event]:
    number = str(order.number)
    if change.kind == "CANCEL":
        return [events.OrderCancelled(order_id=order.id, number=number, reason=change.reason)]
    created = events.FulfillmentCreated(
        order_id=order.id, fulfillment_id=change.id, captured_minor=change.captured_minor or 0
    )
    if left_of(order):
        return [created]
    return [created, events.OrderFulfilled(order_id=order.id, number=number)]
