"""The Runtime API against a runtime that is none: bounded heads, bodies and answers, and time that is paid back."""

import asyncio
from typing import Any

import pytest

from kokoa.functions.host import runtime_api
from kokoa.functions.host.listening import Allowance
from kokoa.functions.host.model import RESPONSE_BYTES_MAX
from kokoa.functions.host.runtime_api import Refusal, Report, RuntimeConnection

BASE = b"/2018-06-01/runtime/invocation/"
NEXT = b"GET " + BASE + b"next HTTP/1.1\r\n\r\n"


class Line(asyncio.Transport):
    """What a connection wrote, and whether it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.reading = True
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Talk:
    """A conversation that takes everything and remembers it."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.asked = 0

    def on_next(self, connection: RuntimeConnection) -> Refusal | None:
        self.asked += 1
        return None

    def on_response(self, request_id: str, report: Report) -> Refusal | None:
        self.reports.append(report)
        return Refusal(413, "TooLarge", "x") if report.too_large else None

    def on_error(self, request_id: str, report: Report) -> Refusal | None:
        return self.on_response(request_id, report)

    def on_init_error(self, report: Report) -> Refusal | None:
        return self.on_response("", report)

    def on_connection(self, connection: RuntimeConnection, *, open: bool) -> None:
        pass


@pytest.fixture
def talk() -> Talk:
    return Talk()


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
async def connection(talk: Talk, line: Line) -> RuntimeConnection:
    connection = RuntimeConnection(talk, Allowance(1000, 1000))
    connection.connection_made(line)
    return connection


def post(body: bytes, headers: bytes = b"") -> bytes:
    return b"POST " + BASE + b"id/response HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (headers, len(body), body)


async def test_requests_in_any_pieces_are_read(connection: RuntimeConnection, talk: Talk, line: Line) -> None:
    for byte in post(b'{"a": 1}'):
        connection.data_received(bytes([byte]))
    chunked = (
        b"POST " + BASE + b"id/error HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    connection.data_received(chunked[:70])
    connection.data_received(chunked[70:])
    assert [report.body for report in talk.reports] == [b'{"a": 1}', b"abcde"]
    assert line.written.count(b"202 Accepted") == 2
    assert not line.closed


async def test_a_head_of_a_megabyte_is_read_and_one_without_end_is_not(
    connection: RuntimeConnection, talk: Talk, line: Line
) -> None:
    connection.data_received(post(b"{}", b"Lambda-Runtime-Function-XRay-Error-Cause: %b\r\n" % (b"x" * 1_000_000)))
    assert len(talk.reports) == 1
    for _ in range(20):
        if not line.closed:
            connection.data_received(b"X-More: " + b"x" * 100_000 + b"\r\n")
    assert b"431 Request Header Fields Too Large" in line.written
    assert line.closed


REFUSED = {
    "upgrade": b"GET " + BASE + b"next HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "CONNECT": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n\r\n",
    "both lengths": b"POST "
    + BASE
    + b"id/response HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST " + BASE + b"id/response HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a folded header": b"GET " + BASE + b"next HTTP/1.1\r\nA: b\r\n c: d\r\nno colon\r\n\r\n",
    "nothing": b"\r\n\r\n",
    "noise": b"\x00\x01nonsense\r\n\r\n",
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_no_request_of_this_api_is_refused(
    connection: RuntimeConnection, talk: Talk, line: Line, case: str
) -> None:
    connection.data_received(REFUSED[case])
    assert line.written.startswith(b"HTTP/1.1 400 Bad Request"), line.written
    assert line.closed
    assert (talk.asked, talk.reports) == (0, [])


async def test_requests_do_not_overtake_answers(connection: RuntimeConnection, talk: Talk, line: Line) -> None:
    connection.data_received(NEXT + NEXT)
    assert (talk.asked, line.closed) == (1, True)
    assert b"400 Bad Request" in line.written


async def test_a_connection_that_waits_for_work_says_nothing_more(
    connection: RuntimeConnection, talk: Talk, line: Line
) -> None:
    connection.data_received(NEXT)
    connection.send_invocation({"A": "b"}, b"{}")
    connection.data_received(NEXT)
    assert (talk.asked, line.closed) == (2, False)
    connection.data_received(NEXT)
    assert (talk.asked, line.closed) == (2, True)


async def test_an_answer_that_is_a_bit_too_large_is_read_and_one_without_end_is_not(
    connection: RuntimeConnection, talk: Talk, line: Line
) -> None:
    connection.data_received(post(bytes(RESPONSE_BYTES_MAX + 1)))
    assert (talk.reports[-1].too_large, line.closed) == (True, False)
    head = b"POST " + BASE + b"id/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.data_received(head)
    chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
    sent = 0
    while not line.closed and sent < 100:
        connection.data_received(chunk)
        sent += 1
    assert sent < 30
    assert [report.too_large for report in talk.reports] == [True, True]


@pytest.mark.parametrize(
    "piece", [b"1;" + b"x" * 90 + b"\r\na\r\n", b"1\r\na\r\n"], ids=["extensions", "tiny chunks"]
)
async def test_a_body_that_is_more_frame_than_content_is_refused(
    connection: RuntimeConnection, talk: Talk, line: Line, piece: bytes
) -> None:
    connection.data_received(b"POST " + BASE + b"id/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(40):
        if not line.closed:
            connection.data_received(piece * (100_000 // len(piece)))
    assert line.closed
    assert talk.reports == []


async def test_who_does_not_read_its_answers_is_not_read(connection: RuntimeConnection, line: Line) -> None:
    connection.pause_writing()
    assert not line.reading
    connection.resume_writing()
    assert line.reading


async def test_time_that_leads_to_nothing_is_paid_back(
    talk: Talk, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each read counts as a second here, of which a sandbox has three: the rest is waited for."""
    monkeypatch.setattr(runtime_api, "_READ_S", 1.0)
    connection = RuntimeConnection(talk, Allowance(3, 50))
    connection.connection_made(line)
    for _ in range(20):
        connection.data_received(NEXT)
        connection.send_invocation({}, b"{}")
        connection.data_received(post(b"{}"))
    assert line.reading, "what a runtime should do is free"
    for byte in b"GET /":
        connection.data_received(bytes([byte]))
    assert not line.reading
    deadline = asyncio.get_running_loop().time() + 30
    while not line.reading:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)
