"""Kept connections to our own processes: whole answers to the right caller, or a failure; never more than allowed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from kokoa.web.connections import HEAD_BYTES_MAX, AnswerTooLong, Connections, PeerAnswer, PeerFailed, address_of

LIMIT = 1_000
HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
PATIENCE_S = 30

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Respond = Callable[[bytes, Writer], Awaitable[bool]]


class Peer:
    """A server on the loopback. opened: connections so far.  bodies: of all requests."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self.opened = 0
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.url = ""

    async def serve(self, reader: Reader, writer: Writer) -> None:
        self.opened += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().rpartition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.heads.append(head)
                self.bodies.append(await reader.readexactly(length))
                if not await self._respond(self.bodies[-1], writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    async def ask(self, connections: Connections, body: bytes = b"?", timeout_s: float = PATIENCE_S) -> PeerAnswer:
        return await connections.post(
            address_of(self.url), {"x-one": "1"}, body, answer_bytes_max=LIMIT, timeout_s=timeout_s
        )


@asynccontextmanager
async def peer_that(respond: Respond) -> AsyncIterator[Peer]:
    peer = Peer(respond)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        peer.url = f"http://{host}:{port}/graphql?a=1"
        yield peer


def sending(*pieces: bytes, stays: bool = True) -> Respond:
    """Answers each request with these pieces, each in a write of its own."""

    async def respond(_: bytes, writer: Writer) -> bool:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return stays

    return respond


@pytest.fixture
async def connections() -> AsyncIterator[Connections]:
    opened = Connections()
    yield opened
    await opened.close()


async def test_a_request_is_a_post_and_its_connection_is_kept(connections: Connections) -> None:
    async with peer_that(sending(HELLO)) as peer:
        assert await peer.ask(connections, b"one") == (200, b"hello")
        assert await peer.ask(connections, b"two") == (200, b"hello")
    host = peer.url.split("/")[2]
    assert peer.heads[0].decode() == (
        f"POST /graphql?a=1 HTTP/1.1\r\nhost: {host}\r\nx-one: 1\r\ncontent-length: 3\r\n\r\n"
    )
    assert (peer.bodies, peer.opened) == ([b"one", b"two"], 1)


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\nContent-", b"Length: 5\r\n\r\nhe", b"llo"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", b"2\r\nlo\r\n0\r\n", b"\r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + HELLO),
    ],
)
async def test_answers_come_in_pieces_in_chunks_and_after_interim_ones(
    connections: Connections, pieces: tuple[bytes, ...]
) -> None:
    async with peer_that(sending(*pieces)) as peer:
        assert await peer.ask(connections) == (200, b"hello")
        assert await peer.ask(connections) == (200, b"hello")
    assert peer.opened == 1


async def test_other_statuses_and_empty_bodies_are_answers(connections: Connections) -> None:
    async with peer_that(sending(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")) as peer:
        assert await peer.ask(connections) == (503, b"")
    async with peer_that(sending(b"HTTP/1.1 204 Nothing\r\n\r\n")) as peer:
        assert await peer.ask(connections) == (204, b"")


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"]
)
async def test_a_connection_that_ends_with_its_answer_is_not_used_again(
    connections: Connections, head: bytes
) -> None:
    async with peer_that(sending(head, b"hello", stays=False)) as peer:
        assert await peer.ask(connections) == (200, b"hello")
        assert await peer.ask(connections) == (200, b"hello")
    assert peer.opened == 2


async def test_a_kept_connection_that_the_peer_has_closed_is_replaced(connections: Connections) -> None:
    closed = asyncio.Event()

    async def once(_: bytes, writer: Writer) -> bool:
        writer.write(HELLO)
        closed.set()
        return False

    async with peer_that(once) as peer:
        for number in range(1, 4):
            closed.clear()
            assert await peer.ask(connections) == (200, b"hello")
            await closed.wait()
            await until(lambda: not connections.idle)
            assert peer.opened == number


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.005)


async def test_connections_are_not_kept_for_longer_than_wanted() -> None:
    connections = Connections(idle_s_max=0)
    async with peer_that(sending(HELLO)) as peer:
        await peer.ask(connections)
        await peer.ask(connections)
        assert peer.opened == 2
        await connections.close()


async def test_no_more_connections_than_allowed_and_everybody_gets_their_own_answer() -> None:
    connections = Connections(open_max=3)

    async def echo(body: bytes, writer: Writer) -> bool:
        await asyncio.sleep(0.001)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        return True

    async with peer_that(echo) as peer:
        asked = [b"%d" % number for number in range(60)]
        answers = await asyncio.gather(*(peer.ask(connections, body) for body in asked))
        assert [one.body for one in answers] == asked
        assert peer.opened == 3
        await connections.close()


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ((b"nonsense\r\n\r\n",), "not an HTTP answer"),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello",), "lost"),
        ((b"HTTP/1.1 200 OK\r\ncontent-le",), "lost"),
        ((b"HTTP/1.1 200 OK\r\nx: " + b"y" * HEAD_BYTES_MAX, b"y" * 10_000), "head"),
        (
            (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",),
            "not an HTTP answer|lost",
        ),
    ],
)
async def test_what_is_no_whole_answer_is_a_failure(
    connections: Connections, pieces: tuple[bytes, ...], said: str
) -> None:
    async with peer_that(sending(*pieces, stays=False)) as peer:
        with pytest.raises(PeerFailed, match=said):
            await peer.ask(connections)
        with pytest.raises(PeerFailed, match=said):
            await peer.ask(connections)
    assert peer.opened == 2


