"""ASGI applications around others: one that is opened and closed with its process (ASGI lifespan), one of two."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

import structlog
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kokoa.kernel.errors import NotFound
from kokoa.processes.heap import settle_heap
from kokoa.web.errors import MethodNotAllowed
from kokoa.web.health import Check, liveness, readiness
from kokoa.web.http import send_response

_log = structlog.get_logger(__name__)


class AddressNotFound(NotFound):
    """None of our own processes' and the operator's addresses is this one."""


class LifespanApp:
    """open_app: opens everything and yields the application that answers."""

    def __init__(self, open_app: Callable[[], AbstractAsyncContextManager[ASGIApp]]) -> None:
        self._open_app = open_app
        self._app: ASGIApp | None = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return self._live(receive, send)
        assert self._app is not None, "the server starts the lifespan before it sends requests"
        return self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            opening = self._open_app()
            self._app = await opening.__aenter__()
        except Exception as error:
            _log.error("start_failed", exc_info=error)
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        settle_heap()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await opening.__aexit__(None, None, None)
        await send({"type": "lifespan.shutdown.complete"})


class Either:
    """One application for the requests that a predicate picks, another for all others."""

    def __init__(self, picks: Callable[[Scope], bool], picked: ASGIApp, other: ASGIApp) -> None:
        self._picks = picks
        self._picked = picked
        self._other = other

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        app = self._picked if scope["type"] == "http" and self._picks(scope) else self._other
        return app(scope, receive, send)


class Addresses:
    """Routes alone. A Starlette application would answer every error by itself, as a bare 500."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = tuple(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises AddressNotFound, MethodNotAllowed, and what the endpoint raises."""
        allowed: set[str] = set()
        for route in self._routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope.update(found)
                await route.handle(scope, receive, send)
                return
            if match is Match.PARTIAL:
                allowed |= route.methods or set()
        if allowed:
            raise MethodNotAllowed(f"This address does not answer {scope['method']}.", allowed=tuple(sorted(allowed)))
        raise AddressNotFound("There is nothing at this address.")


class Health:
    """/healthz and /readyz of a process that is not the edge."""

    def __init__(self, app: ASGIApp, checks: Mapping[str, Check]) -> None:
        self._app = app
        self._checks = checks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == "/healthz":
            await send_response(send, liveness(), head_only=scope["method"] == "HEAD")
        elif path == "/readyz":
            response = await readiness(self._checks)
            await send_response(send, response, head_only=scope["method"] == "HEAD")
        else:
            await self._app(scope, receive, send)
