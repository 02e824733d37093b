"""Connections of one pool, lent within a microsecond while some are free.

asyncpg's own acquire and release start a task and two timers each, which cost as much as a small statement. So a
connection that comes back in good order stays here for the next who asks. The pool opens them, replaces those that
are closed or old, and lets wait who finds none.
"""

import asyncio
import contextlib
from collections import deque

import asyncpg

_ACQUIRE_TIMEOUT_S = 10.0
_LOANS_MAX = 1_000  # then the pool has a look at it: it replaces connections after so many queries

# What a server that is stopping, crashed, recovering or starting looks like.
GONE = (
    ConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    # The connection was told that the server ends, and has not seen its end yet: no statement can be sent on it.
    asyncpg.InternalClientError,
)

Row = asyncpg.Record

NOWHERE = ""
_PIN = "SELECT set_config('kokoa.environment_id', $1, false)"


class PinnedConnection(asyncpg.Connection):
    """A connection that remembers which environment it is pinned to; None when that is not sure."""

    pinned: str | None = NOWHERE
    loans = 0

    def itself(self) -> "PinnedConnection":
        """The connection without the pool's proxy, which forwards this too and costs a fifth of a small statement."""
        return self

    async def pin(self, environment_id: str) -> None:
        """Let row-level security show this environment's rows, and no others."""
        if self.pinned != environment_id:
            # Whoever is cancelled here does not know whether the server has done it.
            self.pinned = None
            await self.execute(_PIN, environment_id)
            self.pinned = environment_id


class Loan:
    """A connection that is lent.  pooled: how the pool knows it."""

    __slots__ = ("connection", "pooled")

    def __init__(self, pooled: "asyncpg.pool.PoolConnectionProxy[Row]") -> None:
        self.pooled = pooled
        self.connection: PinnedConnection = pooled.itself()  # type: ignore[attr-defined]  # the proxy forwards it
        self.connection.loans = 0


class Connections:
    """All connections of a pool go through here; who waits for one gets it in the order of asking."""

    def __init__(self, pool: "asyncpg.Pool[Row]") -> None:
        self._pool = pool
        self._places = pool.get_max_size()  # of connections that may still be had from the pool
        self._free: list[Loan] = []
        self._waiting: deque[asyncio.Future[Loan | None]] = deque()
        self._closing = False

    async def take(self, environment_id: str | None = None) -> Loan:
        """One that nobody else has, if possible one that is pinned to the environment already.

        Raises TimeoutError when all are taken for 10 s, and what connecting raises.
        """
        if self._free:
            loan: Loan | None = self._free.pop(self._best(environment_id))
        elif self._places:
            self._places -= 1
            loan = None
        else:
            loan = await self._wait()
        if loan is not None and not loan.connection.is_closed():
            return loan
        return await self._from_pool(instead_of=loan)

    def _best(self, environment_id: str | None) -> int:
        for index, loan in enumerate(self._free):
            if loan.connection.pinned == environment_id:
                return index
        return -1  # the one that was used last: its caches are warm

    async def give_back(self, loan: Loan, *, in_order: bool) -> None:
        """in_order: nothing is under way on it; else the pool finds out what is left of it."""
        connection = loan.connection
        connection.loans += 1
        if not in_order or self._closing or connection.loans == _LOANS_MAX or connection.is_closed():
            try:
                await self._to_pool(loan)
            finally:
                self._pass_on(None)
        else:
            self._pass_on(loan)

    async def close(self) -> None:
        """Close all, once those that are lent have come back."""
        self._closing = True
        while self._free:
            await self._to_pool(self._free.pop())
            self._pass_on(None)
        await self._pool.close()

    def terminate(self) -> None:
        """Close all at once."""
        self._pool.terminate()

    async def _from_pool(self, instead_of: Loan | None) -> Loan:
        """In the place of one, which is given up when there is none."""
        try:
            if instead_of is not None:
                await self._to_pool(instead_of)
            return Loan(await self._pool.acquire(timeout=_ACQUIRE_TIMEOUT_S))
        except BaseException:
            self._pass_on(None)
            raise

    async def _to_pool(self, loan: Loan) -> None:
        # A connection that cannot be given back is dropped by the pool; raising would hide a cancellation.
        with contextlib.suppress(TimeoutError, asyncpg.InterfaceError, *GONE):
            await self._pool.release(loan.pooled, timeout=_ACQUIRE_TIMEOUT_S)

    async def _wait(self) -> Loan | None:
        """A connection, or the place of one. Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[Loan | None] = loop.create_future()
        timer = loop.call_later(_ACQUIRE_TIMEOUT_S, _expire, turn)
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on(turn.result())  # it was our turn, and we leave
            raise
        finally:
            timer.cancel()

    def _pass_on(self, loan: Loan | None) -> None:
        """A connection, or the place of one, to the next who waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(loan)
                return
        if loan is None:
            self._places += 1
        else:
            self._free.append(loan)


def _expire(turn: "asyncio.Future[Loan | None]") -> None:
    if not turn.done():
        turn.set_exception(TimeoutError("All connections to the database are taken."))
