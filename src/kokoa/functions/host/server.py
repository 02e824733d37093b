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


class HostConnection(asyncio.Protocol):
    """One dispatcher's connection."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._reader = FrameReader()
        self._decoder = msgspec.msgpack.Decoder(Question)
        self._transport: asyncio.Transport | None = None
        self._running: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        # Its invocations run to their end: nobody waits, but a function that is killed half-way helps nobody.
        self._transport = None

    def data_received(self, data: bytes) -> None:
        try:
            for part in self._reader.feed(data):
                question = self._decoder.decode(part)
                task = asyncio.ensure_future(self._answer(question))
                self._running.add(task)
                task.add_done_callback(self._done)
        except (FrameTooLong, msgspec.DecodeError) as error:
            _log.warning("host.bad_frame", error=str(error))
            if self._transport is not None:
                self._transport.close()
            return
        if len(self._running) > QUESTIONS_MAX and self._transport is not None:
            self._transport.pause_reading()

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if self._transport is not None and not self._transport.is_reading() and len(self._running) <= QUESTIONS_MAX:
            self._transport.resume_reading()

    async def _answer(self, question: Question) -> None:
        answer = await answer_question(self._pool, question)
        if self._transport is not None:
            self._transport.write(frame(answer))


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


async def listen(path: Path, pool: Pool) -> asyncio.Server:
    """Serve the pool on a Unix socket; a socket that a dead host left behind is replaced."""
    before = _make_way(path)
    try:
        return await asyncio.get_running_loop().create_unix_server(lambda: HostConnection(pool), path=str(path))
    finally:
        os.umask(before)


def _make_way(path: Path) -> int:
    """Remove an old socket and let only this user connect to the new one; the umask to go back to."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    return os.umask(0o177)
