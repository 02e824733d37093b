"""AWS Lambda as the server runs it: its error table and how large its requests may be."""

from collections.abc import Mapping
from typing import Final

from kokoa.functions.aws.errors import (
    JSON_SECURITY,
    BodyTooLarge,
    ChecksumMismatch,
    ErrorTable,
    ModelViolation,
    Row,
)
from kokoa.functions.aws.lambda_.errors import InvalidRequestContent
from kokoa.functions.aws.service import ServiceDefinition
from kokoa.functions.control.errors import CodeStorageExceeded, PolicyTooLong, RevisionMismatch
from kokoa.functions.host.errors import TooManyRequests
from kokoa.kernel.errors import Conflict, Invalid, KokoaError, NotFound, Throttled, Unavailable

PACKAGE_REQUEST_BYTES_MAX: Final = 70_167_211
INVOKE_BYTES_MAX: Final = 6_291_456


def _reason(error: KokoaError) -> Mapping[str, object]:
    if isinstance(error, TooManyRequests):
        return {"Reason": error.reason}
    return {"Reason": "CallerRateLimitExceeded"}


ERRORS: Final = ErrorTable(
    {
        **JSON_SECURITY,
        Invalid: Row("InvalidParameterValueException", 400),
        ModelViolation: Row("ValidationException", 400),
        ChecksumMismatch: Row("InvalidParameterValueException", 400),
        BodyTooLarge: Row("RequestEntityTooLargeException", 413),
        InvalidRequestContent: Row("InvalidRequestContentException", 400),
        CodeStorageExceeded: Row("CodeStorageExceededException", 400),
        PolicyTooLong: Row("PolicyLengthExceededException", 400),
        NotFound: Row("ResourceNotFoundException", 404),
        Conflict: Row("ResourceConflictException", 409),
        RevisionMismatch: Row("PreconditionFailedException", 412),
        Throttled: Row("TooManyRequestsException", 429, _reason),
        Unavailable: Row("ServiceException", 503),
    },
    internal=Row("ServiceException", 500),
)

DEFINITION: Final = ServiceDefinition(
    name="lambda",
    title="AWS Lambda",
    errors=ERRORS,
    body_limits={
        "CreateFunction": PACKAGE_REQUEST_BYTES_MAX,
        "UpdateFunctionCode": PACKAGE_REQUEST_BYTES_MAX,
        "PublishLayerVersion": PACKAGE_REQUEST_BYTES_MAX,
        "Invoke": INVOKE_BYTES_MAX,
    },
    # The provider names the runtimes and limits of this store, which are fewer than the model's.
    unchecked={"CreateFunction": ("Runtime",), "UpdateFunctionConfiguration": ("Runtime",)},
)
