"""Kept HTTP/1.1 connections to our own processes: a POST leaves in one write, its answer comes back whole.

Where one process asks another several times a request, a full HTTP client costs more than the question itself. This
one follows no redirect, keeps no cookie, asks for no compression and repeats nothing. Connections to an origin are
bounded, and so are heads and bodies of answers.
"""

import asyncio
import re
import ssl
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools

HEAD_BYTES_MAX = 65_536
OPEN_MAX = 256
IDLE_S_MAX = 15.0
CONNECT_S_MAX = 5.0
_INTERIM_BELOW = 200
_PLAIN = re.compile(r"[!-~]+")


class PeerFailed(Exception):
    """The peer cannot be reached, went away before its answer was whole, or answered what is not HTTP."""


class AnswerTooLong(PeerFailed):
    """An answer is longer than whoever asked wants to hold."""


class PeerAnswer(NamedTuple):
    """An HTTP response."""

    status: int
    body: bytes


class Address(NamedTuple):
    """Where a URL leads: the origin, and the lines that a POST to it begins with."""

    host: str
    port: int
    tls: bool
    start: bytes


def address_of(url: str) -> Address:
    """Raises ValueError for a URL that is not http or https."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not _PLAIN.fullmatch(url):
        raise ValueError(f"not the URL of an HTTP server: {url!r}")
    tls = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.rpartition("@")[2]
    start = f"POST {target} HTTP/1.1\r\nhost: {host}\r\n".encode("ascii")
    return Address(parts.hostname, parts.port or (443 if tls else 80), tls, start)


def head_of(address: Address, headers: dict[str, str], body_bytes: int) -> bytes:
    """The head of a POST. Raises ValueError for a header with a line break."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        raise ValueError("a header holds a line break")
    return address.start + f"{lines}content-length: {body_bytes}\r\n\r\n".encode()


class Connections:
    """All connections of one event loop, by origin.

    open_max: to one origin; who asks while all are busy waits.  idle_s_max: how long an unused one is kept.
    connect_s_max: how long making one may take.
    """

    def __init__(
        self, *, open_max: int = OPEN_MAX, idle_s_max: float = IDLE_S_MAX, connect_s_max: float = CONNECT_S_MAX
    ) -> None:
        self._open_max = open_max
        self._connect_s_max = connect_s_max
        self._idle_s_max = idle_s_max
        self._origins: dict[tuple[str, int, bool], _Origin] = {}

    async def post(
        self, address: Address, headers: dict[str, str], body: bytes, *, answer_bytes_max: int, timeout_s: float
    ) -> PeerAnswer:
        """Send a POST and wait for its answer. Raises PeerFailed, AnswerTooLong, TimeoutError."""
        key = address[:3]
        origin = self._origins.get(key)
        if origin is None:
            origin = self._origins[key] = _Origin(address, self._open_max, self._idle_s_max, self._connect_s_max)
        data = head_of(address, headers, len(body)) + body
        connection = None if origin.places.locked() else origin.kept()
        if connection is None:
            started = monotonic()
            async with asyncio.timeout(timeout_s):
                connection = await origin.wait()
            timeout_s -= monotonic() - started
        else:
            await origin.places.acquire()
        try:
            return await connection.exchange(data, answer_bytes_max, timeout_s)
        finally:
            origin.give_back(connection)
            origin.places.release()

    @property
    def idle(self) -> int:
        """How many are kept and could be used at once."""
        return sum(origin.idle for origin in self._origins.values())

    async def close(self) -> None:
        """Close all of them; what still waits for an answer fails."""
        for origin in self._origins.values():
            origin.close()
        self._origins.clear()


