"""Errors that only exist because the transport is HTTP. Each is still one of the kernel's kinds."""

from kokoa.kernel.errors import Invalid, Unavailable


class PayloadTooLarge(Invalid):
    """The request's body is larger than this path takes."""


class HeadersTooLarge(Invalid):
    """The request's headers are larger than the edge takes."""


class UnsupportedMediaType(Invalid):
    """The body is of a type that this path does not take."""


class MethodNotAllowed(Invalid):
    """The path exists, but not for this method.  allowed: the methods that it exists for."""

    def __init__(self, message: str, *, allowed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allowed = allowed


class BadGateway(Unavailable):
    """Something behind us answered, and the answer cannot be passed on."""


class ClientGone(Exception):
    """The client closed the connection while we read its body. There is nobody left to answer."""
