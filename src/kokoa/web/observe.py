"""ASGI layer: one access log line and one measurement for every request."""

import time
from collections.abc import Awaitable

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kokoa.web.http import ROUTE_KEY
from kokoa.web.metrics import HttpMetrics

log = structlog.get_logger("kokoa.access")

STATUS_CLIENT_GONE = 499


class Observed:
    """Logs method, path, status and duration. Never the query string or headers: they may hold secrets."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = STATUS_CLIENT_GONE
        started = time.perf_counter()

        def watched(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            duration_s = time.perf_counter() - started
            route = scope.get(ROUTE_KEY, "")
            self._metrics.observe(scope["method"], route, status, duration_s)
            log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                route=route,
                status=status,
                duration_ms=round(duration_s * 1000, 2),
            )
