"""One id for everything that a request causes: taken from the caller when it is one, else made here.

The layer also adds what other layers have left in `scope[ANSWER_HEADERS]`, to whatever is answered, problems too.

Order: `X-Correlation-Id` (32 hex digits), the trace id of `traceparent` (W3C Trace Context §3.2), a fresh one.
Anything else that a caller sends is ignored, so that no text of theirs reaches our logs this way.
"""

import re
from collections.abc import Awaitable, Iterable

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kokoa.kernel.ids import new_correlation_id
from kokoa.web.http import ANSWER_HEADERS, CORRELATION_KEY

_CORRELATION_ID = re.compile(rb"[0-9a-fA-F]{32}")
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_ZERO = b"0" * 32


def correlation_id_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The correlation id of a request, 32 lower-case hex digits.  headers: as in an ASGI scope."""
    own = parent = b""
    for name, value in headers:
        match name.lower():
            case b"x-correlation-id":
                own = value
            case b"traceparent":
                parent = value
    if own and _CORRELATION_ID.fullmatch(own) and own != _ZERO:
        return own.decode().lower()
    traced = _TRACEPARENT.fullmatch(parent) if parent else None
    if traced and traced[1] != _ZERO and traced[2] != b"0" * 16:
        return traced[1].decode()
    return new_correlation_id()


def xray_trace_header(correlation_id: str) -> str:
    """The id in X-Ray's form, as Lambda's clients expect it: `Root=1-<8 hex>-<24 hex>;Sampled=1`."""
    return f"Root=1-{correlation_id[:8]}-{correlation_id[8:]};Sampled=1"


class Correlation:
    """ASGI layer: finds the id, binds it to every log line of the request, and returns it in the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlation_id = correlation_id_of(scope["headers"])
        added = [(b"x-correlation-id", correlation_id.encode())]
        scope[CORRELATION_KEY] = correlation_id
        scope[ANSWER_HEADERS] = added

        def with_headers(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                names = {name for name, _ in added}
                kept = [pair for pair in message["headers"] if pair[0].lower() not in names]
                message = {**message, "headers": kept + added}
            return send(message)

        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(correlation_id=correlation_id)
        await self._app(scope, receive, with_headers)
