"""A service's door to its schema: one pool, one login role, one environment pinned on each connection.

The environment is bound as `$1` of every statement and is pinned on the connection for row-level security. It is
set only when it differs from what the connection has, and the pool's reset query is off: a transaction with
set_config around each read would cost three times the read itself.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, TypeVar

import asyncpg

from kokoa.kernel.errors import Conflict, Invalid, Unavailable
from kokoa.kernel.ids import new_ids
from kokoa.kernel.transaction import open_transaction
from kokoa.postgres.connections import GONE, NOWHERE, Connections, Loan, PinnedConnection, Row
from kokoa.postgres.events import Event, envelope

_T = TypeVar("_T")
OUTBOX = """INSERT INTO outbox (environment_id, event_id, event_type, event_key, payload)
SELECT $1, event_id, event_type, event_key, payload
  FROM unnest($2::uuid[], $3::text[], $4::text[], $5::bytea[]) WITH ORDINALITY
       AS e (event_id, event_type, event_key, payload, place)
 ORDER BY place"""
# The same beside a statement's own changes, if there were any.
_TOLD = """, told AS (INSERT INTO outbox (environment_id, event_id, event_type, event_key, payload)
SELECT $1, event_id, event_type, event_key, payload
  FROM unnest(${0}::uuid[], ${1}::text[], ${2}::text[], ${3}::bytea[]) WITH ORDINALITY
       AS e (event_id, event_type, event_key, payload, place)
 WHERE EXISTS (SELECT FROM done) ORDER BY place)"""
TELL = "/* tell */"
# What only the statement knows: the text stands in an event's payload for `filling` of the row of `done`.
TO_FILL = "(to be filled)"
_FILLED = """convert_to(replace(convert_from(payload, 'UTF8'), '(to be filled)',
                   (SELECT filling FROM done)::text), 'UTF8')"""
TELL_FILLED = "/* tell filled */"
_LOCK = "SELECT pg_advisory_lock(hashtextextended($1, 0))"
_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended($1, 0))"
# A connection keeps its plans. One that was made while a table was small would read all of it when it has grown,
# until PostgreSQL has taken statistics; and no statement of ours wants a whole table. Nor is a statement planned for
# one environment: one that is newer than the statistics PostgreSQL believes to be empty, and any index of it to be as
# good as that of the key, so that an import read 30,000 products for each of its rows.
PLANS = {"enable_seqscan": "off", "plan_cache_mode": "force_generic_plan"}
_LOCK_TIMEOUT_S = 10.0
_COMMAND_TIMEOUT_S = 30.0
_CLOSE_TIMEOUT_S = 3.0

Announce = Callable[[str, str], Awaitable[None]]
"""Told (service, environment_id) of a commit with events. It must not raise: the commit stands."""


Prelude = Callable[["Transaction"], Awaitable[None]]
"""What each transaction begins with, such as to say who asks."""


class DatabaseUnavailable(Unavailable):
    """PostgreSQL does not answer, or all connections are taken."""


class DatabaseFull(Unavailable):
    """PostgreSQL has no room left on its disk."""


class ChangedConcurrently(Conflict):
    """Two changes waited for each other, and this one was given up; trying again may help."""


class TextNotStorable(Invalid):
    """A text holds a character that PostgreSQL cannot hold."""


class Transaction:
    """Statements that commit together with the events they emit. Nothing else may be called meanwhile."""

    def __init__(self, connection: PinnedConnection, environment_id: str, service: str) -> None:
        self._connection = connection
        self._environment_id = environment_id
        self._service = service
        self.emitted = False

    async def fetch(self, statement: str, *arguments: Any) -> list[Row]:
        """All rows. The environment is bound as `$1`, the arguments from `$2` on."""
        rows: list[Row] = await self._connection.fetch(statement, self._environment_id, *arguments)
        return rows

    async def fetchrow(self, statement: str, *arguments: Any) -> Row | None:
        """The first row or None."""
        return await self._connection.fetchrow(statement, self._environment_id, *arguments)

    async def fetchval(self, statement: str, *arguments: Any) -> Any:
        """The first column of the first row, or None."""
        return await self._connection.fetchval(statement, self._environment_id, *arguments)

    async def execute(self, statement: str, *arguments: Any) -> str:
        """PostgreSQL's command tag, such as `UPDATE 1`."""
        tag: str = await self._connection.execute(statement, self._environment_id, *arguments)
        return tag

    async def executemany(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """The statement once for each row of arguments, in one round trip."""
        await self._connection.executemany(statement, [(self._environment_id, *row) for row in rows])

    async def emit(self, *events: Event, correlation_id: str) -> None:
        """Put events into the outbox: they are published if, and only if, this transaction commits."""
        told = _outbox_rows(events, self._environment_id, self._service, correlation_id)
        await self._connection.execute(OUTBOX, self._environment_id, *told)
        self.emitted = True


class Database:
    """One service's schema. Made by `connect`; every call names its environment."""

    def __init__(self, pool: "asyncpg.Pool[Row]", service: str) -> None:
        self._connections = Connections(pool)
        self.service = service
        self.announce: Announce | None = None
        self.prelude: Prelude | None = None

    @classmethod
    async def connect(cls, dsn: str, *, service: str, pool_size: int) -> "Database":
        """dsn: of the service's own role.  pool_size: connections at most. Raises DatabaseUnavailable."""
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=pool_size,
                connection_class=PinnedConnection,
                reset=_keep,
                command_timeout=_COMMAND_TIMEOUT_S,
                server_settings={"search_path": service, "application_name": f"kokoa-{service}", **PLANS},
            )
        except (OSError, asyncpg.PostgresError) as error:
            raise DatabaseUnavailable(f"The database of {service} does not answer.", detail=str(error)) from error
        return cls(pool, service)

    async def close(self) -> None:
        """Close the connections: politely, or at once when the server does not answer any more."""
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._connections.close()
        except TimeoutError:
            self._connections.terminate()

    async def fetch(self, environment_id: str, statement: str, *arguments: Any) -> list[Row]:
        """All rows of one statement. The environment is bound as `$1`, the arguments from `$2` on."""
        async with self._connection(environment_id) as connection:
            rows: list[Row] = await connection.fetch(statement, environment_id, *arguments)
            return rows

    async def fetchrow(self, environment_id: str, statement: str, *arguments: Any) -> Row | None:
        """The first row or None."""
        async with self._connection(environment_id) as connection:
            return await connection.fetchrow(statement, environment_id, *arguments)

    async def fetchval(self, environment_id: str, statement: str, *arguments: Any) -> Any:
        """The first column of the first row, or None."""
        async with self._connection(environment_id) as connection:
            return await connection.fetchval(statement, environment_id, *arguments)

    async def execute(self, environment_id: str, statement: str, *arguments: Any) -> str:
        """One statement in a transaction of its own; the command tag, such as `UPDATE 1`."""
        async with self._connection(environment_id) as connection:
            tag: str = await connection.execute(statement, environment_id, *arguments)
            return tag

    async def change(
        self, environment_id: str, statement: str, *arguments: Any, events: Sequence[Event], correlation_id: str
    ) -> Row | None:
        """A transaction of one statement that changes something, and its events: one round trip instead of four.

        statement: `WITH done AS (… RETURNING …) /* tell */ SELECT … FROM done`; only if `done` has a row the events
        are told. With `/* tell filled */` their TO_FILL becomes its column `filling`, which must need no escape in
        JSON.  Returns the first row or None.
        """
        assert self.prelude is None, "a transaction that begins with a prelude has more statements"
        told = _outbox_rows(events, environment_id, self.service, correlation_id)
        composed = telling(statement, len(arguments) + 1)
        async with self._connection(environment_id) as connection:
            row = await connection.fetchrow(composed, environment_id, *arguments, *told)
        if row is not None and self.announce is not None:
            await self.announce(self.service, environment_id)
        return row

    async def fetchrow_of_function(self, environment_id: str, statement: str, *arguments: Any) -> Row | None:
        """The first row of a SECURITY DEFINER function that takes the environment as `$1`; no tables beside it.

        Such a function reads what it is told to, whatever is pinned, so the round trip of pinning is saved.
        """
        async with self._connection(None) as connection:
            return await connection.fetchrow(statement, environment_id, *arguments)

    async def fetch_anywhere(self, statement: str, *arguments: Any) -> list[Row]:
        """For SECURITY DEFINER functions that span environments: no environment is pinned, tables show no rows."""
        async with self._connection(NOWHERE) as connection:
            rows: list[Row] = await connection.fetch(statement, *arguments)
            return rows

    @asynccontextmanager
    async def transaction(self, environment_id: str) -> AsyncIterator[Transaction]:
        """Commits at the end, rolls back on any exception. No call leaves the process meanwhile.

        After a commit with events `announce` is told, before the block's caller goes on: whoever listens may look
        again at once. The events themselves go by the outbox.
        """
        async with self._connection(environment_id) as connection:
            token = open_transaction.set(self.service)
            try:
                async with connection.transaction():
                    transaction = Transaction(connection, environment_id, self.service)
                    if self.prelude is not None:
                        await self.prelude(transaction)
                    yield transaction
            finally:
                open_transaction.reset(token)
        if transaction.emitted and self.announce is not None:
            await self.announce(self.service, environment_id)

    @asynccontextmanager
    async def exclusive(self, lock_name: str) -> AsyncIterator[bool]:
        """True when this process got the cluster-wide advisory lock; it is held until the block ends."""
        async with self._connection(NOWHERE) as connection:
            key = f"{self.service}:{lock_name}"
            got = await _sure(connection, connection.fetchval(_TRY_LOCK, key))
            try:
                yield bool(got)
            finally:
                if got and not connection.is_closed():
                    await _unlock(connection, key)

    @asynccontextmanager
    async def locked(self, lock_name: str) -> AsyncIterator[None]:
        """Hold a cluster-wide advisory lock for the block. Raises DatabaseUnavailable when it is not free in time.

        It keeps one connection and no transaction, so the block may ask others; let few wait for it at once.
        """
        key = f"{self.service}:{lock_name}"
        async with self._connection(NOWHERE) as connection:
            try:
                await _sure(connection, connection.execute(_LOCK, key, timeout=_LOCK_TIMEOUT_S))
            except TimeoutError as error:
                raise DatabaseUnavailable("Somebody else changes this right now; try again.", detail=key) from error
            try:
                yield
            finally:
                await _unlock(connection, key)

    def _connection(self, environment_id: str | None) -> "_Lease":
        """environment_id: None to leave the connection pinned as it is."""
        return _Lease(self._connections, self.service, environment_id)


