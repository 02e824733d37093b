"""What is done to orders: placing them, and going on with placements that were left half-way."""

import hashlib

import msgspec

from kokoa.kernel.call import Call
from kokoa.kernel.clock import now_ms, to_datetime
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.postgres import Database
from kokoa.postgres.answers import IdempotencyKeyReused, require_key
from kokoa.services.orders.errors import CartToOrderNotFound, PlacementNotFound
from kokoa.services.orders.fulfilling.running import SWEPT_MAX, SWEPT_OF_ONE_MAX, resume_each
from kokoa.services.orders.model import (
    LEASE_S,
    Placement,
    Request,
    Who,
    digest_of,
    fingerprint_of,
    is_visible,
)
from kokoa.services.orders.placing.actions import Held, Placing
from kokoa.services.orders.placing.ending import Ending
from kokoa.services.orders.placing.graph import Shop, as_service, own_call
from kokoa.services.orders.store import OrderStore

_CALL_MS = 600_000


class OrderActions:
    """Changes of one environment each."""

    def __init__(self, database: Database, store: OrderStore, shop: Shop, gather_s: float) -> None:
        self._store = store
        self._shop = shop
        self._ending = Ending(store, gather_s)
        self._placing = Placing(database, store, shop, self._ending)

    async def close(self) -> None:
        """Write down what was done, as long as there is a database."""
        await self._ending.close()

    async def place(
        self, cart_id: str | None, token: str | None, who: Who, request: Request, key: str, call: Call
    ) -> Placement:
        """Order a cart that the caller has. The same key again is answered with the placement as it is.

        Why it was not ordered the placement says; that is no error.
        Raises InvalidIdempotencyKey, IdempotencyKeyReused, CartToOrderNotFound, and what the graph raises.
        """
        require_key(key)
        begun, steps, freeze_key = to_datetime(now_ms()), _steps_of(call), _freeze_key(key)
        own = await self._placing.price_own(cart_id, token, who, freeze_key, request, steps)
        cart = (own.cart_id, own.customer_id) if own else await self._shop.own_cart(cart_id, token, call)
        if cart is None:
            raise CartToOrderNotFound("There is no such cart, or it is not yours.")
        found_id, customer_id = cart
        fingerprint = fingerprint_of(found_id, request)
        new = Placement(
            id=new_id(),
            step="PRICED" if own else "STARTED",
            cart_id=found_id,
            freeze_key=freeze_key,
            customer_id=customer_id,
            token_digest=None if token is None else digest_of(token),
            request=msgspec.structs.replace(request, session=call.session),
            basket=own.basket if own else None,
            payment_id=None,
            action_url=None,
            refusal=None,
            attempts=1,
            started_at=begun,
        )
        lease = new_id()
        if await self._store.start(call.environment_id, new, key, fingerprint, lease):
            return await self._placing.run(Held(new, lease, _steps_of(call)))
        known = await self._store.by_key(call.environment_id, key)
        assert known is not None, "the key is taken, and placements stay"
        if own:
            await self._placing.thaw(known[0], own, freeze_key, steps)
        if known[1] != fingerprint:
            raise IdempotencyKeyReused(
                "placeOrder had another request with this idempotency key. Take a fresh key for each request."
            )
        return known[0]

    async def go_on(self, placement_id: str, who: Who, token: str | None, call: Call) -> Placement:
        """Look whether a placement can go on, such as when the customer is back; as it is then.

        Raises PlacementNotFound.
        """
        found = await self._store.placement(call.environment_id, placement_id)
        if found is None or not is_visible(found, who, token):
            raise PlacementNotFound("There is no such placement, or it is not yours.")
        lease = new_id()
        claimed = await self._store.claim(call.environment_id, placement_id, lease, due=False)
        return found if claimed is None else await self._placing.run(Held(claimed, lease, _steps_of(call)))

    async def sweep(self) -> int:
        """Go on with placements of all environments that are overdue, a batch; how many."""
        return await resume_each(await self._store.overdue(SWEPT_MAX, SWEPT_OF_ONE_MAX), self._resume)

    async def _resume(self, environment_id: str, placement_id: str) -> bool:
        lease = new_id()
        claimed = await self._store.claim(environment_id, placement_id, lease, due=True)
        if claimed is None:
            return False
        call = own_call(environment_id, new_correlation_id(), now_ms() + _CALL_MS, claimed.request.session)
        await self._placing.run(Held(claimed, lease, call))
        return True


def _freeze_key(key: str) -> str:
    """By which carts are frozen for an idempotency key, so that equal requests are not in each other's way."""
    return "place-" + hashlib.sha256(key.encode()).hexdigest()


def _steps_of(call: Call) -> Call:
    return as_service(call, now_ms() + int(LEASE_S * 1_000))
