"""A sandbox as the host holds it: spawned, told which function it is, limited, killed, cleaned up.

It knows nothing about Lambda: it hands out three listening sockets that live inside the sandbox's network, and the
descriptors that carry its output and its log frames.
"""

import asyncio
import contextlib
import errno
import os
import socket
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson
import structlog

from kokoa.functions.host.errors import SandboxUnavailable
from kokoa.functions.host.sandbox.cgroups import CgroupTree, Group, Limits
from kokoa.functions.host.sandbox.layout import ISOLATED_ENVIRONMENT, Interpreter, Layout
from kokoa.functions.host.sandbox.orders import Endpoint, Spawn
from kokoa.functions.host.sandbox.spawning import Running, SpawnerHandle

_log = structlog.get_logger(__name__)

_LISTENERS = 3
_CREDENTIALS = struct.Struct("3i")
_CLEANUP_ATTEMPTS = 1000
_CLEANUP_PAUSE_S = 0.01
_OUTPUT_BYTES_MAX = 8192
START_S = 20.0
PROCESSES_MAX = 1024
# What a sandbox weighs on the processors while it starts: less than any function does.
_WEIGHT_STARTING = 64


class Slot(msgspec.Struct, frozen=True):
    """A place for one sandbox at a time.  uid: the host uid that is its own; -1 when the host is no root."""

    number: int
    uid: int


class Ground(msgspec.Struct, frozen=True):
    """What all sandboxes of a host stand on."""

    spawner: SpawnerHandle
    cgroups: CgroupTree
    layout: Layout


class Start(msgspec.Struct, frozen=True):
    """How a program is started: what it is, and its variables."""

    command: list[str]
    environment: dict[str, str]


class Box:
    """One sandbox. Make it with `open_box`; always `close` it."""

    def __init__(
        self, ground: Ground, running: Running, group: Group, output: int, log: int, again: Start | None
    ) -> None:
        """again: what the isolated first program of the sandbox becomes when it is told its function."""
        self._ground = ground
        self._running = running
        self._again = again
        self._control: socket.socket | None = None
        self._pid = 0
        self._peak_mb = 0
        self.group = group
        self.output = output
        self.log = log
        self.listeners: list[socket.socket] = []

    @property
    def end(self) -> asyncio.Future[int]:
        """Completes with the exit status: 128 + signal when a signal ended it."""
        return self._running.end

    async def wait_ready(self, control: socket.socket) -> None:
        """Wait for the listening sockets from inside. Raises SandboxUnavailable with what the sandbox said."""
        self._control = control
        ready = asyncio.ensure_future(self._receive_listeners(control))
        try:
            ends: set[asyncio.Future[Any]] = {ready, self.end}
            await asyncio.wait(ends, timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done() or not ready.result():
                said = self._said()
                raise SandboxUnavailable(
                    "The sandbox did not start; `kokoa doctor` tells what this machine lacks.", detail=said
                )
        finally:
            ready.cancel()
            await asyncio.wait({ready})  # it must let go of the socket before that is closed

    async def mount_code(self, folder: Path) -> None:
        """Put the code at /var/task while the sandbox waits."""
        await self._ground.spawner.mount(self._pid, self._ground.layout.place(folder), "/var/task")

    async def listen(self, endpoints: Sequence[Endpoint]) -> list[socket.socket]:
        """Make sockets in the sandbox's network that only we hold; they are closed with the sandbox."""
        opened = await self._ground.spawner.listen(self._pid, endpoints)
        self.listeners += opened
        return opened

    async def specialise(self, message: dict[str, Any], limits: Limits) -> None:
        """Tell the sandbox which function it is; from now on it runs code that we do not trust."""
        if self._control is None:
            raise SandboxUnavailable("The sandbox has become a function already.")
        self.group.limit(limits)
        if self._again is not None:
            message = message | {"start": msgspec.structs.asdict(self._again)}
        control, self._control = self._control, None
        try:
            await asyncio.get_running_loop().sock_sendall(control, orjson.dumps(message))
        except OSError as error:
            raise SandboxUnavailable("The sandbox ended while it waited.", detail=str(error)) from error
        finally:
            control.close()

    def memory_peak_mb(self) -> int:
        """The most memory it used at once, also after its end."""
        self._peak_mb = max(self._peak_mb, self.group.memory_peak_mb())
        return self._peak_mb

    def out_of_memory(self) -> bool:
        """Whether the kernel killed one of its processes for its memory limit; ask before `close`."""
        return self.group.out_of_memory_kills() > 0

    async def close(self) -> int:
        """Kill it if it runs, release everything and return the exit status."""
        if self._control is not None:
            self._control.close()
        if not self.end.done():
            self.group.thaw()
        await self._running.kill()
        self.memory_peak_mb()
        await _remove(self.group, self._ground)
        for listener in self.listeners:
            listener.close()
        return self.end.result()

    def close_descriptors(self) -> None:
        """Close what carries output and log frames, once everything in it was read."""
        for fd in (self.output, self.log):
            os.close(fd)

    async def _receive_listeners(self, control: socket.socket) -> bool:
        message, ancillary = await _receive(control)
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]
                self.listeners += [socket.socket(fileno=fd) for fd in fds]
            elif level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                # Written by the kernel, in our numbers: this is how a late mount finds the sandbox.
                self._pid = _CREDENTIALS.unpack(data)[0]
        for listener in self.listeners:
            listener.setblocking(False)
        return message == b"ready" and len(self.listeners) == _LISTENERS

    def _said(self) -> str:
        with contextlib.suppress(BlockingIOError):
            return os.read(self.output, _OUTPUT_BYTES_MAX).decode(errors="replace")
        return ""


