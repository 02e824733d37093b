"""Who may run now, who waits, who is turned away. Counting only: it knows nothing about sandboxes.

Places and memory are counted by a staircase of depths: work at depth d and above it may use no more than the d-th
step, and each step is higher than the one before. So a call made by a running function never waits for top-level work
to end, nor for a level of nesting above its own. There is a staircase for the whole host and a lower one for each
account, so that nested work, however much of it one account has, leaves places to the others.
"""

import asyncio
import itertools
from collections import Counter, deque

import msgspec

from kokoa.functions.host.errors import FunctionTooLarge, TooManyRequests
from kokoa.kernel.call import DEPTH_MAX

_ACCOUNTS_KEPT = 1000

RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"
"""AWS's reason when a function's own reserved concurrency is used up."""


class AdmissionBounds(msgspec.Struct, frozen=True):
    """concurrency: invocations at once.  per_account: of these, for top-level work of one account.

    memory_mb: the sum of the memory sizes of what runs at once.  queue: callers that may wait, half of them for one
    account.  wait_s: the longest wait.
    """

    concurrency: int
    per_account: int
    queue: int
    wait_s: float
    memory_mb: int = 1 << 20


class Entry(msgspec.Struct, frozen=True):
    """What wants to run.  reserved: the most of this function that may run at once; -1 = no such bound."""

    account_id: str
    depth: int = 0
    function: str = ""
    memory_mb: int = 0
    reserved: int = -1


