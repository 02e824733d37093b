"""The steps from a cart to an order. Each is one call that has a key, or one transaction; then the row goes on.

Whoever holds a placement's lease does its steps; when they die, it ends after a while, and the sweeper goes on at
the step that the row names. A step that was done already answers as it did.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import asyncpg
import msgspec
import structlog

from kokoa.kernel.call import Call
from kokoa.kernel.clock import now_ms, to_datetime
from kokoa.kernel.errors import KokoaError
from kokoa.postgres import Database, Event
from kokoa.postgres.database import TO_FILL
from kokoa.processes.steps import reached
from kokoa.services.orders import events
from kokoa.services.orders.errors import OrderStepUnavailable
from kokoa.services.orders.fulfilling.model import TEXT_MAX
from kokoa.services.orders.fulfilling.store import write_history
from kokoa.services.orders.model import (
    ATTEMPTS_MAX,
    FINAL,
    FROZEN_FOR_SURE_S,
    LEASE_S,
    WAIT_MAX_S,
    WATCH_MAX_S,
    Basket,
    Order,
    Placement,
    Refusal,
    Request,
    Step,
    Who,
    advanced,
    back_off_s,
    basket_of,
    differs,
    may_refuse,
)
from kokoa.services.orders.placing.ending import Ending
from kokoa.services.orders.placing.graph import Declined, Shop
from kokoa.services.orders.store import OrderStore, put_placement

# A call ends this long before the lease, so that nobody else is at the same step.
_MARGIN_MS = 5_000
_ASK_AGAIN_S = 3.0
_WATCH_AGAIN_S = 30.0
# Each look may add two transactions to a payment, which has 200 at most; these are 83 looks in seven days.
_WATCHED_TIMES = 10
_UNAVAILABLE = Refusal("STORE_UNAVAILABLE", "A part of the store did not answer; nothing was ordered.")


_log = structlog.get_logger(__name__)


class Held(msgspec.Struct, frozen=True):
    """A placement that we work on.  lease: which says so.  call: of the service.

    reserved: whether we have just seen that its goods are its own for good.
    """

    placement: Placement
    lease: str
    call: Call
    reserved: bool = False

    def until_ms(self) -> int:
        """When a call that begins now has to end."""
        return now_ms() + int(LEASE_S * 1_000) - _MARGIN_MS


class Own(msgspec.Struct, frozen=True):
    """A cart of whoever orders it, and what it costs."""

    cart_id: str
    customer_id: str | None
    basket: Basket


class _Waits(Exception):
    """Nothing can be done before somebody else has done something."""

    def __init__(self, held: Held, wait_s: float) -> None:
        super().__init__()
        self.held = held
        self.wait_s = wait_s


class _LeaseLost(Exception):
    """Somebody else goes on with the placement."""


class Placing:
    """Does the steps."""

    def __init__(self, database: Database, store: OrderStore, shop: Shop, ending: Ending) -> None:
        self._database = database
        self._store = store
        self._shop = shop
        self._ending = ending
        self._steps: Mapping[Step, Callable[[Held], Awaitable[Held]]] = {
            "STARTED": self._price,
            "PRICED": self._secure,
            "PAYING": self._pay,
            "COMMITTED": self._close,
            "CLOSING": self._close,
            "REFUSING": self._take_back,
            "WATCHING": self._watch,
        }

    async def price_own(
        self, cart_id: str | None, token: str | None, who: Who, key: str, request: Request, call: Call
    ) -> Own | None:
        """A cart of theirs, frozen and priced before anything is written down: so it goes as a rule.

        None when it does not; whatever is in the way then, the steps find it as well, and say it.
        """
        if token is None and who.customer_id is None and not who.management:
            return None  # nothing says that it is theirs, and by its id alone anybody's would be frozen
        try:
            cart = await self._shop.freeze_own(cart_id, token, who.customer_id, key, call)
        except (Declined, KokoaError):
            return None
        basket = _priced(cart, request)
        return None if isinstance(basket, Refusal) else Own(cart["id"], cart["customerId"], basket)

    async def thaw(self, placement: Placement, own: Own, key: str, call: Call) -> None:
        """A cart that was frozen for a request whose key has a placement already, unless it is frozen for that."""
        if placement.cart_id == own.cart_id and placement.refusal is None:
            return
        try:
            await self._shop.release(own.cart_id, key, call)
        except KokoaError as error:
            _log.warning("cart_thaws_by_itself", cart=own.cart_id, error=error.message, detail=error.detail)

    async def run(self, held: Held) -> Placement:
        """As far as it goes now; what is left is due later. The placement as it is then."""
        try:
            while held.placement.step not in FINAL:
                held = await self._step(held)
            return held.placement
        except _Waits as waits:
            held = msgspec.structs.replace(waits.held, call=held.call)
            await self._store.leave(held.call.environment_id, held.placement, held.lease, waits.wait_s)
        except _LeaseLost:
            pass
        return await self._as_it_is(held)

    async def _step(self, held: Held) -> Held:
        """One step. What is refused for good, or was tried too often, is taken back."""
        bounded = msgspec.structs.replace(held, call=held.call.until(held.until_ms()))
        try:
            if may_refuse(held.placement) and held.placement.attempts > ATTEMPTS_MAX:
                return await self._refuse(held, _UNAVAILABLE)
            after = await self._steps[held.placement.step](bounded)
            return msgspec.structs.replace(after, call=held.call)
        except Declined as declined:
            if may_refuse(held.placement):
                return await self._refuse(held, declined.refusal)
            error = OrderStepUnavailable(declined.refusal.message, detail=declined.refusal.code)
            await self._give_up_for_now(held, error)
        except KokoaError as error:
            if may_refuse(held.placement) and held.placement.attempts >= ATTEMPTS_MAX:
                return await self._refuse(held, _UNAVAILABLE)
            await self._give_up_for_now(held, error)
        raise _LeaseLost

    async def _give_up_for_now(self, held: Held, error: KokoaError) -> None:
        said = f"{error.code}: {error.message} {error.detail}".replace("\x00", "")[:500]
        wait_s = back_off_s(held.placement.attempts)
        await self._store.leave(held.call.environment_id, held.placement, held.lease, wait_s, said)

    async def _price(self, held: Held) -> Held:
        """The cart is frozen first, so it is ordered at the prices that are kept."""
        placement = held.placement
        cart = await self._shop.freeze(placement.cart_id, placement.freeze_key, held.call)
        basket = _priced(cart, placement.request)
        if isinstance(basket, Refusal):
            return await self._refuse(held, basket)
        return await self._advance(held, advanced(placement, "PRICED", basket=basket))

    async def _secure(self, held: Held) -> Held:
        """All that is the order's alone from now on: goods, codes, and the money, if its promise needs no waiting."""
        placement, basket = held.placement, held.placement.priced()
        wanted = basket.wanted_stock()
        for_good = not wanted or await self._shop.reserve(placement.id, wanted, held.call)
        held = msgspec.structs.replace(held, reserved=for_good)
        reached("order.stock_reserved")
        await self._redeem(held)
        reached("order.codes_redeemed")
        if not basket.total_minor:
            return await self._commit(held)
        new = {
            "amountMinor": basket.total_minor,
            "currency": basket.currency,
            "provider": placement.request.provider,
            "customerId": placement.customer_id,
        }
        request = placement.request
        paid = await self._shop.pay(placement.id, new, request.method, request.return_url, held.call)
        reached("order.payment_created")
        if not paid.authorized:
            return await self._advance(held, advanced(placement, "PAYING", payment_id=paid.id))
        with_payment = msgspec.structs.replace(placement, payment_id=paid.id)
        return await self._authorized(msgspec.structs.replace(held, placement=with_payment))

    async def _redeem(self, held: Held) -> None:
        placement = held.placement
        for index, code in enumerate(placement.priced().codes):
            try:
                await self._shop.redeem(placement.id, code, placement.customer_id, held.call)
            except Declined as declined:
                raise Declined(msgspec.structs.replace(declined.refusal, field=f"cart.codes.{index}")) from None

    async def _pay(self, held: Held) -> Held:
        placement = held.placement
        assert placement.payment_id is not None, "PAYING has a payment"
        request = placement.request
        paid = await self._shop.authorize(placement.payment_id, request.method, request.return_url, held.call)
        if paid.authorized:
            return await self._authorized(held)
        if not paid.pending:
            refusal = Refusal("PAYMENT_DECLINED", "The payment was declined.", "paymentMethod")
            return await self._refuse(held, refusal)
        if _age_s(placement) > WAIT_MAX_S:
            refusal = Refusal("PAYMENT_NOT_FINISHED", "The payment was not finished in time.", "paymentMethod")
            return await self._refuse(held, refusal)
        await self._require_same_cart(held)
        waiting = msgspec.structs.replace(placement, action_url=paid.action_url)
        raise _Waits(msgspec.structs.replace(held, placement=waiting), _ASK_AGAIN_S)

    async def _authorized(self, held: Held) -> Held:
        reached("order.payment_authorized")
        return await self._commit(held)

    async def _commit(self, held: Held) -> Held:
        if _age_s(held.placement) > FROZEN_FOR_SURE_S:
            await self._require_same_cart(held)
            await self._require_goods(held)
        after = advanced(held.placement, "CLOSING" if held.reserved else "COMMITTED", action_url=None)
        try:
            order = await self._write_order(held, after)
        except asyncpg.UniqueViolationError:
            raise Declined(Refusal("CART_CLOSED", "The cart is ordered already.", "cartId")) from None
        reached("order.committed")
        return msgspec.structs.replace(held, placement=msgspec.structs.replace(after, order=order))

    async def _write_order(self, held: Held, after: Placement) -> Order:
        basket = after.priced()
        placed = events.OrderPlaced(
            order_id=after.id,
            number=TO_FILL,
            cart_id=after.cart_id,
            customer_id=after.customer_id,
            currency=basket.currency,
            total_minor=basket.total_minor,
        )
        call = held.call
        order = await self._store.commit(call.environment_id, after, held.lease, placed, call.correlation_id)
        if order is None:
            raise _LeaseLost
        return order

    async def _close(self, held: Held) -> Held:
        """The cart is ordered for good.

        One that thawed meanwhile is ordered nevertheless, unless somebody has put other things in. Goods that were
        given back meanwhile are not had by asking again: the order's history says so, and nothing of it can leave.
        """
        placement = held.placement
        gone = None if placement.step == "CLOSING" else await self._missing_goods(held)
        if not await self._mark_ordered(held):
            try:
                lines = await self._shop.freeze_again(placement.cart_id, placement.freeze_key, held.call)
                same = placement.priced().is_of(lines)
            except Declined:
                same = None
            if same:
                await self._mark_ordered(held)
            elif same is False:
                await self._shop.release(placement.cart_id, placement.freeze_key, held.call)
        reached("order.cart_closed")
        done = advanced(placement, "DONE")
        if placement.step != "CLOSING":
            return await self._advance(held, done, without_goods=gone)
        await self._ending.end(held.call.environment_id, placement.id, held.lease)
        return msgspec.structs.replace(held, placement=done)

    async def _mark_ordered(self, held: Held) -> bool:
        placement = held.placement
        return await self._shop.mark_ordered(placement.cart_id, placement.freeze_key, placement.id, held.call)

    async def _missing_goods(self, held: Held) -> Refusal | None:
        """Why the goods of an order are not there, if they are not; for whoever goes on with another's placement.

        They may be held for a time only, by a version of ours before decision 0112; then they are allocated.
        """
        try:
            if held.placement.priced().wanted_stock():
                await self._shop.allocate(held.placement.id, held.call)
        except Declined as declined:
            _log.error("order_without_goods", order=held.placement.id, error=declined.refusal.message)
            return declined.refusal
        return None

    async def _take_back(self, held: Held) -> Held:
        """What was done, the last thing first. What was not done is not there to be taken back."""
        placement = held.placement
        settled = await self._void(held)
        reached("refusal.payment_voided")
        for code in () if placement.basket is None else placement.basket.codes:
            await self._shop.unredeem(placement.id, code, held.call)
        reached("refusal.codes_released")
        await self._shop.give_back(placement.id, held.call)
        reached("refusal.stock_given_back")
        await self._shop.release(placement.cart_id, placement.freeze_key, held.call)
        assert placement.refusal is not None, "REFUSING says why"
        refused = events.OrderPlacementRefused(
            placement_id=placement.id, cart_id=placement.cart_id, code=placement.refusal.code
        )
        return await self._advance(held, advanced(placement, "REFUSED" if settled else "WATCHING"), refused)

    async def _watch(self, held: Held) -> Held:
        """An authorisation that comes late is given up, too. What is watched for long is looked at less often."""
        age_s = _age_s(held.placement)
        if age_s > WATCH_MAX_S or await self._void(held):
            return await self._advance(held, advanced(held.placement, "REFUSED"))
        raise _Waits(held, max(_WATCH_AGAIN_S, age_s / _WATCHED_TIMES))

    async def _void(self, held: Held) -> bool:
        """Give up what is authorised; whether nothing is left that could be."""
        settled = True
        for payment in await self._shop.payments(held.placement.id, held.call):
            if payment.voidable_minor and not payment.voiding:
                payment = await self._shop.void(payment, held.call)
            settled = settled and not (payment.pending or payment.voidable_minor or payment.voiding)
        return settled

    async def _require_same_cart(self, held: Held) -> None:
        """Frozen for ten minutes more, and as it was priced. Raises Declined."""
        placement = held.placement
        lines = await self._shop.freeze_again(placement.cart_id, placement.freeze_key, held.call)
        if not placement.priced().is_of(lines):
            raise Declined(Refusal("CART_CHANGED", "The cart was changed while it was being ordered.", "cartId"))

    async def _require_goods(self, held: Held) -> None:
        """Reserved still: a hold ends, too. Raises Declined."""
        wanted = held.placement.priced().wanted_stock()
        if wanted:
            await self._shop.reserve(held.placement.id, wanted, held.call)

    async def _refuse(self, held: Held, refusal: Refusal) -> Held:
        return await self._advance(held, advanced(held.placement, "REFUSING", refusal=refusal, action_url=None))

    async def _advance(
        self, held: Held, after: Placement, *told: Event, without_goods: Refusal | None = None
    ) -> Held:
        due_s = None if after.step in FINAL else LEASE_S
        if told or without_goods:
            async with self._database.transaction(held.call.environment_id) as tx:
                done = await put_placement(tx, held.placement, after, held.lease, due_s)
                if done and without_goods:
                    note = without_goods.message[:TEXT_MAX]
                    await write_history(tx, after.id, "GOODS_MISSING", "service:orders", note=note)
                if done and told:
                    await tx.emit(*told, correlation_id=held.call.correlation_id)
        else:
            done = await self._store.put(held.call.environment_id, held.placement, after, held.lease, due_s)
        if not done:
            raise _LeaseLost
        return msgspec.structs.replace(held, placement=after)

    async def _as_it_is(self, held: Held) -> Placement:
        found = await self._store.placement(held.call.environment_id, held.placement.id)
        return found or held.placement


def _priced(cart: Mapping[str, Any], request: Request) -> Basket | Refusal:
    """A cart that was just frozen, as it is ordered."""
    basket = basket_of(cart)
    refusal = basket if isinstance(basket, Refusal) else differs(basket, request.expected_total_minor)
    if refusal is None:
        reached("order.priced")
    return refusal or basket


def _age_s(placement: Placement) -> float:
    return (to_datetime(now_ms()) - placement.started_at).total_seconds()
