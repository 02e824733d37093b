"""Function logs: from a sandbox's descriptors to the LogSink, with AWS's platform lines in between.

A function's prints come as lines on one pipe, what its runtime logs as frames on another. Everything is bounded: a
line, what one sandbox may write in a while, what waits for the sink. What is dropped leaves a notice.
"""

import asyncio
import contextlib
import os
import struct
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Protocol

import msgspec
import structlog

from kokoa.functions.host.listening import Allowance
from kokoa.functions.host.model import LOG_TAIL_BYTES, FunctionSpec, LogRecord, LogSink
from kokoa.kernel.clock import now_ms

_log = structlog.get_logger(__name__)

_READ_BYTES = 16 * 1024
_PIPE_BYTES_MAX = 1024 * 1024  # as large as a function can make its pipe
_MESSAGE_BYTES_MAX = 256 * 1024
_FRAME = struct.Struct(">IIQ")
_FRAME_MAGIC = 0xA55A0000
_BURST_BYTES = 4 * 1024 * 1024
_REFILL_BYTES_PER_S = 512 * 1024
# What a line costs beside its text, so that a flood of short ones ends as soon as one of long ones.
_LINE_BYTES = 100
_LINES_AT_ONCE = 4096
_DRAINING_S = 0.05

_QUEUE_BYTES_MAX = 32 * 1024 * 1024
_ACCOUNT_BYTES_MAX = _QUEUE_BYTES_MAX // 4  # so that one partner's flood drops nobody else's lines
_RECORD_BYTES = 1024  # what a record takes beside its message
_BATCH_RECORDS_MAX = 500
_BATCH_BYTES_MAX = 1024 * 1024
_FLUSH_S = 0.1
_RETRY_S = 1.0
_FAREWELL_S = 5.0
_FAREWELL_ATTEMPTS = 50


