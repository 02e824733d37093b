"""Paths are read in exactly one way, bodies within a bound, correlation ids only when they are ones."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive

from kokoa.web import body
from kokoa.web.body import read_body
from kokoa.web.correlation import Correlation, correlation_id_of, xray_trace_header
from kokoa.web.errors import PayloadTooLarge
from kokoa.web.http import InvalidPath, Request, Response, as_asgi, split_path
from kokoa.web.problem import Problems
from unit.web.asgi_client import ask


async def echo_length(request: Request, receive: Receive) -> Response:
    read = await read_body(request, receive, limit_bytes=10)
    return Response(200, (), str(len(read)).encode())


app = Correlation(Problems(as_asgi(echo_length)))


def test_path_is_split_before_it_is_decoded() -> None:
    assert split_path(b"/a%2Fb/c%20d/") == ("a/b", "c d", "")
    assert split_path(b"/") == ("",)


@pytest.mark.parametrize(
    "path",
    [
        b"/..",
        b"/a/%2e%2E/b",
        b"/./x",
        b"/%2e",
        b"/%00",
        b"/a%0d%0aX",
        b"/%ff",
        b"/%zz",
        b"/%4",
        b"*",
        b"a",
        b"/%E2%80%8B",
    ],
)
def test_ambiguous_paths_are_refused(path: bytes) -> None:
    with pytest.raises(InvalidPath):
        split_path(path)


@given(st.binary(max_size=60))
def test_any_path_is_refused_or_safe(path: bytes) -> None:
    try:
        segments = split_path(b"/" + path)
    except InvalidPath:
        return
    assert all(segment not in {".", ".."} and segment.isprintable() for segment in segments)


@pytest.mark.parametrize(
    ("chunks", "status"), [([b"x" * 10], 200), ([b"x" * 6, b"y" * 4], 200), ([b"x" * 6] * 2, 413)]
)
async def test_body_is_bounded_while_reading(chunks: list[bytes], status: int) -> None:
    assert (await ask(app, "POST", "/", body=chunks)).status == status


async def test_declared_length_is_judged_before_reading() -> None:
    answer = await ask(app, "POST", "/", headers={"content-length": "11"}, disconnect=True)
    assert answer.status == 413


async def test_the_rest_of_a_large_body_is_read_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "DISCARD_BYTES_MAX", 50)
    assert (await ask(app, "POST", "/", body=[b"x" * 20] * 10)).status == 413
    waiting = await ask(app, "POST", "/", headers={"content-length": "11", "expect": "100-continue"}, body=[])
    assert waiting.status == 413


async def test_a_client_that_stops_sending_is_answered_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "DISCARD_S", 0.01)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    asked = Request("POST", "/", ("",), "", (("content-length", "11"),), "1.1", "http", "", "")
    async with asyncio.timeout(5):
        with pytest.raises(PayloadTooLarge):
            await read_body(asked, receive, limit_bytes=10)


@pytest.mark.parametrize("length", ["-1", "+5", "0x5", "five", "1e3", "", "5, 5", "²"])
async def test_content_length_must_be_a_number(length: str) -> None:
    assert (await ask(app, "POST", "/", headers={"content-length": length}, body=b"hello")).status == 400


async def test_two_content_lengths_are_refused() -> None:
    headers = [("content-length", "5"), ("content-length", "6")]
    assert (await ask(app, "POST", "/", headers=headers, body=b"hello")).status == 400


async def test_nobody_is_answered_when_the_client_is_gone() -> None:
    assert (await ask(app, "POST", "/", disconnect=True)).status == 0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(b"x-correlation-id", b"0123456789ABCDEF0123456789abcdef")], "0123456789abcdef0123456789abcdef"),
        ([(b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")], "a" * 32),
        (
            [(b"x-correlation-id", b"evil\ntext"), (b"traceparent", b"00-" + b"c" * 32 + b"-" + b"b" * 16 + b"-00")],
            "c" * 32,
        ),
    ],
)
def test_correlation_id_is_taken_when_it_is_one(headers: list[tuple[bytes, bytes]], expected: str) -> None:
    assert correlation_id_of(headers) == expected


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"x-correlation-id", b"0" * 32)],
        [(b"x-correlation-id", b"g" * 32)],
        [(b"traceparent", b"00-" + b"0" * 32 + b"-" + b"b" * 16 + b"-01")],
        [(b"traceparent", b"ff-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")],
        [(b"traceparent", b"00-" + b"a" * 32 + b"-" + b"0" * 16 + b"-01")],
    ],
)
def test_otherwise_a_fresh_one_is_made(headers: list[tuple[bytes, bytes]]) -> None:
    first, second = correlation_id_of(headers), correlation_id_of(headers)
    assert first != second
    assert len(first) == 32


def test_xray_form() -> None:
    assert xray_trace_header("5e9f0c651de4d666d4dd26aced652b6c") == (
        "Root=1-5e9f0c65-1de4d666d4dd26aced652b6c;Sampled=1"
    )
