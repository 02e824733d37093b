"""Why a subgraph is not published."""

from kokoa.kernel.errors import Conflict, Forbidden, Invalid, Throttled


class SubgraphNotComposable(Invalid):
    """The subgraph does not make one graph with the others, or takes from others what it may not take."""


class SubgraphUrlNotAllowed(Forbidden):
    """The environment's owner does not allow connections to the subgraph's server."""


class SubgraphBreaksOperations(Conflict):
    """Operations that are registered, or were used in the last 30 days, would be refused then."""


class TooManyPublishes(Throttled):
    """The account has as many subgraphs checked at once as it may have."""


class PublishUndone(Conflict):
    """Somebody else changed the graph at the same moment, and both changes do not fit together."""
