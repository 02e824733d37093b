"""What can go wrong with orders. Why a cart did not become an order is no error: it is the placement's refusal."""

from kokoa.kernel.errors import Conflict, Invalid, NotFound, Unauthenticated, Unavailable


class InvalidPlacement(Invalid):
    """A field of what is to be ordered is not acceptable; the field says which."""


class InvalidOrderPage(Invalid):
    """A page's limit or place is out of bounds, or an order's number is none."""


class CartToOrderNotFound(NotFound):
    """There is no such cart, or it is not the caller's."""


class PlacementNotFound(NotFound):
    """There is no such placement, or it is not the caller's."""


class OrderStepUnavailable(Unavailable):
    """A part of the store that takes part in ordering does not answer; trying again helps."""


class OrderingCustomerUnknown(Unauthenticated):
    """Only a customer who is signed in has orders of their own."""


class InvalidFulfillment(Invalid):
    """A field of a fulfilment or cancellation is not acceptable, such as more than is left; the field says which."""


class OrderNotFound(NotFound):
    """There is no such order, or it is not the caller's."""


class FulfillmentNotFound(NotFound):
    """There is no such fulfilment."""


class OrderBusy(Conflict):
    """The order is being placed, fulfilled, cancelled, received or refunded now; ask again in some seconds."""


class OrderChanged(Conflict):
    """The order has another version by now."""


class OrderNotCancellable(Conflict):
    """Nothing of the order is left to cancel, or a part has left and the caller is its customer."""


class FulfillmentStateDiffers(Conflict):
    """A fulfilment is shipped once it is there, and delivered once it is shipped."""


class InvalidReturn(Invalid):
    """A field of a return, or of what came back of one, is not acceptable; the field says which."""


class InvalidRefund(Invalid):
    """A field of a refund is not acceptable, such as more than it is about; the field says which."""


class ReturnNotFound(NotFound):
    """There is no such return, or it is not the caller's."""


class ReturnChanged(Conflict):
    """The return has another version by now."""


class ReturnStateDiffers(Conflict):
    """Nothing comes back of a return that has ended; one that goods came back of is not rejected any more."""


class InvalidOrderReference(Invalid):
    """What another system calls an order, or says of it, is not acceptable; the field says which."""


class InvalidOrderStatusMapping(Invalid):
    """A rule of what an ERP's statuses mean is not acceptable; the field says which."""


class OrderStatusMappingChanged(Conflict):
    """The mapping of statuses has another version by now."""


class NothingLeft(Conflict):
    """All of the order has left, or will not: there is nothing of it to fulfil."""


class OrderReferenceTaken(Conflict):
    """Another order has this external reference."""
