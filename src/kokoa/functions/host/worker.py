"""One sandbox at work: a function's runtime on one side, one invocation at a time on the other.

A worker waits, becomes a function (`specialise`), and serves its invocations until it is closed or its process ends.
All of it runs in the event loop's thread, so plain attributes are its state.
"""

import asyncio
import json
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import structlog

from kokoa.functions.host import failures
from kokoa.functions.host.egress import NAMES_ENDPOINT, Egress
from kokoa.functions.host.errors import SandboxUnavailable
from kokoa.functions.host.listening import Listening
from kokoa.functions.host.logs import (
    FrameParser,
    LineParser,
    LogShipper,
    LogStream,
    PipeReader,
    Usage,
    report_line,
)
from kokoa.functions.host.model import RESPONSE_BYTES_MAX, FunctionSpec, Invocation, InvokeRequest
from kokoa.functions.host.relay import CurrentCall, Relay
from kokoa.functions.host.runtime_api import CONNECTIONS_MAX, Refusal, Report, RuntimeConnection, open_runtime_api
from kokoa.functions.host.runtimes import Runtime
from kokoa.functions.host.sandbox.box import Box
from kokoa.functions.host.sandbox.cgroups import Limits
from kokoa.functions.host.sandbox.courtesy import Courtesy
from kokoa.functions.host.shares import AccountShares, Shares
from kokoa.kernel.clock import now_ms
from kokoa.processes.steps import reached

_log = structlog.get_logger(__name__)

INIT_S = 10.0
CREDENTIALS_GOOD_MS = 5 * 3_600_000  # whoever issues them lends them for six hours or more
_MB_PER_CPU = 1769  # as AWS Lambda shares processors out; never less than one, unlike there
_PROCESSES = 1024
# An invocation that has run for so long gives way to others, and to the store; a start may take longer.
_EAGER_S = 0.1
_EAGER_INIT_S = 1.0


class NotDelivered(Exception):
    """The sandbox ended before its runtime took the invocation: another one may serve it."""


class Outside(msgspec.Struct, frozen=True):
    """What a worker shares with all others of its host."""

    session: aiohttp.ClientSession
    web_url: str
    shipper: LogShipper
    courtesy: Courtesy
    shares: AccountShares


class _Ended(msgspec.Struct, frozen=True):
    """How an invocation ended.  body: what the caller gets.  failed: it is an error document."""

    body: bytes
    failed: bool
    status: str = ""
    error_type: str = ""
    log_line: str = ""


class _Current:
    """The invocation that is running.  delivered: the runtime has taken it.  cold: the sandbox started for it."""

    def __init__(self, request: InvokeRequest, *, cold: bool) -> None:
        self.request = request
        self.cold = cold
        self.delivered = False
        self.ended: asyncio.Future[_Ended] = asyncio.get_running_loop().create_future()
        self.started = time.perf_counter()
        self.deadline_ms = now_ms() + request.function.timeout_s * 1000

    def end(self, ended: _Ended) -> None:
        """The first end counts."""
        if not self.ended.done():
            self.ended.set_result(ended)


