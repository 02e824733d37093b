"""A new cart that is nobody's, once for an idempotency key."""

from kokoa.kernel.call import Call
from kokoa.kernel.clock import now_ms, to_datetime
from kokoa.postgres import Database
from kokoa.postgres.answers import IdempotencyKeyReused, Keeping, keeping, known_answer
from kokoa.services.carts import events
from kokoa.services.carts.errors import CartNotFound
from kokoa.services.carts.model import Cart, Key, Who, as_of
from kokoa.services.carts.opening.model import Opening
from kokoa.services.carts.store import CartStore

OPERATION = "createCart"


async def begin(database: Database, store: CartStore, cart: Cart, opening: Opening, call: Call) -> Cart:
    """In one statement; for a key that made a cart before, that cart as it is now.

    Raises IdempotencyKeyReused, CartNotFound.
    """
    keep = keeping(OPERATION, opening.kept_key, request_of(cart), cart.id)
    told = [created(cart)]
    if await store.begin(call.environment_id, cart, opening.token, keep, told, call.correlation_id):
        return cart
    return await _begun(database, store, cart, opening, keep, call)


async def _begun(
    database: Database, store: CartStore, cart: Cart, opening: Opening, keep: Keeping, call: Call
) -> Cart:
    known = await known_answer(database, call.environment_id, keep, str)
    # As nobody: whose cart it became meanwhile is not for whoever has the key.
    found = await store.find(call.environment_id, Who(), Key(token=opening.token))
    if found is None:
        raise CartNotFound("The cart of this idempotency key is a customer's by now, or gone. Take a fresh key.")
    # A cart outlives the answer; what nobody changes of it still tells another request.
    if known is None and _lasting(found) != _lasting(cart):
        raise IdempotencyKeyReused(
            "Another cart was made with this idempotency key. Take a fresh key for each request."
        )
    return as_of(found, to_datetime(now_ms()))


def request_of(cart: Cart) -> tuple[str | None, ...]:
    """What the answer to a request for a new cart depends on."""
    return (*_lasting(cart), cart.email)


def created(cart: Cart) -> events.CartCreated:
    return events.CartCreated(cart_id=cart.id, customer_id=cart.customer_id, currency=cart.currency)


def _lasting(cart: Cart) -> tuple[str | None, ...]:
    return cart.currency, cart.locale, cart.channel
