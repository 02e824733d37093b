"""What is done to placed orders: parts of them leave, what is left is cancelled. Durable, as placing is.

An order has one change at a time. Whoever holds its lease does its steps, each one call that has a key or one
transaction; when they die, the lease ends after a while, and the sweeper goes on at the step that the row names.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
import structlog

from kokoa.kernel.call import Call
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import KokoaError
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.postgres import Database, Event, Transaction
from kokoa.postgres.answers import IdempotencyKeyReused, require_key
from kokoa.processes.steps import reached
from kokoa.services.orders import events
from kokoa.services.orders.errors import (
    FulfillmentNotFound,
    FulfillmentStateDiffers,
    InvalidFulfillment,
    OrderBusy,
    OrderChanged,
    OrderNotFound,
    OrderStepUnavailable,
)
from kokoa.services.orders.fulfilling.graph import Store
from kokoa.services.orders.fulfilling.model import (
    CHANGES_MAX,
    SETTLED,
    TEXT_MAX,
    Change,
    ChangeStep,
    Kind,
    advanced,
    after,
    fingerprint_of,
    require_cancellable,
    require_lines,
    require_text,
    stock_of,
    to_capture,
    to_refund,
    to_void,
)
from kokoa.services.orders.fulfilling.store import (
    ChangeStore,
    change_of,
    lock_order,
    put_change,
    put_order,
    queries,
    write_history,
)
from kokoa.services.orders.model import LEASE_S, Order, Who, back_off_s
from kokoa.services.orders.placing.graph import Declined, as_service, own_call
from kokoa.services.orders.store import OrderStore

SWEPT_MAX = 50
SWEPT_OF_ONE_MAX = 10
AT_ONCE_MAX = 4

_CALL_MS = 600_000
# A call ends this long before the lease, so that nobody else is at the same step.
_MARGIN_MS = 5_000

_log = structlog.get_logger(__name__)


class Wanted(msgspec.Struct, frozen=True):
    """What somebody asks for.  lines: (line id, quantity); of a cancellation none.  version: None for any."""

    order_id: str
    kind: Kind
    lines: tuple[tuple[str, int], ...] = ()
    version: int | None = None
    reason: str | None = None
    carrier: str | None = None
    tracking_number: str | None = None


class _Held(msgspec.Struct, frozen=True):
    """A change that we work on, and the order before it.  lease: which says so.  call: of the service."""

    change: Change
    order: Order
    lease: str
    call: Call


class _LeaseLost(Exception):
    """Somebody else goes on with the change."""


class ChangeActions:
    """Changes of orders of one environment each."""

    def __init__(self, database: Database, orders: OrderStore, store: ChangeStore, others: Store) -> None:
        self._database = database
        self._orders = orders
        self._store = store
        self._others = others
        self._steps: Mapping[tuple[Kind, ChangeStep], Callable[[_Held], Awaitable[_Held]]] = {
            ("FULFIL", "WRITTEN"): self._let_leave,
            ("FULFIL", "LEFT"): self._price,
            ("FULFIL", "CAPTURING"): self._capture,
            ("CANCEL", "WRITTEN"): self._give_stock_back,
            ("CANCEL", "RELEASED"): self._give_money_back,
        }

    async def begin(self, wanted: Wanted, key: str, who: Who, actor: str, call: Call) -> Change:
        """A part leaves, or what is left is cancelled; as far as that goes now. The same key again: as it is.

        Raises InvalidIdempotencyKey, IdempotencyKeyReused, OrderNotFound, OrderBusy, OrderChanged,
        InvalidFulfillment, OrderNotCancellable.
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
            known = await _known(tx, key, fingerprint_of(wanted))
            if known is not None:
                return known
            await _require_free(tx, order, is_placed, wanted.version)
            cancelled = wanted.kind == "CANCEL"
            lines = require_cancellable(order, who) if cancelled else require_lines(order, wanted.lines)
            change = await _write(tx, wanted, lines, key, lease, actor)
        service = as_service(call, now_ms() + int(LEASE_S * 1_000))
        return await self._run(_Held(change, order, lease, service))

    async def carry(
        self, change_id: str, to: ChangeStep, carrier: str | None, number: str | None, actor: str, call: Call
    ) -> Change:
        """A fulfilment is on its way, or there; again is no error.

        Raises InvalidFulfillment, FulfillmentNotFound, FulfillmentStateDiffers.
        """
        require_text(carrier, "trackingCarrier")
        require_text(number, "trackingNumber")
        async with self._database.transaction(call.environment_id) as tx:
            row = await tx.fetchrow(queries.lock_change, change_id)
            if row is None or row["kind"] != "FULFIL":
                raise FulfillmentNotFound("There is no such fulfilment.")
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
            await tx.execute(queries.carry_change, shipped.id, shipped.step, shipped.carrier, shipped.tracking_number)
            await write_history(tx, shipped.order_id, to, actor, shipped.id)
            told = events.FulfillmentShipped if to == "SHIPPED" else events.FulfillmentDelivered
            await tx.emit(
                told(order_id=shipped.order_id, fulfillment_id=shipped.id), correlation_id=call.correlation_id
            )
        return shipped

    async def sweep(self) -> int:
        """Go on with changes of all environments that are overdue, a batch; how many."""
        free = asyncio.Semaphore(AT_ONCE_MAX)

        async def one_of_some(environment_id: str, change_id: str) -> bool:
            async with free:
                try:
                    return await self._resume(environment_id, change_id)
                except KokoaError as error:
                    # Its lease ends, and it is tried again; the others go on meanwhile.
                    _log.warning("change_waits", change=change_id, error=error.message, detail=error.detail)
                    return False
                except Exception:
                    # A bug, or an answer that is none: of this order only.
                    _log.exception("change_failed", change=change_id)
                    return False

        async with asyncio.TaskGroup() as group:
            overdue = await self._store.overdue(SWEPT_MAX, SWEPT_OF_ONE_MAX)
            tasks = [group.create_task(one_of_some(*one)) for one in overdue]
        return sum(task.result() for task in tasks)

    async def _resume(self, environment_id: str, change_id: str) -> bool:
        lease = new_id()
        claimed = await self._store.claim(environment_id, change_id, lease)
        if claimed is None:
            return False
        order = (await self._orders.orders_by_ids(environment_id, [claimed.order_id]))[claimed.order_id]
        call = own_call(environment_id, new_correlation_id(), now_ms() + _CALL_MS)
        await self._run(_Held(claimed, order, lease, call))
        return True

    async def _run(self, held: _Held) -> Change:
        """As far as it goes now; what is left is due later. The change as it is then."""
        environment_id = held.call.environment_id
        try:
            while held.change.step not in SETTLED:
                until = now_ms() + int(LEASE_S * 1_000) - _MARGIN_MS
                bounded = msgspec.structs.replace(held, call=held.call.until(until))
                step = self._steps[held.change.kind, held.change.step]
                held = msgspec.structs.replace(await step(bounded), call=held.call)
        except _LeaseLost:
            pass
        except (KokoaError, Declined) as failed:
            refusal = failed.refusal if isinstance(failed, Declined) else failed
            detail = failed.detail if isinstance(failed, KokoaError) else ""
            said = f"{refusal.code}: {refusal.message} {detail}".replace("\x00", "")[:500]
            wait_s = back_off_s(held.change.attempts)
            await self._store.leave(environment_id, held.change.id, held.lease, wait_s, said)
        return await self._store.change(environment_id, held.change.id) or held.change

    async def _let_leave(self, held: _Held) -> _Held:
        change, order = held.change, held.order
        wanted = stock_of(order, change.lines)
        try:
            if wanted:
                await self._others.let_leave(order.id, wanted, change.id, held.call)
        except Declined as declined:
            refused = advanced(change, "REFUSED", refusal=declined.refusal)
            return await self._advance(held, refused, "FULFILLMENT_REFUSED", declined.refusal.message[:TEXT_MAX])
        reached("fulfilment.left")
        return await self._advance(held, advanced(change, "LEFT"))

    async def _price(self, held: _Held) -> _Held:
        """What is captured is written down before it is asked for."""
        change, order = held.change, held.order
        amount = 0
        if order.payment_id is not None:
            amount = to_capture(after(order, change), await self._others.money(order.payment_id, held.call))
        reached("fulfilment.priced")
        if not amount:
            return await self._finish(held, advanced(change, "PENDING", captured_minor=0))
        return await self._advance(held, advanced(change, "CAPTURING", captured_minor=amount))

    async def _capture(self, held: _Held) -> _Held:
        change, payment_id = held.change, held.order.payment_id
        assert payment_id is not None, "without a payment nothing is captured"
        assert change.captured_minor is not None, "CAPTURING says how much"
        captured = await self._others.capture(payment_id, change.captured_minor, change.id, held.call)
        reached("fulfilment.captured")
        return await self._finish(
            held, advanced(change, "PENDING", captured_minor=change.captured_minor if captured else 0)
        )

    async def _give_stock_back(self, held: _Held) -> _Held:
        await self._others.give_back(held.order.id, held.call)
        reached("cancellation.released")
        return await self._advance(held, advanced(held.change, "RELEASED"))

    async def _give_money_back(self, held: _Held) -> _Held:
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

    async def _advance(self, held: _Held, to: Change, happened: str = "", note: str | None = None) -> _Held:
        async with self._database.transaction(held.call.environment_id) as tx:
            if not await put_change(tx, to, held.lease):
                raise _LeaseLost
            if happened:
                await write_history(tx, to.order_id, happened, to.actor, to.id, note)
        return msgspec.structs.replace(held, change=to)

    async def _finish(self, held: _Held, to: Change) -> _Held:
        """The order as it is now, what is told of it, and its history."""
        async with self._database.transaction(held.call.environment_id) as tx:
            found = await lock_order(tx, to.order_id)
            if found is None or not await put_change(tx, to, held.lease):
                raise _LeaseLost
            order = after(found[0], to)
            await put_order(tx, order)
            fulfils = to.kind == "FULFIL"
            kind = "FULFILLMENT_CREATED" if fulfils else "CANCELLED"
            await write_history(tx, order.id, kind, to.actor, to.id if fulfils else None, to.reason)
            await tx.emit(*_told(order, to), correlation_id=held.call.correlation_id)
        return msgspec.structs.replace(held, change=to, order=order)


