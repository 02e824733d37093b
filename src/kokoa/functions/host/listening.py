"""The listening sockets of a sandbox, served without trusting who connects: so many at once, so many a second.

asyncio's own server takes whoever comes; a function that only connects would take the host's processor and memory.
Who is one too many is hung up on; who comes too soon waits in the kernel's backlog, in the sandbox's own network.
"""

import asyncio
import socket
import time
from collections.abc import Callable

import structlog

_log = structlog.get_logger(__name__)

_LOOK_AGAIN_S = 0.05


class Allowance:
    """A credit that grows with time up to a limit, and is spent."""

    def __init__(self, most: float, per_s: float) -> None:
        self._most = most
        self._per_s = per_s
        self._credit = most
        self._counted = time.monotonic()
        self._shared: Allowance | None = None

    def join(self, other: "Allowance") -> None:
        """From now on this is the other one, which several may spend."""
        self._shared = other

    def spend(self, amount: float) -> float:
        """Spend it, into debt if need be; for how many seconds nothing more should be spent."""
        if self._shared is not None:
            return self._shared.spend(amount)
        now = time.monotonic()
        self._credit = min(self._most, self._credit + (now - self._counted) * self._per_s) - amount
        self._counted = now
        return max(0.0, -self._credit / self._per_s)

    def give_back(self, amount: float) -> None:
        """What was spent for something useful."""
        if self._shared is not None:
            self._shared.give_back(amount)
        else:
            self._credit = min(self._most, self._credit + amount)


class Listening:
    """One listening socket in service.

    connected: how many connections it has now.  most: how many it may have.  arrivals: how many may come, how fast.
    """

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.BaseProtocol],
        connected: Callable[[], int],
        most: int,
        arrivals: Allowance,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._protocol = protocol
        self._connected = connected
        self._most = most
        self._arrivals = arrivals
        self._arriving: asyncio.Task[None] | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._open = True
        self._listen()

    def close(self) -> None:
        """Take nobody more; the socket stays whose it was."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._listener.fileno())
        if self._rest is not None:
            self._rest.cancel()

    def _listen(self) -> None:
        if self._open:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:  # this process has no descriptor left
            _log.warning("listening.no_descriptor", error=str(error))
            self._pause(_LOOK_AGAIN_S)
            return
        wait_s = self._arrivals.spend(1)
        if self._connected() < self._most:
            self._pause(None)
            self._arriving = asyncio.ensure_future(self._serve(connection, wait_s))
        else:
            connection.close()
            if wait_s:
                self._pause(wait_s)

    async def _serve(self, connection: socket.socket, wait_s: float) -> None:
        """One after the other: who is on the way must be counted before the next one comes.

        Never cancelled: uvloop would tell the protocol of a connection that it has closed, and never of its end.
        """
        try:
            connection.setblocking(False)
            transport, _ = await self._loop.connect_accepted_socket(self._protocol, connection)
        except BaseException as error:
            connection.close()
            if not isinstance(error, OSError):  # gone already is nothing to tell
                raise
        else:
            if not self._open:
                transport.abort()
        if self._open:
            self._rest = self._loop.call_later(wait_s, self._listen)

    def _pause(self, seconds: float | None) -> None:
        """None: until somebody listens again."""
        self._loop.remove_reader(self._listener.fileno())
        if seconds is not None:
            self._rest = self._loop.call_later(seconds, self._listen)
