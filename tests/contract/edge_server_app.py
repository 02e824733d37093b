"""The application that test_edge_server.py serves: the edge's outer layers around an echo, and a path that waits."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.types import ASGIApp, Receive

from kokoa.edge.entrance import Entrance
from kokoa.roles.asgi import LifespanApp
from kokoa.web.body import read_body
from kokoa.web.correlation import Correlation
from kokoa.web.http import Request, Response, as_asgi, json_response
from kokoa.web.problem import Problems


async def echo(request: Request, receive: Receive) -> Response:
    if request.path == "/slow":
        # Shows the test that the request is here, and takes until the test says so.
        marker = Path(os.environ["EDGE_TEST_MARKER"])
        await asyncio.to_thread(marker.touch)
        while await asyncio.to_thread(marker.exists):
            await asyncio.sleep(0.01)
    body = await read_body(request, receive, limit_bytes=1_000_000)
    return json_response(200, {"pid": os.getpid(), "path": request.path, "length": len(body)})


@asynccontextmanager
async def opened() -> AsyncIterator[ASGIApp]:
    yield Correlation(Problems(Entrance(as_asgi(echo))))


def create() -> ASGIApp:
    return LifespanApp(opened)
