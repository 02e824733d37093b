"""What can go wrong with channels and their prices."""

from kokoa.kernel.errors import Conflict, Invalid, NotFound


class ChannelNotFound(NotFound):
    """This environment has no such channel."""


class ChannelChanged(Conflict):
    """Somebody changed the channel since it was read."""


class ChannelKeyTaken(Conflict):
    """Another channel has this key."""


class ChannelInUse(Conflict):
    """A channel that products or prices name cannot be deleted."""


class TooManyChannels(Conflict):
    """The environment has as many channels as it may have."""


class InvalidChannel(Invalid):
    """A channel's field is not acceptable."""


class InvalidPrices(Invalid):
    """Prices of variants are not acceptable; the field says where."""
