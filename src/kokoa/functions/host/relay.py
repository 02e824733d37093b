"""The two doors out of a sandbox: the store's own API and Kokoa's AWS endpoint.

Both are HTTP on a socket that lives inside the sandbox, served here and passed on to `web_url` with the call token of
the invocation that is running now. A function cannot choose a token: whatever it sends under our names is dropped.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Literal

import aiohttp
import msgspec
import orjson
import structlog
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from kokoa.functions.host.listening import Listening
from kokoa.functions.host.shares import REQUESTS_PER_S, Shares
from kokoa.kernel.clock import now_ms

_log = structlog.get_logger(__name__)

CALL_HEADER = "X-Kokoa-Call"
_CORRELATION_HEADER = "X-Correlation-Id"
_HOP_BY_HOP = {
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
_PLATFORM = {"x-tenant-id", "x-tenant-secret", "x-graphql-secret", "x-environment", "x-correlation-id", "forwarded"}
_PLATFORM_PREFIXES = ("x-kokoa-", "x-forwarded-")
_AUTOMATIC = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")

REQUESTS_MAX = 64
# More than may ask at once, because clients keep connections for later.
CONNECTIONS_MAX = 2 * REQUESTS_MAX
BODY_BYTES_MAX = 80 * 1024 * 1024
_REQUEST_BYTES = 512 * 1024  # passing on so much takes as long as a request
_UPSTREAM_CONNECTIONS_MAX = 512
_CHUNK_BYTES = 64 * 1024
_CONNECT_S = 5.0
_KEEP_ALIVE_S = 75.0

Door = Literal["store", "aws"]


class CurrentCall(msgspec.Struct, frozen=True):
    """What the running invocation lends to a request.  deadline_ms: unix time at which it must be over."""

    token: str
    correlation_id: str
    deadline_ms: int


class BodyTooLarge(Exception):
    """The function sends more than the relay passes on."""


def open_session() -> aiohttp.ClientSession:
    """The client that all relays of a host share."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_UPSTREAM_CONNECTIONS_MAX, force_close=False),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=_AUTOMATIC,
    )


class Relay:
    """One door of one sandbox."""

    def __init__(
        self,
        door: Door,
        session: aiohttp.ClientSession,
        web_url: str,
        current: Callable[[], CurrentCall | None],
        shares: Shares,
    ) -> None:
        """current: the call that is running now, if any."""
        self._door = door
        self._session = session
        self._web_url = web_url.rstrip("/")
        self._current = current
        self._running = 0
        self._visits = shares.visits
        self._pace = shares.requests
        # Only the serving protocol; the socket comes from inside the sandbox.
        # Bodies pass as they are: who unpacks a function's bombs is whoever it sends them to.
        self.server = web.Server(self._serve, access_log=None, auto_decompress=False, keepalive_timeout=_KEEP_ALIVE_S)

    def open(self, listener: socket.socket) -> Listening:
        """Serve a socket; close the door before the server."""
        return Listening(listener, self.server, lambda: len(self.server.connections), CONNECTIONS_MAX, self._visits)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        call = self._current()
        if call is None:
            return _problem(503, "No invocation is running, so there is nobody to ask for.", "no-invocation")
        if not request.raw_path.startswith("/"):
            # After the store's address, "@elsewhere" (CONNECT) or "http://elsewhere" would be part of an address.
            return _problem(400, "A request names a path of the store, which begins with '/'.", "no-path")
        if self._running >= REQUESTS_MAX:
            return _problem(429, f"A function may have {REQUESTS_MAX} requests under way.", "too-many-requests")
        if (request.content_length or 0) > BODY_BYTES_MAX:
            return _problem(413, f"A request body may have {BODY_BYTES_MAX} bytes.", "body-too-large")
        wait_s = self._pace.spend(1)
        if wait_s * 1000 > call.deadline_ms - now_ms():
            self._pace.give_back(1)
            return _problem(429, f"An account may make {REQUESTS_PER_S:.0f} requests a second.", "too-many-requests")
        self._running += 1
        try:
            await asyncio.sleep(wait_s)
            still = self._current()
            if still is None:  # the invocation ended meanwhile
                return _problem(503, "No invocation is running, so there is nobody to ask for.", "no-invocation")
            return await self._pass_on(request, still)
        except BodyTooLarge:
            return _problem(413, f"A request body may have {BODY_BYTES_MAX} bytes.", "body-too-large")
        except TimeoutError:
            return _problem(504, "The store's API did not answer before the invocation's deadline.", "no-answer")
        except aiohttp.ClientError as error:
            _log.warning("relay.failed", door=self._door, error=str(error), correlation_id=call.correlation_id)
            return _problem(502, "The store's API does not answer.", "no-answer")
        finally:
            self._running -= 1

    async def _pass_on(self, request: web.BaseRequest, call: CurrentCall) -> web.StreamResponse:
        patience_s = max(0.001, (call.deadline_ms - now_ms()) / 1000)
        headers = outbound_headers(request.headers, self._door, call)
        body = self._bounded(request) if request.body_exists else None
        async with self._session.request(
            request.method,
            URL(self._web_url + request.raw_path, encoded=True),
            headers=headers,
            data=body,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=patience_s, sock_connect=_CONNECT_S),
        ) as upstream:
            response = web.StreamResponse(status=upstream.status, reason=upstream.reason)
            for name, value in upstream.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    response.headers.add(name, value)
            await response.prepare(request)
            async for chunk in upstream.content.iter_chunked(_CHUNK_BYTES):
                await response.write(chunk)
                await self._rest(len(chunk))
            await response.write_eof()
            return response

    async def _bounded(self, request: web.BaseRequest) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in request.content.iter_chunked(_CHUNK_BYTES):
            size += len(chunk)
            if size > BODY_BYTES_MAX:
                raise BodyTooLarge
            yield chunk
            await self._rest(len(chunk))

    async def _rest(self, size: int) -> None:
        """After passing on so many bytes."""
        wait_s = self._pace.spend(size / _REQUEST_BYTES)
        if wait_s:
            await asyncio.sleep(wait_s)


def outbound_headers(headers: Mapping[str, str], door: Door, call: CurrentCall) -> CIMultiDict[str]:
    """What the store sees: the function's headers without ours, and the token of the running invocation.

    The AWS door keeps Host, because Signature V4 signs it.
    """
    connection = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        lower = name.lower()
        if lower in _HOP_BY_HOP or lower in _PLATFORM or lower in connection:
            continue
        if lower.startswith(_PLATFORM_PREFIXES) or (lower == "host" and door == "store"):
            continue
        kept.add(name, value)
    kept[CALL_HEADER] = call.token
    kept[_CORRELATION_HEADER] = call.correlation_id
    return kept


def _problem(status: int, detail: str, kind: str) -> web.Response:
    body = {"type": f"/problems/{kind}", "title": kind.replace("-", " "), "status": status, "detail": detail}
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/problem+json")
