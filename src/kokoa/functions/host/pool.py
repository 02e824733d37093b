"""Which sandbox serves which function: warm ones first, new ones within bounds, idle ones frozen and then ended."""

import asyncio
import os
import time

import msgspec
import orjson
import structlog

from kokoa.functions.host.admission import Admission, Entry
from kokoa.functions.host.errors import InvocationTooLarge, SandboxUnavailable
from kokoa.functions.host.model import PAYLOAD_BYTES_MAX, FunctionSpec, Invocation, InvokeRequest
from kokoa.functions.host.staff import Staff
from kokoa.functions.host.worker import NotDelivered, Worker
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import DeadlineExceeded, Invalid
from kokoa.processes.steps import reached

_log = structlog.get_logger(__name__)

_ATTEMPTS = 3
_HOUSEKEEPING_S = 0.25
# A runtime that has answered but asks for no more work is up to something.
_RESTLESS_S = 5.0
# An account that runs more at once than there are processors gives way with what it runs.
_EAGER_EACH = os.cpu_count() or 1


class IdleBounds(msgspec.Struct, frozen=True):
    """freeze_s, idle_s: after so long without work a sandbox is frozen, ended.  lifetime_s: the oldest it gets."""

    freeze_s: float
    idle_s: float
    lifetime_s: float


class _Version(msgspec.Struct, frozen=True):
    """A function version of an account; its revisions replace each other."""

    environment_id: str
    account_id: str
    arn: str
    version: str


class Pool:
    """Runs invocations on the staff's workers."""

    def __init__(self, staff: Staff, admission: Admission, bounds: IdleBounds) -> None:
        self._staff = staff
        self._admission = admission
        self._bounds = bounds
        self._idle: dict[_Version, list[Worker]] = {}
        self._busy: set[Worker] = set()
        self._retired: set[Worker] = set()
        staff.make_room = self._close_least_used

    async def invoke(self, request: InvokeRequest) -> Invocation:
        """Run one invocation; see `HostClient.invoke` for what it raises."""
        _check(request)
        patience_s = (request.deadline_ms - now_ms()) / 1000
        if patience_s <= 0:
            raise DeadlineExceeded("The deadline of this invocation had passed before it could start.")
        entry = _entry(request)
        await self._admission.enter(entry, patience_s)
        try:
            reached("invoke.admitted")
            yielding = self._admission.running_of(entry.account_id) > _EAGER_EACH
            for _ in range(_ATTEMPTS):
                try:
                    return await self._run(request, yielding=yielding)
                except NotDelivered:
                    _log.info("host.retried", request_id=request.request_id)
            raise SandboxUnavailable("The function's sandboxes end before they take work; try again.")
        finally:
            self._admission.leave(entry)

    def forget(self, arn: str) -> None:
        """The function has changed or is gone: end its idle sandboxes now and its busy ones when they are done."""
        for version in [version for version in self._idle if version.arn == arn]:
            for worker in self._idle.pop(version):
                self._staff.dismiss(worker)
        self._retired |= {worker for worker in self._busy if worker.function and worker.function.arn == arn}

    async def keep_house(self) -> None:
        """Forever: freeze, then end, what has no work."""
        while True:
            await asyncio.sleep(_HOUSEKEEPING_S)
            now = time.monotonic()
            for version, workers in tuple(self._idle.items()):
                for worker in tuple(workers):
                    if self._worn_out(worker, now):
                        self._take(version, worker)
                        self._staff.dismiss(worker)
                    elif now - worker.used > self._bounds.freeze_s:
                        worker.freeze()

    async def _run(self, request: InvokeRequest, *, yielding: bool) -> Invocation:
        worker = self._find_idle(request.function) or await self._staff.hire(request)
        self._busy.add(worker)
        try:
            reached("invoke.taken")
            return await worker.invoke(request, yielding=yielding)
        except BaseException:
            self._retired.add(worker)
            raise
        finally:
            self._release(worker)

    def _find_idle(self, function: FunctionSpec) -> Worker | None:
        workers = self._idle.get(_version(function), [])
        for worker in reversed(tuple(workers)):
            self._take(_version(function), worker)
            if worker.usable and _same(worker.function, function):
                return worker
            # Of another revision, or dead: the latest word on a function is the one that counts.
            self._staff.dismiss(worker)
            reached("update.drained")
        return None

    def _release(self, worker: Worker) -> None:
        self._busy.discard(worker)
        if worker in self._retired or not worker.usable or worker.function is None:
            self._retired.discard(worker)
            self._staff.dismiss(worker)
        else:
            self._idle.setdefault(_version(worker.function), []).append(worker)

    def _take(self, version: _Version, worker: Worker) -> None:
        workers = self._idle[version]
        workers.remove(worker)
        if not workers:
            del self._idle[version]

    def _worn_out(self, worker: Worker, now: float) -> bool:
        if not worker.usable or now - worker.used > self._bounds.idle_s:
            return True
        if not worker.resting and now - worker.used > _RESTLESS_S:
            return True
        return now - worker.opened > self._bounds.lifetime_s

    def _close_least_used(self) -> "asyncio.Task[None] | None":
        idle = [(worker.used, version, worker) for version, workers in self._idle.items() for worker in workers]
        if not idle:
            return None
        _, version, worker = min(idle, key=lambda each: each[0])
        self._take(version, worker)
        return self._staff.dismiss(worker)


def _version(function: FunctionSpec) -> _Version:
    return _Version(function.environment_id, function.account_id, function.arn, function.version)


def _same(served: FunctionSpec | None, function: FunctionSpec) -> bool:
    if served is None or served.reserved_concurrency == function.reserved_concurrency:
        return served == function
    return msgspec.structs.replace(served, reserved_concurrency=function.reserved_concurrency) == function


def _entry(request: InvokeRequest) -> Entry:
    function = request.function
    return Entry(function.account_id, request.depth, function.arn, function.memory_mb, function.reserved_concurrency)


def _check(request: InvokeRequest) -> None:
    if len(request.payload) > PAYLOAD_BYTES_MAX:
        raise InvocationTooLarge(
            f"Request must be smaller than {PAYLOAD_BYTES_MAX} bytes for the InvokeFunction operation"
        )
    if request.client_context:
        try:
            orjson.loads(request.client_context)
        except orjson.JSONDecodeError:
            raise Invalid("The client context must be JSON, encoded in base64.", field="ClientContext") from None
