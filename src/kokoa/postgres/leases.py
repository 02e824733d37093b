"""What statements read of an environment's tables, kept for a moment, and nobody sees what was before a change.

It is for tables that each order asks for and that are changed a few times a year. Each process keeps what it read,
and none is told of a change. Instead, whoever changes the tables answers when nobody can have the old ones any more:

- A reader notes the time before its statement is sent. What it read is good for LEASE_S from then on.
- Whoever changes something commits, forgets what its own process keeps, waits for longer than LEASE_S, and answers.
  What is still good then was asked of the server after the commit, so it has the change.

Only durations are compared, so the clocks of machines need not agree; they must go equally fast, within two per cent.
A change that is never answered (its process died, its caller went away) promised nothing. It is seen at once or
LEASE_S later, as is one that is not answered yet.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from kokoa.kernel.transaction import refuse_in_transaction
from kokoa.postgres.database import Database, Transaction

V = TypeVar("V")

LEASE_S = 0.05
"""How long an environment's tables are good.

Each change of them takes as much longer. People do not notice 0.05 s, and who puts a hundred rates one after the
other waits for 5 s. A process sends some twenty statements a second for a store's destination, however many orders
ask; with ten times as long it were two, which saves little more.
"""
ENTRIES_MAX = 2_000
_WAITED = 1.02  # times the lease: no two clocks go so differently


class Read(Generic[V]):
    """What a statement read.  keys: what it is kept by, nothing to keep it not at all.

    lasts_s: how long it holds at most, from the statement's now() on, where it ends by itself.
    """

    __slots__ = ("keys", "lasts_s", "value")

    def __init__(self, value: V, *keys: Hashable, lasts_s: float = math.inf) -> None:
        self.value = value
        self.keys = keys
        self.lasts_s = lasts_s


class _Flight(Generic[V]):
    """A statement that is under way.  done: what it read, None when it came to nothing."""

    __slots__ = ("done", "started")

    def __init__(self, started: float) -> None:
        self.started = started
        self.done: asyncio.Future[Read[V] | None] = asyncio.get_running_loop().create_future()


class Leases(Generic[V]):
    """What one process keeps of one service's tables. What is kept is shared, so it must not be mutable.

    lease_s: 0 to keep nothing and wait for nothing.
    """

    def __init__(
        self,
        lease_s: float = LEASE_S,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._lease_s = lease_s
        self._clock = clock
        self._sleep = sleep
        # The oldest first, with the time until which they are good.
        self._kept: OrderedDict[tuple[str, Hashable], tuple[float, V]] = OrderedDict()
        self._flights: dict[tuple[str, Hashable], _Flight[V]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def peek(self, environment_id: str, key: Hashable) -> V | None:
        """What is kept by the key, if it is good."""
        entry = self._kept.get((environment_id, key))
        if entry is None or entry[0] <= self._clock():
            return None
        return entry[1]

    async def read(self, environment_id: str, asked: Hashable, statement: Callable[[], Awaitable[Read[V]]]) -> V:
        """What the statement reads, kept by the keys that it says.

        asked: all that the statement depends on. Who asks the same while it is under way gets the same, unless it was
        sent so long ago that it may have missed a change that is answered by now. When it fails or is cancelled,
        only who sent it suffers: the others send their own.
        """
        if not self._lease_s:
            return (await statement()).value
        named, now = (environment_id, asked), self._clock()
        flight = self._flights.get(named)
        if flight is None or flight.started + self._lease_s <= now:
            return await self._send(named, _Flight(now), statement)
        found = await asyncio.shield(flight.done)
        if found is None or flight.started + found.lasts_s <= now:
            found = await statement()
        return found.value

    async def _send(
        self, named: tuple[str, Hashable], flight: _Flight[V], statement: Callable[[], Awaitable[Read[V]]]
    ) -> V:
        self._flights[named] = flight
        found: Read[V] | None = None
        try:
            found = await statement()
        finally:
            flight.done.set_result(found)
            # Else it was forgotten meanwhile, and may be from before the change.
            if self._flights.get(named) is flight:
                del self._flights[named]
                if found is not None:
                    self._keep(named[0], flight.started, found)
        return found.value

    def _keep(self, environment_id: str, started: float, found: Read[V]) -> None:
        until = started + min(self._lease_s, found.lasts_s)
        for key in found.keys:
            self._kept[environment_id, key] = until, found.value
            self._kept.move_to_end((environment_id, key))
        now = self._clock()
        while self._kept and (len(self._kept) > ENTRIES_MAX or next(iter(self._kept.values()))[0] <= now):
            self._kept.popitem(last=False)

    def forget(self, environment_id: str) -> None:
        """Nothing that was read or is being read of the environment is given to anybody who asks from now on."""
        for named in [named for named in self._kept if named[0] == environment_id]:
            del self._kept[named]
        for named in [named for named in self._flights if named[0] == environment_id]:
            del self._flights[named]

    @asynccontextmanager
    async def changing(self, environment_id: str) -> AsyncIterator[None]:
        """Around a transaction that changes what is kept: when the block is left, every process has to read it anew.

        Also where the transaction changed nothing or was refused: what it found may be another's change, which was
        committed a moment ago and not answered yet, and whoever hears of it must find it.
        """
        try:
            yield
        except Exception:
            await self._outlast(environment_id)
            raise
        except BaseException:
            self.forget(environment_id)  # nobody is answered
            raise
        await self._outlast(environment_id)

    @asynccontextmanager
    async def transaction(self, database: Database, environment_id: str, lock: str) -> AsyncIterator[Transaction]:
        """One that has the environment's tables for itself; left when nobody can see what was before.

        lock: the statement that waits for whoever else changes them.
        """
        async with self.changing(environment_id), database.transaction(environment_id) as tx:
            await tx.execute(lock)
            yield tx

    async def _outlast(self, environment_id: str) -> None:
        refuse_in_transaction("waiting for what others keep")
        until = self._clock() + self._lease_s * _WAITED
        self.forget(environment_id)
        # An event loop's timer may be early: uvloop counts whole milliseconds.
        while (left_s := until - self._clock()) > 0:
            await self._sleep(left_s)
