"""What can go wrong with carts."""

from kokoa.kernel.errors import Conflict, Invalid, NotFound, Unauthenticated


class InvalidCart(Invalid):
    """A field of a cart is not acceptable; the field says which."""


class InvalidCartLine(Invalid):
    """A line's variant, quantity, name or price is not acceptable; the field says which."""


class InvalidCartPage(Invalid):
    """A page's limit is out of bounds."""


class VariantNotForSale(Invalid):
    """There is no such variant, or it is not sold to shoppers, or not in the cart's channel."""


class VariantWithoutPrice(Invalid):
    """The variant has no price in the cart's currency."""


class NotEnoughForCart(Invalid):
    """Less of the variant is available than the cart would hold."""


class CustomerNotSignedIn(Unauthenticated):
    """Only a customer who is signed in may do this with carts."""


class CartNotFound(NotFound):
    """There is no such cart, or it is not the caller's."""


class CartLineNotFound(NotFound):
    """The cart has no such line, perhaps not any more."""


class CartChanged(Conflict):
    """Somebody changed the cart since it was read."""


class CartFrozen(Conflict):
    """An order is being made of the cart; the message says until when it stays as it is."""


class CartNotFrozen(Conflict):
    """The cart is not kept for an order any more; freeze it again, and see whether it is the same."""


class CartClosed(Conflict):
    """The cart is ordered, merged into another one, or expired."""


class CartFull(Conflict):
    """The cart would have more lines, or a larger total, than a cart may have."""


class CartCurrencyDiffers(Conflict):
    """The customer has a cart in another currency."""