class _Origin:
    """The connections to one origin. places: how many more may be open and busy."""

    def __init__(self, address: Address, open_max: int, idle_s_max: float, connect_s_max: float) -> None:
        self._connect_s_max = connect_s_max
        self.places = asyncio.Semaphore(open_max)
        self._address = address
        self._idle_s_max = idle_s_max
        self._idle: deque[_Connection] = deque()
        self._all: set[_Connection] = set()
        self._tls = ssl.create_default_context() if address.tls else None

    @property
    def idle(self) -> int:
        return sum(connection.usable for connection in self._idle)

    def kept(self) -> "_Connection | None":
        """The connection that was used last, if it is still good."""
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since + self._idle_s_max > monotonic() and connection.usable:
                return connection
            connection.abort()
        return None

    async def wait(self) -> "_Connection":
        """A connection, kept or new, as soon as there is a place for one, which is then taken. Raises PeerFailed."""
        await self.places.acquire()
        try:
            return self.kept() or await self.connect()
        except BaseException:
            self.places.release()
            raise

    async def connect(self) -> "_Connection":
        """Raises PeerFailed."""
        address = self._address
        try:
            async with asyncio.timeout(self._connect_s_max):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self._all.discard), address.host, address.port, ssl=self._tls
                )
        except OSError as error:  # TimeoutError is one
            raise PeerFailed(repr(error)) from error
        self._all.add(connection)
        return connection

    def give_back(self, connection: "_Connection") -> None:
        """Keep it for the next, unless its last exchange did not end well."""
        if not connection.usable:
            connection.abort()
            return
        now = monotonic()
        connection.idle_since = now
        self._idle.append(connection)
        while self._idle[0].idle_since + self._idle_s_max < now:
            self._idle.popleft().abort()

    def close(self) -> None:
        self._idle.clear()
        for connection in list(self._all):
            connection.abort()


class _Connection(asyncio.Protocol):
    """One connection; httptools tells it what it reads. usable: whether another request may be sent."""

    def __init__(self, lost: Callable[["_Connection"], None]) -> None:
        self.idle_since = 0.0
        self.usable = False
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[PeerAnswer] | None = None
        self._chunks: list[bytes] = []
        self._room = 0
        self._head_room = 0
        self._head_read = False
        self._length_known = False

    async def exchange(self, data: bytes, answer_bytes_max: int, timeout_s: float) -> PeerAnswer:
        """Send a request and read its answer. While it runs, the connection is not usable.

        Raises PeerFailed, AnswerTooLong, TimeoutError.
        """
        if self._transport is None or not self.usable:
            raise PeerFailed("the connection is closed")
        self.usable = False
        self._chunks = []
        self._room = answer_bytes_max
        self._head_room = HEAD_BYTES_MAX
        self._head_read = False
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        timer = loop.call_later(timeout_s, self._fail, TimeoutError())  # asyncio.timeout costs as much as the rest
        self._transport.write(data)
        try:
            return await self._waiting
        finally:
            timer.cancel()

    def abort(self) -> None:
        """Close it at once."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        if self._waiting is None or self._waiting.done():
            self.abort()  # nobody asked, or it was too much
            return
        if not self._head_read:
            self._head_room -= len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(PeerFailed(f"not an HTTP answer: {error!r}"))
            return
        if not self._head_read and self._head_room < 0:
            self._fail(PeerFailed(f"the head of an answer is longer than {HEAD_BYTES_MAX} bytes"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        self._transport = None
        self._lost(self)
        if self._waiting is None or self._waiting.done():
            return
        if exc is None and self._head_read and not self._length_known:
            self._finish()  # the end of the connection is the end of such a body (RFC 9112 §6.3)
        else:
            self._fail(PeerFailed(f"the connection was lost: {exc!r}"))

    # httptools

    def on_message_begin(self) -> None:
        self._length_known = False
        if self._waiting is None or self._waiting.done():
            self.usable = False  # more than one answer to one request: the next one would get the wrong one

    def on_header(self, name: bytes, _value: bytes) -> None:
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._length_known = True

    def on_headers_complete(self) -> None:
        self._head_read = self._parser.get_status_code() >= _INTERIM_BELOW

    def on_body(self, chunk: bytes) -> None:
        self._room -= len(chunk)
        if self._room < 0:
            self._fail(AnswerTooLong("the answer is too long"))
        else:
            self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        if self._head_read and self._waiting is not None and not self._waiting.done():
            self.usable = self._parser.should_keep_alive()
            self._finish()

    def _finish(self) -> None:
        assert self._waiting is not None
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        self._waiting.set_result(PeerAnswer(self._parser.get_status_code(), body))

    def _fail(self, error: PeerFailed | TimeoutError) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)
        self.abort()