class Worker:
    """A sandbox that serves one function, one invocation at a time. Make it with `open_worker`."""

    def __init__(self, box: Box, runtime: Runtime, outside: Outside) -> None:
        self._box = box
        self._outside = outside
        self._identity = secrets.token_hex(16)
        self._listening: list[Listening] = []
        self._relays: list[Relay] = []
        self._shares = Shares()
        self._egress = Egress(self._say, self._shares)
        self._connections: set[RuntimeConnection] = set()
        self._parked: RuntimeConnection | None = None
        self._current: _Current | None = None
        self._lender: InvokeRequest | None = None
        self._stream: LogStream | None = None
        self._lines = LineParser(self._write_lines)
        self._output = PipeReader(box.output, self._lines, self._shares.output)
        self._frames = PipeReader(box.log, FrameParser(self._write_frame), self._shares.output)
        self._initialised: asyncio.Future[None]
        self._init_started = 0.0
        self._init_ms = 0.0
        self._initialised = asyncio.get_running_loop().create_future()
        self._init_error: Report | None = None
        self._closing: asyncio.Task[None] | None = None
        self.runtime = runtime
        self.function: FunctionSpec | None = None
        self._credentials_ms = now_ms()
        self.opened = time.monotonic()
        self.used = self.opened

    @property
    def usable(self) -> bool:
        """Whether another invocation may be given to it."""
        return self._closing is None and not self._box.end.done() and not self._outdated

    @property
    def _outdated(self) -> bool:
        """Whether the wall clock has moved so far since it got its credentials that they may have run out.

        Its age does not tell: a clock may be set, and none of ours runs while a machine sleeps.
        """
        return abs(now_ms() - self._credentials_ms) > CREDENTIALS_GOOD_MS

    @property
    def resting(self) -> bool:
        """Whether its runtime waits for work, as it should between invocations."""
        return self._parked is not None

    @property
    def end(self) -> asyncio.Future[int]:
        """Completes when its process has ended."""
        return self._box.end

    async def serve(self) -> None:
        """Serve the sockets from inside the sandbox."""
        api, store, aws = self._box.listeners
        self._listening.append(open_runtime_api(api, self, lambda: len(self._connections), self._shares))
        for door, listener in (("store", store), ("aws", aws)):
            relay = Relay(
                "store" if door == "store" else "aws",
                self._outside.session,
                self._outside.web_url,
                self._current_call,
                self._shares,
            )
            self._relays.append(relay)
            self._listening.append(relay.open(listener))
        (names,) = await self._box.listen([NAMES_ENDPOINT])
        self._egress.serve_names(names)

    async def specialise(self, request: InvokeRequest, code: Path | None) -> None:
        """Become the request's function. code: to be mounted now; None when it is there already."""
        function = request.function
        if code is not None:
            await self._box.mount_code(code)
        if function.egress:
            listeners = await self._box.listen(self._egress.endpoints(function.egress))
            self._egress.serve(listeners, function.egress)
        self.function = function
        self._shares.join(self._outside.shares.of(function.account_id))
        self._lender = request
        self._credentials_ms = now_ms()
        self._stream = LogStream(self._outside.shipper, function, self._identity)
        self._stream.begin(request.request_id, request.correlation_id)
        self._stream.write_platform(f"INIT_START Runtime Version: {self.runtime.banner}\tRuntime Version ARN: \n")
        self._output.start()
        self._frames.start()
        self._init_started = time.perf_counter()
        message = {
            "handler": function.handler,
            "path": self.runtime.path,
            "environment": function_environment(request, self._stream),
        }
        await self._box.specialise(message, _limits(function.memory_mb))

    async def invoke(self, request: InvokeRequest, *, yielding: bool = False) -> Invocation:
        """Run one invocation. Raises NotDelivered when the function never saw it.

        yielding: it gives way to others at once, and not only when it has run for a while; its start does not, or on
        a busy machine it would never be over.
        """
        assert self._stream is not None
        assert self._current is None
        self._lender = request
        cold = self._init_ms == 0
        group, courtesy = self._box.group, self._outside.courtesy
        courtesy.begin(group.cpu, yielding=yielding and not cold)
        loop = asyncio.get_running_loop()
        turning = loop.call_later(_EAGER_INIT_S if cold else _EAGER_S, self._give_way)
        group.thaw()
        try:
            if cold:
                await self._wait_initialised()
                turning.cancel()
                turning = loop.call_later(0 if yielding else _EAGER_S, self._give_way)
            return await self._invoke(request, cold=cold)
        finally:
            turning.cancel()
            courtesy.end(group.cpu)

    def _give_way(self) -> None:
        if self._closing is None:
            self._outside.courtesy.turn(self._box.group.cpu)

    async def _invoke(self, request: InvokeRequest, *, cold: bool) -> Invocation:
        assert self._stream is not None
        if not cold:
            self._stream.begin(request.request_id, request.correlation_id)
            self._egress.begin()
        current = self._current = _Current(request, cold=cold)
        if self._init_error is not None:
            current.end(_failed_init(self._init_error, request.request_id))
        elif self._parked is not None:
            self._deliver()
        try:
            ended = await self._wait_ended(current)
            duration_ms = (time.perf_counter() - current.started) * 1000
            if not self.usable:
                await self.close()
        finally:
            self._current = self._lender = None
        return self._conclude(current, ended, duration_ms)

    def freeze(self) -> None:
        """Stop its processes until the next invocation."""
        if self.usable and self._current is None and self._parked is not None:
            self._box.group.freeze()
            self._outside.courtesy.forget(self._box.group.cpu)

    def close(self) -> asyncio.Task[None]:
        """Kill it if it runs and release everything; more than one call does it once."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        return self._closing

    async def _close(self) -> None:
        for listening in self._listening:
            listening.close()
        for connection in tuple(self._connections):
            connection.close()
        self._egress.close()
        self._outside.courtesy.forget(self._box.group.cpu)
        await self._box.close()
        if self._stream is not None:
            self._output.stop()
            self._frames.stop()
        self._box.close_descriptors()
        for relay in self._relays:
            await relay.server.shutdown(0)

    # the invocation

    async def _wait_initialised(self) -> None:
        """Wait for the first `next`, at most AWS's 10 s; later than that the invocation's own time runs."""
        either: set[asyncio.Future[Any]] = {self._initialised, self._box.end}
        await asyncio.wait(either, timeout=INIT_S, return_when=asyncio.FIRST_COMPLETED)
        self._init_ms = (time.perf_counter() - self._init_started) * 1000

    def _deliver(self) -> None:
        assert self._current is not None
        assert self._parked is not None
        connection, self._parked = self._parked, None
        current = self._current
        self._write_start(current)
        connection.send_invocation(_next_headers(current.request, current.deadline_ms), current.request.payload)
        reached("invoke.delivered")

    def _write_start(self, current: _Current) -> None:
        assert self._stream is not None
        if not current.delivered:
            current.delivered = True
            request = current.request
            line = f"START RequestId: {request.request_id} Version: {request.function.version}\n"
            self._stream.write_platform(line)

    async def _wait_ended(self, current: _Current) -> _Ended:
        timeout_s = current.request.function.timeout_s
        alarm = asyncio.get_running_loop().call_later(timeout_s, self._time_out, current)
        self._box.end.add_done_callback(self._on_exit)
        try:
            return await current.ended
        finally:
            alarm.cancel()
            self._box.end.remove_done_callback(self._on_exit)

    def _time_out(self, current: _Current) -> None:
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        request = current.request
        current.end(_failed(failures.timed_out(request.request_id, request.function.timeout_s, stamp)))
        self.close()

    def _on_exit(self, end: "asyncio.Future[int]") -> None:
        current = self._current
        if current is None or current.ended.done():
            return
        if not current.delivered and not current.cold:
            current.ended.set_exception(NotDelivered())
            return
        out_of_memory = self._box.out_of_memory()
        failure = failures.exited(current.request.request_id, end.result(), out_of_memory=out_of_memory)
        current.end(_failed(failure))

    def _conclude(self, current: _Current, ended: _Ended, duration_ms: float) -> Invocation:
        assert self._stream is not None
        request = current.request
        self._write_start(current)
        if self._closing is None:
            self._output.drain()
            self._lines.finish()
            self._frames.drain()
        if ended.log_line:
            self._stream.write_platform(ended.log_line)
        self._stream.write_platform(f"END RequestId: {request.request_id}\n")
        usage = Usage(
            duration_ms=min(duration_ms, request.function.timeout_s * 1000.0),
            memory_mb=request.function.memory_mb,
            memory_peak_mb=min(self._box.memory_peak_mb(), request.function.memory_mb),
            init_ms=self._init_ms if current.cold else 0.0,
            status=ended.status,
            error_type=ended.error_type,
        )
        self._stream.write_platform(report_line(request.request_id, request.correlation_id, usage))
        self.used = time.monotonic()
        return Invocation(
            payload=ended.body,
            function_error="Unhandled" if ended.failed else None,
            log_tail=self._stream.tail() if request.log_tail else b"",
            duration_ms=usage.duration_ms,
            executed_version=request.function.version,
            cold_start=current.cold,
        )

    # what the runtime says (runtime_api.Conversation)

    def on_connection(self, connection: RuntimeConnection, *, open: bool) -> None:
        """Keep count of the runtime's connections."""
        if not open:
            self._connections.discard(connection)
            if self._parked is connection:
                self._parked = None
        elif len(self._connections) >= CONNECTIONS_MAX:
            connection.close()
        else:
            self._connections.add(connection)

    def on_next(self, connection: RuntimeConnection) -> Refusal | None:
        """The runtime is ready for work, for the first time or again."""
        current = self._current
        if current is not None and current.delivered and not current.ended.done():
            return Refusal(403, "InvalidStateTransition", "The invocation that runs has no answer yet.")
        self._parked = connection
        if not self._initialised.done():
            self._initialised.set_result(None)
        if current is not None and not current.ended.done():
            self._deliver()
        return None

    def on_response(self, request_id: str, report: Report) -> Refusal | None:
        """The function returned."""
        current = self._running(request_id)
        if current is None:
            return _UNKNOWN_REQUEST
        if report.too_large:
            current.end(_failed(failures.answer_too_large(request_id, RESPONSE_BYTES_MAX)))
            return Refusal(413, "RequestEntityTooLarge", f"The answer exceeds {RESPONSE_BYTES_MAX} bytes.")
        reached("invoke.answered")
        # A streaming runtime reports an error in the middle by a trailer.
        current.end(_Ended(report.body, failed=bool(report.error_type)))
        return None

    def on_error(self, request_id: str, report: Report) -> Refusal | None:
        """The function raised."""
        current = self._running(request_id)
        if current is None:
            return _UNKNOWN_REQUEST
        if report.too_large:
            current.end(_failed(failures.answer_too_large(request_id, RESPONSE_BYTES_MAX)))
            return Refusal(413, "RequestEntityTooLarge", f"The error exceeds {RESPONSE_BYTES_MAX} bytes.")
        current.end(_Ended(report.body, failed=True))
        return None

    def on_init_error(self, report: Report) -> Refusal | None:
        """The function could not be loaded; its process is about to end."""
        if self._initialised.done():
            return Refusal(403, "InvalidStateTransition", "The runtime has been initialised already.")
        self._init_error = report
        self._initialised.set_result(None)
        if self._current is not None:
            self._current.end(_failed_init(report, self._current.request.request_id))
        return None

    def _running(self, request_id: str) -> _Current | None:
        current = self._current
        if current is None or not current.delivered or current.ended.done():
            return None
        return current if current.request.request_id == request_id else None

    def _current_call(self) -> CurrentCall | None:
        """What requests through the relays carry; while a function starts, the invocation it starts for."""
        lender = self._lender
        if lender is None or self._closing is not None:
            return None
        if self._current is not None:
            return CurrentCall(lender.token, lender.correlation_id, self._current.deadline_ms)
        return CurrentCall(lender.token, lender.correlation_id, now_ms() + int(INIT_S * 1000))

    def _write_lines(self, lines: list[bytes], end: str) -> None:
        if self._stream is not None:
            self._stream.write_lines(lines, end)

    def _say(self, text: str) -> None:
        if self._stream is not None:
            self._stream.write_platform(text)

    def _write_frame(self, text: str, timestamp_ms: int) -> None:
        if self._stream is not None:
            self._stream.write(text, timestamp_ms)


