"""All workers of a host: opening them in the bounds of slots and memory, spares that wait for any function, ends."""

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from kokoa.functions.host.churn import Churn
from kokoa.functions.host.code import CodeCache
from kokoa.functions.host.errors import SandboxUnavailable, TooManyRequests
from kokoa.functions.host.foundation import Foundation
from kokoa.functions.host.model import InvokeRequest
from kokoa.functions.host.runtimes import Runtime, needs_own_start
from kokoa.functions.host.sandbox.box import Slot, open_box
from kokoa.functions.host.worker import Outside, Worker, open_worker
from kokoa.kernel.errors import KokoaError

_log = structlog.get_logger(__name__)

# Opening a sandbox is work for a processor; more at once than this only makes each of them slower.
_OPENINGS_AT_ONCE = max(2, os.cpu_count() or 2)
_SPARE_RUNTIMES_MAX = 4
_SPARE_PAUSE_S = 0.05
_SPARE_RETRY_S = 5.0
# What a sandbox that waits takes before its function's limit is set.
SPARE_MEMORY_MB = 64


class StaffBounds(msgspec.Struct, frozen=True):
    """sandboxes: at once, spares included.  memory_mb: the sum of their limits.  spares: waiting for each runtime."""

    sandboxes: int
    memory_mb: int
    spares: int


class _Contract(msgspec.Struct, eq=False):
    """What a worker holds until its end.  code: the digest of a leased package, once it has a function."""

    slot: Slot
    memory_mb: int
    code: str = ""


