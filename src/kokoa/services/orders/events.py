"""Facts that orders tells others."""

from kokoa.postgres import Event


class OrderPlaced(Event, frozen=True, kw_only=True):
    """A cart is ordered, its goods are reserved and its payment is authorised.  total_minor: minor units."""

    order_id: str
    number: str
    cart_id: str
    customer_id: str | None
    currency: str
    total_minor: int

    def key(self) -> str:
        return self.order_id


class OrderPlacementRefused(Event, frozen=True, kw_only=True):
    """A cart was not ordered, and what was done for it is taken back.  code: why."""

    placement_id: str
    cart_id: str
    code: str

    def key(self) -> str:
        return self.placement_id


class FulfillmentCreated(Event, frozen=True, kw_only=True):
    """A part of an order has left the stock.  captured_minor: what was asked for of its payment, minor units."""

    order_id: str
    fulfillment_id: str
    captured_minor: int

    def key(self) -> str:
        return self.order_id


class FulfillmentShipped(Event, frozen=True, kw_only=True):
    """A part of an order is on its way."""

    order_id: str
    fulfillment_id: str

    def key(self) -> str:
        return self.order_id


class FulfillmentDelivered(Event, frozen=True, kw_only=True):
    """A part of an order has arrived."""

    order_id: str
    fulfillment_id: str

    def key(self) -> str:
        return self.order_id


class OrderFulfilled(Event, frozen=True, kw_only=True):
    """Everything of an order has left."""

    order_id: str
    number: str

    def key(self) -> str:
        return self.order_id


class OrderCancelled(Event, frozen=True, kw_only=True):
    """What had not left of an order is given up: its stock is free, its money given back."""

    order_id: str
    number: str
    reason: str | None

    def key(self) -> str:
        return self.order_id


class ReturnRequested(Event, frozen=True, kw_only=True):
    """Something of an order is to come back."""

    order_id: str
    return_id: str

    def key(self) -> str:
        return self.order_id


class ReturnReceived(Event, frozen=True, kw_only=True):
    """Something of an order came back.  complete: nothing of the return is missing any more."""

    order_id: str
    return_id: str
    complete: bool

    def key(self) -> str:
        return self.order_id


class ReturnCancelled(Event, frozen=True, kw_only=True):
    """What did not come back of a return will not."""

    order_id: str
    return_id: str
    reason: str | None

    def key(self) -> str:
        return self.order_id


class ReturnRejected(Event, frozen=True, kw_only=True):
    """A return is not accepted."""

    order_id: str
    return_id: str
    reason: str

    def key(self) -> str:
        return self.order_id


class OrderRefunded(Event, frozen=True, kw_only=True):
    """Money was given back.  amount_minor: how much, without the fee.  return_id: None for goodwill."""

    order_id: str
    return_id: str | None
    refund_id: str
    amount_minor: int
    fee_minor: int
    currency: str

    def key(self) -> str:
        return self.order_id


class OrderReferenceSet(Event, frozen=True, kw_only=True):
    """Another system calls an order so; None for nothing any more."""

    order_id: str
    external_reference: str | None

    def key(self) -> str:
        return self.order_id


class OrderExternalStatusChanged(Event, frozen=True, kw_only=True):
    """What another system, such as an ERP, says of an order is another now."""

    order_id: str
    external_reference: str | None
    status: str
    status_before: str | None

    def key(self) -> str:
        return self.order_id


class OrderStatusMappingSet(Event, frozen=True, kw_only=True):
    """What another system's statuses mean for orders is another now; those that were said before are as they were."""

    version: int

    def key(self) -> str:
        return "order-status-mapping"


class OrderStatusActionRefused(Event, frozen=True, kw_only=True):
    """A status that another system said has a meaning that the order does not allow: nothing was done.

    action: FULFILL, SHIP, DELIVER or CANCEL.  code: why.
    """

    order_id: str
    external_reference: str | None
    status: str
    action: str
    code: str

    def key(self) -> str:
        return self.order_id
