"""What becomes of orders, as journeys; and all journeys there are."""

from collections.abc import Mapping
from typing import Any

from journeys import JOURNEYS as EARLIER
from journeys import Again, Buy, Journey

_PLACE_AND_SEE = """mutation Place($input: PlaceOrderInput!) {
  placeOrder(input: $input) { state order { id lines { id } } } }"""
_AMOUNTS = "query Paid($id: ID!) { order(id: $id) { payment { amounts { charged cancelled } } } }"
_ASK_FOR_RETURN = "mutation Ask($input: RequestReturnInput!) { requestReturn(input: $input) { id } }"
_REFUNDED = "query Refunded($id: ID!) { order(id: $id) { payment { amounts { refunded refundPending } } } }"
_PUT = "mutation Put($input: AdjustStockInput!) { adjustStock(input: $input) { onHand } }"
_STOCK_LEFT = "query Left($sku: String!) { stockItem(sku: $sku) { onHand reserved } }"


class Fulfil(Buy):
    """An order that leaves. Whatever dies, its goods leave once and its payment is captured once."""

    document = """mutation Leave($input: CreateFulfillmentInput!) {
      createFulfillment(input: $input) { state order { state } } }"""
    order: Mapping[str, Any] = {}
    done = ("PENDING", "FULFILLED")
    left = ([{"onHand": 0, "reserved": 0}], {"charged": 100, "cancelled": 0})

    def prepare(self) -> None:
        super().prepare()
        put = {"sku": self.name, "delta": 1, "reason": "RECEIVED", "idempotencyKey": self.name}
        self.asked(_PUT, input=put)
        given = {"cartToken": self.cart, "paymentProvider": "test", "paymentMethod": "ok"}
        placed = self.asked(_PLACE_AND_SEE, input={**given, "idempotencyKey": self.name})["placeOrder"]
        if placed["state"] == "IN_PROGRESS":
            raise Again("it is being ordered")
        self.order = placed["order"]

    def given(self) -> Mapping[str, Any]:
        """The input."""
        lines = [{"lineId": self.order["lines"][0]["id"], "quantity": 1}]
        return {"orderId": self.order["id"], "lines": lines, "idempotencyKey": self.name}

    def attempt(self) -> None:
        (answer,) = self.asked(self.document, input=self.given()).values()
        if answer["state"] == "IN_PROGRESS":
            raise Again("it is being done")
        assert (answer["state"], answer["order"]["state"]) == self.done, answer

    def verify(self) -> None:
        amounts = self.asked(_AMOUNTS, id=self.order["id"])["order"]["payment"]["amounts"]
        assert ([self.asked(_STOCK_LEFT, sku=self.name)["stockItem"]], amounts) == self.left


class CancelOrder(Fulfil):
    """An order that is cancelled: its goods are free, and its money is given up."""

    document = """mutation End($input: CancelOrderInput!) {
      cancelOrder(input: $input) { state order { state } } }"""
    done = ("CANCELLED", "CANCELLED")
    left = ([{"onHand": 1, "reserved": 0}], {"charged": 0, "cancelled": 100})

    def given(self) -> Mapping[str, Any]:
        return {"id": self.order["id"], "idempotencyKey": self.name}


class ReceiveReturn(Fulfil):
    """Goods that come back. Whatever dies, they are in stock again once, and their return says so."""

    document = """mutation Back($input: ReceiveReturnInput!) {
      receiveReturn(input: $input) { state return { state order { state } } } }"""
    left = ([{"onHand": 1, "reserved": 0}], {"charged": 100, "cancelled": 0})
    returned: Mapping[str, Any] = {}

    def prepare(self) -> None:
        super().prepare()
        lines = [{"lineId": self.order["lines"][0]["id"], "quantity": 1}]
        given = {"orderId": self.order["id"], "lines": lines, "idempotencyKey": f"{self.name} leaves"}
        (left,) = self.asked(Fulfil.document, input=given).values()
        if left["state"] == "IN_PROGRESS":
            raise Again("it is leaving")
        self.returned = self.asked(_ASK_FOR_RETURN, input={**given, "idempotencyKey": self.name})["requestReturn"]

    def given(self) -> Mapping[str, Any]:
        lines = [{**_back(self.order), "condition": "BACK_IN_STOCK"}]
        return {"id": self.returned["id"], "lines": lines, "idempotencyKey": self.name}

    def attempt(self) -> None:
        (answer,) = self.asked(self.document, input=self.given()).values()
        if answer["state"] == "IN_PROGRESS":
            raise Again("it is being done")
        assert answer["return"] == {"state": "RECEIVED", "order": {"state": "RETURNED"}}, answer


class RefundReturn(ReceiveReturn):
    """Money that is given back. Whatever dies, it is given once."""

    document = """mutation Pay($input: RefundReturnInput!) {
      refundReturn(input: $input) { state amountMinor } }"""

    def prepare(self) -> None:
        super().prepare()
        lines = [{**_back(self.order), "condition": "BACK_IN_STOCK"}]
        given = {"id": self.returned["id"], "lines": lines, "idempotencyKey": f"{self.name} comes back"}
        (back,) = self.asked(ReceiveReturn.document, input=given).values()
        if back["state"] == "IN_PROGRESS":
            raise Again("it is coming back")

    def given(self) -> Mapping[str, Any]:
        return {"returnId": self.returned["id"], "feeMinor": 10, "idempotencyKey": self.name}

    def attempt(self) -> None:
        (answer,) = self.asked(self.document, input=self.given()).values()
        if answer["state"] == "IN_PROGRESS":
            raise Again("it is being given back")
        assert answer == {"state": "REFUNDED", "amountMinor": 90}, answer

    def verify(self) -> None:
        super().verify()
        amounts = self.asked(_REFUNDED, id=self.order["id"])["order"]["payment"]["amounts"]
        assert amounts == {"refunded": 90, "refundPending": 0}


def _back(order: Mapping[str, Any]) -> dict[str, Any]:
    return {"lineId": order["lines"][0]["id"], "quantity": 1}


JOURNEYS: Mapping[str, type[Journey]] = {
    **EARLIER,
    "fulfilment": Fulfil,
    "cancellation": CancelOrder,
    "reception": ReceiveReturn,
    "refund": RefundReturn,
}
"""The part of a step's name before the dot → the work that comes by it."""
