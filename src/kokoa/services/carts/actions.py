"""What is done to carts; one function a mutation, one transaction, its events. The graph is asked before it."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from kokoa.kernel.call import Call
from kokoa.kernel.clock import now_ms, to_datetime
from kokoa.kernel.errors import KokoaError
from kokoa.kernel.ids import new_id, new_ids
from kokoa.postgres import Database, Event, Transaction
from kokoa.postgres.answers import Keeping, answered_once, keeping, require_key
from kokoa.services.carts import events
from kokoa.services.carts.errors import CartCurrencyDiffers, CartNotFound
from kokoa.services.carts.model import (
    Cart,
    Key,
    Lifetimes,
    Line,
    Who,
    as_of,
    frozen,
    merged,
    new_cart,
    ordered,
    released,
    require_active,
    require_lines_of,
    require_version,
    touched,
    with_added,
    with_code,
    with_lines,
    with_quantities,
    without_code,
)
from kokoa.services.carts.opening.actions import OPERATION, begin, created, request_of
from kokoa.services.carts.opening.model import opening_of
from kokoa.services.carts.pricing.graph import CartPrices, variants_of
from kokoa.services.carts.pricing.model import Offers, Wanted, new_line, priced, require_enough
from kokoa.services.carts.store import CartStore, insert, lock, put, queries

SWEPT_MAX = 200

_Plan = Callable[[Cart, datetime], Cart]
_Told = Callable[[Cart], Event]
_NOTHING_KEPT = Keeping("", None, b"", b"")

_PLATFORM = Who(management=True)


class Changed(msgspec.Struct, frozen=True):
    """A cart after a mutation.  offers: what the graph showed for it, where it was asked."""

    cart: Cart
    offers: Offers | None = None


class CartActions:
    """Changes of one environment each, which is the call's. who and key: whoever asks, and the cart they name."""

    def __init__(self, database: Database, store: CartStore, prices: CartPrices, lifetimes: Lifetimes) -> None:
        self._database = database
        self._store = store
        self._prices = prices
        self._lifetimes = lifetimes

    async def create(
        self, currency: str, details: Mapping[str, Any], idempotency_key: str | None, call: Call
    ) -> tuple[Cart, str | None]:
        """A new cart, and the token that opens it; a customer's has none, and is theirs again if they have one.

        details: customer_id, email, locale, channel. Raises InvalidIdempotencyKey, InvalidCart, IdempotencyKeyReused,
        CartCurrencyDiffers, CartNotFound, and with a channel what the graph raises.
        """
        opening = opening_of(call.environment_id, idempotency_key)
        cart = new_cart(new_id(), currency, _now(), self._lifetimes, **details)
        if cart.channel is not None:
            await self._prices.require_channel(cart.channel, call)
        if cart.customer_id is None:
            return await begin(self._database, self._store, cart, opening, call), opening.token
        once = _Once(f"{OPERATION} {cart.customer_id}", opening.kept_key, request_of(cart))
        return await self._create_for(cart.customer_id, cart, once, call), None

    async def _create_for(self, customer_id: str, cart: Cart, once: "_Once", call: Call) -> Cart:
        done: list[Cart] = []

        async def work(tx: Transaction) -> str:
            known = await self._in_use(tx, customer_id, cart.created_at, call)
            if known is None:
                await insert(tx, cart, None)
                await tx.emit(created(cart), correlation_id=call.correlation_id)
            else:
                _require_currency(known, cart.currency)
            done.append(known or cart)
            return done[0].id

        async with self._database.transaction(call.environment_id) as tx:
            made = await answered_once(tx, once.operation, once.key, once.request, work, str)
        return done[0] if done else as_of(await self._seen(Who(customer_id=customer_id), Key(id=made), call), _now())

    async def add(
        self,
        who: Who,
        key: Key,
        wanted: Sequence[Wanted],
        version: int | None,
        idempotency_key: str | None,
        call: Call,
    ) -> Changed:
        """Put so many of each variant in, all of them or none.

        Raises CartNotFound, CartChanged, CartFrozen, CartClosed, CartFull, InvalidCartLine, VariantNotForSale,
        VariantWithoutPrice, NotEnoughForCart, and what the graph raises.
        """
        seen = self._store.recent.find(call.environment_id, who, key) or await self._seen(who, key, call)
        ids = [one.variant_id for one in wanted if one.variant_id is not None]
        skus = [one.sku for one in wanted if one.variant_id is None and one.sku is not None]
        offers = await self._prices.offers(seen, ids, skus, call)

        def plan(cart: Cart, now: datetime) -> Cart:
            named = zip(new_ids(len(wanted)), wanted, strict=True)
            lines = [new_line(line_id, one, offers, now) for line_id, one in named]
            after = with_added(cart, lines)
            fields = {line.variant_id: one.field for line, one in zip(lines, wanted, strict=True) if line.variant_id}
            require_enough(after, fields, offers)
            return after

        request = (seen.id, version, [(one.variant_id, one.sku, one.quantity) for one in wanted])
        once = _Once("addCartLines", idempotency_key, request)
        return Changed(await self._once(once, seen, who, key, version, plan, call), offers)

    async def add_custom(
        self, key: Key, line: Line, version: int | None, idempotency_key: str | None, call: Call
    ) -> Changed:
        """Put in what the catalogue does not have, at a price that management names.  line: of any id.

        Raises CartNotFound, CartChanged, CartFrozen, CartClosed, CartFull.
        """
        seen = await self._seen(_PLATFORM, key, call)

        def plan(cart: Cart, now: datetime) -> Cart:
            return with_added(cart, [msgspec.structs.replace(line, id=new_id(), priced_at=now)])

        what = line.sku, line.name, line.quantity, line.unit_price_minor, line.weight_grams
        request = (seen.id, version, what)
        once = _Once("addCustomCartLine", idempotency_key, request)
        return Changed(await self._once(once, seen, _PLATFORM, key, version, plan, call))

    async def change(
        self,
        who: Who,
        key: Key,
        quantities: Mapping[str, int],
        fields: Sequence[str],
        version: int | None,
        call: Call,
    ) -> Changed:
        """How many there are to be of lines; 0 removes one. Where there are to be more, the graph is asked first.

        quantities: by line, in the order of fields. Raises CartNotFound, CartLineNotFound, CartChanged, CartFrozen,
        CartClosed, CartFull, VariantNotForSale, VariantWithoutPrice, NotEnoughForCart, and what the graph raises.
        """
        seen = await self._seen(who, key, call)
        grow = [line for line in seen.lines if quantities.get(line.id, 0) > line.quantity]
        asked = variants_of(grow)
        offers = await self._prices.offers(seen, asked, [], call) if asked else None
        field_of = dict(zip(quantities, fields, strict=True))

        def plan(cart: Cart, now: datetime) -> Cart:
            require_lines_of(cart, quantities)
            after = with_quantities(cart, quantities)
            if offers is None:
                return after
            lines = tuple(
                priced(line, offers, now, field_of[line.id]) if line.variant_id in asked else line
                for line in after.lines
            )
            require_enough(after, {line.variant_id: field_of[line.id] for line in grow if line.variant_id}, offers)
            return with_lines(after, lines)

        after = await self._change(who, _same(key, seen), version, plan, _lines_changed, call)
        return Changed(after, offers)

    async def remove(self, who: Who, key: Key, line_ids: Sequence[str], version: int | None, call: Call) -> Changed:
        """Raises CartNotFound, CartLineNotFound, CartChanged, CartFrozen, CartClosed."""

        def plan(cart: Cart, _: datetime) -> Cart:
            return with_quantities(cart, dict.fromkeys(line_ids, 0))

        return Changed(await self._change(who, key, version, plan, _lines_changed, call))

    async def set_details(
        self, who: Who, key: Key, details: Mapping[str, Any], version: int | None, call: Call
    ) -> Changed:
        """details: email, note, shipping_address, billing_address, shipping_method; what is missing stays.

        Raises CartNotFound, CartChanged, CartFrozen, CartClosed.
        """

        def plan(cart: Cart, _: datetime) -> Cart:
            return msgspec.structs.replace(cart, **details)

        return Changed(await self._change(who, key, version, plan, _details_changed, call))

    async def add_code(self, who: Who, key: Key, code: str, version: int | None, call: Call) -> Changed:
        """Raises InvalidCart, CartNotFound, CartChanged, CartFrozen, CartClosed."""

        def plan(cart: Cart, _: datetime) -> Cart:
            return with_code(cart, code)

        return Changed(await self._change(who, key, version, plan, _details_changed, call))

    async def remove_code(self, who: Who, key: Key, code: str, version: int | None, call: Call) -> Changed:
        """Raises CartNotFound, CartChanged, CartFrozen, CartClosed."""

        def plan(cart: Cart, _: datetime) -> Cart:
            return without_code(cart, code)

        return Changed(await self._change(who, key, version, plan, _details_changed, call))

    async def merge(self, customer_id: str, token: str, call: Call) -> Changed:
        """What was put in before signing in is the customer's. Again is no error.

        Raises CartNotFound, CartFrozen, CartClosed, CartFull, CartCurrencyDiffers.
        """
        now, who, key = _now(), Who(customer_id=customer_id), Key(token=token)
        async with self._database.transaction(call.environment_id) as tx:
            mine = await self._in_use(tx, customer_id, now, call)
            # Anybody who has the token sees an anonymous cart; one that is a customer's, they alone.
            found = await lock(tx, who, key)
            if found is None:
                raise CartNotFound("There is no cart with this token, or it is another customer's.")
            cart = as_of(found, now)
            if cart.customer_id is not None:
                into = cart if cart.merged_into is None else await lock(tx, who, Key(id=cart.merged_into))
                return Changed(mine or as_of(into or cart, now))
            require_active(cart)
            return Changed(await self._merge(tx, cart, mine, customer_id, now, call))

    async def _merge(
        self, tx: Transaction, cart: Cart, mine: Cart | None, customer_id: str, now: datetime, call: Call
    ) -> Cart:
        def told(after: Cart) -> Event:
            return events.CartMerged(cart_id=cart.id, into=after.merged_into or after.id, customer_id=customer_id)

        if mine is None:
            return await self._put(tx, msgspec.structs.replace(cart, customer_id=customer_id), now, call, told)
        require_active(mine)
        _require_currency(mine, cart.currency)
        after, gone = merged(mine, cart)
        await self._put(tx, gone, now, call, told)
        return await self._put(tx, after, now, call, _lines_changed)

    async def freeze(
        self, who: Who, key: Key, freeze_key: str, seconds: int, version: int | None, call: Call
    ) -> Changed:
        """Keep a cart as it is while an order is made of it; again with the same key for longer.

        Raises InvalidCart, CartNotFound, CartChanged, CartFrozen, CartClosed.
        """

        def plan(cart: Cart, now: datetime) -> Cart:
            if cart.freeze_key != freeze_key:
                require_version(cart, version)
            return frozen(cart, freeze_key, seconds, now)

        def told(cart: Cart) -> Event:
            until = cart.frozen_until.isoformat() if cart.frozen_until else ""
            return events.CartFrozen(cart_id=cart.id, version=cart.version, until=until)

        return Changed(await self._change(who, key, None, plan, told, call, in_use=False))

    async def release(self, cart_id: str, freeze_key: str, call: Call) -> Changed:
        """Let a cart be changed again; one that is not frozen stays as it is.

        Raises InvalidCart, CartNotFound, CartFrozen, CartClosed.
        """

        def plan(cart: Cart, _: datetime) -> Cart:
            return released(cart, freeze_key)

        def told(cart: Cart) -> Event:
            return events.CartReleased(cart_id=cart.id, version=cart.version)

        return Changed(await self._change(_PLATFORM, Key(id=cart_id), None, plan, told, call, in_use=False))

    async def mark_ordered(self, cart_id: str, freeze_key: str, order_id: str, call: Call) -> Changed:
        """For good. Again the same is no error.

        Raises InvalidCart, CartNotFound, CartNotFrozen, CartFrozen, CartClosed.
        """

        def plan(cart: Cart, _: datetime) -> Cart:
            return ordered(cart, freeze_key, order_id)

        def told(cart: Cart) -> Event:
            return events.CartOrdered(cart_id=cart.id, order_id=order_id)

        return Changed(await self._change(_PLATFORM, Key(id=cart_id), None, plan, told, call, in_use=False))

    async def sweep(self) -> int:
        """Thaw and expire what it is time for, a batch of all environments; how many."""
        now = _now()
        return sum([await self._sweep(*one, now) for one in await self._store.overdue(now, SWEPT_MAX)])

    async def _sweep(self, environment_id: str, cart_id: str, now: datetime) -> bool:
        async with self._database.transaction(environment_id) as tx:
            before = await lock(tx, _PLATFORM, Key(id=cart_id))
            after = None if before is None else as_of(before, now)
            if before is None or after is None or after == before:
                return False
            await self._passed(tx, before, after, now, "")
        return True

    async def _passed(self, tx: Transaction, before: Cart, after: Cart, now: datetime, correlation_id: str) -> Cart:
        """Write down what time did to a cart; it is at the same version, for nobody changed it."""
        after = msgspec.structs.replace(after, changed_at=now)
        told = [_thawed(after)] if before.state == "FROZEN" else []
        if after.state == "EXPIRED":
            told.append(events.CartExpired(cart_id=after.id, customer_id=after.customer_id))
        await put(tx, after)
        await tx.emit(*told, correlation_id=correlation_id)
        return after

    async def _in_use(self, tx: Transaction, customer_id: str, now: datetime, call: Call) -> Cart | None:
        """The cart that the customer fills; nobody makes them another until the transaction ends."""
        await tx.execute(queries.lock_customer, customer_id)
        found = await lock(tx, Who(customer_id=customer_id), Key())
        if found is None:
            return None
        cart = as_of(found, now)
        if cart != found:
            cart = await self._passed(tx, found, cart, now, call.correlation_id)
        return cart if cart.state != "EXPIRED" else None

    async def _seen(self, who: Who, key: Key, call: Call) -> Cart:
        """Before anybody is asked. Raises CartNotFound."""
        return _require_found(await self._store.find(call.environment_id, who, key))

    async def _once(
        self, once: "_Once", seen: Cart, who: Who, key: Key, version: int | None, plan: _Plan, call: Call
    ) -> Cart:
        """A request whose key was answered before changes nothing, and is answered with what is there."""
        # Keys are the cart's own, so that nobody else's is in the way.
        operation = f"{once.operation} {seen.id}"
        require_key(once.key)
        step = _Step(seen, ())
        with contextlib.suppress(KokoaError):  # it counts only if the key was not answered
            step = self._planned(seen, version, plan, _lines_changed)
        if step.told:
            keep = keeping(operation, once.key, once.request, step.after.version)
            if await self._at_once(seen, step, keep, call):
                return step.after
        done: list[Cart] = []

        async def work(tx: Transaction) -> int:
            done.append(await self._in(tx, who, _same(key, seen), version, plan, _lines_changed, call))
            return done[0].version

        async with self._database.transaction(call.environment_id) as tx:
            await answered_once(tx, operation, once.key, once.request, work, int)
        return done[0] if done else as_of(await self._seen(who, _same(key, seen), call), _now())

    async def _change(
        self, who: Who, key: Key, version: int | None, plan: _Plan, told: _Told, call: Call, *, in_use: bool = True
    ) -> Cart:
        """In one statement when nobody else changes the cart meanwhile; else in turn."""
        recent = self._store.recent.find(call.environment_id, who, key)
        if recent is not None:
            step = _Step(recent, ())
            with contextlib.suppress(KokoaError):  # it counts only of what is there now
                step = self._planned(recent, version, plan, told, in_use=in_use)
            if step.told and await self._at_once(recent, step, _NOTHING_KEPT, call):
                return step.after
        seen = await self._seen(who, key, call)
        step = self._planned(seen, version, plan, told, in_use=in_use)
        if not step.told:
            return step.after
        if await self._at_once(seen, step, _NOTHING_KEPT, call):
            return step.after
        async with self._database.transaction(call.environment_id) as tx:
            return await self._in(tx, who, _same(key, seen), version, plan, told, call, in_use=in_use)

    async def _at_once(self, seen: Cart, step: "_Step", keep: Keeping, call: Call) -> bool:
        """False when the cart is not what was seen any more, or the key was answered."""
        told = [event(step.after) for event in step.told]
        return await self._store.change(call.environment_id, seen, step.after, keep, told, call.correlation_id)

    def _planned(
        self, before: Cart, version: int | None, plan: _Plan, told: _Told, *, in_use: bool = True
    ) -> "_Step":
        """What becomes of a cart; in_use: only one that somebody may fill is changed.

        told: the event, if the plan changes anything.
        """
        now = _now()
        cart = as_of(before, now)
        if in_use:
            require_active(cart)
        require_version(cart, version)
        after = plan(cart, now)
        if after == cart:
            return _Step(cart, ())
        thawed = [_thawed] if before.state == "FROZEN" and cart.state != "FROZEN" else []
        return _Step(touched(after, now, self._lifetimes), (*thawed, told))

    async def _in(
        self,
        tx: Transaction,
        who: Who,
        key: Key,
        version: int | None,
        plan: _Plan,
        told: _Told,
        call: Call,
        *,
        in_use: bool = True,
    ) -> Cart:
        """Nobody else changes the cart until the transaction ends."""
        step = self._planned(_require_found(await lock(tx, who, key)), version, plan, told, in_use=in_use)
        if step.told:
            await put(tx, step.after)
            await tx.emit(*(event(step.after) for event in step.told), correlation_id=call.correlation_id)
        return step.after

    async def _put(self, tx: Transaction, cart: Cart, now: datetime, call: Call, *told: _Told) -> Cart:
        after = touched(cart, now, self._lifetimes)
        await put(tx, after)
        await tx.emit(*(event(after) for event in told), correlation_id=call.correlation_id)
        return after


