"""Asks and changes the environment's graph for a change of an order, in the service's own name. Each has a key."""

from collections.abc import Mapping
from typing import Any, Literal

from kokoa.kernel.call import Call
from kokoa.services.orders.errors import OrderStepUnavailable
from kokoa.services.orders.fulfilling.model import Money
from kokoa.services.orders.model import Refusal
from kokoa.services.orders.placing.graph import Declined, Shop

_RESERVED = "query OrdersReserved($key: String!) { stockReservation(key: $key) { lines { sku } } }"
_FULFIL = """mutation OrdersFulfil($key: String!, $lines: [StockLineInput!]!, $once: String!) {
  fulfilStock(key: $key, lines: $lines, idempotencyKey: $once) { key } }"""
_MONEY = """version amounts { charged chargePending refunded refundPending chargedBack
  capturable cancelPending refundable authorizePending }"""
_READ = f"query OrdersMoney($id: ID!) {{ payment(id: $id) {{ {_MONEY} }} }}"
_CAPTURE = """mutation OrdersCapture($input: PaymentRequestInput!) {
  capturePayment(input: $input) { transactions(limit: 250) { type key } } }"""
_VOID = f"mutation OrdersVoidRest($input: PaymentRequestInput!) {{ voidPayment(input: $input) {{ {_MONEY} }} }}"
_REFUND = f"mutation OrdersRefund($input: PaymentRequestInput!) {{ refundPayment(input: $input) {{ {_MONEY} }} }}"

# What stock says that stays so, however often it is asked.
_STAYS = frozenset({"NOT_ON_HAND", "RESERVATION_NOT_FOUND", "RESERVATION_CLOSED", "INVALID_RESERVATION"})
# A provider that does not charge, or money that somebody else has captured: it is left as it is.
_NOT_OURS = frozenset({"PAYMENT_OPERATION_UNSUPPORTED", "MORE_THAN_AUTHORIZED"})


Charge = Literal["DONE", "PENDING", "DECLINED"]


class Store(Shop):
    """What changes of orders ask of the others.  key: the order's id, as placing has used it."""

    async def let_leave(self, key: str, wanted: Mapping[str, int], once: str, call: Call) -> None:
        """Goods that were reserved; those that nobody counts leave unseen. Raises Declined."""
        reserved = await self._ask(_RESERVED, {"key": key}, call)
        counted = {line["sku"] for line in reserved["lines"]} if reserved else set()
        lines = [{"sku": sku, "quantity": wanted[sku]} for sku in sorted(wanted) if sku in counted]
        if not lines:
            return
        found = await self._try(_FULFIL, {"key": key, "lines": lines, "once": once}, call)
        if isinstance(found, Refusal):
            if found.code in _STAYS:
                raise Declined(Refusal(found.code, found.message, "lines"))
            raise OrderStepUnavailable("The stock does not answer.", detail=f"{found.code}: {found.message}")

    async def money(self, payment_id: str, call: Call) -> Money:
        """A payment as it is."""
        found = await self._ask(_READ, {"id": payment_id}, call)
        if found is None:
            raise OrderStepUnavailable("The order's payment is not there.")
        return _money(found)

    async def capture(self, payment_id: str, amount_minor: int, once: str, call: Call) -> Charge:
        """What became of it; DECLINED as well when others have captured, or nobody can."""
        given = {"id": payment_id, "amountMinor": amount_minor, "idempotencyKey": once}
        found = await self._try(_CAPTURE, {"input": given}, call)
        if isinstance(found, Refusal):
            if found.code in _NOT_OURS:
                return "DECLINED"
            raise OrderStepUnavailable("The payment does not answer.", detail=f"{found.code}: {found.message}")
        said = {one["type"] for one in found["transactions"] if one["key"] == once}
        if "CHARGE_SUCCESS" in said:
            return "DONE"
        return "DECLINED" if "CHARGE_FAILURE" in said else "PENDING"

    async def void_part(self, payment_id: str, amount_minor: int, money: Money, call: Call) -> Money:
        """Give up some of what is authorised; a request of its own for each state that the payment is found in."""
        return await self._give(_VOID, payment_id, amount_minor, f"cancel-void-{money.version}", call)

    async def refund(self, payment_id: str, amount_minor: int, money: Money, call: Call) -> Money:
        """Give some of what is charged back; likewise."""
        return await self._give(_REFUND, payment_id, amount_minor, f"cancel-refund-{money.version}", call)

    async def _give(self, document: str, payment_id: str, amount_minor: int, once: str, call: Call) -> Money:
        given = {"id": payment_id, "amountMinor": amount_minor, "idempotencyKey": once}
        return _money(await self._ask(document, {"input": given}, call))


def _money(found: Mapping[str, Any]) -> Money:
    amounts = found["amounts"]
    waiting = ("authorizePending", "chargePending", "refundPending", "cancelPending")
    return Money(
        version=found["version"],
        charged=amounts["charged"],
        charge_pending=amounts["chargePending"],
        returned=amounts["refunded"] + amounts["chargedBack"],
        capturable=amounts["capturable"],
        refundable=amounts["refundable"],
        pending=any(amounts[name] for name in waiting),
    )