def _is_of(order: Order, who: Who) -> bool:
    return who.customer_id is not None and order.customer_id == who.customer_id


async def _known(tx: Transaction, key: str, fingerprint: bytes) -> Change | None:
    """What the key has made before. Raises IdempotencyKeyReused."""
    row = await tx.fetchrow(queries.change_by_key, key)
    if row is None:
        return None
    if row["fingerprint"] != fingerprint:
        raise IdempotencyKeyReused(
            "Another change of an order has this idempotency key. Take a fresh key for each request."
        )
    return change_of(row)


async def _require_free(tx: Transaction, order: Order, is_placed: bool, version: int | None) -> None:
    """Raises OrderBusy, OrderChanged, InvalidFulfillment."""
    row = await tx.fetchrow(queries.changes_of_order, order.id)
    assert row is not None
    if row["open"] or not is_placed:
        raise OrderBusy("Another change of the order is being done. Nothing was changed; ask again in some seconds.")
    if row["number"] >= CHANGES_MAX:
        raise InvalidFulfillment(f"An order has at most {CHANGES_MAX} changes.", field="orderId")
    if version is not None and version != order.version:
        raise OrderChanged(f"The order has version {order.version}, not {version}. Read it again.")


async def _write(
    tx: Transaction, wanted: Wanted, lines: Mapping[str, int], key: str, lease: str, actor: str
) -> Change:
    row = await tx.fetchrow(
        queries.insert_change,
        new_id(),
        wanted.order_id,
        wanted.kind,
        key,
        fingerprint_of(wanted),
        msgspec.json.encode(lines).decode(),
        wanted.reason,
        wanted.carrier,
        wanted.tracking_number,
        lease,
        LEASE_S,
        actor,
    )
    if row is None:
        # Asked for at the same moment for another order.
        raise IdempotencyKeyReused("Another order had this idempotency key. Take a fresh key for each request.")
    return change_of(row)


def _told(order: Order, change: Change) -> Sequence[Event]:
    number = str(order.number)
    if change.kind == "CANCEL":
        return [events.OrderCancelled(order_id=order.id, number=number, reason=change.reason)]
    created = events.FulfillmentCreated(
        order_id=order.id, fulfillment_id=change.id, captured_minor=change.captured_minor or 0
    )
    if order.state != "FULFILLED":
        return [created]
    return [created, events.OrderFulfilled(order_id=order.id, number=number)]