class _Lease:
    """A connection for the length of a block; what ends the block in the driver's words is said in ours."""

    __slots__ = ("_connections", "_environment_id", "_loan", "_service")

    def __init__(self, connections: Connections, service: str, environment_id: str | None) -> None:
        self._connections = connections
        self._service = service
        self._environment_id = environment_id
        self._loan: Loan | None = None

    async def __aenter__(self) -> PinnedConnection:
        try:
            self._loan = loan = await self._connections.take(self._environment_id)
        except (OSError, asyncpg.TooManyConnectionsError, *GONE) as error:
            raise DatabaseUnavailable(
                f"The database of {self._service} does not answer.", detail=repr(error)
            ) from error
        connection = loan.connection
        if self._environment_id is not None and connection.pinned != self._environment_id:
            try:
                await connection.pin(self._environment_id)
            except BaseException as error:
                await self.__aexit__(type(error), error, error.__traceback__)
                raise
        return connection

    async def __aexit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        loan = self._loan
        assert loan is not None, "left only once it was entered"
        if error is None:
            await self._connections.give_back(loan, in_order=True)
            return
        meaning = self._meaning(error, loan.connection)
        await self._connections.give_back(loan, in_order=False)
        if meaning is not error:
            raise meaning from error

    def _meaning(self, error: BaseException, connection: PinnedConnection) -> BaseException:
        """What it means to our caller that a statement ended so; the error itself when it is none of the driver's."""
        match error:
            case asyncpg.DeadlockDetectedError():
                return ChangedConcurrently(
                    "Somebody else changed the same things at the same time; try again.", detail=repr(error)
                )
            case asyncpg.DiskFullError():
                return DatabaseFull(
                    f"The disk of the database of {self._service} is full: nothing can be written until its operator "
                    "makes room.",
                    detail=repr(error),
                )
            case TimeoutError():
                return DatabaseUnavailable(
                    f"The database of {self._service} did not answer in time.", detail=repr(error)
                )
            case asyncpg.InterfaceError() if not connection.is_closed():
                return error  # a bug of ours
        if _cannot_be_held(error):
            return TextNotStorable(
                "A text holds a NUL character or half of a surrogate pair, which cannot be stored.",
                detail=repr(error),
            )
        if not isinstance(error, (asyncpg.InterfaceError, *GONE)):
            return error
        with contextlib.suppress(asyncpg.InterfaceError):
            connection.terminate()  # nobody else shall get it
        return DatabaseUnavailable(f"The database of {self._service} went away.", detail=repr(error))


