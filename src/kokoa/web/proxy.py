"""Pass a request on to another of our processes, byte for byte, and its answer back: for requests that are signed."""

from collections.abc import AsyncIterator

import aiohttp
import structlog
from multidict import CIMultiDict
from starlette.types import Receive, Scope, Send
from yarl import URL

from kokoa.kernel.errors import Unavailable

_log = structlog.get_logger(__name__)

_TIMEOUT_S = 910.0  # a function may run for 15 minutes
# Meant for one connection only (RFC 9110 §7.6.1); `expect` was answered by our own server.
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"expect",
    }
)


class UpstreamUnavailable(Unavailable):
    """The process that answers this does not."""


class RawProxy:
    """An ASGI application. Method, target, headers (Host too) and body stay as they came, so signatures hold."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises UpstreamUnavailable while nothing has been sent yet."""
        target: bytes = scope.get("raw_path") or scope["path"].encode()
        query: bytes = scope["query_string"]
        url = self._base_url + target.decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
        headers = CIMultiDict(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in scope["headers"]
            if name.lower() not in _HOP_BY_HOP
        )
        try:
            request = self._session.request(
                scope["method"],
                URL(url, encoded=True),
                headers=headers,
                data=_body(receive) if _has_body(scope) else None,
                allow_redirects=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
            )
            async with request as response:
                await _answer(response, send)
        except (aiohttp.ClientConnectorError, aiohttp.ServerDisconnectedError) as error:
            raise UpstreamUnavailable("A part of the store does not answer.", detail=repr(error)) from error


def _has_body(scope: Scope) -> bool:
    return any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def _answer(response: aiohttp.ClientResponse, send: Send) -> None:
    headers = [(name, value) for name, value in response.raw_headers if name.lower() not in _HOP_BY_HOP]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    async for chunk in response.content.iter_any():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
