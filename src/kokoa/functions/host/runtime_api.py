"""The Lambda Runtime API, served to one sandbox on a socket that lives inside it.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, version 2018-06-01. Written on asyncio.Protocol and
httptools because every invocation passes here; head and body of an answer leave in one write, or delayed ACKs would
add 40 ms.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from typing import Protocol, cast

import httptools
import msgspec
import orjson

from kokoa.functions.host.listening import Allowance, Listening
from kokoa.functions.host.model import RESPONSE_BYTES_MAX
from kokoa.functions.host.shares import Shares

_PREFIX = b"/2018-06-01/runtime/"
_NEXT = _PREFIX + b"invocation/next"
_INIT_ERROR = _PREFIX + b"init/error"
_INVOCATION = _PREFIX + b"invocation/"
_HEADERS_MAX = 64
_HEADER_BYTES_MAX = 64 * 1024
# AWS's runtimes send an X-Ray cause of up to a megabyte in a header.
HEAD_BYTES_MAX = 1024 * 1024 + _HEADER_BYTES_MAX
_FRAMING_BYTES_MAX = 1024 * 1024  # what chunks add to a body, and trailers
_BODY_READ_MAX = 4 * RESPONSE_BYTES_MAX  # a runtime whose answer is a bit too large is told so, and goes on
CONNECTIONS_MAX = 32

_READ_S = 15e-6  # what the event loop spends on a read before our code sees it
_REST_MAX_S = 1.0

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


class Misuse(Exception):
    """What came is no request that this API takes; the connection ends with this refusal."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(status, error_type, message)


class RuntimeConnection(asyncio.Protocol):
    """One connection of the runtime; requests on it come one after the other.

    pace: the time of the event loop that may be taken for what leads to nothing, shared by an account's connections.
    What is over it is read later: a head in many pieces, chunks of a byte, refused requests.
    """

    def __init__(self, conversation: Conversation, pace: Allowance) -> None:
        self._conversation = conversation
        self._pace = pace
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._choked = False
        self._waiting = False
        self._useful = False
        self._begin()

    def _begin(self) -> None:
        self._head: bytearray | None = bytearray()
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._header_bytes = 0
        self._body = bytearray()
        self._body_bytes = 0
        self._raw_bytes = 0
        self._spent_s = 0.0
        self._complete = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass
        self._conversation.on_connection(self, open=True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._rest is not None:
            self._rest.cancel()
        self._conversation.on_connection(self, open=False)

    def data_received(self, data: bytes) -> None:
        started = time.perf_counter()
        try:
            self._read(data)
        except Misuse as misuse:
            self._end(misuse.refusal)
        except httptools.HttpParserError as error:
            # What our own callbacks raise comes wrapped.
            cause = error.__context__
            no_request = Refusal(400, "TruncatedHTTPRequest", "This is no HTTP request.")
            self._end(cause.refusal if isinstance(cause, Misuse) else no_request)
        self._count(time.perf_counter() - started + _READ_S)

    def pause_writing(self) -> None:
        """Who does not read its answers is not read either."""
        self._choked = True
        self._set_reading()

    def resume_writing(self) -> None:
        """It has read them."""
        self._choked = False
        self._set_reading()

    def _read(self, data: bytes) -> None:
        if self._complete:
            self._begin()
        if self._waiting:
            raise Misuse(400, "InvalidStateTransition", "GET next has no answer yet: requests come one by one.")
        if self._head is not None:
            seen = max(0, len(self._head) - 3)
            self._head += data
            if self._head.find(b"\r\n\r\n", seen) < 0:
                if len(self._head) > HEAD_BYTES_MAX:
                    raise Misuse(431, "RequestHeaderFieldsTooLarge", f"A head has at most {HEAD_BYTES_MAX} bytes.")
                return
            # In one piece: the parser would join pieces in a time that grows with their square.
            data, self._head = bytes(self._head), None
            self._raw_bytes = -(data.index(b"\r\n\r\n") + 4)
        self._raw_bytes += len(data)
        self._parser.feed_data(data)
        if self._complete:
            return
        if not self._url:
            raise Misuse(400, "TruncatedHTTPRequest", "This is no HTTP request.")
        if self._raw_bytes - self._body_bytes > _FRAMING_BYTES_MAX:
            raise Misuse(400, "TruncatedHTTPRequest", "A body comes in fewer and larger chunks.")
        if self._body_bytes > _BODY_READ_MAX:
            self.on_message_complete()  # too large, and it may never end: this is the answer
            self.close()

    def _count(self, cost_s: float) -> None:
        """Give back what led to something; slow down what did not."""
        if self._complete and self._useful:
            self._pace.give_back(self._spent_s)
            return
        self._spent_s += cost_s
        wait_s = self._pace.spend(cost_s)
        if wait_s and self._rest is None and self._transport is not None:
            self._rest = asyncio.get_running_loop().call_later(min(wait_s, _REST_MAX_S), self._rested)
            self._set_reading()

    def _rested(self) -> None:
        self._rest = None
        self._set_reading()

    def _set_reading(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        wanted = self._rest is None and not self._choked
        if wanted and not transport.is_reading():
            transport.resume_reading()
        elif not wanted and transport.is_reading():
            transport.pause_reading()

    def _end(self, refusal: Refusal) -> None:
        self._useful = False
        self._refuse(refusal)
        self.close()

    # httptools

    def on_message_begin(self) -> None:
        if self._complete:
            raise Misuse(400, "InvalidStateTransition", "Requests come one by one, each after the answer before.")

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if len(self._headers) >= _HEADERS_MAX or self._header_bytes > _HEADER_BYTES_MAX:
            # Longer X-Ray causes are legitimate and of no use here: what is over the bound is not kept.
            return
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self._parser.should_upgrade():
            raise Misuse(400, "UpgradeRefused", "The Runtime API speaks HTTP/1.1 and nothing else.")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes <= RESPONSE_BYTES_MAX:
            self._body += body

    def on_message_complete(self) -> None:
        self._complete = True
        too_large = self._body_bytes > RESPONSE_BYTES_MAX
        error_type = self._headers.get(b"lambda-runtime-function-error-type", b"").decode("latin-1")
        report = Report(b"" if too_large else bytes(self._body), error_type, too_large)
        self._useful = True
        self._route(self._parser.get_method(), self._url.partition(b"?")[0], report)

    def _route(self, method: bytes, url: bytes, report: Report) -> None:
        if method == b"GET" and url == _NEXT:
            self._waiting = True  # it may be answered at once
            refusal = self._conversation.on_next(self)
            if refusal is not None:
                self._waiting = False
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
        self._waiting = False
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
        self._useful = False
        document = {"errorMessage": refusal.message, "errorType": refusal.error_type}
        self._write(refusal.status, b"", orjson.dumps(document))

    def _write(self, status: int, head: bytes, body: bytes) -> None:
        if self._transport is not None:
            self._transport.write(
                b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n%b"
                % (status, _REASONS[status], len(body), head, body)
            )


def open_runtime_api(
    listener: socket.socket, conversation: Conversation, connected: Callable[[], int], shares: Shares
) -> Listening:
    """Serve one sandbox's socket. connected: how many connections its conversation has."""
    return Listening(
        listener,
        lambda: RuntimeConnection(conversation, shares.idle_work),
        connected,
        CONNECTIONS_MAX,
        shares.arrivals,
    )
