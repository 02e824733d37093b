"""Who may run now, who waits, who is turned away. Counting only: it knows nothing about sandboxes.

Each depth of nesting may use more of the host than the one above it, so that a call made by a running function never
waits for top-level work to end, nor for a level of nesting above its own.
"""

import asyncio

import msgspec

from kokoa.functions.host.errors import TooManyRequests
from kokoa.kernel.call import DEPTH_MAX


class AdmissionBounds(msgspec.Struct, frozen=True):
    """concurrency: invocations at once.  per_account: of these, for top-level work of one account.

    queue: callers that may wait, half of them for one account.  wait_s: the longest wait.
    """

    concurrency: int
    per_account: int
    queue: int
    wait_s: float

    def room(self, depth: int) -> int:
        """How many invocations may run at once for a call of this depth to start another one."""
        reserve = min(self.concurrency - 1, max(1, self.concurrency // 4))
        return self.concurrency - reserve + -(-reserve * min(depth, DEPTH_MAX) // DEPTH_MAX)


class _Waiter(msgspec.Struct, eq=False):
    depth: int
    account_id: str
    admitted: asyncio.Future[None]


class Admission:
    """Admit with `enter`, which waits; each `enter` that returned needs one `leave`."""

    def __init__(self, bounds: AdmissionBounds) -> None:
        self._bounds = bounds
        self._running = 0
        self._top_level: dict[str, int] = {}
        self._waiters: list[_Waiter] = []

    async def enter(self, account_id: str, depth: int, patience_s: float) -> None:
        """Wait for a place, at most patience_s. Raises TooManyRequests."""
        if not self._waiters_before(depth, account_id) and self._fits(account_id, depth):
            self._count(account_id, depth, 1)
            return
        of_account = sum(waiter.account_id == account_id for waiter in self._waiters)
        if len(self._waiters) >= self._bounds.queue or of_account >= -(-self._bounds.queue // 2):
            raise TooManyRequests
        waiter = _Waiter(depth, account_id, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        self._waiters.sort(key=lambda each: -each.depth)  # stable: the deepest first, then who came first
        try:
            async with asyncio.timeout(min(patience_s, self._bounds.wait_s)):
                await waiter.admitted
        except BaseException as error:
            if waiter.admitted.done() and not waiter.admitted.cancelled():
                self.leave(account_id, depth)
            else:
                self._waiters.remove(waiter)
            if isinstance(error, TimeoutError):
                raise TooManyRequests from None
            raise

    def leave(self, account_id: str, depth: int) -> None:
        """An invocation is over; whoever fits now goes on."""
        self._count(account_id, depth, -1)
        for waiter in tuple(self._waiters):
            # One that is done has just given up, and takes itself off the list.
            if not waiter.admitted.done() and self._fits(waiter.account_id, waiter.depth):
                self._waiters.remove(waiter)
                self._count(waiter.account_id, waiter.depth, 1)
                waiter.admitted.set_result(None)

    def _waiters_before(self, depth: int, account_id: str) -> bool:
        return any(each.depth >= depth and each.account_id == account_id for each in self._waiters)

    def _fits(self, account_id: str, depth: int) -> bool:
        if self._running >= self._bounds.room(depth):
            return False
        return depth > 0 or self._top_level.get(account_id, 0) < self._bounds.per_account

    def _count(self, account_id: str, depth: int, change: int) -> None:
        self._running += change
        if depth == 0:
            count = self._top_level.get(account_id, 0) + change
            if count:
                self._top_level[account_id] = count
            else:
                self._top_level.pop(account_id, None)