class LogShipper:
    """Brings records to the sink in batches, in order; keeps them while the sink fails, up to a bound."""

    def __init__(self, sink: LogSink) -> None:
        self._sink = sink
        self._queue: deque[LogRecord] = deque()
        self._bytes = 0
        self._bytes_of_account: Counter[str] = Counter()
        self._dropped = 0
        self._filled = asyncio.Event()

    def put(self, record: LogRecord, *, share: int = _ACCOUNT_BYTES_MAX) -> bool:
        """Queue a record; False when it is dropped, because the queue or the account's share of it is full."""
        size = _size(record)
        if self._bytes + size > _QUEUE_BYTES_MAX or self._bytes_of_account[record.account_id] + size > share:
            self._dropped += 1
            return False
        self._queue.append(record)
        self._count(record, size)
        self._filled.set()
        return True

    async def run(self, stop: asyncio.Event) -> None:
        """Ship until stop is set, then ship what is left within a few seconds."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                filled = asyncio.ensure_future(self._filled.wait())
                await asyncio.wait({filled, stopping}, return_when=asyncio.FIRST_COMPLETED)
                filled.cancel()
                await asyncio.wait({stopping}, timeout=_FLUSH_S)  # let a batch gather
                if not await self._ship_all():
                    await asyncio.wait({stopping}, timeout=_RETRY_S)
        finally:
            stopping.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):
                for _ in range(_FAREWELL_ATTEMPTS):
                    if await self._ship_all():
                        break
                    await asyncio.sleep(_RETRY_S / 10)

    async def _ship_all(self) -> bool:
        self._filled.clear()
        while self._queue:
            batch = self._next_batch()
            try:
                await self._sink.write(batch)
            except Exception as error:
                # The sink is a seam: whatever it raises, the records stay and are offered again.
                _log.warning("logs.sink_failed", error=str(error), waiting=len(self._queue))
                self._filled.set()
                return False
            for record in batch:
                self._queue.popleft()
                self._count(record, -_size(record))
        if self._dropped:
            _log.warning("logs.dropped", records=self._dropped)
            self._dropped = 0
        return True

    def _count(self, record: LogRecord, size: int) -> None:
        self._bytes += size
        self._bytes_of_account[record.account_id] += size
        if not self._bytes_of_account[record.account_id]:
            del self._bytes_of_account[record.account_id]

    def _next_batch(self) -> list[LogRecord]:
        batch: list[LogRecord] = []
        size = 0
        for record in self._queue:
            size += len(record.message)
            if batch and (len(batch) >= _BATCH_RECORDS_MAX or size > _BATCH_BYTES_MAX):
                break
            batch.append(record)
        return batch


def _size(record: LogRecord) -> int:
    return len(record.message) + _RECORD_BYTES


class LogStream:
    """The log stream of one sandbox, once its function is known."""

    def __init__(self, shipper: LogShipper, function: FunctionSpec, identity: str) -> None:
        """identity: 32 hex digits, unique for the sandbox."""
        day = time.strftime("%Y/%m/%d", time.gmtime())
        self.group = f"/aws/lambda/{function.name}"
        self.name = f"{day}/[{function.version}]{identity}"
        self._identity = identity
        self._shipper = shipper
        self._function = function
        self._sequence = 0
        self._tail = bytearray()
        self._budget = float(_BURST_BYTES)
        self._refilled = time.monotonic()
        self._dropped_lines = 0
        self._request_id = ""
        self._correlation_id = ""

    def begin(self, request_id: str, correlation_id: str) -> None:
        """What is written from now on belongs to this invocation."""
        self._request_id = request_id
        self._correlation_id = correlation_id
        self._tail.clear()

    def tail(self) -> bytes:
        """The last 4 KB since `begin`."""
        return bytes(self._tail[-LOG_TAIL_BYTES:])

    def write(self, message: str, timestamp_ms: int | None = None) -> None:
        """What the function wrote; dropped, with a notice, when it writes faster than its budget."""
        self._refill()
        if not self._spend(len(message)) or not self._append(message, timestamp_ms):
            self._dropped_lines += 1

    def write_lines(self, lines: list[bytes], end: str = "\n") -> None:
        """Lines without their end. When one is over the budget, so are all after it."""
        self._refill()
        for number, line in enumerate(lines):
            if number >= _LINES_AT_ONCE or not self._spend(len(line)):
                self._dropped_lines += len(lines) - number
                return
            if not self._append(line.decode("utf-8", "replace") + end, None):
                self._dropped_lines += 1

    def _refill(self) -> None:
        now = time.monotonic()
        self._budget = min(_BURST_BYTES, self._budget + (now - self._refilled) * _REFILL_BYTES_PER_S)
        self._refilled = now

    def _spend(self, size: int) -> bool:
        if self._budget < size + _LINE_BYTES:
            return False
        self._budget -= size + _LINE_BYTES
        self._note_dropped()
        return True

    def write_platform(self, message: str) -> None:
        """A line of the platform's own; never dropped for the function's sake."""
        self._note_dropped(share=_QUEUE_BYTES_MAX)
        self._append(message, None, share=_QUEUE_BYTES_MAX)

    def _note_dropped(self, *, share: int = _ACCOUNT_BYTES_MAX) -> None:
        if self._dropped_lines:
            notice = f"[kokoa] {self._dropped_lines} log lines were dropped: the function logs faster than it may.\n"
            if self._append(notice, None, share=share):
                self._dropped_lines = 0

    def _append(self, message: str, timestamp_ms: int | None, *, share: int = _ACCOUNT_BYTES_MAX) -> bool:
        self._sequence += 1
        self._tail += message.encode("utf-8", "replace")
        if len(self._tail) > 4 * LOG_TAIL_BYTES:
            del self._tail[:-LOG_TAIL_BYTES]
        function = self._function
        record = LogRecord(
            id=f"{self._identity}-{self._sequence}",
            environment_id=function.environment_id,
            account_id=function.account_id,
            log_group=self.group,
            log_stream=self.name,
            timestamp_ms=timestamp_ms or now_ms(),
            message=message,
            request_id=self._request_id,
            correlation_id=self._correlation_id,
        )
        return self._shipper.put(record, share=share)


class LogParser(Protocol):
    """Turns what comes through a pipe into log messages."""

    def feed(self, data: bytes) -> None:
        """Some more of it."""

    def finish(self) -> None:
        """That was all."""


class LineParser:
    """Plain lines, as a function prints them."""

    def __init__(self, write: Callable[[list[bytes], str], None]) -> None:
        """write: takes lines, and what each of them ended with."""
        self._write = write
        self._partial = b""

    def feed(self, data: bytes) -> None:
        """Write every whole line; a line that does not end is cut at AWS's size of an event."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        if lines:
            self._write(lines, "\n")
        if len(self._partial) > _MESSAGE_BYTES_MAX:
            self.finish()

    def finish(self) -> None:
        """Write an unfinished line too."""
        if self._partial:
            self._write([self._partial], "")
            self._partial = b""


