"""The benchmarks' own HTTP clients: an answer is counted when it is whole, and only when it is a 200."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from benchmarks.load import Address, Line, UnexpectedAnswer, drive, post, request

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(answer: list[bytes]) -> AsyncIterator[Address]:
    """Answers every request with these pieces, each in a write of its own."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                for piece in answer:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()


ASK = request("GET", "/", {"Host": "x"})
PIECES = [b"HTTP/1.1 200 OK\r\nContent-", b"Length: 10\r\n\r\nhello", b"hello"]


async def test_answers_in_pieces_are_whole_answers() -> None:
    async with serving(PIECES) as address:
        with await asyncio.to_thread(Line, address) as line:
            assert await asyncio.to_thread(line.exchange, ASK) == b"hellohello"
            assert await asyncio.to_thread(line.exchange, ASK) == b"hellohello"


async def test_a_drive_counts_answers_of_all_connections() -> None:
    async with serving(PIECES) as address:
        driven = await drive(address, [ASK], connections=3, seconds=0.2)
    assert driven.answers == len(driven.times_ms) > 3
    assert 0 < min(driven.times_ms) <= max(driven.times_ms) < driven.seconds * 1000
    assert driven.per_second == pytest.approx(driven.answers / driven.seconds)


async def test_a_drive_ends_with_the_first_answer_that_is_no_200() -> None:
    async with serving([b"HTTP/1.1 503 Down\r\ncontent-length: 4\r\n\r\nbusy"]) as address:
        with pytest.raises(UnexpectedAnswer, match="503 Down"):
            await drive(address, [ASK], connections=2, seconds=10)


def test_a_post_carries_the_length_of_its_body() -> None:
    assert post("/x", {"Host": "y"}, b"abc") == b"POST /x HTTP/1.1\r\nHost: y\r\nContent-Length: 3\r\n\r\nabc"
