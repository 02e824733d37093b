"""What can go wrong with an extension of the graph. What a customer reads never says why; `detail` does.

Beside these: SubgraphUnavailable (it cannot be reached, or failed too often), DeadlineExceeded (it is late).
"""

from kokoa.kernel.errors import Forbidden, Invalid, Throttled, Unavailable


class ExtensionFailed(Unavailable):
    """The function behind a part of the graph failed, or is not there; its own log says why."""


class ExtensionAnswerInvalid(Unavailable):
    """An extension answered what does not fit the part of the graph that it answers for."""


class ExtensionBusy(Throttled):
    """An extension has as many requests in flight and waiting as it is given; try again shortly."""


class ExtensionEventTooLarge(Invalid):
    """What a field function would be told is larger than a function takes; ask for fewer objects at once."""


class AddressNotAllowed(Forbidden):
    """The environment does not allow connections to the address of an extension's GraphQL server."""


class OverrideFailed(Unavailable):
    """What took a field's place failed, and its policy does not allow the native answer instead."""
