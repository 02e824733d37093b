"""The function host against its floors: warm invokes and a bare Runtime API loop, cold starts and a bare Python.

The floors are measured in the same run, so that the ratios mean something on any machine.
Run `python -m benchmarks.host_bench`.
"""

import asyncio
import contextlib
import hashlib
import io
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
import zipfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import uvloop

from kokoa.functions.host.client import HostClient
from kokoa.functions.host.listening import Allowance
from kokoa.functions.host.model import Credentials, FunctionSpec, InvokeRequest, LogRecord
from kokoa.functions.host.process import HostSettings, run_host
from kokoa.functions.host.runtime_api import Refusal, Report, RuntimeConnection
from kokoa.kernel.clock import now_ms

_WARM_INVOKES = 2000
_COLD_STARTS = 20
_BARE_STARTS = 10
_SPARE_WAIT_S = 0.6
_HELLO = "def handler(event, context):\n    return event\n"
_RUNTIME = Path(__file__).parents[1] / "src/kokoa/functions/host/inside"


class Shelf:
    """Code in memory, logs nowhere."""

    def __init__(self) -> None:
        self.packages: dict[str, bytes] = {}

    def put(self, source: str) -> str:
        """Keep a package with one module; its digest."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("handler.py", source)
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()
        self.packages[digest] = buffer.getvalue()
        return digest

    async def fetch(self, sha256: str) -> bytes:
        """As CodeSource.fetch."""
        return self.packages[sha256]

    async def write(self, records: Sequence[LogRecord]) -> None:
        """As LogSink.write."""


class BareLoop:
    """A Runtime API that answers `next` at once, and times the way there and back."""

    def __init__(self) -> None:
        self.times_ms: list[float] = []
        self.done = asyncio.Event()
        self._sent = 0.0

    def on_next(self, connection: RuntimeConnection) -> Refusal | None:
        """Send the next event."""
        if len(self.times_ms) >= _WARM_INVOKES:
            self.done.set()
            return None
        self._sent = time.perf_counter()
        headers = {"Lambda-Runtime-Aws-Request-Id": "x", "Lambda-Runtime-Deadline-Ms": "0"}
        connection.send_invocation(headers, b'{"n": 1}')
        return None

    def on_response(self, request_id: str, report: Report) -> Refusal | None:
        """Note how long it took."""
        self.times_ms.append((time.perf_counter() - self._sent) * 1000)
        return None

    def on_error(self, request_id: str, report: Report) -> Refusal | None:
        """Does not happen."""
        return None

    def on_init_error(self, report: Report) -> Refusal | None:
        """Does not happen."""
        return None

    def on_connection(self, connection: RuntimeConnection, *, open: bool) -> None:
        """Of no interest."""


async def bare_loop_ms() -> list[float]:
    """The floor of a warm invoke: AWS's runtime client and a Runtime API, with no sandbox and no host around them."""
    loop, bare = asyncio.get_running_loop(), BareLoop()
    server = await loop.create_server(lambda: RuntimeConnection(bare, Allowance(1.0, 1.0)), "127.0.0.1", 9001)
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder, "handler.py"), _HELLO)
        script = "import awslambdaric.__main__ as r; r.main(['bootstrap', 'handler.handler'])"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", script),
            cwd=folder,
            env={"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001", "PYTHONPATH": f"{_RUNTIME}:{folder}"},
        )
        await asyncio.wait_for(bare.done.wait(), 60)
        process.kill()
        await process.wait()
    server.close()
    return bare.times_ms


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def bare_start_ms() -> list[float]:
    """The floor of a cold start: the interpreter alone."""
    times = []
    for _ in range(_BARE_STARTS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-S", "-c", "0"], check=True)
        times.append((time.perf_counter() - started) * 1000)
    return times


@contextlib.asynccontextmanager
async def a_host(shelf: Shelf, prewarm: int) -> AsyncIterator[HostClient]:
    """A host in a process of its own loop's making, as `kokoa` runs it."""
    with tempfile.TemporaryDirectory() as folder:
        settings = HostSettings(Path(folder, "h.sock"), Path(folder), "http://127.0.0.1:9", prewarm=prewarm)
        stop = asyncio.Event()
        running = asyncio.ensure_future(run_host(settings, logs=shelf, code=shelf, stop=stop))
        while not settings.socket_path.exists():
            await asyncio.wait({running}, timeout=0.05)
            if running.done():
                running.result()
        client = HostClient(settings.socket_path)
        yield client
        await client.close()
        stop.set()
        await running


def request(shelf: Shelf, name: str) -> InvokeRequest:
    """An invocation of hello."""
    digest = shelf.put(_HELLO)
    arn = f"arn:aws:lambda:eu-central-1:123456789012:function:{name}"
    runtime = f"python3.{sys.version_info.minor}"
    function = FunctionSpec(
        "e", "123456789012", name, arn, runtime, "handler.handler", 128, 5, {}, digest, 1, revision_id="1"
    )
    credentials = Credentials("ASIA", "secret", "token")
    return InvokeRequest("", function, b'{"n": 1}', now_ms() + 30_000, uuid.uuid4().hex, 0, "t", credentials)


async def invoke_ms(client: HostClient, invocation: InvokeRequest) -> float:
    """One invocation with ids of its own, in ms."""
    fresh = msgspec.structs.replace(invocation, request_id=str(uuid.uuid4()), deadline_ms=now_ms() + 30_000)
    started = time.perf_counter()
    answer = await client.invoke(fresh)
    assert answer.function_error is None
    return (time.perf_counter() - started) * 1000


async def warm_ms(shelf: Shelf) -> list[float]:
    """Warm invokes through client, socket, pool and sandbox."""
    async with a_host(shelf, prewarm=0) as client:
        hello = request(shelf, "hello")
        await invoke_ms(client, hello)
        return [await invoke_ms(client, hello) for _ in range(_WARM_INVOKES)]


async def cold_ms(shelf: Shelf, prewarm: int) -> list[float]:
    """First invokes of functions that the host has not seen."""
    async with a_host(shelf, prewarm) as client:
        times = []
        for number in range(_COLD_STARTS):
            await asyncio.sleep(_SPARE_WAIT_S if prewarm else 0)
            times.append(await invoke_ms(client, request(shelf, f"cold-{number}")))
        return times


def line(what: str, times: list[float], floor: list[float]) -> str:
    """p50 and p99 with the ratio of the medians."""
    ordered = sorted(times)
    p50, p99 = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
    return f"{what:<34} p50 {p50:8.3f} ms  p99 {p99:8.3f} ms  {p50 / statistics.median(floor):6.1f} × floor"


async def measure() -> list[str]:
    """Every measurement, as lines."""
    shelf = Shelf()
    loop_floor, start_floor = await bare_loop_ms(), bare_start_ms()
    return [
        line("bare Runtime API loop", loop_floor, loop_floor),
        line("warm invoke", await warm_ms(shelf), loop_floor),
        line("bare interpreter start", start_floor, start_floor),
        line("cold start, pre-warmed", await cold_ms(shelf, prewarm=2), start_floor),
        line("cold start, from nothing", await cold_ms(shelf, prewarm=0), start_floor),
    ]


def main() -> None:
    """Print the measurements."""
    print("\n".join(uvloop.run(measure())))


if __name__ == "__main__":
    main()