async def open_box(
    ground: Ground, slot: Slot, interpreter: Interpreter, environment: dict[str, str], code: Path | None
) -> Box:
    """Spawn a sandbox and wait until it waits for its function. Raises SandboxUnavailable.

    environment: what must be known when the process starts.  code: mounted at /var/task at once; None = later.
    With code, the first program sees neither it nor the environment: see `inside/bootstrap.py`.
    """
    layout = ground.layout
    number = ground.spawner.next_number()
    group = ground.cgroups.create(f"s{slot.number}")
    group.cpu.weigh(_WEIGHT_STARTING)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    output, output_inside = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    log, log_inside = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    for inside in (output_inside, log_inside):
        os.set_blocking(inside, True)
    members = group.open_members()
    again = Start(layout.command(interpreter), environment) if code else None
    order = Spawn(
        number=number,
        bwrap=layout.bwrap,
        options=layout.options(interpreter, ISOLATED_ENVIRONMENT if again else environment, code),
        command=layout.isolated_command(interpreter) if again else layout.command(interpreter),
        seccomp_path=layout.seccomp,
        uid=slot.uid,
        processes_max=PROCESSES_MAX if "pids" in ground.cgroups.missing else 0,
    )
    try:
        running = await ground.spawner.spawn(order, (output_inside, theirs.fileno(), log_inside, *members))
    except BaseException:  # the spawner is gone, or we are told to end
        ours.close()
        os.close(output)
        os.close(log)
        await _remove(group, ground)
        raise
    finally:
        theirs.close()
        for fd in (output_inside, log_inside, *members):
            os.close(fd)
    box = Box(ground, running, group, output, log, again)
    try:
        await box.wait_ready(ours)
    except BaseException:
        await box.close()
        box.close_descriptors()
        raise
    return box


async def _remove(group: Group, ground: Ground) -> None:
    """Remove a sandbox's groups, with whoever is still in them."""
    for attempt in range(_CLEANUP_ATTEMPTS):
        if group.remove():
            return
        group.kill()
        if attempt:
            await asyncio.sleep(_CLEANUP_PAUSE_S)
    _log.error("sandbox.cgroup_left", groups=ground.cgroups.paths)


async def _receive(control: socket.socket) -> tuple[bytes, list[tuple[int, int, bytes]]]:
    """One packet with what came beside it; empty when the sandbox ended."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(control.fileno(), readable.set)
    try:
        await readable.wait()
        room = socket.CMSG_SPACE(4 * _LISTENERS) + socket.CMSG_SPACE(_CREDENTIALS.size)
        message, ancillary, _, _ = control.recvmsg(64, room, socket.MSG_CMSG_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ECONNRESET:
            raise
        return b"", []
    finally:
        loop.remove_reader(control.fileno())
    return message, ancillary
