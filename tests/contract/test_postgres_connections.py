"""Who gets which connection: in turn, never a broken one, and none is lost whatever becomes of those who wait."""

import asyncio
import random
from pathlib import Path

import pytest

from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, DatabaseUnavailable
from kokoa.postgres.connections import Connections
from servers import ConnectService

SAMPLE = Path(__file__).parent / "migrations_sample"
COUNT = "SELECT count(*) FROM things WHERE environment_id = $1"
PID = "SELECT pg_backend_pid()"


@pytest.fixture
async def narrow(connect_service: ConnectService) -> Database:
    """With two connections."""
    return await connect_service("sample", SAMPLE, pool_size=2)


def connections_of(database: Database) -> Connections:
    return database._connections


async def all_are_there(database: Database) -> bool:
    """Whether both can be had at once, and work."""
    connections = connections_of(database)
    async with asyncio.timeout(10):
        loans = [await connections.take() for _ in range(2)]
    pids = {await loan.connection.fetchval(PID) for loan in loans}
    for loan in loans:
        await connections.give_back(loan, in_order=True)
    return len(pids) == 2


async def test_who_waits_gets_one_in_the_order_of_asking(narrow: Database) -> None:
    connections = connections_of(narrow)
    held = [await connections.take() for _ in range(2)]
    order: list[int] = []

    async def ask(number: int) -> None:
        loan = await connections.take()
        order.append(number)
        await connections.give_back(loan, in_order=True)

    asking = [asyncio.ensure_future(ask(number)) for number in range(5)]
    await asyncio.sleep(0)
    await connections.give_back(held.pop(), in_order=True)
    late = asyncio.ensure_future(ask(5))  # when one is on its way to who asked before
    await asyncio.gather(*asking, late)
    assert order == [0, 1, 2, 3, 4, 5]
    await connections.give_back(held.pop(), in_order=True)
    assert await all_are_there(narrow)


async def test_whose_turn_comes_as_it_leaves_passes_it_on(narrow: Database) -> None:
    connections = connections_of(narrow)
    held = [await connections.take() for _ in range(2)]
    leaving, staying = (asyncio.ensure_future(connections.take()) for _ in range(2))
    await asyncio.sleep(0)
    await connections.give_back(held.pop(), in_order=True)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    held.append(await staying)
    for loan in held:
        await connections.give_back(loan, in_order=True)
    assert await all_are_there(narrow)


@pytest.mark.parametrize("seed", range(5))
async def test_none_is_lost_and_none_is_mixed_up_whatever_happens_to_who_asks(narrow: Database, seed: int) -> None:
    """Statements that are cancelled, fail, or end their own connection; each sees only its environment."""
    chance = random.Random(seed)
    environments = [new_id() for _ in range(3)]
    seen = "SELECT current_setting('kokoa.environment_id') FROM (SELECT $1::uuid) AS bound"

    async def one() -> None:
        environment_id = chance.choice(environments)
        match chance.randrange(6):
            case 0:
                with pytest.raises(DatabaseUnavailable, match="went away"):
                    await narrow.fetch(environment_id, "SELECT pg_terminate_backend(pg_backend_pid()), $1::uuid")
            case 1:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(chance.random() / 50):
                        await narrow.fetch(environment_id, "SELECT pg_sleep(10), $1::uuid")
            case _:
                assert await narrow.fetchval(environment_id, seen) == environment_id

    async with asyncio.timeout(60):
        await asyncio.gather(*(one() for _ in range(60)))
    assert await all_are_there(narrow)


async def test_one_that_was_lent_very_often_is_looked_after_by_the_pool(
    narrow: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kokoa.postgres.connections._LOANS_MAX", 3)
    for _ in range(10):
        assert await narrow.fetchval(new_id(), COUNT) == 0
    assert await all_are_there(narrow)


async def test_nobody_waits_for_ever(narrow: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kokoa.postgres.connections._ACQUIRE_TIMEOUT_S", 0.1)
    connections = connections_of(narrow)
    held = [await connections.take() for _ in range(2)]
    with pytest.raises(DatabaseUnavailable, match="does not answer"):
        await narrow.fetchval(new_id(), COUNT)
    for loan in held:
        await connections.give_back(loan, in_order=True)
    assert await narrow.fetchval(new_id(), COUNT) == 0
    assert await all_are_there(narrow)


async def test_the_one_that_is_pinned_already_is_taken(narrow: Database) -> None:
    connections = connections_of(narrow)
    environments = [new_id() for _ in range(2)]
    held = [await connections.take() for _ in range(2)]
    for loan, environment_id in zip(held, environments, strict=True):
        await loan.connection.pin(environment_id)
        await connections.give_back(loan, in_order=True)
    for environment_id in [*environments, *reversed(environments)]:
        loan = await connections.take(environment_id)
        assert loan.connection.pinned == environment_id
        await connections.give_back(loan, in_order=True)


async def test_closed_ones_are_replaced(narrow: Database) -> None:
    connections = connections_of(narrow)
    held = [await connections.take() for _ in range(2)]
    for loan in held:
        await connections.give_back(loan, in_order=True)
        await loan.connection.close()  # while it is free
    assert await all_are_there(narrow)
