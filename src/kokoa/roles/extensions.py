"""What executing extensions of the graph needs of the functions and of the edge's events."""

from collections.abc import Sequence

from kokoa.edge.events import v2
from kokoa.edge.events.requests import EventRoute, Occasion, new_request_id
from kokoa.edge.extensions import FunctionAnswer
from kokoa.functions.control.names import function_arn
from kokoa.gateway.extension import Extension
from kokoa.kernel.call import Call
from kokoa.kernel.clock import now_ms
from kokoa.roles.seams import Functions
from kokoa.web.http import Request

_PATH = "/graphql"


class AccountFunctions:
    """Implements the gateway's FunctionInvoker by the functions' seam. region: as in their ARNs."""

    def __init__(self, functions: Functions, region: str) -> None:
        self._functions = functions
        self._region = region

    async def invoke(self, call: Call, account_id: str, function: str, payload: bytes) -> FunctionAnswer:
        return await self._functions.invoke(call, function_arn(self._region, account_id, function), payload)


class ApiGatewayEvents:
    """Implements the gateway's HttpEvents: a function with a GraphQL server in it is asked at POST /graphql."""

    def event_of(self, extension: Extension, headers: Sequence[tuple[str, str]], body: bytes, call: Call) -> bytes:
        request = Request(
            method="POST",
            path=_PATH,
            segments=(_PATH[1:],),
            query="",
            headers=(("host", f"{extension.name}.extensions.internal"), *headers),
            http_version="1.1",
            scheme="https",
            client="",
            correlation_id=call.correlation_id,
        )
        route = EventRoute(
            route_key=f"POST {_PATH}",
            resource=_PATH,
            api_id=extension.name,
            account_id=extension.account_id,
            path=_PATH,
            path_parameters={},
        )
        return v2.event_of(request, body, route, Occasion(new_request_id(), now_ms()))

    def response_of(self, payload: bytes) -> tuple[int, bytes]:
        response = v2.response_of(payload)
        return response.status, response.body
