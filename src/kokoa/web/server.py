"""Serve an ASGI application: granian with N worker processes on one port, that never outlive their parent."""

import contextlib
import ctypes
import importlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import msgspec
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from kokoa.processes import require_free_port

_PR_SET_PDEATHSIG = 1
_HEADER_READ_TIMEOUT_MS = 10_000
_BUFFER_BYTES_MAX = 128 * 1024
_STOP_TIMEOUT_S = 15
_SWITCH_S = 0.0005  # how long a thread with heavy work may keep the event loop waiting for the interpreter


class ServerSettings(msgspec.Struct, frozen=True):
    """target: "module:factory", called once in each worker to make the application.

    setting: the name of the setting that chose the port, for the message when it is busy.
    """

    target: str
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 2
    backlog: int = 1024
    setting: str = "KOKOA_PORT"


def run_server(settings: ServerSettings) -> None:
    """Serve until SIGINT or SIGTERM, then let running requests finish. Blocks.

    Raises PortBusy before anything is started: granian's workers share a port with SO_REUSEPORT, so without
    the check a second store would silently take a part of the first one's requests.
    """
    require_free_port(settings.host, settings.port, setting=settings.setting)
    server = Server(
        settings.target,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        loop=Loops.uvloop,
        http=HTTPModes.auto,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_READ_TIMEOUT_MS, max_buffer_size=_BUFFER_BYTES_MAX),
        websockets=False,
        backlog=settings.backlog,
        log_level=LogLevels.warning,
        factory=True,
        respawn_failed_workers=True,
        workers_kill_timeout=_STOP_TIMEOUT_S,
    )
    cast("Any", server).main_loop_interrupt = Wakeup(lambda: bool(server.interrupt_signal))
    server.serve(target_loader=partial(load_application, os.getpid()), wrap_loader=True)


class Wakeup:
    """What granian's main loop waits for, in place of its threading.Event, which must not be set by signal handlers.

    They run in the thread that waits: one that comes while that holds the event's lock, or while another one does,
    waits for the lock for ever, and the server ends no more. This one has no lock, only a pipe.
    stopping: whether the server was told to stop, whoever has cleared this since.
    """

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self._stopping = stopping
        self._is_set = False
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        """Let whoever waits go on. Signal handlers and threads may."""
        self._is_set = True
        with contextlib.suppress(BlockingIOError):  # full: it is readable then
            os.write(self._writing, b"\0")

    def clear(self) -> None:
        """Wait again from now on."""
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Until it is set; False when that takes longer."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not (self._is_set or self._stopping()):
            left = None if deadline is None else max(deadline - time.monotonic(), 0)
            readable, _, _ = select.select([self._reading], [], [], left)
            if not readable:
                return False
            with contextlib.suppress(BlockingIOError):
                os.read(self._reading, 65_536)  # whoever wrote has set it before
        return True


def load_application(server_pid: int, target: str) -> Callable[..., Any]:
    """Runs in the worker: tie its life to the server's, then make the application."""
    die_with(server_pid)
    sys.setswitchinterval(_SWITCH_S)
    module, _, factory = target.partition(":")
    application: Callable[..., Any] = getattr(importlib.import_module(module), factory)()
    return application


def die_with(parent_pid: int) -> None:
    """Ask the kernel to kill this process when its parent dies, also by SIGKILL (prctl(2), PR_SET_PDEATHSIG)."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # The parent may have died between the fork and the prctl.
    if os.getppid() != parent_pid:
        os._exit(1)
