"""What can go wrong around an invocation. A function's own failure is no error here: it is in the Invocation."""

from kokoa.kernel.errors import Invalid, Throttled, Unavailable


class TooManyRequests(Throttled):
    """No sandbox is free within the bounds.  reason: AWS's `Reason`, for TooManyRequestsException."""

    def __init__(
        self,
        message: str = "Rate Exceeded.",
        *,
        reason: str = "ConcurrentInvocationLimitExceeded",
        retry_after_s: float = 1.0,
        detail: str = "",
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s, detail=detail)
        self.reason = reason


class FunctionTooLarge(Unavailable):
    """The function asks for more memory than this host ever gives to one."""


class FunctionCodeUnavailable(Unavailable):
    """The function's package cannot be fetched, or is not what its digest says."""


class FunctionCodeInvalid(Invalid):
    """The package is no zip that may be unpacked."""


class HostUnavailable(Unavailable):
    """The function host does not answer; the call may be tried again."""


class RuntimeUnsupported(Invalid):
    """This machine cannot run the function's runtime."""


class SandboxUnavailable(Unavailable):
    """A sandbox did not come up."""


class InvocationTooLarge(Invalid):
    """The request's payload exceeds AWS Lambda's bound."""
