"""ASGI applications around others: one that is opened and closed with its process (ASGI lifespan), one of two."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from kokoa.processes.heap import settle_heap

_log = structlog.get_logger(__name__)


class LifespanApp:
    """open_app: opens everything and yields the application that answers."""

    def __init__(self, open_app: Callable[[], AbstractAsyncContextManager[ASGIApp]]) -> None:
        self._open_app = open_app
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        assert self._app is not None, "the server starts the lifespan before it sends requests"
        await self._app(scope, receive, send)

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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._picked if scope["type"] == "http" and self._picks(scope) else self._other
        await app(scope, receive, send)
