"""What can go wrong with policies of overrides."""

from kokoa.kernel.errors import Conflict, Invalid, NotFound


class InvalidSubject(Invalid):
    """The text names neither a field of the graph nor a route."""


class InvalidOverridePolicy(Invalid):
    """A value of the policy is out of its bounds."""


class OverridePolicyNotFound(NotFound):
    """No policy is set for this field or route."""


class OverridePolicyChanged(Conflict):
    """The policy is of another version than the one that was to be changed."""


class TooManyOverridePolicies(Conflict):
    """The environment has as many policies of overrides as it may have."""
