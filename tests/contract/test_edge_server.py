"""The real server: several workers on one port, a clear word when it is busy, no orphans, nothing smuggled."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from kokoa.processes import free_port

POLL_S = 0.02
TESTS = Path(__file__).parents[1]
PROGRAM = (
    "import sys; from kokoa.web.server import ServerSettings, run_server\n"
    "run_server(ServerSettings('contract.edge_server_app:create', port=int(sys.argv[1]), workers=2))\n"
)


def start(port: int, marker: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]),
        "EDGE_TEST_MARKER": str(marker),
    }
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(port)], env=environment, stderr=subprocess.PIPE)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(POLL_S)


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Exists while the server holds a request at /slow."""
    return tmp_path / "request-is-here"


@pytest.fixture
def server(marker: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    process = start(port, marker)
    wait_until(lambda: answers(port) and len(children_of(process.pid)) == 2, "two workers")
    yield process, port
    process.kill()
    process.wait(20)


def raw(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


async def test_two_workers_answer_on_one_port(server: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = server
    seen: set[int] = set()
    async with asyncio.timeout(20):
        while len(seen) < 2:
            async with (
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
                session.get(f"http://127.0.0.1:{port}/a%20b") as response,
            ):
                answer = await response.json()
                assert answer["path"] == "/a b"
                assert len(response.headers["X-Correlation-Id"]) == 32
                seen.add(answer["pid"])
    assert seen == set(children_of(process.pid))


async def test_a_busy_port_is_named_with_the_setting(
    server: tuple[subprocess.Popen[bytes], int], marker: Path
) -> None:
    _, port = server
    second = start(port, marker)
    _, error = second.communicate(timeout=20)
    assert second.returncode != 0
    assert f"Port {port}".encode() in error
    assert b"KOKOA_PORT" in error


async def test_sigterm_lets_a_running_request_finish(
    server: tuple[subprocess.Popen[bytes], int], marker: Path
) -> None:
    process, port = server
    async with aiohttp.ClientSession() as session:
        running = asyncio.ensure_future(session.get(f"http://127.0.0.1:{port}/slow"))
        await asyncio.to_thread(wait_until, marker.exists, "the request is there")
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(wait_until, lambda: not answers(port), "the port closes")
        await asyncio.to_thread(marker.unlink)
        response = await running
        assert (response.status, (await response.json())["path"]) == (200, "/slow")
        response.release()
    assert await asyncio.to_thread(process.wait, 20) == 0


async def test_killing_the_server_leaves_no_worker(server: tuple[subprocess.Popen[bytes], int]) -> None:
    process, _ = server
    workers = children_of(process.pid)
    process.kill()
    wait_until(lambda: all(is_gone(worker) for worker in workers), "workers die with the server")


async def test_a_killed_worker_comes_back(server: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = server
    victim = children_of(process.pid)[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(
        lambda: (
            (now := [c for c in children_of(process.pid) if not is_gone(c)]) != []
            and victim not in now
            and len(now) == 2
        ),
        "a new worker",
    )
    wait_until(lambda: answers(port), "the port answers")


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /../x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + b"\r\n\r\n",
    ],
)
async def test_hostile_heads_are_refused(server: tuple[subprocess.Popen[bytes], int], head: bytes) -> None:
    received = await asyncio.to_thread(raw, server[1], head)
    assert received == b"" or received.split(b" ")[1][:1] == b"4", received[:200]


async def test_a_length_beside_chunks_never_yields_a_second_request(
    server: tuple[subprocess.Popen[bytes], int],
) -> None:
    smuggled = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    head = b"POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % len(
        smuggled
    )
    received = await asyncio.to_thread(raw, server[1], head + smuggled)
    assert b"/smuggled" not in received
    assert received.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in received


async def test_a_chunked_body_over_the_limit_is_413(server: tuple[subprocess.Popen[bytes], int]) -> None:
    async def endless() -> object:
        for _ in range(64):
            yield b"x" * 65536

    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{server[1]}/"
        async with session.post(url, data=endless()) as response:
            assert response.status == 413
        async with session.post(url, data=b"y" * 900_000, expect100=True) as response:
            assert (await response.json())["length"] == 900_000
