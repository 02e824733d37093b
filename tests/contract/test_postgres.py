"""The database layer on a real server: isolation by environment, atomic events, refusal of outside calls."""

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import asyncpg
import pytest

from kokoa.kernel.ids import new_id
from kokoa.kernel.transaction import CallInsideTransaction, refuse_in_transaction
from kokoa.postgres import (
    Database,
    DatabaseFull,
    DatabaseUnavailable,
    EmbeddedPostgres,
    Event,
    ServiceSchema,
    TextNotStorable,
    migrate,
    service_dsn,
)
from kokoa.postgres.migrations import MigrationChanged, TableWithoutEnvironment
from kokoa.processes import AlreadyRunning
from servers import SERVICE_PASSWORD, ConnectService

SAMPLE = Path(__file__).parent / "migrations_sample"
INSERT = "INSERT INTO things (environment_id, id, name) VALUES ($1, $2, $3)"
COUNT = "SELECT count(*) FROM things WHERE environment_id = $1"
COUNT_CARELESS = "SELECT count(*) FROM things WHERE $1::uuid IS NOT NULL"


class ThingMade(Event):
    """An event for these tests."""

    thing_id: str

    def key(self) -> str:
        return self.thing_id


@pytest.fixture
async def sample(connect_service: ConnectService) -> Database:
    return await connect_service("sample", SAMPLE)


async def test_rows_of_another_environment_are_invisible_even_to_a_careless_statement(sample: Database) -> None:
    mine, theirs = new_id(), new_id()
    await sample.execute(mine, INSERT, new_id(), "mine")
    await sample.execute(theirs, INSERT, new_id(), "theirs")
    assert await sample.fetchval(mine, COUNT_CARELESS) == 1
    assert await sample.fetchval(theirs, COUNT_CARELESS) == 1


async def test_an_unset_environment_sees_nothing(sample: Database) -> None:
    await sample.execute(new_id(), INSERT, new_id(), "somebody's")
    rows = await sample.fetch_anywhere("SELECT * FROM things")
    assert rows == []


async def test_writing_into_another_environment_is_refused(sample: Database) -> None:
    statement = "INSERT INTO things (environment_id, id, name) SELECT $2, $3, 'x' WHERE $1::uuid IS NOT NULL"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await sample.execute(new_id(), statement, new_id(), new_id())


async def test_a_definer_function_spans_environments(sample: Database) -> None:
    for _ in range(3):
        await sample.execute(new_id(), INSERT, new_id(), "one each")
    assert (await sample.fetch_anywhere("SELECT things_everywhere() AS n"))[0]["n"] == 3


async def test_a_new_environment_is_read_by_keys_whatever_the_statistics_know(
    sample: Database, postgres: str
) -> None:
    """A plan made for one that they have not seen would take any index of the environment, and read all of it."""
    known, new = new_id(), new_id()
    for environment in (known, new):
        if environment == new:
            name = await sample.fetchval(known, "SELECT current_database() WHERE $1::uuid IS NOT NULL")
            admin = await asyncpg.connect(postgres.replace("/postgres?", f"/{name}?"))
            await admin.execute("ANALYZE")
            await admin.close()
        many = """INSERT INTO things (environment_id, id, name)
                  SELECT $1, gen_random_uuid(), 'thing ' || n FROM generate_series(1, 3000) n"""
        await sample.execute(environment, many)
    one = await sample.fetchval(new, "SELECT id FROM things WHERE environment_id = $1 AND name = 'thing 7'")
    wanted = "SELECT name FROM things WHERE environment_id = $1 AND id = $2"
    for _ in range(7):  # from the sixth on PostgreSQL chooses between a plan for all values and one for these
        assert await sample.fetchval(new, wanted, one) == "thing 7"
    plans = "SELECT custom_plans FROM pg_prepared_statements WHERE statement = $2 AND $1::uuid IS NOT NULL"
    assert await sample.fetchval(new, plans, wanted) == 0


async def test_a_function_that_takes_the_environment_needs_no_pin_and_leaves_it(sample: Database) -> None:
    mine, theirs = new_id(), new_id()
    await sample.execute(mine, INSERT, new_id(), "mine")
    for environment, count in ((mine, 1), (theirs, 0), (mine, 1)):
        row = await sample.fetchrow_of_function(environment, "SELECT things_of($1) AS count")
        assert row is not None
        assert row["count"] == count
        # Whatever comes next sees its own environment.
        assert await sample.fetchval(theirs, COUNT_CARELESS) == 0
        assert await sample.fetchval(mine, COUNT_CARELESS) == 1


async def test_event_and_change_commit_together_or_not_at_all(sample: Database) -> None:
    environment, thing = new_id(), new_id()
    with pytest.raises(ZeroDivisionError):
        async with sample.transaction(environment) as tx:
            await tx.execute(INSERT, thing, "undone")
            await tx.emit(ThingMade(thing_id=thing), correlation_id="0" * 32)
            raise ZeroDivisionError
    assert await sample.fetchval(environment, COUNT) == 0
    assert await sample.fetch_anywhere("SELECT * FROM outbox_pending(10)") == []
    async with sample.transaction(environment) as tx:
        await tx.execute(INSERT, thing, "done")
        await tx.emit(ThingMade(thing_id=thing), correlation_id="0" * 32)
    assert await sample.fetchval(environment, COUNT) == 1
    assert len(await sample.fetch_anywhere("SELECT * FROM outbox_pending(10)")) == 1


