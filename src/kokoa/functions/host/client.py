"""The dispatcher's side of a function host: calls on a few kept connections, many at once on each."""

import asyncio
import itertools
from pathlib import Path
from typing import cast

import msgspec

from kokoa.functions.host.errors import HostUnavailable
from kokoa.functions.host.model import Invocation, InvokeRequest
from kokoa.functions.host.wire import Answer, Forget, FrameReader, Invoke, Ping, Question, frame, to_error
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import DeadlineExceeded

# Large requests have a connection of their own, so that small ones do not queue behind their bytes.
_BULK_BYTES = 64 * 1024
_CONNECT_S = 2.0
_PING_S = 2.0
# The host itself ends what is over its deadline; this is for a host that hangs.
_GRACE_S = 1.0


class HostClient:
    """Speaks to the host at one socket. Connects when needed, again after the host was gone."""

    def __init__(self, socket_path: Path | str) -> None:
        self._small = _Line(str(socket_path))
        self._bulk = _Line(str(socket_path))

    async def invoke(self, request: InvokeRequest) -> Invocation:
        """Run one invocation and wait for it, at most until the request's deadline.

        A function's own failure is not raised: it is in `Invocation.function_error`. Raises TooManyRequests when no
        sandbox is free within the bounds, DeadlineExceeded, FunctionCodeUnavailable, FunctionCodeInvalid,
        RuntimeUnsupported, SandboxUnavailable, InvocationTooLarge, and at once HostUnavailable when the host is down.
        """
        line = self._bulk if len(request.payload) > _BULK_BYTES else self._small
        patience_s = max(0.0, (request.deadline_ms - now_ms()) / 1000) + _GRACE_S
        try:
            async with asyncio.timeout(patience_s):
                invocation = (await line.ask(Invoke(request))).invocation
        except TimeoutError:
            raise DeadlineExceeded("The function did not answer before the deadline of the call.") from None
        if invocation is None:
            raise HostUnavailable("The function host gave no answer.")
        return invocation

    async def forget(self, arn: str) -> None:
        """The function has changed or is gone: its sandboxes end when they are done. Raises HostUnavailable."""
        await self._small.ask(Forget(arn))

    async def ping(self) -> None:
        """Return if the host answers. Raises HostUnavailable."""
        try:
            async with asyncio.timeout(_PING_S):
                await self._small.ask(Ping())
        except TimeoutError:
            raise HostUnavailable("The function host does not answer.") from None

    async def close(self) -> None:
        """Close the connections."""
        self._small.close()
        self._bulk.close()


class _Line:
    """One kept connection."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._numbers = itertools.count()
        self._connecting = asyncio.Lock()
        self._connection: _ClientConnection | None = None

    async def ask(self, ask: Invoke | Forget | Ping) -> Answer:
        connection = self._connection
        if connection is None or connection.lost:
            connection = await self._connect()
        answer = await connection.ask(Question(next(self._numbers), ask))
        if answer.fault is not None:
            raise to_error(answer.fault)
        return answer

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    async def _connect(self) -> "_ClientConnection":
        async with self._connecting:
            if self._connection is not None and not self._connection.lost:
                return self._connection
            try:
                async with asyncio.timeout(_CONNECT_S):
                    loop = asyncio.get_running_loop()
                    _, self._connection = await loop.create_unix_connection(_ClientConnection, path=self._path)
            except (OSError, TimeoutError) as error:
                raise HostUnavailable(
                    "The function host is not running; functions answer again as soon as it is.", detail=str(error)
                ) from error
            return self._connection


class _ClientConnection(asyncio.Protocol):
    """Matches answers to questions by their numbers."""

    def __init__(self) -> None:
        self._reader = FrameReader()
        self._decoder = msgspec.msgpack.Decoder(Answer)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._transport: asyncio.Transport | None = None
        self.lost = False

    async def ask(self, question: Question) -> Answer:
        assert self._transport is not None
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[question.number] = waiting
        self._transport.write(frame(question))
        try:
            return await waiting
        finally:
            self._waiting.pop(question.number, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(HostUnavailable("The function host went away during the call."))

    def data_received(self, data: bytes) -> None:
        for part in self._reader.feed(data):
            answer = self._decoder.decode(part)
            waiting = self._waiting.get(answer.number)
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)

    def close(self) -> None:
        self.lost = True
        if self._transport is not None:
            self._transport.close()
