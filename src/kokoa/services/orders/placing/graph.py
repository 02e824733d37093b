"""Asks and changes the environment's graph for a placement, in the service's own name. Each change has a key."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec

from kokoa.graphql import ExecutionResult
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import DeadlineExceeded
from kokoa.kernel.timing import TooLate, within
from kokoa.kernel.transaction import refuse_in_transaction
from kokoa.services.orders.errors import OrderStepUnavailable
from kokoa.services.orders.model import FIRST_FREEZE_S, FREEZE_S, Refusal

WITHIN_MS = 12_000

_SERVICE = Caller("service", "orders", frozenset({"storefront", "management"}))

_ADDRESS = "firstName lastName companyName line1 line2 postalCode city region country phone"
_SOURCE = "subgraph fallback"
_OWN_CART = "query OrdersOwnCart($id: ID, $token: String) { cart(id: $id, cartToken: $token) { id customerId } }"
_FREEZE = f"""mutation OrdersFreeze($id: ID, $token: String, $customer: ID, $key: String!, $seconds: Int!) {{
 freezeCart(id: $id, cartToken: $token, customerId: $customer, key: $key, seconds: $seconds) {{
  id customerId currency email locale channel note pricesAsOf shippingMethod
  shippingAddress {{ {_ADDRESS} }} billingAddress {{ {_ADDRESS} }}
  lines {{ id variant {{ id }} sku name variantName quantity unitPriceMinor priceSource problem
    priceAnsweredBy {{ {_SOURCE} }} }}
  totals {{
    taxSource {{ {_SOURCE} }} shippingSource {{ {_SOURCE} }} discountSource {{ {_SOURCE} }}
    discountMinor taxIncluded reverseCharge taxNote netMinor taxMinor grossMinor problem
    shipping {{ key name priceMinor discountMinor taxMinor }} codes {{ code accepted reason discountMinor }}
    lines {{ lineId discountMinor taxMinor grossMinor }} rates {{ key name basisPoints amountMinor }}
  }}
}} }}"""
_REDEEM = "mutation OrdersRedeem($input: RedeemPromotionInput!) { redeemPromotion(input: $input) { key } }"
_UNREDEEM = "mutation OrdersUnredeem($key: String!) { releasePromotion(key: $key) { key } }"
_FREEZE_AGAIN = f"""mutation OrdersFreezeAgain($id: ID!, $key: String!) {{
  freezeCart(id: $id, key: $key, seconds: {FREEZE_S}) {{ lines {{ id quantity }} }} }}"""
_RELEASE = "mutation OrdersRelease($id: ID!, $key: String!) { releaseCart(id: $id, key: $key) { id } }"
_ORDERED = """mutation OrdersOrdered($id: ID!, $key: String!, $order: String!) {
  markCartOrdered(id: $id, key: $key, orderId: $order) { id } }"""
_RESERVE = "mutation OrdersReserve($input: ReserveStockInput!) { reserveStock(input: $input) { state } }"
_ALLOCATE = "mutation OrdersAllocate($key: String!) { allocateStock(key: $key) { key } }"
_GIVE_BACK = "mutation OrdersGiveBack($key: String!) { releaseStock(key: $key) { key } }"
_PAYMENT = "id version authorizationStatus actionUrl amounts { authorizePending capturable cancelPending }"
_CREATE = f"mutation OrdersPayment($input: CreatePaymentInput!) {{ createPayment(input: $input) {{ {_PAYMENT} }} }}"
_AUTHORIZE = f"""mutation OrdersAuthorize($input: AuthorizePaymentInput!) {{
  authorizePayment(input: $input) {{ {_PAYMENT} }} }}"""
_VOID = f"mutation OrdersVoid($input: PaymentRequestInput!) {{ voidPayment(input: $input) {{ {_PAYMENT} }} }}"
_PAYMENTS = f"""query OrdersPayments($reference: String!) {{
  payments(reference: $reference) {{ items {{ {_PAYMENT} }} }} }}"""

_AUTHORIZATION = "authorize"

# What the graph says that stays so, however often it is asked; and which field of the input it is about.
_FINAL: Mapping[str, str] = {
    "CART_NOT_FOUND": "cartId",
    "CART_FROZEN": "cartId",
    "CART_CLOSED": "cartId",
    "OUT_OF_STOCK": "cartId",
    "INVALID_SKU": "cartId",
    "INVALID_RESERVATION": "cartId",
    "RESERVATION_CLOSED": "cartId",
    "RESERVATION_DIFFERS": "cartId",
    "PROMOTION_NOT_FOUND": "cart.codes",
    "PROMOTION_NOT_REDEEMABLE": "cart.codes",
    "PROMOTION_USED_UP": "cart.codes",
    "REDEMPTION_DIFFERS": "cart.codes",
    "PAYMENT_PROVIDER_NOT_FOUND": "paymentProvider",
    "PAYMENT_PROVIDER_INACTIVE": "paymentProvider",
    "PAYMENT_OPERATION_UNSUPPORTED": "paymentProvider",
    "INVALID_PAYMENT": "paymentMethod",
    "INVALID_PAYMENT_METHOD": "paymentMethod",
    "MORE_THAN_AUTHORIZABLE": "paymentMethod",
}


class Graph(Protocol):
    """The environment's composed graph; kokoa.roles fills it."""

    async def execute(self, document: str, variables: Mapping[str, Any], call: Call) -> ExecutionResult:
        """Queries and mutations. Raises Unavailable errors when there is no graph."""
        ...