class FrameParser:
    """awslambdaric's log frames: type, length, time in µs, message; big endian."""

    def __init__(self, write: Callable[[str, int], None]) -> None:
        self._write = write
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Write every whole frame."""
        self._buffer += data
        while self._take_frame():
            pass

    def finish(self) -> None:
        """Write what looks like no frame as it is."""
        if self._buffer:
            self._write(self._buffer.decode("utf-8", "replace"), now_ms())
            self._buffer.clear()

    def _take_frame(self) -> bool:
        if len(self._buffer) < _FRAME.size:
            return False
        kind, length, time_us = _FRAME.unpack_from(self._buffer)
        if kind & 0xFFFF0000 != _FRAME_MAGIC or length > _MESSAGE_BYTES_MAX:
            # Not a frame: a function wrote to the descriptor. Show it as text and find the beat again.
            self.finish()
            return False
        end = _FRAME.size + length
        if len(self._buffer) < end:
            return False
        message = self._buffer[_FRAME.size : end].decode("utf-8", "replace")
        del self._buffer[:end]
        self._write(message, _plausible_ms(time_us))
        return True


class PipeReader:
    """Reads a non-blocking pipe as something comes, or at once when asked.

    Who writes more than the host should read meets a full pipe, and waits.
    """

    def __init__(self, fd: int, parser: LogParser, allowance: Allowance) -> None:
        """allowance: seconds of the event loop that reading may take."""
        self._fd = fd
        self._parser = parser
        self._allowance = allowance
        self._rest: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Read whenever there is something."""
        self._go_on()

    def stop(self) -> None:
        """Read what is there, and no more after that."""
        asyncio.get_running_loop().remove_reader(self._fd)
        if self._rest is not None:
            self._rest.cancel()
        self.drain()
        self._parser.finish()

    def drain(self) -> None:
        """Read what is there now, up to a bound: a flood must not hold the host up."""
        started = time.perf_counter()
        for _ in range(_PIPE_BYTES_MAX // _READ_BYTES):
            if not self._read_once() or time.perf_counter() > started + _DRAINING_S:
                break
        self._allowance.spend(time.perf_counter() - started)

    def _go_on(self) -> None:
        self._rest = None
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    def _read(self) -> None:
        started = time.perf_counter()
        self._read_once()
        wait_s = self._allowance.spend(time.perf_counter() - started)
        if wait_s:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._fd)
            self._rest = loop.call_later(wait_s, self._go_on)

    def _read_once(self) -> bool:
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            asyncio.get_running_loop().remove_reader(self._fd)
            return False
        self._parser.feed(data)
        return True


def _plausible_ms(time_us: int) -> int:
    """The function's own time of a line, unless it is not about now: then ours."""
    now = now_ms()
    stamp = time_us // 1000
    return stamp if abs(now - stamp) < 60_000 else now


class Usage(msgspec.Struct, frozen=True):
    """What the REPORT line tells.  init_ms: 0 for a warm start.  status: AWS's, "" when all went well."""

    duration_ms: float
    memory_mb: int
    memory_peak_mb: int
    init_ms: float = 0.0
    status: str = ""
    error_type: str = ""


def report_line(request_id: str, correlation_id: str, usage: Usage) -> str:
    """AWS's REPORT line, with the correlation id as one more field."""
    fields = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {usage.duration_ms:.2f} ms",
        f"Billed Duration: {-(-usage.duration_ms // 1):.0f} ms",
        f"Memory Size: {usage.memory_mb} MB",
        f"Max Memory Used: {usage.memory_peak_mb} MB",
    ]
    if usage.init_ms:
        fields.append(f"Init Duration: {usage.init_ms:.2f} ms")
    if usage.status:
        fields.append(f"Status: {usage.status}")
    if usage.error_type:
        fields.append(f"Error Type: {usage.error_type}")
    fields.append(f"CorrelationId: {correlation_id}")
    return "\t".join(fields) + "\t\n"
