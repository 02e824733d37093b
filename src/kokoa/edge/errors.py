"""What can go wrong at the edge, as facts."""

from kokoa.kernel.errors import (
    Conflict,
    DeadlineExceeded,
    Forbidden,
    Invalid,
    NotFound,
    Throttled,
    Unauthenticated,
    Unavailable,
)
from kokoa.web.errors import BadGateway


class TenantMissing(Invalid):
    """The request does not say which store it is for."""


class TenantNotFound(NotFound):
    """No tenant has an environment of that name."""


class TenantContradiction(Invalid):
    """Two parts of the request name different environments."""


class InvalidSession(Invalid):
    """The header X-Session-ID is not of the allowed form."""


class CredentialsMixed(Invalid):
    """A call token came together with other credentials."""


class CredentialsMissing(Unauthenticated):
    """One of the headers that belong together is not there."""


class CredentialsWrong(Unauthenticated):
    """The secrets are not those of any environment of the tenant."""


class RouteNotFound(NotFound):
    """Nobody answers this method and path."""


class InvalidRouteKey(Invalid):
    """The route key is not one that API Gateway v2 would take."""


class RouteTaken(Conflict):
    """Another extension holds the route at the root of the domain."""


class RateLimited(Throttled):
    """The environment has used up its requests of the current window."""


class BadFunctionAnswer(BadGateway):
    """The function answered something that is no HTTP response."""


class FunctionFailed(BadGateway):
    """The function raised, exited or could not be started."""

    def __init__(self, message: str, *, reason: str = "", detail: str = "") -> None:
        """reason: the function's own error, for its owner; it is neither shown to callers nor logged."""
        super().__init__(message, detail=detail)
        self.reason = reason


class ExtensionNotReady(BadGateway):
    """The route is there, but its function is gone or does not let the store invoke it."""


class FunctionTimeout(DeadlineExceeded):
    """The function did not answer in time."""


class FunctionBusy(Unavailable):
    """No sandbox was free for the function in time."""


class InvalidParameter(Invalid):
    """A path or query parameter is not of its type."""


class UnknownParameter(Invalid):
    """The route has no query parameter of that name."""


class MetricsForbidden(Forbidden):
    """Metrics are for the operator's own network."""


class UploadForbidden(Forbidden):
    """Pictures are uploaded with the tenant's secrets only."""


class UploadsBusy(Throttled):
    """As many uploads are under way as are read at once."""


class InvalidUpload(Invalid):
    """The body or the parameters of an upload are not what the route takes."""


class MediaFileNotFound(NotFound):
    """The store has no picture at this path."""