async def test_a_commit_with_events_is_announced_and_a_rollback_is_not(sample: Database) -> None:
    environment, told = new_id(), []

    async def announce(service: str, environment_id: str) -> None:
        refuse_in_transaction("announcing")
        told.append((service, environment_id))

    sample.announce = announce
    async with sample.transaction(environment) as tx:
        await tx.execute(INSERT, new_id(), "quiet")
    with pytest.raises(ZeroDivisionError):
        async with sample.transaction(environment) as tx:
            await tx.emit(ThingMade(thing_id="x"), correlation_id="0" * 32)
            raise ZeroDivisionError
    assert told == []
    async with sample.transaction(environment) as tx:
        await tx.emit(ThingMade(thing_id="x"), correlation_id="0" * 32)
    assert told == [("sample", environment)]


async def test_nothing_leaves_the_process_while_a_transaction_is_open(sample: Database) -> None:
    async with sample.transaction(new_id()):
        with pytest.raises(CallInsideTransaction, match="NATS publish"):
            refuse_in_transaction("NATS publish")
    refuse_in_transaction("NATS publish")


async def test_a_service_cannot_read_another_services_tables(
    connect_service: ConnectService, sample: Database
) -> None:
    other = await connect_service("another", SAMPLE)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await other.fetch(new_id(), "SELECT 1 FROM sample.things WHERE environment_id = $1")


async def test_every_table_is_under_forced_row_level_security(sample: Database) -> None:
    rows = await sample.fetch_anywhere(
        """SELECT relname, relrowsecurity, relforcerowsecurity, pg_get_userbyid(relowner) AS owner
             FROM pg_class WHERE relnamespace = 'sample'::regnamespace AND relkind = 'r'"""
    )
    assert {row["relname"] for row in rows} == {"things", "outbox"}
    assert all(row["relrowsecurity"] and row["relforcerowsecurity"] for row in rows)
    assert {row["owner"] for row in rows} == {"kokoa_migrator"}


async def test_an_aborted_transaction_does_not_confuse_the_pin(sample: Database) -> None:
    first, second = new_id(), new_id()
    await sample.execute(first, INSERT, new_id(), "first's")
    with pytest.raises(asyncpg.PostgresError):
        async with sample.transaction(second) as tx:
            await tx.execute("SELECT 1 / 0 WHERE $1::uuid IS NOT NULL")
    assert await sample.fetchval(second, COUNT_CARELESS) == 0
    assert await sample.fetchval(first, COUNT_CARELESS) == 1


async def test_a_changed_migration_and_a_table_without_environment_are_refused(
    postgres: str, connect_service: ConnectService, tmp_path: Path
) -> None:
    await connect_service("sample", SAMPLE)
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "0001_bad.sql").write_text("CREATE TABLE loose (id bigint PRIMARY KEY);")
    with pytest.raises(TableWithoutEnvironment, match=r"bad\.loose"):
        await migrate(postgres, [ServiceSchema("bad", bad, SERVICE_PASSWORD)])
    good = "CREATE TABLE t (environment_id uuid NOT NULL);"
    (bad / "0001_bad.sql").write_text(good)
    assert await migrate(postgres, [ServiceSchema("bad", bad, SERVICE_PASSWORD)]) == 1
    assert await migrate(postgres, [ServiceSchema("bad", bad, SERVICE_PASSWORD)]) == 0
    (bad / "0001_bad.sql").write_text(good + "-- changed")
    with pytest.raises(MigrationChanged, match=r"0001_bad\.sql"):
        await migrate(postgres, [ServiceSchema("bad", bad, SERVICE_PASSWORD)])


