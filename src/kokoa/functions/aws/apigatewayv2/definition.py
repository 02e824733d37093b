"""API Gateway v2 as the server runs it: its error table, and the paths that tell it from API Gateway v1."""

from typing import Final

from kokoa.functions.aws.errors import JSON_SECURITY, ErrorTable, Row
from kokoa.functions.aws.service import ServiceDefinition
from kokoa.kernel.errors import Conflict, Invalid, NotFound, Throttled, Unavailable

ERRORS: Final = ErrorTable(
    {
        **JSON_SECURITY,
        Invalid: Row("BadRequestException", 400),
        NotFound: Row("NotFoundException", 404),
        Conflict: Row("ConflictException", 409),
        Throttled: Row("TooManyRequestsException", 429),
        Unavailable: Row("ServiceUnavailableException", 503),
    },
    internal=Row("InternalServerErrorException", 500),
)

DEFINITION: Final = ServiceDefinition(
    name="apigatewayv2", title="Amazon API Gateway v2", errors=ERRORS, path_prefix="/v2/"
)
