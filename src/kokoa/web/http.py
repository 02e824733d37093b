"""A request and an answer as plain values, so that everything between the two can be a pure function.

The body is not part of the request: who needs it reads it within a bound (see body.py).
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from urllib.parse import unquote_to_bytes

import msgspec
import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from kokoa.kernel.errors import Invalid

# Keys of the ASGI scope by which layers tell each other what they found.
CORRELATION_KEY = "kokoa.correlation_id"
ANSWER_HEADERS = "kokoa.answer_headers"
ROUTE_KEY = "kokoa.route"

Header = tuple[str, str]
Handler = Callable[["Request", Receive], Awaitable["Response"]]


class InvalidPath(Invalid):
    """The path of the request cannot be understood in exactly one way."""


class HeaderSentTwice(Invalid):
    """A header that must be unique came more than once."""


class Request(msgspec.Struct, frozen=True):
    """segments: the path split at its slashes and *then* percent-decoded, so `%2F` never makes a new segment.

    path: the segments joined again, for people and for functions.  query: as sent, still encoded.
    headers: in the order they came, names in lower case.  client: the peer's address, or empty.
    """

    method: str
    path: str
    segments: tuple[str, ...]
    query: str
    headers: tuple[Header, ...]
    http_version: str
    scheme: str
    client: str
    correlation_id: str

    def header(self, name: str) -> str | None:
        """The first value of the header, or None.  name: lower case."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def only(self, name: str) -> str | None:
        """The header's value, or None. Raises HeaderSentTwice: credentials must mean one thing to everybody."""
        found = None
        for key, value in self.headers:
            if key == name:
                if found is not None:
                    times = len(self.values(name))
                    raise HeaderSentTwice(f"The header {name} was sent {times} times. Send it once.", field=name)
                found = value
        return found.strip() if found is not None else None

    def values(self, name: str) -> list[str]:
        """Every value of the header, in order."""
        return [value for key, value in self.headers if key == name]


class Response(msgspec.Struct, frozen=True):
    """headers: without content-length, which `send_response` computes from the body."""

    status: int
    headers: tuple[Header, ...] = ()
    body: bytes = b""


class StreamedResponse(msgspec.Struct, frozen=True):
    """An answer whose body comes piece by piece. chunks: closed as soon as the client has left."""

    status: int
    headers: tuple[Header, ...]
    chunks: AsyncGenerator[bytes, None]


def json_response(status: int, value: object, *headers: Header) -> Response:
    """The value as application/json."""
    return Response(status, (("content-type", "application/json"), *headers), orjson.dumps(value))


def request_of(scope: Scope) -> Request:
    """The request of an ASGI scope. Raises InvalidPath."""
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    segments = split_path(raw_path.partition(b"?")[0])
    client = scope.get("client")
    return Request(
        method=scope["method"],
        path="/" + "/".join(segments),
        segments=segments,
        query=scope["query_string"].decode("latin-1"),
        headers=tuple([(key.decode("latin-1").lower(), value.decode("latin-1")) for key, value in scope["headers"]]),
        http_version=scope.get("http_version", "1.1"),
        scheme=scope.get("scheme", "http"),
        client=client[0] if client else "",
        correlation_id=scope.get(CORRELATION_KEY, ""),
    )


def split_path(raw_path: bytes) -> tuple[str, ...]:
    """`/a%20b/c` → ("a b", "c"); `/` → ("",). Raises InvalidPath for what two readers could read differently:

    bytes that are not UTF-8, broken escapes, control characters, `.` and `..` segments, no leading slash.
    """
    if not raw_path.startswith(b"/"):
        raise InvalidPath("The path must start with a slash.")
    if b"%" not in raw_path:
        parts = raw_path[1:].split(b"/")
    else:
        if _has_broken_escape(raw_path):
            raise InvalidPath("The path has a '%' that is not followed by two hexadecimal digits.")
        parts = [unquote_to_bytes(part) for part in raw_path[1:].split(b"/")]
    try:
        segments = tuple(part.decode() for part in parts)
    except UnicodeDecodeError:
        raise InvalidPath("The path is not UTF-8 after percent-decoding.") from None
    for segment in segments:
        # Also within a segment: once decoded and joined, `a%2F..` climbs for whoever reads the path next.
        if "." in segment and not {".", ".."}.isdisjoint(segment.split("/")):
            raise InvalidPath("The path must not contain '.' or '..' segments, encoded or not.")
        if not segment.isprintable():
            raise InvalidPath("The path must not contain control characters, encoded or not.")
    return segments


def _has_broken_escape(raw_path: bytes) -> bool:
    hexadecimal = b"0123456789abcdefABCDEF"
    for piece in raw_path.split(b"%")[1:]:
        if len(piece) < 2 or piece[0] not in hexadecimal or piece[1] not in hexadecimal:
            return True
    return False


async def send_response(send: Send, response: Response, *, head_only: bool = False) -> None:
    """Send the answer with its length; for HEAD the length but not the body (RFC 9110 §9.3.2)."""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    has_body = response.status not in {204, 304}
    if has_body and response.status >= 200:
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    body = response.body if has_body and not head_only else b""
    await send({"type": "http.response.body", "body": body})


def send_answer(
    send: Send, receive: Receive, response: Response | StreamedResponse, *, head_only: bool = False
) -> Awaitable[None]:
    """Send an answer of either kind. Before a streamed one the request's body must have been read."""
    if isinstance(response, StreamedResponse):
        return _send_streamed(send, receive, response)
    return send_response(send, response, head_only=head_only)


async def _send_streamed(send: Send, receive: Receive, response: StreamedResponse) -> None:
    """Send the chunks as they come, until they end or the client has left."""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    gone = asyncio.ensure_future(_client_gone(receive))
    sending = asyncio.ensure_future(_send_chunks(send, response.chunks))
    try:
        await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (gone, sending):
            task.cancel()
        await asyncio.wait({gone, sending})
        await response.chunks.aclose()
    if not sending.cancelled():
        sending.result()


async def _send_chunks(send: Send, chunks: AsyncGenerator[bytes, None]) -> None:
    async for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _client_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def as_asgi(handler: Handler) -> ASGIApp:
    """The handler as an ASGI application for HTTP."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await handler(request_of(scope), receive)
        await send_response(send, response, head_only=scope["method"] == "HEAD")

    return app
