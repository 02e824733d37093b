"""HTTP/1.1 clients that cost little: what a benchmark measures must not be its own client.

`drive` keeps many connections busy on one event loop, `drive_flow` with requests that depend on the answers before;
`Line` is one blocking connection for latencies. All understand answers with a Content-Length only, which is all that
the servers under test send.
"""

import asyncio
import itertools
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import cast

import msgspec

Address = tuple[str, int]

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_TIMEOUT_S = 30.0
_CHUNK_BYTES = 256 * 1024


class UnexpectedAnswer(Exception):
    """A server under test answered something else than 200; the message shows it."""


class Drive(msgspec.Struct, frozen=True):
    """What a drive did.  answers: all of them with status 200.  times_ms: how long each took."""

    answers: int
    seconds: float
    times_ms: list[float] = []

    @property
    def per_second(self) -> float:
        return self.answers / self.seconds


def post(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """A POST as it goes over the wire."""
    return request("POST", path, {**headers, "Content-Length": str(len(body))}) + body


def request(method: str, path: str, headers: dict[str, str]) -> bytes:
    """A request's head as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _answer_size(data: bytes | bytearray) -> int:
    """How long the first answer in data is, or 0 while its head is incomplete. Raises UnexpectedAnswer."""
    end = data.find(_HEAD_END)
    if end < 0:
        return 0
    head = bytes(data[:end]).lower()
    at = head.find(_LENGTH)
    if at < 0 or data[9:12] != b"200":
        raise UnexpectedAnswer(bytes(data[:600]).decode("utf-8", "replace"))
    line_end = head.find(b"\r\n", at)
    length = int(head[at + len(_LENGTH) : line_end if line_end > 0 else len(head)])
    return end + len(_HEAD_END) + length


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the last one is answered."""

    def __init__(self, requests: Iterator[bytes], ended: "asyncio.Future[None]") -> None:
        self._requests = requests
        self._ended = ended
        self._buffer = bytearray()
        self._wanted = 0
        self._transport: asyncio.Transport | None = None
        self._sent = 0.0
        self.times_ms: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            self._wanted = self._wanted or _answer_size(self._buffer)
        except UnexpectedAnswer as error:
            self._fail(error)
            return
        if not self._wanted or len(self._buffer) < self._wanted:
            return
        self._buffer.clear()
        self._wanted = 0
        self.times_ms.append((time.perf_counter() - self._sent) * 1000)
        if self._transport is not None and not self._ended.done():
            self._send(self._transport)

    def _send(self, transport: asyncio.Transport) -> None:
        self._sent = time.perf_counter()
        transport.write(next(self._requests))

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(UnexpectedAnswer(f"the server closed the connection: {exc!r}"))

    def _fail(self, error: Exception) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def drive(address: Address, requests: Sequence[bytes], *, connections: int, seconds: float) -> Drive:
    """Keep so many connections busy for so long; the requests are sent in turn. Raises UnexpectedAnswer."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    turn = itertools.cycle(requests)
    made: list[_Connection] = []
    started = time.perf_counter()
    try:
        for _ in range(connections):
            _, connection = await loop.create_connection(lambda: _Connection(turn, ended), *address)
            made.append(connection)
        await asyncio.wait({ended}, timeout=seconds)
        took = time.perf_counter() - started
        if ended.done():
            ended.result()
    finally:
        ended.cancel()
        for connection in made:
            connection.close()
    times_ms = [one for connection in made for one in connection.times_ms]
    return Drive(len(times_ms), took, times_ms)


class Talk(asyncio.Protocol):
    """One kept connection for a client whose next request depends on the last answer."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._wanted = 0
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def to(cls, address: Address) -> "Talk":
        """Connect."""
        _, talk = await asyncio.get_running_loop().create_connection(cls, *address)
        return talk

    async def exchange(self, data: bytes) -> bytes:
        """Send a request; its answer's body. Raises UnexpectedAnswer."""
        assert self._transport is not None, "made by `to`"
        assert self._answer is None, "one request at a time"
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        try:
            return await self._answer
        finally:
            self._answer = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            self._wanted = self._wanted or _answer_size(self._buffer)
        except UnexpectedAnswer as error:
            self._fail(error)
            return
        if self._wanted and len(self._buffer) >= self._wanted:
            body = bytes(self._buffer[self._buffer.find(_HEAD_END) + len(_HEAD_END) :])
            self._buffer.clear()
            self._wanted = 0
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(UnexpectedAnswer(f"the server closed the connection: {exc!r}"))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


Flow = Callable[[Talk], Awaitable[None]]


async def drive_flow(address: Address, flow: Flow, *, connections: int, seconds: float) -> Drive:
    """Keep so many connections busy with a flow of requests, again and again; answers: whole flows.

    Raises UnexpectedAnswer, and what the flow raises.
    """
    times_ms: list[float] = []

    async def repeat(talk: Talk, until: float) -> None:
        while (begun := time.perf_counter()) < until:
            await flow(talk)
            times_ms.append((time.perf_counter() - begun) * 1000)

    talks = [await Talk.to(address) for _ in range(connections)]
    started = time.perf_counter()
    try:
        async with asyncio.TaskGroup() as group:
            for talk in talks:
                group.create_task(repeat(talk, started + seconds))
        return Drive(len(times_ms), time.perf_counter() - started, times_ms)
    finally:
        for talk in talks:
            talk.close()


class Line:
    """One kept connection, blocking: the cheapest client there is. A context manager."""

    def __init__(self, address: Address) -> None:
        self._socket = socket.create_connection(address, timeout=_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def exchange(self, data: bytes) -> bytes:
        """Send a request; its answer's body. Raises UnexpectedAnswer."""
        self._socket.sendall(data)
        received = bytearray()
        wanted = 0
        while not wanted or len(received) < wanted:
            chunk = self._socket.recv(_CHUNK_BYTES)
            if not chunk:
                raise UnexpectedAnswer("the server closed the connection")
            received += chunk
            wanted = wanted or _answer_size(received)
        return bytes(received[received.find(_HEAD_END) + len(_HEAD_END) :])

    def time_ms(self, data: bytes) -> float:
        """How long one exchange takes."""
        started = time.perf_counter()
        self.exchange(data)
        return (time.perf_counter() - started) * 1000
