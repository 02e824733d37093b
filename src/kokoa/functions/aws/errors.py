"""What can go wrong at the AWS rim, and the tables that turn errors into AWS codes, one a service.

A table row is found by walking the error's class upwards: `FunctionNotFound` may have a row of its own, else the
row of its kind (`NotFound`) answers. A table without a row for every kernel kind refuses to be built.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from kokoa.kernel.errors import KINDS, Forbidden, Invalid, KokoaError, NotFound, Throttled, Unauthenticated

SERVICE_UNAVAILABLE: Final = 503
RETRY_AFTER_S: Final = "1"


class ModelViolation(Invalid):
    """The input breaks constraints of the service model; the message lists each in AWS's words."""


class MalformedRequest(Invalid):
    """The body is not what the protocol says (JSON that does not parse, a text where a number belongs)."""


class BodyTooLarge(Invalid):
    """The body is larger than the operation takes."""


class ChecksumMismatch(Invalid):
    """A checksum header does not match the body."""


class UnknownOperation(NotFound):
    """The service has no such operation."""


class OperationMissing(Invalid):
    """AWS has the operation, Kokoa does not have it yet."""


class MissingAuthentication(Unauthenticated):
    """The request carries no AWS signature."""


class IncompleteSignature(Unauthenticated):
    """The signature is there, but a part of it is missing or malformed."""


class SignatureMismatch(Unauthenticated):
    """The signature is not the one that the secret gives."""


class UnknownKey(Unauthenticated):
    """No such access key, or not any more."""


class ExpiredToken(Unauthenticated):
    """Temporary credentials have run out."""


class CallRefused(Forbidden):
    """The call token that came along belongs to somebody else."""


class Failure(msgspec.Struct, frozen=True):
    """An error as AWS shows it.  extra: further members of the error's body.  headers: further HTTP headers."""

    code: str
    status: int
    message: str
    extra: Mapping[str, object] = {}
    headers: tuple[tuple[str, str], ...] = ()


class Row(msgspec.Struct, frozen=True):
    """A line of an error table.  members: what to add to the body, made from the error."""

    code: str
    status: int
    members: Callable[[KokoaError], Mapping[str, object]] | None = None


Rows = Mapping[type[KokoaError], Row]

JSON_SECURITY: Final[Rows] = {
    MissingAuthentication: Row("MissingAuthenticationTokenException", 403),
    IncompleteSignature: Row("IncompleteSignatureException", 403),
    SignatureMismatch: Row("InvalidSignatureException", 403),
    UnknownKey: Row("UnrecognizedClientException", 403),
    ExpiredToken: Row("ExpiredTokenException", 403),
    Unauthenticated: Row("UnrecognizedClientException", 403),
    Forbidden: Row("AccessDeniedException", 403),
    MalformedRequest: Row("SerializationException", 400),
    UnknownOperation: Row("UnknownOperationException", 404),
    OperationMissing: Row("NotImplementedException", 501),
    BodyTooLarge: Row("RequestEntityTooLargeException", 413),
}

QUERY_SECURITY: Final[Rows] = {
    MissingAuthentication: Row("MissingAuthenticationToken", 403),
    IncompleteSignature: Row("IncompleteSignature", 403),
    SignatureMismatch: Row("SignatureDoesNotMatch", 403),
    UnknownKey: Row("InvalidClientTokenId", 403),
    ExpiredToken: Row("ExpiredToken", 403),
    Unauthenticated: Row("InvalidClientTokenId", 403),
    Forbidden: Row("AccessDenied", 403),
    MalformedRequest: Row("MalformedQueryString", 400),
    UnknownOperation: Row("InvalidAction", 400),
    OperationMissing: Row("NotImplemented", 501),
    BodyTooLarge: Row("RequestEntityTooLarge", 413),
}


class ErrorTable:
    """The errors of one AWS service.  internal: what a bug shows as."""

    def __init__(self, rows: Rows, *, internal: Row) -> None:
        missing = [kind.__name__ for kind in KINDS if kind not in rows]
        if missing:
            raise ValueError(f"The error table has no row for {', '.join(missing)}")
        self.rows = dict(rows)
        self.internal = internal

    def failure(self, error: Exception, *, correlation_id: str) -> Failure:
        """The error as this service shows it. What is not a KokoaError is a bug and shows nothing of itself."""
        if not isinstance(error, KokoaError):
            text = f"Something went wrong on our side. The correlation id is {correlation_id}."
            return Failure(self.internal.code, self.internal.status, text)
        row = next(self.rows[cls] for cls in type(error).__mro__ if cls in self.rows)
        extra = row.members(error) if row.members else {}
        headers: tuple[tuple[str, str], ...] = ()
        if isinstance(error, Throttled):
            headers = (("Retry-After", str(max(1, round(error.retry_after_s)))),)
        elif row.status == SERVICE_UNAVAILABLE:
            headers = (("Retry-After", RETRY_AFTER_S),)
        return Failure(row.code, row.status, error.message, extra, headers)
