"""Lines and frames, what is dropped and what is told about it, the form of AWS's lines."""

import asyncio
import contextlib
import os
import struct
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoa.functions.host import logs
from kokoa.functions.host.listening import Allowance
from kokoa.functions.host.logs import FrameParser, LineParser, LogShipper, LogStream, PipeReader, Usage, report_line
from kokoa.functions.host.model import FunctionSpec, LogRecord
from kokoa.kernel.clock import now_ms


class Sink:
    """Remembers; fails as often as told."""

    def __init__(self, failures: int = 0) -> None:
        self.records: list[LogRecord] = []
        self.batches: list[int] = []
        self.failures = failures

    async def write(self, records: Sequence[LogRecord]) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("away")
        self.records += records
        self.batches.append(len(records))


FUNCTION = FunctionSpec(
    environment_id="e",
    account_id="123456789012",
    name="f",
    arn="arn:aws:lambda:eu-central-1:123456789012:function:f",
    runtime="python3.11",
    handler="h.h",
    memory_mb=128,
    timeout_s=3,
    environment={"PASSWORD": "hunter2"},
    code_sha256="0" * 64,
    code_size=1,
    revision_id="r",
)


def frame(message: bytes, time_ms: int, kind: int = 0xA55A0003) -> bytes:
    return struct.pack(">IIQ", kind, len(message), time_ms * 1000) + message


@given(st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=20)), st.integers(1, 7))
def test_lines_are_found_however_they_are_cut(lines: list[str], step: int) -> None:
    data = "".join(line + "\n" for line in lines).encode()
    found: list[str] = []
    parser = LineParser(lambda lines, end: found.extend(line.decode() + end for line in lines))
    for at in range(0, len(data), step):
        parser.feed(data[at : at + step])
    assert found == [line + "\n" for line in lines]


@given(st.lists(st.text(max_size=20)), st.integers(1, 9))
def test_frames_are_found_however_they_are_cut(messages: list[str], step: int) -> None:
    now = now_ms()
    data = b"".join(frame(message.encode("utf-8", "replace"), now) for message in messages)
    found: list[tuple[str, int]] = []
    parser = FrameParser(lambda text, time_ms: found.append((text, time_ms)))
    for at in range(0, len(data), step):
        parser.feed(data[at : at + step])
    assert [text for text, _ in found] == [text.encode("utf-8", "replace").decode() for text in messages]
    assert all(abs(time_ms - now) < 60_000 for _, time_ms in found)


def test_a_line_without_end_is_cut_and_an_unfinished_one_is_kept() -> None:
    found: list[str] = []
    parser = LineParser(lambda lines, end: found.extend(line.decode() + end for line in lines))
    parser.feed(b"x" * 300_000)
    parser.feed(b"tail")
    parser.finish()
    assert [len(text) for text in found] == [300_000, 4]


def test_what_is_no_frame_is_shown_as_text_and_a_lie_about_time_is_not_believed() -> None:
    found: list[tuple[str, int]] = []
    parser = FrameParser(lambda text, time_ms: found.append((text, time_ms)))
    parser.feed(b"I write to descriptor four")
    parser.feed(frame(b"from the past", 1_000_000))
    assert [text for text, _ in found] == ["I write to descriptor four", "from the past"]
    assert abs(found[1][1] - now_ms()) < 60_000


async def test_a_function_that_logs_too_fast_is_told_so() -> None:
    sink = Sink()
    shipper = LogShipper(sink)
    stream = LogStream(shipper, FUNCTION, "0" * 32)
    stream.begin("request", "correlation")
    for _ in range(6000):
        stream.write("x" * 1000)
    stream.write_platform("END\n")
    await drain(shipper)
    messages = [record.message for record in sink.records]
    assert len(messages) < 4500
    assert messages[-1] == "END\n"
    assert "log lines were dropped" in messages[-2]
    assert len({record.id for record in sink.records}) == len(sink.records)
    assert stream.tail().endswith(b"END\n")
    assert len(stream.tail()) == 4096


