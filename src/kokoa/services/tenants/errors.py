"""What can go wrong in tenants."""

from kokoa.kernel.errors import Conflict, Invalid, NotFound


class EnvironmentNotFound(NotFound):
    """No tenant has an environment of that name."""


class EnvironmentExists(Conflict):
    """The tenant has an environment of that name already."""


class InvalidAlias(Invalid):
    """A tenant's, environment's or partner's name is not of the allowed form."""


class InvalidDomain(Invalid):
    """The text is not a domain name."""


class DomainTaken(Conflict):
    """Another environment, or this one, has the domain."""


class PartnerNotFound(NotFound):
    """The partner has no account in this environment."""


class PartnerExists(Conflict):
    """The partner has an account in this environment already."""


class AccessKeyNotFound(NotFound):
    """There is no such living key in this environment."""


class TooManyAccessKeys(Conflict):
    """The account has as many living keys as it may have."""


class InvalidGrant(Invalid):
    """The pattern is not one that can be granted."""


class TooManyGrants(Conflict):
    """The environment has as many grants as it may have."""


class GrantNotFound(NotFound):
    """The partner has no such grant."""


class InvalidDestination(Invalid):
    """The text is no host and port that functions could connect to."""


class DestinationNotFound(NotFound):
    """Functions of the environment may not connect to that destination anyway."""


class TooManyDestinations(Conflict):
    """The environment allows as many destinations as it may."""


class InvalidOperation(Invalid):
    """A document that is to be registered has a wrong id, or is too long."""


class OperationIdTaken(Conflict):
    """Another document is registered under this id."""


class RegisteredOperationNotFound(NotFound):
    """No document is registered under this id."""


class TooManyOperations(Conflict):
    """The environment has as many registered documents as it may have."""
