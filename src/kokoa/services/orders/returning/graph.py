"""Asks and changes the environment's graph for returns, in the service's own name. Each change has a key."""

from kokoa.kernel.call import Call
from kokoa.services.orders.errors import OrderStepUnavailable
from kokoa.services.orders.fulfilling.graph import Store
from kokoa.services.orders.model import Refusal

_LOCATIONS = "query OrdersLocations { stockLocations { key } }"
_COUNTED = "query OrdersCounted($sku: String!) { stockItem(sku: $sku) { sku } }"
_RESTOCK = "mutation OrdersRestock($input: AdjustStockInput!) { adjustStock(input: $input) { sku } }"
_PAY_BACK = """mutation OrdersPayBack($input: PaymentRequestInput!) {
  refundPayment(input: $input) { transactions(limit: 250) { type key message } } }"""

# What payments says that stays so, however often it is asked.
_STAYS = frozenset(
    {"MORE_THAN_CHARGED", "PAYMENT_OPERATION_UNSUPPORTED", "PAYMENT_NOT_FOUND", "TOO_MANY_PAYMENT_TRANSACTIONS"}
)


class Desk(Store):
    """What returns ask of the others."""

    async def locations(self, call: Call) -> frozenset[str]:
        """Keys of all places where stock may lie."""
        return frozenset(one["key"] for one in await self._ask(_LOCATIONS, {}, call))

    async def restock(self, sku: str, location: str, quantity: int, return_id: str, once: str, call: Call) -> None:
        """So many are there again; an article that nobody counts stays so."""
        if await self._ask(_COUNTED, {"sku": sku}, call) is None:
            return
        given = {"sku": sku, "location": location, "delta": quantity, "reason": "RETURNED", "reference": return_id}
        found = await self._try(_RESTOCK, {"input": {**given, "idempotencyKey": once}}, call)
        if isinstance(found, Refusal):
            raise OrderStepUnavailable("The stock does not answer.", detail=f"{found.code}: {found.message}")

    async def pay_back(self, payment_id: str, amount_minor: int, once: str, call: Call) -> Refusal | None:
        """Give so much of what is charged back; why it is not given back, if so.

        Raises OrderStepUnavailable while nobody knows.
        """
        given = {"id": payment_id, "amountMinor": amount_minor, "idempotencyKey": once}
        found = await self._try(_PAY_BACK, {"input": given}, call)
        if isinstance(found, Refusal):
            if found.code in _STAYS:
                return found
            raise OrderStepUnavailable("The payment does not answer.", detail=f"{found.code}: {found.message}")
        said = {one["type"]: one["message"] for one in found["transactions"] if one["key"] == once}
        if "REFUND_SUCCESS" in said:
            return None
        if "REFUND_FAILURE" in said:
            message = str(said["REFUND_FAILURE"] or "The provider declined the refund.")
            return Refusal("REFUND_DECLINED", message)
        raise OrderStepUnavailable("The provider has not decided about the refund yet.")
