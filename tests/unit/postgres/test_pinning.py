"""A connection never believes that it shows one environment while it shows another."""

import asyncio
from typing import cast

import pytest

from kokoa.postgres.connections import PinnedConnection


class Server:
    """The server's side of a connection.  cut: the answer to the next statement does not arrive any more."""

    def __init__(self) -> None:
        self.pinned: str | None = ""
        self.shows = ""
        self.cut = False

    async def execute(self, _: str, environment_id: str) -> None:
        self.shows = environment_id
        if self.cut:
            self.cut = False
            raise asyncio.CancelledError


async def pin(server: Server, environment_id: str) -> None:
    await PinnedConnection.pin(cast(PinnedConnection, server), environment_id)


async def test_after_a_cancelled_change_the_environment_is_set_again() -> None:
    server = Server()
    await pin(server, "mine")
    server.cut = True
    with pytest.raises(asyncio.CancelledError):
        await pin(server, "theirs")
    await pin(server, "mine")
    assert server.shows == "mine"
