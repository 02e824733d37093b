"""CloudWatch Logs as the server runs it: its error table."""

from typing import Final

from kokoa.functions.aws.errors import JSON_SECURITY, ErrorTable, ModelViolation, Row, UnknownOperation
from kokoa.functions.aws.service import ServiceDefinition
from kokoa.kernel.errors import Conflict, Invalid, NotFound, Throttled, Unavailable

ERRORS: Final = ErrorTable(
    {
        **JSON_SECURITY,
        UnknownOperation: Row("UnknownOperationException", 400),
        Invalid: Row("InvalidParameterException", 400),
        ModelViolation: Row("InvalidParameterException", 400),
        NotFound: Row("ResourceNotFoundException", 400),
        Conflict: Row("ResourceAlreadyExistsException", 400),
        Throttled: Row("ThrottlingException", 400),
        Unavailable: Row("ServiceUnavailableException", 500),
    },
    internal=Row("InternalFailure", 500),
)

DEFINITION: Final = ServiceDefinition(name="logs", title="Amazon CloudWatch Logs", errors=ERRORS)
