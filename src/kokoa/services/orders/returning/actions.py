"""What is done to returns and refunds. Receptions and refunds are changes of an order: see fulfilling/running.py."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from kokoa.kernel.call import Call
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, Event, Transaction
from kokoa.postgres.answers import require_key
from kokoa.processes.steps import reached
from kokoa.services.orders import events
from kokoa.services.orders.errors import InvalidReturn, OrderNotFound, ReturnNotFound
from kokoa.services.orders.fulfilling.model import Change, Kind, advanced, fingerprint_of
from kokoa.services.orders.fulfilling.running import Held, LeaseLost, Running, require_free
from kokoa.services.orders.fulfilling.store import (
    insert_change,
    known_change,
    lock_order,
    put_change,
    put_order,
    touch_order,
    write_history,
)
from kokoa.services.orders.model import LEASE_S, Order, Refusal, Who
from kokoa.services.orders.placing.graph import as_service
from kokoa.services.orders.returning.graph import Desk
from kokoa.services.orders.returning.model import (
    TEXT_MAX,
    Giving,
    ReceivedLine,
    Return,
    ReturnLine,
    cancelled,
    locations_of,
    order_received,
    order_refunded,
    quantities_of,
    received,
    rejected,
    require_goodwill,
    require_reception,
    require_request,
    require_return_refund,
    require_returnable,
    require_text,
    require_version,
    return_refunded,
    stock_of,
    to_refund_of,
)
from kokoa.services.orders.returning.store import (
    ReturnStore,
    given_by,
    insert_return,
    known_return,
    put_return,
    received_by,
    return_in,
    returns_in,
)

KINDS: tuple[Kind, ...] = ("RECEIVE", "REFUND")

_MANAGEMENT = Who(management=True)


class _Asked(msgspec.Struct, frozen=True):
    """A change that somebody asks for once."""

    kind: Kind
    key: str
    fingerprint: bytes
    actor: str
    return_id: str | None = None
    reason: str | None = None


class _Plan(msgspec.Struct, frozen=True):
    """What it is about: quantities by line, and what is written down of its kind."""

    lines: Mapping[str, int]
    detail: bytes


class ReturnActions:
    """Changes of one environment each."""

    def __init__(self, database: Database, store: ReturnStore, running: Running, others: Desk) -> None:
        self._database = database
        self._store = store
        self._running = running
        self._others = others
        running.does({("RECEIVE", "WRITTEN"): self._put_back, ("REFUND", "WRITTEN"): self._pay_back})

    async def request(
        self,
        order_id: str,
        lines: Sequence[ReturnLine],
        note: str | None,
        key: str,
        who: Who,
        actor: str,
        call: Call,
    ) -> Return:
        """Something of an order is to come back. The same key again: as it is.

        Raises InvalidIdempotencyKey, IdempotencyKeyReused, InvalidReturn, OrderNotFound.
        """
        require_key(key)
        require_request(lines, note)
        fingerprint = fingerprint_of(order_id, lines, note)
        async with self._database.transaction(call.environment_id) as tx:
            order, _ = await _locked(tx, order_id, who)
            known = await known_return(tx, key, fingerprint)
            if known is not None:
                return known
            require_returnable(order, await returns_in(tx, order_id), lines)
            made = await insert_return(tx, order_id, lines, note, key, fingerprint, actor)
            told = events.ReturnRequested(order_id=order_id, return_id=made.id)
            await _write_down(tx, made, "RETURN_REQUESTED", actor, note, told, call)
        return made

    async def receive(
        self, return_id: str, version: int | None, lines: Sequence[ReceivedLine], key: str, actor: str, call: Call
    ) -> Change:
        """Something of it came back, as far as that goes now. The same key again: as it is.

        version: of the return; None for any.
        Raises InvalidIdempotencyKey, IdempotencyKeyReused, ReturnNotFound, ReturnChanged, ReturnStateDiffers,
        InvalidReturn, OrderBusy.
        """
        require_key(key)
        await self._require_locations(lines, call)
        asked = _Asked("RECEIVE", key, fingerprint_of("RECEIVE", return_id, version, lines), actor, return_id)

        async def plan(tx: Transaction, _: Order) -> _Plan:
            found = await return_in(tx, return_id)
            require_version(found, version)
            require_reception(found, lines)
            return _Plan(quantities_of(lines), msgspec.json.encode(lines))

        return await self._begin((await self._find(return_id, call)).order_id, asked, plan, call)

    async def cancel(
        self, return_id: str, version: int | None, reason: str | None, who: Who, actor: str, call: Call
    ) -> Return:
        """What did not come back of it will not; again is no error.

        Raises InvalidReturn, ReturnNotFound, ReturnChanged, ReturnStateDiffers, OrderBusy.
        """
        require_text(reason, "reason")

        def end(found: Return) -> tuple[Return, Event]:
            told = events.ReturnCancelled(order_id=found.order_id, return_id=found.id, reason=reason)
            return cancelled(found, reason, who), told

        return await self._end(return_id, version, "CANCELLED", end, who, actor, call)

    async def reject(self, return_id: str, version: int | None, reason: str, actor: str, call: Call) -> Return:
        """It is not accepted; again is no error.

        Raises InvalidReturn, ReturnNotFound, ReturnChanged, ReturnStateDiffers, OrderBusy.
        """
        require_text(reason, "reason")

        def end(found: Return) -> tuple[Return, Event]:
            told = events.ReturnRejected(order_id=found.order_id, return_id=found.id, reason=reason)
            return rejected(found, reason), told

        return await self._end(return_id, version, "REJECTED", end, _MANAGEMENT, actor, call)

    async def refund_return(
        self, return_id: str, fee_minor: int, shipping_minor: int, key: str, actor: str, call: Call
    ) -> Change:
        """Give back what came back is worth and is not given back yet, without a fee, with some of delivery.

        Raises InvalidIdempotencyKey, IdempotencyKeyReused, ReturnNotFound, InvalidRefund, OrderBusy.
        """
        require_key(key)
        fingerprint = fingerprint_of("REFUND", return_id, fee_minor, shipping_minor)
        asked = _Asked("REFUND", key, fingerprint, actor, return_id)

        async def plan(tx: Transaction, order: Order) -> _Plan:
            found = await return_in(tx, return_id)
            giving = require_return_refund(order, found, fee_minor, shipping_minor)
            return _Plan(to_refund_of(found), msgspec.json.encode(giving))

        return await self._begin((await self._find(return_id, call)).order_id, asked, plan, call)

    async def refund_order(
        self, order_id: str, amount_minor: int, reason: str, key: str, actor: str, call: Call
    ) -> Change:
        """Give something back for goodwill. The same key again: as it is.

        Raises InvalidIdempotencyKey, IdempotencyKeyReused, OrderNotFound, InvalidRefund, InvalidReturn, OrderBusy.
        """
        require_key(key)
        giving = require_goodwill(amount_minor, reason)
        asked = _Asked("REFUND", key, fingerprint_of("REFUND", order_id, amount_minor, reason), actor, reason=reason)

        async def plan(_tx: Transaction, _: Order) -> _Plan:
            return _Plan({}, msgspec.json.encode(giving))

        return await self._begin(order_id, asked, plan, call)

    async def _begin(
        self, order_id: str, asked: _Asked, plan: Callable[[Transaction, Order], Awaitable[_Plan]], call: Call
    ) -> Change:
        """A change of an order, as far as it goes now; the one that the key has made before, as it is."""
        lease = new_id()
        async with self._database.transaction(call.environment_id) as tx:
            order, is_placed = await _locked(tx, order_id)
            known = await known_change(tx, asked.key, asked.fingerprint)
            if known is not None:
                return known
            await require_free(tx, order, is_placed, None, KINDS)
            planned = await plan(tx, order)
            change = await insert_change(
                tx,
                order_id,
                asked.kind,
                planned.lines,
                asked.key,
                asked.fingerprint,
                lease,
                asked.actor,
                reason=asked.reason,
                return_id=asked.return_id,
                detail=planned.detail,
            )
        return await self._running.begin(change, order, lease, call)

    async def _find(self, return_id: str, call: Call) -> Return:
        found = await self._store.find(call.environment_id, return_id)
        if found is None:
            raise ReturnNotFound("There is no such return.")
        return found

    async def _require_locations(self, lines: Sequence[ReceivedLine], call: Call) -> None:
        """Raises InvalidReturn, which names the line."""
        wanted = locations_of(lines)
        if not wanted:
            return
        known = await self._others.locations(as_service(call, now_ms() + int(LEASE_S * 1_000)))
        for key, index in wanted.items():
            if key not in known:
                raise InvalidReturn(f"There is no location {key[:64]!r}.", field=f"lines.{index}.locationKey")

    async def _end(
        self,
        return_id: str,
        version: int | None,
        to: str,
        end: Callable[[Return], tuple[Return, Event]],
        who: Who,
        actor: str,
        call: Call,
    ) -> Return:
        order_id = (await self._find(return_id, call)).order_id
        async with self._database.transaction(call.environment_id) as tx:
            try:
                order, is_placed = await _locked(tx, order_id, who)
            except OrderNotFound:
                raise ReturnNotFound("There is no such return, or it is not yours.") from None
            found = await return_in(tx, return_id)
            if found.state == to:
                return found
            await require_free(tx, order, is_placed, None, ())
            require_version(found, version)
            after, told = end(found)
            await put_return(tx, after)
            await _write_down(tx, after, f"RETURN_{to}", actor, after.reason, told, call)
        return after

    async def _put_back(self, held: Held) -> Held:
        """Stock first, each article at each place with a key of its own; then all that is written down of it."""
        change = held.change
        assert change.return_id is not None, "a reception is of a return"
        lines = received_by(change)
        for index, ((sku, location), quantity) in enumerate(stock_of(held.order, lines).items()):
            once = f"{change.id}/{index}"
            await self._others.restock(sku, location, quantity, change.return_id, once, held.call)
        reached("reception.restocked")
        to = advanced(change, "DONE")
        async with self._database.transaction(held.call.environment_id) as tx:
            locked = await lock_order(tx, change.order_id)
            if locked is None or not await put_change(tx, to, held.lease):
                raise LeaseLost
            order = order_received(locked[0], change.lines)
            await put_order(tx, order)
            after = received(await return_in(tx, change.return_id), lines)
            await put_return(tx, after)
            await write_history(tx, order.id, "RETURN_RECEIVED", change.actor, return_id=after.id)
            complete = after.state == "RECEIVED"
            told = events.ReturnReceived(order_id=order.id, return_id=after.id, complete=complete)
            await tx.emit(told, correlation_id=held.call.correlation_id)
        return msgspec.structs.replace(held, change=to, order=order)

    async def _pay_back(self, held: Held) -> Held:
        change, giving = held.change, given_by(held.change)
        refusal = None
        if giving.amount_minor:
            refusal = await self._asked_back(held, giving)
        reached("refund.given")
        if refusal is not None:
            refused = advanced(change, "REFUSED", refusal=refusal)
            return await self._running.advance(held, refused, "REFUND_REFUSED", refusal.message[:TEXT_MAX])
        to = advanced(change, "DONE")
        async with self._database.transaction(held.call.environment_id) as tx:
            locked = await lock_order(tx, change.order_id)
            if locked is None or not await put_change(tx, to, held.lease):
                raise LeaseLost
            order = order_refunded(locked[0], giving, change.lines)
            await put_order(tx, order)
            if change.return_id is not None:
                await put_return(tx, return_refunded(await return_in(tx, change.return_id), change.lines))
            await write_history(
                tx, order.id, "REFUNDED", change.actor, note=change.reason, return_id=change.return_id
            )
            await tx.emit(_refunded(order, change, giving), correlation_id=held.call.correlation_id)
        return msgspec.structs.replace(held, change=to, order=order)

    async def _asked_back(self, held: Held, giving: Giving) -> Refusal | None:
        """Why it is not given back, if so."""
        payment_id = held.order.payment_id
        if payment_id is None:
            return Refusal("MORE_THAN_CHARGED", "The order has no payment: there is nothing to give back.")
        return await self._others.pay_back(payment_id, giving.amount_minor, held.change.id, held.call)


async def _locked(tx: Transaction, order_id: str, who: Who = _MANAGEMENT) -> tuple[Order, bool]:
    """An order that nobody else changes until the end, and whether it is placed. Raises OrderNotFound."""
    found = await lock_order(tx, order_id)
    theirs = found is not None and who.customer_id is not None and found[0].customer_id == who.customer_id
    if found is None or not (who.management or theirs):
        raise OrderNotFound("There is no such order, or it is not yours.")
    return found


async def _write_down(
    tx: Transaction, found: Return, kind: str, actor: str, note: str | None, told: Event, call: Call
) -> None:
    """What happened to a return, in its order's version, history and events."""
    await touch_order(tx, found.order_id)
    await write_history(tx, found.order_id, kind, actor, note=note, return_id=found.id)
    await tx.emit(told, correlation_id=call.correlation_id)


def _refunded(order: Order, change: Change, giving: Giving) -> events.OrderRefunded:
    return events.OrderRefunded(
        order_id=order.id,
        return_id=change.return_id,
        refund_id=change.id,
        amount_minor=giving.amount_minor,
        fee_minor=giving.fee_minor,
        currency=order.basket.currency,
    )
