"""The host's side of the spawner: orders out, reports in, on one socket."""

import asyncio
import contextlib
import itertools
import socket
import subprocess
import sys
from collections.abc import Sequence

import msgspec
import structlog

from kokoa.functions.host.errors import SandboxUnavailable
from kokoa.functions.host.sandbox.orders import (
    FDS_MAX,
    Endpoint,
    Kill,
    Listen,
    Mount,
    Order,
    Report,
    Spawn,
    Staging,
)

_log = structlog.get_logger(__name__)

_REPORT_BYTES_MAX = 65536
_START_S = 10.0
_STOP_S = 10.0


class SpawnerHandle:
    """Starts the spawner and talks to it. `lost` completes when it has gone away unasked."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._ends: dict[int, asyncio.Future[int]] = {}
        self._opened: dict[int, list[socket.socket]] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self, staging: Staging) -> None:
        """Start it and wait until it takes orders. Raises SandboxUnavailable with what it said."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        command = (sys.executable, "-m", "kokoa.functions.host.sandbox.spawner", str(theirs.fileno()))
        # Not asyncio's subprocess: the spawner must be reaped by nobody but us, and outlives the loop by design.
        self._process = subprocess.Popen(  # noqa: ASYNC220 - a fork and an exec, once in a host's life
            (*command, msgspec.json.encode(staging).decode()),
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        self._socket = ours
        loop = asyncio.get_running_loop()
        try:
            greeting = await asyncio.wait_for(loop.sock_recv(ours, _REPORT_BYTES_MAX), _START_S)
        except TimeoutError:
            greeting = b""
        if greeting != b"ready":
            self._process.kill()
            raise SandboxUnavailable(
                "The spawner of sandboxes did not start (it said why on standard error). "
                "`kokoa doctor` tells what this machine lacks."
            )
        loop.add_reader(ours.fileno(), self._read)

    async def stop(self) -> None:
        """Close the socket; the spawner kills what is left and exits."""
        if self._socket is None or self._process is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None
        try:
            await asyncio.to_thread(self._process.wait, _STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    async def spawn(self, order: Spawn, fds: Sequence[int]) -> "Running":
        """Start a sandbox; see `Spawn` for the descriptors, which the caller may close afterwards."""
        return Running(self, order.number, await self._order(order, fds))

    async def mount(self, pid: int, source: str, target: str) -> None:
        """Mount a folder into a running sandbox. Raises SandboxUnavailable."""
        order = Mount(number=self.next_number(), pid=pid, source=source, target=target)
        status = await (await self._order(order, ()))
        if status != 0:
            raise SandboxUnavailable(f"The function's code could not be mounted (status {status}).")

    async def listen(self, pid: int, endpoints: Sequence[Endpoint]) -> list[socket.socket]:
        """Make sockets in the network of a sandbox; they do not block. Raises SandboxUnavailable."""
        order = Listen(number=self.next_number(), pid=pid, endpoints=list(endpoints))
        try:
            status = await (await self._order(order, ()))
        finally:
            opened = self._opened.pop(order.number, [])
        if status != 0 or len(opened) != len(endpoints):
            for one in opened:
                one.close()
            raise SandboxUnavailable(f"The sandbox's sockets could not be made (status {status}).")
        for one in opened:
            one.setblocking(False)
        return opened

    async def kill(self, number: int) -> None:
        """Kill a sandbox; its end is reported as always."""
        await self._send(Kill(number=number), ())

    def next_number(self) -> int:
        """A fresh order number."""
        return next(self._numbers)

    async def _order(self, order: Spawn | Mount | Listen, fds: Sequence[int]) -> asyncio.Future[int]:
        end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._ends[order.number] = end
        try:
            await self._send(order, fds)
        except BaseException:
            del self._ends[order.number]
            raise
        return end

    async def _send(self, order: Order, fds: Sequence[int]) -> None:
        if self._socket is None or self.lost.done():
            raise SandboxUnavailable("The spawner of sandboxes is gone; the host is stopping.")
        data = msgspec.json.encode(order)
        deadline = asyncio.get_running_loop().time() + _START_S
        while True:
            try:
                socket.send_fds(self._socket, [data], fds)
                return
            except BlockingIOError:
                # Its queue is full: orders are few and it is quick, so look again in a moment.
                if asyncio.get_running_loop().time() > deadline:
                    raise SandboxUnavailable("The spawner of sandboxes takes no orders.") from None
                await asyncio.sleep(0.001)
            except OSError as error:
                raise SandboxUnavailable("The spawner of sandboxes is gone.", detail=str(error)) from error

    def _read(self) -> None:
        assert self._socket is not None
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self._socket, _REPORT_BYTES_MAX, FDS_MAX)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            if not data:
                self._lose()
                return
            report = msgspec.json.decode(data, type=Report)
            if report.opened:
                self._keep(report.number, fds)
                continue
            if report.error:
                _log.error("spawner.failed", error=report.error)
            end = self._ends.pop(report.number, None)
            if end is not None and not end.done():
                end.set_result(report.status)

    def _keep(self, number: int, fds: Sequence[int]) -> None:
        opened = [socket.socket(fileno=fd) for fd in fds]
        if number in self._ends and not self._ends[number].done():
            self._opened[number] = opened
            return
        for one in opened:  # nobody waits for them any more
            one.close()

    def _lose(self) -> None:
        assert self._socket is not None
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        _log.error("spawner.lost")
        with contextlib.suppress(asyncio.InvalidStateError):
            self.lost.set_result(None)
        for end in self._ends.values():
            if not end.done():
                end.set_result(-9)
        self._ends.clear()


class Running:
    """A sandbox that was ordered. end: its exit status (bwrap's: 128 + signal), once it is over."""

    def __init__(self, spawner: SpawnerHandle, number: int, end: asyncio.Future[int]) -> None:
        self._spawner = spawner
        self._number = number
        self.end = end

    async def kill(self) -> None:
        """Kill it and wait until its processes are gone."""
        if not self.end.done():
            with contextlib.suppress(SandboxUnavailable):  # a spawner that is gone took its sandboxes along
                await self._spawner.kill(self._number)
        await asyncio.shield(self.end)