@pytest.mark.parametrize("head", [b"content-length: 1001\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n3e9\r\n"])
async def test_an_answer_that_is_too_long_is_not_held(connections: Connections, head: bytes) -> None:
    body = b"y" * (LIMIT + 1)
    async with peer_that(sending(b"HTTP/1.1 200 OK\r\n" + head + body)) as peer:
        with pytest.raises(AnswerTooLong):
            await peer.ask(connections)
    exact = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % LIMIT + body[:LIMIT]
    async with peer_that(sending(exact)) as peer:
        assert (await peer.ask(connections)).body == body[:LIMIT]


def echoing(go: asyncio.Event, asked: asyncio.Event) -> Respond:
    """Answers with what it is sent; with `slow` only when it may go."""

    async def respond(body: bytes, writer: Writer) -> bool:
        if body == b"slow":
            asked.set()
            await go.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        return True

    return respond


async def test_nobody_gets_the_answer_of_who_stopped_waiting(connections: Connections) -> None:
    go, asked = asyncio.Event(), asyncio.Event()
    async with peer_that(echoing(go, asked)) as peer:
        waiting = asyncio.ensure_future(peer.ask(connections, b"slow"))
        await asked.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        go.set()
        assert (await peer.ask(connections, b"quick")).body == b"quick"
        assert peer.opened == 2


async def test_nobody_gets_the_answer_of_whose_time_was_up() -> None:
    go, asked = asyncio.Event(), asyncio.Event()
    connections = Connections(open_max=1)
    async with peer_that(echoing(go, asked)) as peer:
        assert (await peer.ask(connections, b"first")).body == b"first"
        with pytest.raises(TimeoutError):
            await peer.ask(connections, b"slow", timeout_s=0.05)
        go.set()
        assert (await peer.ask(connections, b"quick")).body == b"quick"
        assert peer.opened == 2
        await connections.close()


async def test_waiting_for_a_place_has_its_time_too_and_takes_none() -> None:
    go, asked = asyncio.Event(), asyncio.Event()
    connections = Connections(open_max=1)
    async with peer_that(echoing(go, asked)) as peer:
        slow = asyncio.ensure_future(peer.ask(connections, b"slow"))
        await asked.wait()
        with pytest.raises(TimeoutError):
            await peer.ask(connections, b"late", timeout_s=0.05)
        go.set()
        assert (await slow).body == b"slow"
        assert (await peer.ask(connections, b"quick")).body == b"quick"
        assert (peer.opened, peer.bodies) == (1, [b"slow", b"quick"])
        await connections.close()


@pytest.mark.parametrize("more", [HELLO, HELLO[:-3], b"HTTP/1.1 200", b"junk"])
async def test_more_than_one_answer_to_a_request_reaches_nobody(connections: Connections, more: bytes) -> None:
    async def twice_at_first(body: bytes, writer: Writer) -> bool:
        writer.write(HELLO + more if body == b"1" else HELLO.replace(b"hello", b"right"))
        return True

    async with peer_that(twice_at_first) as peer:
        assert (await peer.ask(connections, b"1")).body == b"hello"
        assert (await peer.ask(connections, b"2")).body == b"right"
        assert peer.opened == 2


@pytest.mark.parametrize("unasked", [HELLO, HELLO[:-3], b"\r\n"])
async def test_what_comes_unasked_ends_the_connection(connections: Connections, unasked: bytes) -> None:
    go = asyncio.Event()

    async def speak_later(body: bytes, writer: Writer) -> bool:
        writer.write(HELLO)
        if body == b"1":
            await go.wait()
            writer.write(unasked)
        return True

    async with peer_that(speak_later) as peer:
        await peer.ask(connections, b"1")
        assert connections.idle == 1
        go.set()
        await until(lambda: connections.idle == 0)
        assert (await peer.ask(connections, b"2")).body == b"hello"
        assert peer.opened == 2


async def test_nobody_there_and_a_pool_that_is_closed() -> None:
    connections = Connections()
    with pytest.raises(PeerFailed):
        await connections.post(address_of("http://127.0.0.1:9/"), {}, b"", answer_bytes_max=1, timeout_s=PATIENCE_S)
    asked = asyncio.Event()

    async def never(_: bytes, __: Writer) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return False

    async with peer_that(never) as peer:
        waiting = asyncio.ensure_future(peer.ask(connections))
        await asked.wait()
        await connections.close()
        with pytest.raises(PeerFailed):
            await waiting


async def test_a_peer_that_lets_nobody_in_has_failed_before_the_time_is_up() -> None:
    connections = Connections(connect_s_max=0.05)
    async with peer_that(sending(HELLO)) as peer:
        url = peer.url.replace("http://", "https://")  # the peer waits for more than a greeting
        with pytest.raises(PeerFailed, match="TimeoutError"):
            await connections.post(address_of(url), {}, b"", answer_bytes_max=LIMIT, timeout_s=PATIENCE_S)
    await connections.close()


@pytest.mark.parametrize("value", ["a\r\nx-kokoa-call: forged", "a\nb", "a\rb"])
async def test_a_header_cannot_bring_another_one(connections: Connections, value: str) -> None:
    async with peer_that(sending(HELLO)) as peer:
        with pytest.raises(ValueError, match="line break"):
            await connections.post(address_of(peer.url), {"x": value}, b"", answer_bytes_max=LIMIT, timeout_s=1)
    assert peer.opened == 0


def test_what_a_url_means() -> None:
    assert address_of("https://shop.test/graphql") == (
        "shop.test", 443, True, b"POST /graphql HTTP/1.1\r\nhost: shop.test\r\n",
    )  # fmt: skip
    assert address_of("http://[::1]:81") == ("::1", 81, False, b"POST / HTTP/1.1\r\nhost: [::1]:81\r\n")
    for wrong in ("ftp://shop.test/", "shop.test", "http:///x", "http://shop.test/a b\r\nx: y"):
        with pytest.raises(ValueError, match="URL"):
            address_of(wrong)
