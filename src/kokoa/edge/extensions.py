"""Serve an extension's route: request → event → function → response."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec
import orjson
import structlog
from starlette.types import Receive

from kokoa.edge.errors import ExtensionNotReady, FunctionBusy, FunctionFailed, FunctionTimeout
from kokoa.edge.events import v1, v2
from kokoa.edge.events.requests import EventRoute, Occasion, new_request_id
from kokoa.edge.model import ExtensionRoute
from kokoa.edge.routes import Match
from kokoa.kernel.call import Call
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import DeadlineExceeded, Forbidden, NotFound, Throttled, Unavailable
from kokoa.web.body import read_body
from kokoa.web.errors import PayloadTooLarge
from kokoa.web.http import Request, Response

log = structlog.get_logger(__name__)

# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html and Lambda's quotas
BODY_BYTES_MAX = 10 * 1024 * 1024
EVENT_BYTES_MAX = 6 * 1024 * 1024
_REASON_LENGTH_MAX = 500
_TIMEOUT_TYPE = "Sandbox.Timedout"


class _Format(NamedTuple):
    """One payload format of API Gateway."""

    event_of: Callable[[Request, bytes, EventRoute, Occasion], bytes]
    response_of: Callable[[bytes], Response]


_FORMATS = {"1.0": _Format(v1.event_of, v1.response_of), "2.0": _Format(v2.event_of, v2.response_of)}


class FunctionAnswer(msgspec.Struct, frozen=True):
    """payload: what the function returned, or its error object when function_error is set."""

    payload: bytes
    function_error: str | None
    request_id: str


class FunctionInvoker(Protocol):
    """Invokes a function and waits. Raises kernel kinds: Throttled, Unavailable, DeadlineExceeded, NotFound, …

    The invoker makes the hop: calls that the function makes in turn are one deeper than `call`.
    """

    async def invoke(self, call: Call, function_arn: str, payload: bytes) -> FunctionAnswer: ...


class Extensions:
    """Answers the requests whose route an extension serves."""

    def __init__(self, invoker: FunctionInvoker) -> None:
        self._invoker = invoker

    async def serve(
        self,
        request: Request,
        receive: Receive,
        call: Call,
        match: Match,
        route: ExtensionRoute,
        *,
        deadline_ms: int | None = None,
    ) -> Response:
        """deadline_ms: from when the request is read, if it is shorter than the route's own.

        Raises PayloadTooLarge, FunctionTimeout, FunctionFailed, FunctionBusy, BadFunctionAnswer, ExtensionNotReady.
        What the shopper reads never says why; our log does, with the correlation id that the partner's log has too.
        """
        event = await self.event_of(request, receive, match, route)
        return await self.ask(call, route, event, deadline_ms=deadline_ms)

    async def event_of(self, request: Request, receive: Receive, match: Match, route: ExtensionRoute) -> bytes:
        """What the function shall receive. Reads the body. Raises PayloadTooLarge, ExtensionNotReady."""
        if not route.permitted:
            raise ExtensionNotReady(
                "The extension behind this route is not ready to answer.",
                detail=f"{route.function_name} has no permission for apigateway.amazonaws.com; "
                "aws lambda add-permission --action lambda:InvokeFunction --principal apigateway.amazonaws.com",
            )
        body = await read_body(request, receive, limit_bytes=BODY_BYTES_MAX)
        described = EventRoute(
            route_key=match.key.text,
            resource=match.key.path,
            api_id=route.api_id,
            account_id=route.account_id,
            path=match.path,
            path_parameters=match.parameters,
        )
        event = _format_of(route).event_of(request, body, described, Occasion(new_request_id(), now_ms()))
        if len(event) > EVENT_BYTES_MAX:
            raise PayloadTooLarge(
                f"The request is larger than a function takes: {len(event)} bytes as an event, "
                f"at most {EVENT_BYTES_MAX}."
            )
        return event

    async def ask(
        self, call: Call, route: ExtensionRoute, event: bytes, *, deadline_ms: int | None = None
    ) -> Response:
        """The function's answer to an event. Raises what `serve` does."""
        patience_ms = min(route.timeout_ms, call.remaining_ms(), deadline_ms or route.timeout_ms)
        answer = await self._invoke(call, route, event, patience_ms)
        if answer.function_error is not None:
            raise _failure_of(answer, route)
        return _format_of(route).response_of(answer.payload)

    async def _invoke(self, call: Call, route: ExtensionRoute, event: bytes, patience_ms: int) -> FunctionAnswer:
        bounded = call.until(now_ms() + patience_ms)
        try:
            async with asyncio.timeout(patience_ms / 1000):
                return await self._invoker.invoke(bounded, route.function_arn, event)
        except (TimeoutError, DeadlineExceeded) as error:
            raise _timeout(route, f"no answer within {patience_ms} ms") from error
        except (Throttled, Unavailable) as error:
            raise FunctionBusy(
                "The extension behind this route has no room for another request right now. Try again shortly.",
                detail=f"{route.function_name}: {type(error).__name__}: {error.message} {error.detail}",
            ) from error
        except (NotFound, Forbidden) as error:
            raise ExtensionNotReady(
                "The extension behind this route is not ready to answer.",
                detail=f"{route.function_arn}: {type(error).__name__}: {error.message}",
            ) from error


def _format_of(route: ExtensionRoute) -> _Format:
    return _FORMATS.get(route.payload_format_version, _FORMATS["2.0"])


def _failure_of(answer: FunctionAnswer, route: ExtensionRoute) -> FunctionFailed | FunctionTimeout:
    try:
        error = orjson.loads(answer.payload)
    except orjson.JSONDecodeError:
        error = {}
    error = error if isinstance(error, dict) else {}
    error_type = str(error.get("errorType", ""))
    if error_type == _TIMEOUT_TYPE:
        return _timeout(route, "the function's own timeout passed")
    return FunctionFailed(
        "The extension behind this route failed. Its log has the reason, under this correlation id.",
        reason=f"{error_type or answer.function_error}: {str(error.get('errorMessage', ''))[:_REASON_LENGTH_MAX]}",
        detail=f"{route.function_name} (request {answer.request_id}): {answer.function_error} {error_type}",
    )


def _timeout(route: ExtensionRoute, reason: str) -> FunctionTimeout:
    return FunctionTimeout(
        "The extension behind this route did not answer in time.", detail=f"{route.function_name}: {reason}"
    )
