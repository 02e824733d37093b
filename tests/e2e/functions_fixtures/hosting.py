"""A real function host for tests: packages from inline source, a code source and a log sink that remember."""

import asyncio
import atexit
import contextlib
import functools
import hashlib
import io
import json
import os
import shutil
import tempfile
import time
import uuid
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kokoa.functions.host.client import HostClient
from kokoa.functions.host.doctor import Finding, examine
from kokoa.functions.host.errors import FunctionCodeUnavailable
from kokoa.functions.host.model import Credentials, FunctionSpec, Invocation, InvokeRequest, LogRecord
from kokoa.functions.host.process import HostSettings, host_name, run_host
from kokoa.kernel.clock import now_ms

ENVIRONMENT_ID = "018f3f1e-0000-7000-8000-000000000001"
ACCOUNT_ID = "123456789012"
PYTHON = "python3.11"


def package(files: dict[str, str | bytes]) -> bytes:
    """A zip of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class CodeShelf:
    """A CodeSource in memory."""

    def __init__(self) -> None:
        self.packages: dict[str, bytes] = {}
        self.fetches = 0

    def put(self, data: bytes) -> str:
        """Keep a package; its digest."""
        digest = hashlib.sha256(data).hexdigest()
        self.packages[digest] = data
        return digest

    async def fetch(self, sha256: str) -> bytes:
        """As CodeSource.fetch."""
        self.fetches += 1
        if sha256 not in self.packages:
            raise FunctionCodeUnavailable("no such package")
        return self.packages[sha256]


class LogShelf:
    """A LogSink that remembers, and can be told to fail."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        self.failures = 0

    async def write(self, records: Sequence[LogRecord]) -> None:
        """As LogSink.write."""
        if self.failures > 0:
            self.failures -= 1
            raise ConnectionError("the sink is away")
        self.records += records

    def messages(self, request_id: str) -> list[str]:
        """What was logged for one invocation."""
        return [record.message for record in self.records if record.request_id == request_id]


class Hosting:
    """A running host with what a test needs around it."""

    def __init__(self, settings: HostSettings) -> None:
        self.settings = settings
        self.code = CodeShelf()
        self.logs = LogShelf()
        self.client = HostClient(settings.socket_path)

    def function(self, source: str, **changes: Any) -> FunctionSpec:
        """A Python function: its module is called `handler`, and so is its function."""
        data = package({"handler.py": source})
        return self.packaged(data, **changes)

    def packaged(self, data: bytes, **changes: Any) -> FunctionSpec:
        """A function with this package."""
        name = changes.pop("name", f"f-{uuid.uuid4().hex[:8]}")
        account_id = changes.pop("account_id", ACCOUNT_ID)
        spec = FunctionSpec(
            environment_id=ENVIRONMENT_ID,
            account_id=account_id,
            name=name,
            arn=f"arn:aws:lambda:eu-central-1:{account_id}:function:{name}",
            runtime=PYTHON,
            handler="handler.handler",
            memory_mb=128,
            timeout_s=5,
            environment={},
            code_sha256=self.code.put(data),
            code_size=len(data),
            revision_id=uuid.uuid4().hex,
        )
        return msgspec.structs.replace(spec, **changes)

    async def invoke(self, function: FunctionSpec, event: Any = None, **changes: Any) -> Invocation:
        """Invoke with a JSON event."""
        return await self.client.invoke(self.request(function, event, **changes))

    def request(self, function: FunctionSpec, event: Any = None, **changes: Any) -> InvokeRequest:
        """An InvokeRequest with usual values."""
        request = InvokeRequest(
            request_id=str(uuid.uuid4()),
            function=function,
            payload=json.dumps(event).encode(),
            deadline_ms=now_ms() + 30_000,
            correlation_id=uuid.uuid4().hex,
            depth=0,
            token="token-of-the-call",
            credentials=Credentials("ASIAEXAMPLEEXAMPLE12", "secret-key", "session-token"),
            log_tail=True,
        )
        return msgspec.structs.replace(request, **changes)

    async def answer(self, function: FunctionSpec, event: Any = None, **changes: Any) -> Any:
        """Invoke and return the decoded answer; the function must not fail."""
        invocation = await self.invoke(function, event, **changes)
        assert invocation.function_error is None, invocation.payload
        return json.loads(invocation.payload)

    async def failure(self, function: FunctionSpec, event: Any = None, **changes: Any) -> dict[str, Any]:
        """Invoke and return the error document; the function must fail."""
        invocation = await self.invoke(function, event, **changes)
        assert invocation.function_error == "Unhandled", invocation.payload
        document: dict[str, Any] = json.loads(invocation.payload)
        return document


def sandbox_groups(settings: HostSettings) -> list[Path]:
    """The control groups of a host's sandboxes; other groups of the machine may vanish while one looks."""
    name = f"kokoa-{host_name(settings.socket_path)}"
    folders = [Path(folder, name) for folder, names, _ in os.walk("/sys/fs/cgroup") if name in names]
    return [Path(entry) for folder in folders if folder.is_dir() for entry in os.scandir(folder) if entry.is_dir()]


async def eventually(condition: Callable[[], Any], what: str, timeout_s: float = 60.0) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running_host(folder: Path, **changes: Any) -> AsyncIterator[Hosting]:
    """A host in this process, on a folder of its own."""
    settings = msgspec.structs.replace(
        HostSettings(socket_path=folder / "s" / "host.sock", state_dir=_state_dir(), web_url="http://127.0.0.1:9"),
        **changes,
    )
    hosting = Hosting(settings)
    stop = asyncio.Event()
    running = asyncio.ensure_future(run_host(settings, logs=hosting.logs, code=hosting.code, stop=stop))
    try:
        await eventually(lambda: settings.socket_path.exists() or running.done(), "the host listens", 60)
        if running.done():
            running.result()
        yield hosting
    finally:
        await hosting.client.close()
        stop.set()
        await running


@functools.cache
def _state_dir() -> Path:
    """One for all hosts of a test process: /var/runtime is prepared once."""
    folder = tempfile.mkdtemp(prefix="kokoa-hosts-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


_findings: list[Finding] = []


async def require_sandboxes() -> None:
    """Skip, naming what is missing, where this machine cannot run sandboxes; with CI=true that fails."""
    if not _findings:
        _findings.extend(await examine())
    missing = [f"{finding.name}: {finding.why}" for finding in _findings if not finding.ok]
    if missing and os.environ.get("CI") == "true":
        pytest.fail("this machine lacks " + "; ".join(missing))
    if missing:
        pytest.skip("this machine lacks " + "; ".join(missing))
