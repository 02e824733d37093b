"""What can go wrong in shipping."""

from kokoa.kernel.errors import Conflict, Invalid, NotFound


class InvalidShippingInput(Invalid):
    """What is to be sent is not acceptable; the field says where."""


class InvalidShippingConfiguration(Invalid):
    """A zone or a method is not acceptable; the field says where."""


class InvalidShippingPage(Invalid):
    """A page's limit or place is out of bounds."""


class ShippingZoneNotFound(NotFound):
    """This environment has no such shipping zone."""


class ShippingMethodNotFound(NotFound):
    """This environment has no such shipping method."""


class ShippingConfigurationChanged(Conflict):
    """Somebody changed this since it was read; the message says what."""


class ShippingPlaceTaken(Conflict):
    """Another zone has this place."""


class ShippingZoneInUse(Conflict):
    """Methods have rates for the zone."""


class TooMuchShipping(Conflict):
    """The environment has as many zones or methods as it may have."""