class Staircase:
    """Counts an amount by depth; `steps[d]` bounds the sum of all depths up to d."""

    def __init__(self, lowest: int, highest: int) -> None:
        rise = max(0, highest - lowest)
        self.steps = tuple(lowest + -(-rise * depth // DEPTH_MAX) for depth in range(DEPTH_MAX + 1))
        self._used = [0] * (DEPTH_MAX + 1)
        self.total = 0

    def fits(self, depth: int, amount: int) -> bool:
        """Whether the amount may be added at this depth."""
        if self.total + amount <= self.steps[0]:
            return True
        below = 0
        for level, step in enumerate(self.steps):
            below += self._used[level]
            if level >= min(depth, DEPTH_MAX) and below + amount > step:
                return False
        return True

    def change(self, depth: int, amount: int) -> None:
        """Add the amount, or take it away when it is negative."""
        self._used[min(depth, DEPTH_MAX)] += amount
        self.total += amount


class _Share(msgspec.Struct, eq=False):
    """What one account, or the whole host, has running."""

    places: Staircase
    memory: Staircase

    def fits(self, entry: Entry) -> bool:
        return self.places.fits(entry.depth, 1) and self.memory.fits(entry.depth, entry.memory_mb)

    def change(self, entry: Entry, sign: int) -> None:
        self.places.change(entry.depth, sign)
        self.memory.change(entry.depth, sign * entry.memory_mb)


class _Waiter(msgspec.Struct, eq=False):
    number: int
    entry: Entry
    admitted: asyncio.Future[None]


class Admission:
    """Admit with `enter`, which waits; each `enter` that returned needs one `leave`."""

    def __init__(self, bounds: AdmissionBounds) -> None:
        self._bounds = bounds
        reserve = min(bounds.concurrency - 1, max(1, bounds.concurrency // 4))
        self._host = _Share(
            Staircase(bounds.concurrency - reserve, bounds.concurrency),
            Staircase(bounds.memory_mb * 3 // 4, bounds.memory_mb),
        )
        self._nested = max(1, min(reserve, bounds.per_account))
        self._accounts: dict[str, _Share] = {}
        self._functions: dict[str, int] = {}
        self._numbers = itertools.count()
        self._queues: dict[Entry, deque[_Waiter]] = {}  # of equal ones; who came first is first
        self._waiting: Counter[str] = Counter()

    @property
    def memory_each_mb(self) -> int:
        """The largest function that can ever run at top level."""
        return self._host.memory.steps[0]

    def running_of(self, account_id: str) -> int:
        """How many invocations of an account run, nested ones included."""
        share = self._accounts.get(account_id)
        return share.places.total if share else 0

    async def enter(self, entry: Entry, patience_s: float) -> None:
        """Wait for a place, at most patience_s. Raises TooManyRequests, FunctionTooLarge."""
        self._refuse_hopeless(entry)
        if not self._waiters_before(entry) and self._fits(entry):
            self._change(entry, 1)
            return
        queue = self._bounds.queue
        if self._waiting.total() >= queue or self._waiting[entry.account_id] >= -(-queue // 2):
            raise self._too_many(entry)
        waiter = _Waiter(next(self._numbers), entry, asyncio.get_running_loop().create_future())
        self._queues.setdefault(entry, deque()).append(waiter)
        self._waiting[entry.account_id] += 1
        try:
            async with asyncio.timeout(min(patience_s, self._bounds.wait_s)):
                await waiter.admitted
        except BaseException as error:
            if waiter.admitted.done() and not waiter.admitted.cancelled():
                self.leave(entry)
            else:
                self._forget(waiter)
            if isinstance(error, TimeoutError):
                raise self._too_many(entry) from None
            raise

    def leave(self, entry: Entry) -> None:
        """An invocation is over; whoever fits now goes on, the deepest first, then who has least running."""
        self._change(entry, -1)
        while (waiter := self._next()) is not None:
            self._forget(waiter)
            self._change(waiter.entry, 1)
            waiter.admitted.set_result(None)

    def _next(self) -> _Waiter | None:
        best: _Waiter | None = None
        rank = (0, 0, 0)
        for entry, queue in self._queues.items():
            # One that is done has just given up, and takes itself off the queue.
            waiter = next((each for each in queue if not each.admitted.done()), None)
            if waiter is None:
                continue
            of_waiter = (-entry.depth, self.running_of(entry.account_id), waiter.number)
            if (best is None or of_waiter < rank) and self._fits(entry):
                best, rank = waiter, of_waiter
        return best

    def _forget(self, waiter: _Waiter) -> None:
        queue = self._queues[waiter.entry]
        queue.remove(waiter)
        if not queue:
            del self._queues[waiter.entry]
        self._waiting -= Counter([waiter.entry.account_id])

    def _refuse_hopeless(self, entry: Entry) -> None:
        if entry.reserved == 0:
            raise TooManyRequests(reason=RESERVED)
        if entry.memory_mb > self.memory_each_mb:
            raise FunctionTooLarge(
                f"The function asks for {entry.memory_mb} MB; this host gives one at most {self.memory_each_mb} MB. "
                "Lower its MemorySize, or have the operator raise KOKOA_FUNCTION_MEMORY_MB."
            )

    def _waiters_before(self, entry: Entry) -> bool:
        return any(
            each.depth >= entry.depth and each.account_id == entry.account_id and not self._at_reserve(each)
            for each in self._queues
        )

    def _at_reserve(self, entry: Entry) -> bool:
        return 0 <= entry.reserved <= self._functions.get(entry.function, 0)

    def _fits(self, entry: Entry) -> bool:
        if self._at_reserve(entry):
            return False
        account = self._accounts.get(entry.account_id)
        return self._host.fits(entry) and (account is None or not account.places.total or account.fits(entry))

    def _change(self, entry: Entry, sign: int) -> None:
        self._host.change(entry, sign)
        account = self._accounts.get(entry.account_id)
        if account is None:
            account = self._accounts[entry.account_id] = self._share_of_account()
        account.change(entry, sign)
        if not account.places.total and len(self._accounts) > _ACCOUNTS_KEPT:
            del self._accounts[entry.account_id]
        running = self._functions.get(entry.function, 0) + sign
        if running:
            self._functions[entry.function] = running
        else:
            self._functions.pop(entry.function, None)

    def _share_of_account(self) -> _Share:
        bounds = self._bounds
        # Half of the memory; a single function that is larger than that still runs, alone.
        return _Share(
            Staircase(bounds.per_account, bounds.per_account + self._nested),
            Staircase(bounds.memory_mb // 2, self.memory_each_mb),
        )

    def _too_many(self, entry: Entry) -> TooManyRequests:
        if self._at_reserve(entry):
            return TooManyRequests(reason=RESERVED)
        return TooManyRequests(detail=f"running: {self._host.places.total}, MB: {self._host.memory.total}")