async def test_two_migrators_at_once_apply_each_file_once(postgres: str, tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("CREATE TABLE a (environment_id uuid NOT NULL);")
    schema = [ServiceSchema("twice", tmp_path, SERVICE_PASSWORD)]
    counts = await asyncio.gather(migrate(postgres, schema), migrate(postgres, schema))
    assert sorted(counts) == [0, 1]


async def test_a_killed_server_comes_back_with_what_was_committed(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    dsn = await server.start()
    try:
        await migrate(dsn, [ServiceSchema("sample", SAMPLE, SERVICE_PASSWORD)])
        admin = await asyncpg.connect(dsn)
        await admin.execute("CREATE TABLE survived AS SELECT 1 AS n")
        await admin.close()
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert await _eventually(dsn) == 1
        with pytest.raises(AlreadyRunning, match="already running"):
            await EmbeddedPostgres(tmp_path).start()
    finally:
        await server.stop()


async def test_whoever_is_in_the_middle_when_the_server_dies_is_told_to_try_again(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    dsn = await server.start()
    try:
        await migrate(dsn, [ServiceSchema("sample", SAMPLE, SERVICE_PASSWORD)])
        own = service_dsn(dsn, "sample", SERVICE_PASSWORD)
        sample = await Database.connect(own, service="sample", pool_size=8)
        stop, outcomes = asyncio.Event(), Counter[str]()
        work = [asyncio.create_task(_write_and_lock(sample, stop, outcomes)) for _ in range(16)]
        for _ in range(3):
            before = outcomes["done"]
            async with asyncio.timeout(60):
                while outcomes["done"] < before + 50:
                    await asyncio.sleep(0.01)
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
        stop.set()
        await asyncio.gather(*work)
        assert outcomes.keys() == {"done", "DatabaseUnavailable"}, outcomes
        await sample.close()
    finally:
        await server.stop()


async def test_a_lock_that_could_not_be_given_back_goes_with_its_connection(
    sample: Database, connect_service: ConnectService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a server that hung comes back, and is told to forget our request before it has read it."""
    another_process = await connect_service("sample", SAMPLE)
    with monkeypatch.context() as hanging:
        hanging.setattr("kokoa.postgres.database._UNLOCK", "SELECT pg_sleep(2), $1::text")
        hanging.setattr("kokoa.postgres.database._CLOSE_TIMEOUT_S", 0.2)
        async with sample.exclusive("work") as got:
            assert got
    async with asyncio.timeout(30):
        free = False
        while not free:
            async with another_process.exclusive("work") as free:
                await asyncio.sleep(0.02)


async def test_whoever_stops_waiting_for_a_lock_never_has_it(
    sample: Database, connect_service: ConnectService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server may give it in the moment in which the waiting ends."""
    another_process = await connect_service("sample", SAMPLE)
    with monkeypatch.context() as late:
        late.setattr("kokoa.postgres.database._LOCK", "SELECT pg_advisory_lock(hashtextextended($1, 0)), pg_sleep(2)")
        late.setattr("kokoa.postgres.database._LOCK_TIMEOUT_S", 0.5)
        with pytest.raises(DatabaseUnavailable, match="right now"):
            async with sample.locked("work"):
                pytest.fail("it was not told that it has the lock")
    async with asyncio.timeout(30):
        free = False
        while not free:
            async with another_process.exclusive("work") as free:
                await asyncio.sleep(0.02)


async def _write_and_lock(sample: Database, stop: asyncio.Event, outcomes: Counter[str]) -> None:
    while not stop.is_set():
        try:
            environment_id = new_id()
            async with sample.transaction(environment_id) as tx:
                await tx.execute(INSERT, new_id(), "in the middle")
                await tx.emit(ThingMade(thing_id="x"), correlation_id="c")
            async with sample.exclusive(environment_id) as got:
                assert got
            await sample.fetchval(environment_id, COUNT)
            outcomes["done"] += 1
        except Exception as error:
            outcomes[type(error).__name__] += 1
            await asyncio.sleep(0.02)


async def test_a_server_that_does_not_answer_in_time_is_unavailable(
    sample: Database, connect_service: ConnectService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kokoa.postgres.database._COMMAND_TIMEOUT_S", 0.3)
    hasty = await connect_service("sample", SAMPLE, pool_size=1)
    with pytest.raises(DatabaseUnavailable, match="in time"):
        await hasty.fetch(new_id(), "SELECT pg_sleep(60), $1::uuid")
    assert await hasty.fetchval(new_id(), COUNT) == 0


async def test_a_full_disk_is_said_and_a_bug_of_ours_is_not_hidden(sample: Database) -> None:
    full = """DO $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$"""
    with pytest.raises(DatabaseFull, match="disk of the database of sample is full"):
        await sample.fetch_anywhere(full)
    with pytest.raises(asyncpg.InterfaceError):
        await sample.fetch(new_id(), COUNT, "an argument too many")


@pytest.mark.parametrize("text", ["a\0", "\ud800"])
async def test_a_text_that_cannot_be_stored_is_the_callers_fault_and_changes_nothing(
    sample: Database, text: str
) -> None:
    environment_id = new_id()
    for argument in (text, [text]):
        kind = "text" if isinstance(argument, str) else "text[]"
        with pytest.raises(TextNotStorable, match="NUL character"):
            await sample.fetch(environment_id, f"SELECT $1::uuid, $2::{kind}", argument)
    with pytest.raises(TextNotStorable):
        async with sample.transaction(environment_id) as tx:
            await tx.execute(INSERT, new_id(), "a thing")
            await tx.execute(INSERT, new_id(), text)
    assert await sample.fetchval(environment_id, COUNT) == 0


async def _eventually(dsn: str) -> int:
    async with asyncio.timeout(30):
        while True:
            try:
                admin = await asyncpg.connect(dsn)
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
                await asyncio.sleep(0.05)
                continue
            value: int = await admin.fetchval("SELECT n FROM survived")
            await admin.close()
            return value