def _outbox_rows(
    events: Sequence[Event], environment_id: str, service: str, correlation_id: str
) -> tuple[list[str], list[str], list[str], list[bytes]]:
    """Columns of the outbox."""
    ids = new_ids(len(events))
    return (
        ids,
        [event.event_type() for event in events],
        [event.key() for event in events],
        [
            envelope(event, event_id, environment_id, service, correlation_id)
            for event, event_id in zip(events, ids, strict=True)
        ],
    )


@functools.cache
def telling(statement: str, arguments: int) -> str:
    """A statement that writes to the outbox as well.  arguments: how many it has, the environment included."""
    told = _TOLD.format(*range(arguments + 1, arguments + 5))
    if TELL_FILLED in statement:
        return statement.replace(TELL_FILLED, told.replace("event_key, payload\n", f"event_key, {_FILLED}\n"))
    assert statement.count(TELL) == 1, f"the statement does not say where it tells: {statement}"
    return statement.replace(TELL, told)


def _cannot_be_held(error: BaseException) -> bool:
    """Whether the server or the driver refused a text for its characters."""
    refused = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)
    return isinstance(error, refused) or (
        isinstance(error, asyncpg.DataError) and isinstance(error.__cause__, UnicodeEncodeError)
    )


async def _unlock(connection: PinnedConnection, key: str) -> None:
    """Give an advisory lock back; raising would hide what ended the block."""
    with contextlib.suppress(TimeoutError, asyncpg.InterfaceError, *GONE):
        await _sure(connection, connection.execute(_UNLOCK, key, timeout=_CLOSE_TIMEOUT_S))


async def _sure(connection: PinnedConnection, asked: Awaitable[_T]) -> _T:
    """What is said of a lock. Without an answer the connection goes: in the pool it might hold it for ever."""
    try:
        return await asked
    except BaseException:
        with contextlib.suppress(asyncpg.InterfaceError):
            connection.terminate()
        raise


async def _keep(_: asyncpg.Connection) -> None:
    """Instead of the pool's reset query: we set nothing on a connection but the environment, and remember that."""


def service_dsn(admin_dsn: str, service: str, password: str) -> str:
    """The same server and database, as the service's own role."""
    scheme, rest = admin_dsn.split("://", 1)
    return f"{scheme}://kokoa_{service}:{password}@{rest.rpartition('@')[2]}"