_UNKNOWN_REQUEST = Refusal(400, "InvalidRequestID", "Invalid request ID")


async def open_worker(box: Box, runtime: Runtime, outside: Outside) -> Worker:
    """A worker on a fresh sandbox, ready to become a function."""
    worker = Worker(box, runtime, outside)
    try:
        await worker.serve()
    except OSError as error:
        await worker.close()
        raise SandboxUnavailable("The sandbox's sockets cannot be served.", detail=str(error)) from error
    return worker


def function_environment(request: InvokeRequest, stream: LogStream) -> dict[str, str]:
    """A function's variables: its own first, then what the platform promises (AWS Lambda, defined variables)."""
    function = request.function
    region = function.arn.split(":")[3]
    keys = request.credentials
    return function.environment | {
        "PWD": "/var/task",
        "_HANDLER": function.handler,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": stream.group,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream.name,
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_SESSION_TOKEN": keys.session_token,
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9003",
        "APP_LOAD_BALANCER_URL": "http://127.0.0.1:9002",
    }


def trace_header(correlation_id: str) -> str:
    """The correlation id in X-Ray's form."""
    return f"Root=1-{correlation_id[:8]}-{correlation_id[8:]};Sampled=1"


def _next_headers(request: InvokeRequest, deadline_ms: int) -> dict[str, str]:
    headers = {
        "Lambda-Runtime-Aws-Request-Id": request.request_id,
        "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
        "Lambda-Runtime-Invoked-Function-Arn": request.function.arn,
        "Lambda-Runtime-Trace-Id": trace_header(request.correlation_id),
    }
    if request.client_context:
        # Re-encoded, because a line break in it would end the header.
        headers["Lambda-Runtime-Client-Context"] = json.dumps(json.loads(request.client_context))
    return headers


def _limits(memory_mb: int) -> Limits:
    return Limits(memory_mb=memory_mb, cpus=max(1.0, memory_mb / _MB_PER_CPU), processes=_PROCESSES)


def _failed(failure: failures.Failure) -> _Ended:
    return _Ended(failure.document(), True, failure.status, failure.error_type, failure.log_line)


def _failed_init(report: Report, request_id: str) -> _Ended:
    body = failures.init_error_document(report.body, request_id)
    return _Ended(body, failed=True, status="error", error_type=report.error_type)
