"""What can go wrong in inventory."""

from kokoa.kernel.errors import Conflict, Invalid, NotFound


class InvalidSku(Invalid):
    """This cannot be a SKU."""


class InvalidLocation(Invalid):
    """A location's field is not acceptable."""


class InvalidAdjustment(Invalid):
    """A quantity, reason, note or reference is not acceptable."""


class InvalidStock(Invalid):
    """Rows of stock, or how an article is counted, are not acceptable; the field says where."""


class InvalidReservation(Invalid):
    """A reservation's key, lines or time are not acceptable; the field says where."""


class InvalidStockPage(Invalid):
    """A page's limit, offset or cursor is out of bounds."""


class LocationNotFound(NotFound):
    """This environment has no such location."""


class ItemNotFound(NotFound):
    """Inventory was never told of this SKU."""


class ReservationNotFound(NotFound):
    """This environment has no reservation with this key."""


class LocationKeyTaken(Conflict):
    """Another location has this key or external reference."""


class LocationChanged(Conflict):
    """Somebody changed the location since it was read."""


class LocationInUse(Conflict):
    """A location where stock lies, or lay, cannot be deleted."""


class TooManyLocations(Conflict):
    """The environment has as many locations as it may have."""


class StockChanged(Conflict):
    """Somebody changed the article since it was read."""


class StockReferenceTaken(Conflict):
    """Another article has this external reference."""


class NotOnHand(Conflict):
    """More was to be taken away than is there."""


class TooMuchStock(Conflict):
    """An article would have more than can be told of it."""


class OutOfStock(Conflict):
    """Fewer may be sold than are wanted; the message says of which, and how many there are."""


class ReservationClosed(Conflict):
    """The reservation is not in a state that allows this; the message names it."""


class ReservationDiffers(Conflict):
    """The key belongs to a reservation of something else."""
