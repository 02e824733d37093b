"""What can go wrong with functions, APIs and logs, as facts. `functions.aws` turns them into AWS's codes."""

from kokoa.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated, Unavailable


class SessionExpired(Unauthenticated):
    """Temporary credentials have run out."""


class OtherAccount(Forbidden):
    """An ARN names a resource of another account."""


class FunctionNotFound(NotFound):
    """The account has no such function (or no such version of it)."""


class FunctionExists(Conflict):
    """The account has a function of this name."""


class RevisionMismatch(Conflict):
    """The function changed since the caller looked."""


class InvalidFunction(Invalid):
    """A part of a function's configuration is not allowed."""


class InvalidCode(Invalid):
    """The deployment package cannot be used."""


class FeatureMissing(Invalid):
    """AWS has it, Kokoa does not have it yet."""


class CodeStorageExceeded(Invalid):
    """The account's packages take more room than it has."""


class CodeStoreUnavailable(Unavailable):
    """The object storage for packages does not answer."""


class PermissionNotFound(NotFound):
    """The function's policy has no such statement."""


class PermissionExists(Conflict):
    """The function's policy has a statement of this id."""


class InvalidPermission(Invalid):
    """The statement cannot be a part of a policy."""


class PolicyTooLong(Invalid):
    """The function's policy would grow over its bound."""


class ApiNotFound(NotFound):
    """The account has no such HTTP API, or the API has no such part."""


class InvalidApi(Invalid):
    """A part of an HTTP API's configuration is not allowed."""


class RouteExists(Conflict):
    """The API has a route of this key."""


class StageExists(Conflict):
    """The API has a stage of this name."""


class IntegrationInUse(Conflict):
    """A route still points at the integration."""


class TooManyApis(Invalid):
    """The account, or the API, has as many as it may."""


class LogGroupNotFound(NotFound):
    """The account has no such log group or stream."""


class InvalidLogQuery(Invalid):
    """A filter pattern or a token cannot be understood."""
