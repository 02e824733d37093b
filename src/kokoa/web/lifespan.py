"""An ASGI application whose parts are opened when the worker starts and closed when it stops (ASGI lifespan)."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

log = structlog.get_logger(__name__)

Opening = Callable[[], AbstractAsyncContextManager[ASGIApp]]


class Lifespan:
    """opening: enters with the worker's start and gives the application; leaves when the last request is done."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is not None:
            await self._app(scope, receive, send)
        else:
            raise RuntimeError("a request came before the application was open")

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()  # lifespan.startup
        try:
            async with self._opening() as app:
                self._app = app
                await send({"type": "lifespan.startup.complete"})
                await receive()  # lifespan.shutdown
        except Exception as error:
            log.error("application_failed", phase="shutdown" if self._app else "startup", exc_info=error)
            kind = "lifespan.shutdown.failed" if self._app else "lifespan.startup.failed"
            await send({"type": kind, "message": str(error)})
            return
        await send({"type": "lifespan.shutdown.complete"})
