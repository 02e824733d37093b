"""A service's connections: few, kept open, each pinned to one environment for row-level security.

This takes the place of asyncpg's pool for two reasons. Who asks gets a connection that is pinned to its environment
already, where one is free; any other one costs a round trip more. And taking and giving back happens on every read:
asyncpg's pool starts a timer and a task for that, which was a third of what a small statement cost this process.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import asyncpg

_PIN = "SELECT set_config('kokoa.environment_id', $1, false)"
_WAIT_S = 10.0
_END_S = 3.0


class AllTaken(Exception):
    """No connection became free in time."""


class PinnedConnection(asyncpg.Connection):
    """A connection that remembers which environment it is pinned to; None when that is not sure."""

    pinned: str | None = ""

    async def pin(self, environment_id: str) -> None:
        """Let row-level security show this environment's rows, and no others."""
        if self.pinned != environment_id:
            self.pinned = None
            await self.execute(_PIN, environment_id)
            self.pinned = environment_id


Open = Callable[[], Awaitable[PinnedConnection]]


class Connections:
    """open_one: makes a connection.  size: how many there may be at once, those that are just ending included."""

    def __init__(self, open_one: Open, size: int) -> None:
        self._open_one = open_one
        self._size = size
        self._count = 0
        self._idle: list[PinnedConnection] = []
        self._waiting: deque[asyncio.Future[PinnedConnection | None]] = deque()
        self._taken: set[PinnedConnection] = set()
        self._endings: set[asyncio.Task[None]] = set()
        self._closed = False

    async def take(self, environment_id: str) -> PinnedConnection:
        """A connection for its taker alone; give it back. Raises AllTaken, and what opening one raises."""
        connection = self._find_idle(environment_id)
        while connection is None:
            if self._count < self._size:
                connection = await self._open()
            else:
                connection = await self._wait()
        self._taken.add(connection)
        return connection

    def give_back(self, connection: PinnedConnection, *, sound: bool) -> None:
        """sound: whether the taker has seen its last statement end. If not, the connection is not used again."""
        self._taken.discard(connection)
        if self._closed or not sound or connection.is_closed() or connection.is_in_transaction():
            self._end(connection)
        elif not self._hand_on(connection):
            self._idle.append(connection)

    async def close(self) -> None:
        """End all connections; what still runs on one is cut off."""
        self._closed = True
        for connection in (*self._idle, *self._taken):
            self._end(connection)
        self._idle.clear()
        self._taken.clear()
        while self._endings:
            await asyncio.wait(self._endings)

    def _find_idle(self, environment_id: str) -> PinnedConnection | None:
        """The one that was used last for this environment, else the one that was not used for longest."""
        while self._idle:
            matching = (at for at in range(len(self._idle) - 1, -1, -1) if self._idle[at].pinned == environment_id)
            connection = self._idle.pop(next(matching, 0))
            if not connection.is_closed():
                return connection
            self._end(connection)
        return None

    async def _open(self) -> PinnedConnection:
        self._count += 1
        try:
            return await self._open_one()
        except BaseException:
            self._forget()
            raise

    async def _wait(self) -> PinnedConnection | None:
        """The next connection that is given back, or None when there is room for a new one."""
        turn: asyncio.Future[PinnedConnection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(_WAIT_S):
                return await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._pass_on(turn.result())
            if isinstance(error, TimeoutError):
                raise AllTaken from None
            raise

    def _pass_on(self, given: PinnedConnection | None) -> None:
        """Somebody had their turn, and is gone."""
        if given is None:
            self._hand_on(None)
        else:
            self.give_back(given, sound=True)

    def _hand_on(self, given: PinnedConnection | None) -> bool:
        """Give who waits longest their turn; False when nobody waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(given)
                return True
        return False

    def _end(self, connection: PinnedConnection) -> None:
        task = asyncio.ensure_future(self._end_soon(connection))
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    async def _end_soon(self, connection: PinnedConnection) -> None:
        try:
            # Politely, which also waits until the server has given a cancelled statement up.
            await connection.close(timeout=_END_S)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection.terminate()
        finally:
            self._forget()

    def _forget(self) -> None:
        self._count -= 1
        self._hand_on(None)
