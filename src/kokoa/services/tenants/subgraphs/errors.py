"""What can go wrong with subgraphs of partners."""

from kokoa.kernel.errors import Conflict, Forbidden, Invalid, NotFound


class InvalidSubgraph(Invalid):
    """A subgraph's name, target, address or text is not of the allowed form."""


class SubgraphNotGranted(Forbidden):
    """The subgraph has types or fields that the environment's owner has not granted; the message names them."""


class SubgraphNotFound(NotFound):
    """The account has no subgraph of that name, or the subgraph has no such version."""


class SubgraphNameTaken(Conflict):
    """Another partner has a subgraph of this name."""


class SubgraphVersionChanged(Conflict):
    """The subgraph is not at the version that the request assumes."""


class SubgraphsChanged(Conflict):
    """Somebody else changed the environment's subgraphs at the same time."""


class TooManySubgraphs(Conflict):
    """The environment or the account has as many subgraphs, versions or texts as it may have."""


class GrantInUse(Conflict):
    """A live subgraph has what the grant allows; it must be withdrawn first."""
