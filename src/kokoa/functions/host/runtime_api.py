"""The Lambda Runtime API, served to one sandbox on a socket that lives inside it.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, version 2018-06-01. Written on asyncio.Protocol and
httptools because every invocation passes here; head and body of an answer leave in one write, or delayed ACKs would
add 40 ms.
"""

import asyncio
from collections.abc import Mapping
from typing import Protocol, cast

import httptools
import msgspec
import orjson

from kokoa.functions.host.model import RESPONSE_BYTES_MAX

_PREFIX = b"/2018-06-01/runtime/"
_NEXT = _PREFIX + b"invocation/next"
_INIT_ERROR = _PREFIX + b"init/error"
_INVOCATION = _PREFIX + b"invocation/"
_HEADERS_MAX = 64
_HEADER_BYTES_MAX = 64 * 1024
CONNECTIONS_MAX = 32

_REASONS = {
    200: b"OK",
    202: b"Accepted",
    400: b"Bad Request",
    403: b"Forbidden",
    404: b"Not Found",
    413: b"Request Entity Too Large",
    431: b"Request Header Fields Too Large",
}


class Refusal(msgspec.Struct, frozen=True):
    """Why a call of the runtime is not accepted."""

    status: int
    error_type: str
    message: str


class Report(msgspec.Struct, frozen=True):
    """What a runtime reports.  too_large: the body was over the limit and is not here.  error_type: its header."""

    body: bytes
    error_type: str
    too_large: bool


class Conversation(Protocol):
    """The other side: what the worker does with the runtime's calls."""

    def on_next(self, connection: "RuntimeConnection") -> Refusal | None:
        """The runtime asks for work; answer later with `connection.send_invocation`."""

    def on_response(self, request_id: str, report: Report) -> Refusal | None:
        """The function returned."""

    def on_error(self, request_id: str, report: Report) -> Refusal | None:
        """The function raised."""

    def on_init_error(self, report: Report) -> Refusal | None:
        """The function could not be loaded."""

    def on_connection(self, connection: "RuntimeConnection", *, open: bool) -> None:
        """A connection was made or lost."""


class RuntimeConnection(asyncio.Protocol):
    """One connection of the runtime; requests on it come one after the other."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._header_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass
        self._conversation.on_connection(self, open=True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._conversation.on_connection(self, open=False)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse(Refusal(400, "TruncatedHTTPRequest", "This is no HTTP request."))
            self.close()

    # httptools

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if len(self._headers) >= _HEADERS_MAX or self._header_bytes > _HEADER_BYTES_MAX:
            # Longer X-Ray causes are legitimate and of no use here: what is over the bound is not kept.
            return
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes <= RESPONSE_BYTES_MAX:
            self._body.append(body)

    def on_message_complete(self) -> None:
        method, url = self._parser.get_method(), self._url
        too_large = self._body_bytes > RESPONSE_BYTES_MAX
        error_type = self._headers.get(b"lambda-runtime-function-error-type", b"").decode("latin-1")
        report = Report(b"" if too_large else b"".join(self._body), error_type, too_large)
        self._begin()
        self._route(method, url.partition(b"?")[0], report)

    def _route(self, method: bytes, url: bytes, report: Report) -> None:
        if method == b"GET" and url == _NEXT:
            refusal = self._conversation.on_next(self)
            if refusal is not None:
                self._refuse(refusal)
            return
        if method == b"POST" and url.startswith(_INVOCATION):
            request_id, _, what = url[len(_INVOCATION) :].decode("latin-1").partition("/")
            if what == "response":
                self._accept(self._conversation.on_response(request_id, report))
                return
            if what == "error":
                self._accept(self._conversation.on_error(request_id, report))
                return
        if method == b"POST" and url == _INIT_ERROR:
            self._accept(self._conversation.on_init_error(report))
            return
        self._refuse(Refusal(404, "NotFound", "The Runtime API has no such operation."))

    # answers

    def send_invocation(self, headers: Mapping[str, str], payload: bytes) -> None:
        """Answer the parked GET next."""
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._write(200, head.encode("latin-1", "replace"), payload)

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.close()

    def _accept(self, refusal: Refusal | None) -> None:
        if refusal is None:
            self._write(202, b"", b'{"status":"OK"}\n')
        else:
            self._refuse(refusal)

    def _refuse(self, refusal: Refusal) -> None:
        document = {"errorMessage": refusal.message, "errorType": refusal.error_type}
        self._write(refusal.status, b"", orjson.dumps(document))

    def _write(self, status: int, head: bytes, body: bytes) -> None:
        if self._transport is not None:
            self._transport.write(
                b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n%b"
                % (status, _REASONS[status], len(body), head, body)
            )
