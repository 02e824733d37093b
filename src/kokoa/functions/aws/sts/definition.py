"""STS as the server runs it: its error table."""

from typing import Final

from kokoa.functions.aws.errors import QUERY_SECURITY, ErrorTable, ModelViolation, Row
from kokoa.functions.aws.service import ServiceDefinition
from kokoa.kernel.errors import Conflict, Invalid, NotFound, Throttled, Unavailable

ERRORS: Final = ErrorTable(
    {
        **QUERY_SECURITY,
        Invalid: Row("InvalidParameterValue", 400),
        ModelViolation: Row("ValidationError", 400),
        NotFound: Row("ResourceNotFound", 404),
        Conflict: Row("ResourceConflict", 409),
        Throttled: Row("Throttling", 400),
        Unavailable: Row("ServiceUnavailable", 503),
    },
    internal=Row("InternalFailure", 500),
)

DEFINITION: Final = ServiceDefinition(name="sts", title="AWS STS", errors=ERRORS)