class Staff:
    """Opens workers for functions. make_room: asks whoever holds idle workers to close one; False = there is none."""

    def __init__(
        self, foundation: Foundation, code: CodeCache, outside: Outside, bounds: StaffBounds, uid_first: int
    ) -> None:
        """uid_first: the first of a range of host uids that is ours alone; -1 when the host is no root."""
        self._ground = foundation.ground
        self._runtimes = foundation.runtimes
        self._files = foundation.files
        self._code = code
        self._outside = outside
        self._bounds = bounds
        self._slots = deque(
            Slot(number, -1 if uid_first < 0 else uid_first + number) for number in range(bounds.sandboxes)
        )
        self._contracts: dict[Worker, _Contract] = {}
        self._memory_mb = 0
        self._openings = asyncio.Semaphore(_OPENINGS_AT_ONCE)
        self._spares: dict[str, list[Worker]] = {}
        self._spares_wanted = asyncio.Event()
        self._closings: set[asyncio.Task[None]] = set()
        self._churn = Churn()
        self.make_room: Callable[[], asyncio.Task[None] | None] = lambda: None

    async def hire(self, request: InvokeRequest) -> Worker:
        """A worker that is becoming the request's function. Raises what keeps it from that.

        RuntimeUnsupported, FunctionCodeUnavailable, FunctionCodeInvalid, SandboxUnavailable, TooManyRequests.
        """
        function = request.function
        runtime = self._runtimes.find(function.runtime)
        await asyncio.sleep(self._churn.pause_s(function.account_id))
        folder = await self._code.lease(function.code_sha256)
        worker: Worker | None = None
        try:
            worker = self._take_spare(runtime, function.environment)
            if worker is not None:
                await self._grow(worker, function.memory_mb)
                self._contracts[worker].code = function.code_sha256
                await worker.specialise(request, folder)
            else:
                worker = await self._open(runtime, function.environment, function.memory_mb, folder)
                self._contracts[worker].code = function.code_sha256
                await worker.specialise(request, None)
        except BaseException:
            if worker is None or not self._contracts[worker].code:
                self._code.release(function.code_sha256)
            if worker is not None:
                self.dismiss(worker)
            raise
        return worker

    def dismiss(self, worker: Worker) -> asyncio.Task[None]:
        """End a worker and give back what it held."""
        task = asyncio.ensure_future(self._end(worker))
        self._closings.add(task)
        task.add_done_callback(self._closings.discard)
        return task

    async def close(self) -> None:
        """End every worker."""
        for worker in tuple(self._contracts):
            self.dismiss(worker)
        await asyncio.gather(*self._closings, return_exceptions=True)

    # spares

    def want_spares(self, names: tuple[str, ...]) -> None:
        """Keep spares for these runtimes, from the start."""
        for name in names:
            self._spares.setdefault(name, [])
        self._spares_wanted.set()

    async def keep_spares(self) -> None:
        """Forever: open spares where some are missing."""
        while True:
            await self._spares_wanted.wait()
            self._spares_wanted.clear()
            await asyncio.sleep(_SPARE_PAUSE_S)  # who has just taken one needs the processor more
            try:
                await self._fill_spares()
            except KokoaError as error:
                _log.warning("host.no_spare", error=error.message, detail=error.detail)
                await asyncio.sleep(_SPARE_RETRY_S)
                self._spares_wanted.set()

    async def _fill_spares(self) -> None:
        for name, spares in tuple(self._spares.items()):
            while len(spares) < self._bounds.spares and name in self._spares:
                if len(self._slots) < 2 or self._memory_mb + SPARE_MEMORY_MB > self._bounds.memory_mb:
                    return  # never at the cost of a function that wants to run
                worker = await self._open(self._runtimes.find(name), {}, SPARE_MEMORY_MB, None)
                spares.append(worker)
                worker.end.add_done_callback(lambda _, worker=worker: self._lose_spare(worker))  # type: ignore[misc]

    def _take_spare(self, runtime: Runtime, environment: dict[str, str]) -> Worker | None:
        if not self._ground.layout.staged or self._bounds.spares == 0 or needs_own_start(environment):
            return None
        spares = self._spares.setdefault(runtime.name, [])
        self._spares_wanted.set()
        if len(self._spares) > _SPARE_RUNTIMES_MAX:
            oldest = next(name for name in self._spares if name != runtime.name)
            for worker in self._spares.pop(oldest):
                self.dismiss(worker)
        while spares:
            worker = spares.pop(0)
            if worker.usable:
                return worker
        return None

    def _lose_spare(self, worker: Worker) -> None:
        for spares in self._spares.values():
            if worker in spares:
                spares.remove(worker)
                self.dismiss(worker)

    # bounds

    async def _open(self, runtime: Runtime, environment: dict[str, str], memory_mb: int, code: Path | None) -> Worker:
        async with self._openings:
            await self._files.compile_for(runtime.interpreter)
            await self._find_room(memory_mb)
            slot = self._slots.popleft()
            self._memory_mb += memory_mb
            try:
                box = await open_box(
                    self._ground, slot, runtime.interpreter, runtime.start_environment(environment), code
                )
                worker = await open_worker(box, runtime, self._outside)
            except BaseException:
                self._slots.append(slot)
                self._memory_mb -= memory_mb
                raise
        self._contracts[worker] = _Contract(slot, memory_mb)
        return worker

    async def _grow(self, worker: Worker, memory_mb: int) -> None:
        contract = self._contracts[worker]
        more = memory_mb - contract.memory_mb
        await self._find_room(more, slot=False)
        self._memory_mb += more
        contract.memory_mb = memory_mb

    async def _find_room(self, memory_mb: int, *, slot: bool = True) -> None:
        while (slot and not self._slots) or self._memory_mb + memory_mb > self._bounds.memory_mb:
            closing = self.make_room() or self._give_spare_up()
            if closing is None:
                raise TooManyRequests(detail=f"memory in use: {self._memory_mb} MB, free slots: {len(self._slots)}")
            await closing

    def _give_spare_up(self) -> asyncio.Task[None] | None:
        for spares in self._spares.values():
            if spares:
                return self.dismiss(spares.pop())
        return next(iter(self._closings), None)

    async def _end(self, worker: Worker) -> None:
        if worker.function is not None and worker.end.done():
            self._churn.count(worker.function.account_id)
        with contextlib.suppress(SandboxUnavailable):  # a lost spawner ends its sandboxes itself
            await worker.close()
        contract = self._contracts.pop(worker, None)
        if contract is not None:
            self._slots.append(contract.slot)
            self._memory_mb -= contract.memory_mb
            if contract.code:
                self._code.release(contract.code)
