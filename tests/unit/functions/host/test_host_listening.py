"""A sandbox's listening socket: so many connections at once, so many a second."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import ClassVar

import pytest
import uvloop

from kokoa.functions.host.listening import Allowance, Listening


class Guest(asyncio.Protocol):
    """A connection that counts itself."""

    here: int = 0
    known: ClassVar[list[asyncio.BaseTransport]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Guest.here += 1
        Guest.known.append(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        Guest.here -= 1


@pytest.fixture
async def listener() -> AsyncIterator[socket.socket]:
    Guest.here = 0
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        listener.setblocking(False)
        yield listener


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


async def test_one_too_many_is_hung_up_on(listener: socket.socket) -> None:
    listening = Listening(listener, Guest, lambda: Guest.here, 3, Allowance(100, 100))
    with contextlib.ExitStack() as stack:
        guests = [stack.enter_context(socket.create_connection(listener.getsockname())) for _ in range(3)]
        await until(lambda: Guest.here == 3)
        with socket.create_connection(listener.getsockname()) as extra:
            assert await asyncio.to_thread(extra.recv, 1) == b""
        guests[0].close()
        await until(lambda: Guest.here == 2)
        stack.enter_context(socket.create_connection(listener.getsockname()))
        await until(lambda: Guest.here == 3)
    listening.close()


async def test_who_comes_too_soon_waits(listener: socket.socket) -> None:
    """Ten may come together; the eleventh comes an hour later here, although there is room for it."""
    listening = Listening(listener, Guest, lambda: Guest.here, 100, Allowance(10, 1 / 3600))
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        await until(lambda: Guest.here >= 10)
        for _ in range(100):
            await asyncio.sleep(0)
        assert Guest.here in (10, 11)
        listening.close()


def test_who_arrives_as_it_closes_is_told_of_its_end() -> None:
    """On the loop of the host: a connection that nobody ends stays for as long as the host runs."""

    async def arrive(turns: int) -> None:
        Guest.here = 0
        Guest.known.clear()
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setblocking(False)
            listening = Listening(server, Guest, lambda: Guest.here, 10, Allowance(10, 10))
            with socket.create_connection(server.getsockname()) as guest:
                for _ in range(turns):
                    await asyncio.sleep(0)
                listening.close()
                for transport in Guest.known:
                    transport.close()
                for _ in range(20):
                    await asyncio.sleep(0)
                assert Guest.here == 0, turns
                server.close()
                guest.settimeout(30)
                with contextlib.suppress(ConnectionResetError):
                    assert guest.recv(1) == b""

    async def arrive_at_each_turn() -> None:
        for turns in range(12):
            await arrive(turns)

    uvloop.run(arrive_at_each_turn())


async def test_nobody_comes_once_it_is_closed(listener: socket.socket) -> None:
    listening = Listening(listener, Guest, lambda: Guest.here, 1, Allowance(1, 1))
    listening.close()
    listening.close()
    with socket.create_connection(listener.getsockname()):
        for _ in range(100):
            await asyncio.sleep(0)
        assert Guest.here == 0


async def test_an_allowance_grows_with_time_and_knows_its_debt() -> None:
    allowance = Allowance(10, 5)
    assert allowance.spend(10) == 0
    assert allowance.spend(5) == pytest.approx(1, abs=0.2)
    allowance.give_back(100)
    assert allowance.spend(10) == 0, "no more than the most"
    assert allowance.spend(1) > 0


def test_those_who_join_spend_the_same_credit() -> None:
    account, first, second = Allowance(10, 1 / 3600), Allowance(10, 1 / 3600), Allowance(10, 1 / 3600)
    first.spend(9)
    first.join(account)
    second.join(account)
    assert first.spend(6) == 0, "what was spent before is forgiven"
    assert second.spend(6) > 0
    first.give_back(6)
    assert second.spend(4) == 0
