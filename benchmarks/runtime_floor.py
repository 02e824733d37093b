"""The floor for invocations: the Runtime API's loop with nothing around it. No sandbox, no queue, no signature."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

_PROGRAM = Path(__file__).with_name("runtime_loop.py")
_START_TIMEOUT_S = 10.0


class RuntimeFloor(asyncio.Protocol):
    """Serves one runtime. Made by `runtime_floor`."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self.resting = asyncio.Event()
        self._answered: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._buffer.startswith(b"GET") and self._buffer.endswith(b"\r\n\r\n"):
            self._buffer = b""
            self.resting.set()
        elif self._buffer.startswith(b"POST") and b"}" in self._buffer:
            self._buffer = b""
            if self._answered is not None:
                self._answered.set_result(None)
            self._write(202, b"", b"{}")

    def _write(self, status: int, head: bytes, body: bytes) -> None:
        assert self._transport is not None
        self._transport.write(b"HTTP/1.1 %d x\r\n%bContent-Length: %d\r\n\r\n%b" % (status, head, len(body), body))

    async def invoke_ms(self, payload: bytes) -> float:
        """How long one invocation takes, from its delivery to its answer."""
        await self.resting.wait()
        self.resting.clear()
        self._answered = asyncio.get_running_loop().create_future()
        started = time.perf_counter()
        self._write(200, b"Lambda-Runtime-Aws-Request-Id: 1\r\n", payload)
        await self._answered
        return (time.perf_counter() - started) * 1000

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


@contextlib.asynccontextmanager
async def runtime_floor() -> AsyncIterator[RuntimeFloor]:
    """A runtime process and its server, until the block ends."""
    floor = RuntimeFloor()
    server = await asyncio.get_running_loop().create_server(lambda: floor, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(_PROGRAM), str(port), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(_START_TIMEOUT_S):
            await floor.resting.wait()
        yield floor
    finally:
        floor.close()
        server.close()
        if process.returncode is None:
            process.kill()
        await process.wait()