class _Step(NamedTuple):
    """A cart as it is to be, and what is told of that: nothing when it stays as it is."""

    after: Cart
    told: tuple[_Told, ...]


class _Once(msgspec.Struct, frozen=True):
    """A request that may come twice.  key: its idempotency key, if it has one."""

    operation: str
    key: str | None
    request: Any


def _now() -> datetime:
    return to_datetime(now_ms())


def _same(key: Key, cart: Cart) -> Key:
    """The cart that was found by the key, and no other that has come in its place."""
    return Key(id=cart.id, token=key.token)


def _require_found(cart: Cart | None) -> Cart:
    if cart is None:
        raise CartNotFound("There is no such cart, or it is not yours.")
    return cart


def _require_currency(cart: Cart, currency: str) -> None:
    if cart.currency != currency:
        raise CartCurrencyDiffers(f"The customer has a cart in {cart.currency} already, not in {currency}.")


def _lines_changed(cart: Cart) -> Event:
    return events.CartLinesChanged(cart_id=cart.id, version=cart.version)


def _details_changed(cart: Cart) -> Event:
    return events.CartDetailsChanged(cart_id=cart.id, version=cart.version)


def _thawed(cart: Cart) -> Event:
    return events.CartReleased(cart_id=cart.id, version=cart.version, thawed=True)
