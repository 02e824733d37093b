"""What can go wrong with orders. Why a cart did not become an order is no error: it is the placement's refusal."""

from kokoa.kernel.errors import Invalid, NotFound, Unauthenticated, Unavailable


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