class Declined(Exception):
    """The graph refuses a step for good; inside this service only."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Paid(msgspec.Struct, frozen=True):
    """A payment as it is.  authorized: all of it.  pending: nobody knows yet.

    action_url: where the customer has to go.  voiding: it is being given up.
    """

    id: str
    version: int
    authorized: bool
    pending: bool
    action_url: str | None
    voidable_minor: int
    voiding: bool


class Shop:
    """What placements ask of the others.

    key: the placement's id, so that each thing is done for it once; of carts, its freeze key.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    async def own_cart(self, cart_id: str | None, token: str | None, call: Call) -> tuple[str, str | None] | None:
        """(id, customer id) of the cart as the caller sees it; None when they do not."""
        cart = await self._ask(_OWN_CART, {"id": cart_id, "token": token}, call.enter("orders"))
        return None if cart is None else (cart["id"], cart["customerId"])

    async def freeze(self, cart_id: str, key: str, call: Call) -> Mapping[str, Any]:
        """The cart, which stays as it is for FREEZE_S, priced now.

        Raises OrderStepUnavailable when prices are not those of now, or totals are not known; it is frozen then, too.
        """
        return await self._freeze({"id": cart_id, "key": key, "seconds": FREEZE_S}, call)

    async def freeze_own(
        self, cart_id: str | None, token: str | None, customer_id: str | None, key: str, call: Call
    ) -> Mapping[str, Any]:
        """The same for FIRST_FREEZE_S, of who has the token or is signed in; by its id alone, anybody's."""
        named = {"id": cart_id, "token": token, "customer": customer_id}
        return await self._freeze({**named, "key": key, "seconds": FIRST_FREEZE_S}, call)

    async def _freeze(self, given: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        cart: Mapping[str, Any] = await self._ask(_FREEZE, given, call)
        if cart["pricesAsOf"] is not None:
            raise OrderStepUnavailable("What the cart costs now is not known.")
        if cart["totals"]["problem"] == "UNAVAILABLE":
            raise OrderStepUnavailable("What delivery, codes and taxes make of the cart is not known.")
        return cart

    async def freeze_again(self, cart_id: str, key: str, call: Call) -> list[tuple[str, int]]:
        """(line id, quantity) of all lines, which stay so for FREEZE_S from now."""
        cart = await self._ask(_FREEZE_AGAIN, {"id": cart_id, "key": key}, call)
        return [(line["id"], line["quantity"]) for line in cart["lines"]]

    async def release(self, cart_id: str, key: str, call: Call) -> None:
        """Nothing, when the cart is not frozen for us."""
        given = {"id": cart_id, "key": key}
        await self._unless({"CART_NOT_FOUND", "CART_FROZEN", "CART_CLOSED"}, _RELEASE, given, call)

    async def mark_ordered(self, cart_id: str, key: str, order_id: str, call: Call) -> bool:
        """False when the cart is not frozen for us any more."""
        gone = {"CART_NOT_FOUND", "CART_FROZEN", "CART_NOT_FROZEN", "CART_CLOSED"}
        return await self._unless(gone, _ORDERED, {"id": cart_id, "key": key, "order": order_id}, call)

    async def reserve(self, key: str, wanted: Mapping[str, int], call: Call) -> bool:
        """For good: a placement that is refused gives its goods back itself, however long that takes.

        False when they were reserved before, and only for a time.
        """
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in wanted.items()]
        reserved = await self._ask(_RESERVE, {"input": {"key": key, "lines": lines}}, call)
        return bool(reserved["state"] != "HELD")

    async def allocate(self, key: str, call: Call) -> None:
        await self._ask(_ALLOCATE, {"key": key}, call)

    async def give_back(self, key: str, call: Call) -> None:
        """Nothing, when nothing is reserved."""
        await self._unless({"RESERVATION_NOT_FOUND", "RESERVATION_CLOSED"}, _GIVE_BACK, {"key": key}, call)

    async def redeem(self, key: str, code: str, customer_id: str | None, call: Call) -> None:
        """Use a code for the placement."""
        given = {"code": code, "key": f"{key}/{code}", "customerId": customer_id}
        await self._ask(_REDEEM, {"input": given}, call)

    async def unredeem(self, key: str, code: str, call: Call) -> None:
        """Nothing, when it was not redeemed."""
        await self._unless({"REDEMPTION_NOT_FOUND"}, _UNREDEEM, {"key": f"{key}/{code}"}, call)

    async def pay(
        self, key: str, new: Mapping[str, Any], method: str | None, return_url: str | None, call: Call
    ) -> Paid:
        """A payment that is made and authorised, each once.  new: amountMinor, currency, provider, customerId."""
        authorize = {"method": method, "returnUrl": return_url, "idempotencyKey": _AUTHORIZATION}
        given = {**new, "reference": key, "idempotencyKey": key, "authorize": authorize}
        return _paid(await self._ask(_CREATE, {"input": given}, call))

    async def authorize(self, payment_id: str, method: str | None, return_url: str | None, call: Call) -> Paid:
        """Asked once; asked again it says how it is."""
        given = {"id": payment_id, "method": method, "returnUrl": return_url, "idempotencyKey": _AUTHORIZATION}
        return _paid(await self._ask(_AUTHORIZE, {"input": given}, call))

    async def payments(self, key: str, call: Call) -> list[Paid]:
        """All that there are for the placement."""
        found = await self._ask(_PAYMENTS, {"reference": key}, call)
        return [_paid(one) for one in found["items"]]

    async def void(self, payment: Paid, call: Call) -> Paid:
        """Give up what is authorised; a request of its own for each state that the payment is found in."""
        given = {"id": payment.id, "idempotencyKey": f"void-{payment.version}"}
        return _paid(await self._ask(_VOID, {"input": given}, call))

    async def _unless(self, codes: Iterable[str], document: str, variables: Mapping[str, Any], call: Call) -> bool:
        """Do it; False for one of these errors, which mean that there is nothing to do."""
        code = await self._try(document, variables, call)
        if isinstance(code, Refusal):
            if code.code in codes:
                return False
            raise _failure(code)
        return True

    async def _ask(self, document: str, variables: Mapping[str, Any], call: Call) -> Any:
        """The one field's value. Raises Declined, OrderStepUnavailable."""
        found = await self._try(document, variables, call)
        if isinstance(found, Refusal):
            raise _failure(found)
        return found

    async def _try(self, document: str, variables: Mapping[str, Any], call: Call) -> Any:
        refuse_in_transaction("graph call")
        asking = call.until(now_ms() + WITHIN_MS)
        try:
            left_s = asking.remaining_ms() / 1000
            result = await within(left_s, self._graph.execute(document, variables, asking))
        except TooLate:
            raise DeadlineExceeded("The graph did not answer a placement in time.") from None
        if result.errors:
            extensions = result.errors[0].get("extensions") or {}
            return Refusal(str(extensions.get("code", "")), str(result.errors[0].get("message", "")))
        if not isinstance(result.data, dict):
            raise OrderStepUnavailable("The graph answered nothing.")
        return next(iter(result.data.values()))


def as_service(call: Call, deadline_ms: int) -> Call:
    """The call that a placement's steps are done with. Raises DepthExceeded: an override places orders."""
    return msgspec.structs.replace(call.enter("orders"), caller=_SERVICE).until(deadline_ms)


def own_call(environment_id: str, correlation_id: str, deadline_ms: int, session: str = "") -> Call:
    """The same when nobody asks.  session: of the shopper, by which overrides may divide them."""
    return Call(environment_id, _SERVICE, correlation_id, deadline_ms, session=session)


def _failure(refusal: Refusal) -> Exception:
    if refusal.code in _FINAL:
        return Declined(Refusal(refusal.code, refusal.message, _FINAL[refusal.code]))
    return OrderStepUnavailable("A part of the store does not answer.", detail=f"{refusal.code}: {refusal.message}")


def _paid(found: Mapping[str, Any]) -> Paid:
    amounts = found["amounts"]
    return Paid(
        id=found["id"],
        version=found["version"],
        authorized=found["authorizationStatus"] == "FULL",
        pending=amounts["authorizePending"] > 0,
        action_url=found["actionUrl"],
        voidable_minor=amounts["capturable"],
        voiding=amounts["cancelPending"] > 0,
    )
