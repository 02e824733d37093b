"""The way out of a sandbox: what is allowed works in every way, what is not fails at once and is told."""

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from functions_fixtures.hosting import Hosting, eventually, require_sandboxes, running_host

from kokoa.functions.host.egress import may_reach

pytestmark = pytest.mark.e2e

FETCH = """
import socket, time

def handler(event, context):
    started = time.monotonic()
    try:
        with socket.create_connection((event["host"], event["port"]), 8) as line:
            line.sendall(event.get("say", "hello").encode())
            line.shutdown(socket.SHUT_WR)
            heard = b""
            while chunk := line.recv(65536):
                heard += chunk
        return {"heard": heard[:100].decode(), "size": len(heard)}
    except OSError as error:
        return {"error": str(error), "seconds": time.monotonic() - started}
"""


class Echo:
    """A server outside that answers with what it heard, in capitals."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data.upper())
                await writer.drain()
            writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    yield echo
    server.close()


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Hosting]:
    await require_sandboxes()
    async with running_host(tmp_path) as hosting:
        yield hosting


async def logged(host: Hosting, text: str) -> str:
    """The log line that holds the text."""
    lines: list[str] = []

    def there() -> bool:
        lines[:] = [record.message for record in host.logs.records if text in record.message]
        return bool(lines)

    await eventually(there, f"the log says {text!r}", 30)
    return lines[0]


async def test_an_allowed_destination_is_reached_by_its_name_and_nothing_else_is(host: Hosting, echo: Echo) -> None:
    function = host.function(FETCH, egress=(f"localhost:{echo.port}",), timeout_s=20)
    assert await host.answer(function, {"host": "localhost", "port": echo.port}) == {"heard": "HELLO", "size": 5}
    large = {"host": "localhost", "port": echo.port, "say": "x" * 3_000_000}
    assert (await host.answer(function, large))["size"] == 3_000_000
    other = await host.answer(function, {"host": "localhost", "port": echo.port + 1})
    assert "refused" in other["error"]
    assert echo.connections == 2


async def test_an_address_is_reached_as_it_is_written(host: Hosting) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing: it only asks which address of ours would be used
        own = probe.getsockname()[0]
    echo = Echo()
    server = await asyncio.start_server(echo.serve, own, 0)
    port = server.sockets[0].getsockname()[1]
    allowed = host.function(FETCH, egress=(f"{own}:{port}",), timeout_s=20)
    assert (await host.answer(allowed, {"host": own, "port": port}))["heard"] == "HELLO"
    refused = await host.answer(host.function(FETCH, timeout_s=20), {"host": own, "port": port})
    assert "unreachable" in refused["error"]
    assert refused["seconds"] < 5
    assert echo.connections == 1
    server.close()


async def test_a_name_that_is_not_allowed_fails_at_once_and_the_log_tells_the_command(host: Hosting) -> None:
    function = host.function(FETCH, egress=("erp.example.com:443",), timeout_s=20)
    answer = await host.answer(function, {"host": "elsewhere.example.com", "port": 443})
    assert answer["seconds"] < 5
    line = await logged(host, "elsewhere.example.com")
    assert "kokoa egress allow elsewhere.example.com:443" in line
    assert "Allowed are erp.example.com:443." in line
    await host.answer(host.function(FETCH, timeout_s=20), {"host": "nothing.example.com", "port": 443})
    assert "Nothing is allowed yet." in await logged(host, "nothing.example.com")


async def test_a_destination_that_does_not_answer_is_told(host: Hosting) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets it, and nobody answers
        port = taken.getsockname()[1]
        function = host.function(FETCH, egress=(f"localhost:{port}",), timeout_s=20)
        answer = await host.answer(function, {"host": "localhost", "port": port})
        assert "error" in answer or answer["size"] == 0
        assert re.search(f"localhost:{port} cannot be reached: .*refused", (await logged(host, "cannot")).lower())


async def test_a_new_allowlist_is_in_force_at_the_next_invocation(host: Hosting, echo: Echo) -> None:
    allowed = host.function(FETCH, egress=(f"localhost:{echo.port}",), timeout_s=20, name="same", revision_id="1")
    where = {"host": "localhost", "port": echo.port}
    assert (await host.answer(allowed, where))["heard"] == "HELLO"
    before = host.function(FETCH, timeout_s=20, name="same", revision_id="1")
    assert "refused" in (await host.answer(before, where))["error"]


async def test_connections_are_bounded_and_end_with_the_sandbox(host: Hosting, echo: Echo) -> None:
    source = """
import socket
held = []
def handler(event, context):
    while len(held) < 400:
        try:
            line = socket.create_connection(("localhost", event), 2)
            line.sendall(b"x")
            if line.recv(1) != b"X":
                break
            held.append(line)
        except OSError:
            break
    return len(held)
"""
    function = host.function(source, egress=(f"localhost:{echo.port}",), timeout_s=30)
    assert 100 <= await host.answer(function, echo.port) <= 128
    await host.client.forget(function.arn)
    function = host.function(FETCH, egress=(f"localhost:{echo.port}",), timeout_s=20)
    assert (await host.answer(function, {"host": "localhost", "port": echo.port}))["heard"] == "HELLO"


async def test_a_flood_of_questions_leaves_the_host_to_others(host: Hosting) -> None:
    source = """
import os, socket, threading
def flood():
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.connect(("127.0.0.1", 53))
    while True:
        try:
            line.send(os.urandom(2) + bytes.fromhex("01000001000000000000") + b"\\x01a\\x00\\x00\\x01\\x00\\x01")
        except OSError:
            pass
def handler(event, context):
    for _ in range(4):
        threading.Thread(target=flood, daemon=True).start()
    threading.Event().wait(event)
"""
    running = asyncio.ensure_future(host.answer(host.function(source, timeout_s=20), 3))
    quick = host.function("def handler(event, context):\n    return 1", account_id="9" * 12)
    started = time.monotonic()
    for _ in range(20):
        assert await host.answer(quick) == 1
    assert time.monotonic() - started < 30
    await running


@pytest.mark.parametrize(
    ("host_name", "address", "may"),
    [
        ("erp.example.com", "203.0.113.7", True),
        ("erp.example.com", "10.1.2.3", True),
        ("erp.example.com", "127.0.0.1", False),
        ("erp.example.com", "::1", False),
        ("erp.example.com", "::ffff:127.0.0.1", False),
        ("erp.example.com", "169.254.169.254", False),
        ("erp.example.com", "fe80::1%eth0", False),
        ("erp.example.com", "0.0.0.0", False),
        ("erp.example.com", "224.0.0.1", False),
        ("localhost", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.2", "127.0.0.1", False),
    ],
)
def test_a_name_may_not_lead_to_this_machine(host_name: str, address: str, may: bool) -> None:
    assert may_reach(host_name, address) is may
