"""The way to one extension: so many requests at once, a circuit breaker, one second attempt, a deadline.

A request that a function makes while it answers one (`Call.depth` tells) has slots of its own: it never waits for
the very requests that wait for it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from kokoa.gateway.execute.clients import SubgraphUnavailable
from kokoa.gateway.extensions.errors import ExtensionBusy, ExtensionFailed
from kokoa.kernel.call import DEPTH_MAX, Call
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import DeadlineExceeded

Result = TypeVar("Result")

IN_FLIGHT_MAX = 64
WAITING_MAX = 64
FAILURES_MAX = 10
OPEN_S = 5.0
FAIR_MS = 1_000
"""An extension that was given less time than this, and less than it was promised, has not failed by being late."""


class Breaker:
    """Opens after so many failures in a row; then one request at a time tries whether it is over."""

    def __init__(
        self, name: str, *, failures_max: int = FAILURES_MAX, open_s: float = OPEN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._name = name
        self._failures_max = failures_max
        self._open_s = open_s
        self._clock = clock
        self._failures = 0
        self._closes_at = 0.0
        self._probing = False

    def enter(self) -> bool:
        """Whether this is the request that tries. Raises SubgraphUnavailable while it is open."""
        if self._failures < self._failures_max:
            return False
        if self._probing or self._clock() < self._closes_at:
            raise SubgraphUnavailable(
                f"The extension {self._name} failed {self._failures} times in a row. It is asked again in a moment."
            )
        self._probing = True
        return True

    def leave(self, *, probe: bool, failed: bool | None) -> None:
        """failed: None if the request told nothing about the extension."""
        if probe:
            self._probing = False
        if failed:
            self._failures = min(self._failures + 1, self._failures_max)
            self._closes_at = self._clock() + self._open_s
        elif failed is not None:
            self._failures = 0


class Slots:
    """So many at once at each depth of call, and a short queue."""

    def __init__(self, name: str, in_flight_max: int, waiting_max: int) -> None:
        self._name = name
        self._waiting_max = waiting_max
        self._waiting: Counter[int] = Counter()
        self._free = [asyncio.Semaphore(in_flight_max) for _ in range(DEPTH_MAX + 1)]

    @asynccontextmanager
    async def taken(self, depth: int) -> AsyncIterator[None]:
        """Raises ExtensionBusy when the queue is full."""
        depth = min(depth, DEPTH_MAX)
        if self._waiting[depth] >= self._waiting_max:
            raise ExtensionBusy(f"The extension {self._name} has too many requests in flight. Try again shortly.")
        self._waiting[depth] += 1
        try:
            await self._free[depth].acquire()
        finally:
            self._waiting[depth] -= 1
        try:
            yield
        finally:
            self._free[depth].release()


class Gate:
    """name: of the extension, for messages."""

    def __init__(
        self, name: str, *, in_flight_max: int = IN_FLIGHT_MAX, waiting_max: int = WAITING_MAX,
        breaker: Breaker | None = None,
    ) -> None:  # fmt: skip
        self._name = name
        self._slots = Slots(name, in_flight_max, waiting_max)
        self._breaker = breaker or Breaker(name)

    async def run(
        self, work: Callable[[Call], Awaitable[Result]], call: Call, *, patience_ms: int | None, again: bool
    ) -> Result:
        """Do the work, which gets the call with its deadline.

        patience_ms: less than what is left of the call, None for all of it.  again: try once more, if there is time,
        where the extension could not be reached.
        Raises DeadlineExceeded, ExtensionBusy, SubgraphUnavailable and what the work raises.
        """
        left_ms = call.remaining_ms()
        given_ms = left_ms if patience_ms is None else min(patience_ms, left_ms)
        fair = given_ms >= FAIR_MS or given_ms == patience_ms
        probe = self._breaker.enter()
        failed: bool | None = None
        started = False
        try:
            async with asyncio.timeout(given_ms / 1000), self._slots.taken(call.depth):
                started = True
                result = await self._attempt(work, call.until(now_ms() + given_ms), again=again)
            failed = False
            return result
        except (TimeoutError, DeadlineExceeded) as error:
            failed = True if started and fair else None
            raise DeadlineExceeded(f"The extension {self._name} did not answer within {given_ms} ms.") from error
        except (SubgraphUnavailable, ExtensionFailed):
            failed = True
            raise
        finally:
            self._breaker.leave(probe=probe, failed=failed)

    async def _attempt(self, work: Callable[[Call], Awaitable[Result]], call: Call, *, again: bool) -> Result:
        try:
            return await work(call)
        except SubgraphUnavailable as error:
            if not (again and error.passing):
                raise
        return await work(call)