async def test_records_are_offered_again_in_order_and_in_bounded_batches() -> None:
    sink = Sink(failures=2)
    shipper = LogShipper(sink)
    stream = LogStream(shipper, FUNCTION, "1" * 32)
    for number in range(1200):
        stream.write_platform(f"{number}\n")
    await drain(shipper)
    assert [record.message for record in sink.records] == [f"{number}\n" for number in range(1200)]
    assert max(sink.batches) <= 500


async def test_a_sink_that_stays_away_costs_bounded_memory() -> None:
    shipper = LogShipper(Sink(failures=10**6))
    stream = LogStream(shipper, FUNCTION, "2" * 32)
    room = logs._QUEUE_BYTES_MAX // (logs._RECORD_BYTES + 1)
    for _ in range(room + 100):
        stream.write_platform("x")
    assert len(shipper._queue) == room


async def test_one_partners_flood_drops_nobody_elses_lines() -> None:
    sink = Sink(failures=1)
    shipper = LogShipper(sink)
    flooding = [LogStream(shipper, FUNCTION, f"{number:032}") for number in range(4)]
    other = LogStream(shipper, msgspec.structs.replace(FUNCTION, account_id="999999999999"), "f" * 32)
    for _ in range(10_000):
        for stream in flooding:
            stream.write("x" * 100)
    other.write("heard\n")
    flooding[0].write_platform("END\n")
    await drain(shipper)
    messages = [record.message for record in sink.records]
    assert "heard\n" in messages
    assert messages[-1] == "END\n"
    assert "log lines were dropped" in messages[-2]
    assert len(messages) < 10_000


def test_the_report_line_is_awss_with_the_correlation_id() -> None:
    usage = Usage(duration_ms=3.01, memory_mb=128, memory_peak_mb=36, init_ms=110.1)
    assert report_line("X", "c" * 32, usage) == (
        "REPORT RequestId: X\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\t"
        f"Max Memory Used: 36 MB\tInit Duration: 110.10 ms\tCorrelationId: {'c' * 32}\t\n"
    )
    late = Usage(duration_ms=1000, memory_mb=128, memory_peak_mb=36, status="timeout")
    assert "Billed Duration: 1000 ms" in report_line("X", "c", late)
    assert "\tStatus: timeout\t" in report_line("X", "c", late)


def test_secrets_do_not_show_in_tracebacks() -> None:
    assert "hunter2" not in repr(FUNCTION)
    assert "hunter2" not in str(FUNCTION.__rich_repr__())


async def drain(shipper: LogShipper) -> None:
    stop = asyncio.Event()
    stop.set()
    await asyncio.wait_for(shipper.run(stop), 10)


class Tally:
    """A parser that only counts, in a clock of its own: each read takes a second."""

    def __init__(self) -> None:
        self.bytes = 0

    def feed(self, data: bytes) -> None:
        self.bytes += len(data)

    def finish(self) -> None:
        pass


async def test_who_writes_without_end_is_not_read_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipe stays full, so that the writer waits and the event loop belongs to others."""
    seconds = iter(range(1_000_000))
    monkeypatch.setattr("kokoa.functions.host.logs.time.perf_counter", lambda: float(next(seconds)))
    reading, writing = os.pipe2(os.O_NONBLOCK)
    tally = Tally()
    reader = PipeReader(reading, tally, Allowance(0.5, 0.05))
    reader.start()
    for _ in range(200):
        with contextlib.suppress(BlockingIOError):
            os.write(writing, bytes(65536))
        await asyncio.sleep(0)
    assert 0 < tally.bytes <= 65536, "one read, and then a rest of many seconds"
    before = tally.bytes
    reader.drain()
    assert tally.bytes - before <= 65536, "what is there at the end of an invocation is read within a bound too"
    reader.stop()
    os.close(reading)
    os.close(writing)


async def test_empty_lines_are_a_flood_too(monkeypatch: pytest.MonkeyPatch) -> None:
    offered: list[str] = []
    shipper = LogShipper(Sink())
    monkeypatch.setattr(shipper, "put", lambda record, share: offered.append(record.message) or True)
    stream = LogStream(shipper, FUNCTION, "0" * 32)
    for _ in range(100_000):
        stream.write("\n")
    assert 10_000 < len(offered) < 60_000, "each line costs more than its one byte"
