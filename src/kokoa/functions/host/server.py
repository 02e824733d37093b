"""The host's Unix socket: it takes questions from dispatchers and gives each its answer.

Only the user that runs the store may connect: the folder is 0700 and the socket 0600.
"""

import asyncio
import os
from pathlib import Path
from typing import cast

import msgspec
import structlog

from kokoa.functions.host.errors import HostUnavailable
from kokoa.functions.host.pool import Pool
from kokoa.functions.host.wire import Answer, Forget, FrameReader, FrameTooLong, Invoke, Question, frame, to_fault
from kokoa.kernel.errors import KokoaError

_log = structlog.get_logger(__name__)

# A connection that has so many questions open gets no more answered until some are.
QUESTIONS_MAX = 4096


class HostServer:
    """Listens, and ends in good order: first no new work, then what runs, then the connections."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._listening: asyncio.Server | None = None
        self._connections: set[HostConnection] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def listen(self, path: Path) -> None:
        """Serve on a Unix socket; one that a dead host left behind is replaced."""
        before = _make_way(path)
        try:
            loop = asyncio.get_running_loop()
            self._listening = await loop.create_unix_server(lambda: HostConnection(self), path=str(path))
        finally:
            os.umask(before)

    async def close(self, patience_s: float) -> None:
        """Take no more work, wait for what runs, end what still does then."""
        self._stopping = True
        if self._listening is not None:
            self._listening.close()
        if self._running:
            await asyncio.wait(self._running, timeout=patience_s)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        for connection in tuple(self._connections):
            connection.close()

    def take(self, connection: "HostConnection", question: Question) -> asyncio.Task[None]:
        """Start to answer a question."""
        task = asyncio.ensure_future(self._answer(connection, question))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def note(self, connection: "HostConnection", *, open: bool) -> None:
        """Keep track of the connections."""
        if open:
            self._connections.add(connection)
        else:
            self._connections.discard(connection)

    async def _answer(self, connection: "HostConnection", question: Question) -> None:
        if self._stopping:
            stopping = HostUnavailable("The function host is stopping; try again.")
            connection.send(Answer(question.number, fault=to_fault(stopping)))
        else:
            connection.send(await answer_question(self._pool, question))


class HostConnection(asyncio.Protocol):
    """One dispatcher's connection."""

    def __init__(self, server: HostServer) -> None:
        self._server = server
        self._reader = FrameReader()
        self._decoder = msgspec.msgpack.Decoder(Question)
        self._transport: asyncio.Transport | None = None
        self._open_questions = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass
        self._server.note(self, open=True)

    def connection_lost(self, exc: Exception | None) -> None:
        # Its invocations run to their end: nobody waits, but a function that is killed half-way helps nobody.
        self._transport = None
        self._server.note(self, open=False)

    def data_received(self, data: bytes) -> None:
        try:
            for part in self._reader.feed(data):
                self._open_questions += 1
                self._server.take(self, self._decoder.decode(part)).add_done_callback(self._done)
        except (FrameTooLong, msgspec.DecodeError) as error:
            _log.warning("host.bad_frame", error=str(error))
            self.close()
            return
        if self._open_questions > QUESTIONS_MAX and self._transport is not None:
            self._transport.pause_reading()

    def send(self, answer: Answer) -> None:
        """Send an answer, unless the asker has gone."""
        if self._transport is not None:
            self._transport.write(frame(answer))

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._open_questions -= 1
        transport = self._transport
        if transport is not None and not transport.is_reading() and self._open_questions <= QUESTIONS_MAX:
            transport.resume_reading()


async def answer_question(pool: Pool, question: Question) -> Answer:
    """What the pool says, errors included."""
    ask = question.ask
    try:
        match ask:
            case Invoke(request):
                return Answer(question.number, invocation=await pool.invoke(request))
            case Forget(arn):
                pool.forget(arn)
        return Answer(question.number)
    except KokoaError as error:
        return Answer(question.number, fault=to_fault(error))
    except Exception:
        # A bug: say so in our log, with a trace, and let the caller know that it was the host.
        correlation_id = ask.request.correlation_id if isinstance(ask, Invoke) else ""
        _log.exception("host.bug", correlation_id=correlation_id)
        failed = HostUnavailable("The function host failed; its log has the reason under this correlation id.")
        return Answer(question.number, fault=to_fault(failed))


def _make_way(path: Path) -> int:
    """Remove an old socket and let only this user connect to the new one; the umask to go back to."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    return os.umask(0o177)
