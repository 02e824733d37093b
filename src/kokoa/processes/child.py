"""A child process that never outlives us, even when we are killed with SIGKILL."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from kokoa.kernel.errors import Unavailable

_LAUNCH = str(Path(__file__).with_name("launch.py"))


class ChildFailed(Unavailable):
    """A program that Kokoa needs did not start or ended by itself."""


class Child:
    """program: absolute path and arguments.  log: file that takes stdout and stderr, appended.

    death_signal: what the kernel sends to the child when this process dies.
    user: (uid, gid) to run as when we are root; None runs it as we are.
    """

    def __init__(
        self,
        program: Sequence[str],
        *,
        log: Path | None,
        environment: Mapping[str, str] | None = None,
        user: tuple[int, int] | None = None,
        cwd: Path | None = None,
        death_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self._program = list(program)
        self._log = log
        self._environment = dict(environment) if environment is not None else None
        self._user = user or (os.geteuid(), os.getegid())
        self._cwd = cwd
        self._death_signal = death_signal
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The running process, or None before the start."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the program. The caller's thread must live as long as the child should (prctl(2))."""
        uid, gid = self._user
        prefix = [sys.executable, "-I", "-S", _LAUNCH]
        own = [str(os.getpid()), str(uid), str(gid), str(int(self._death_signal))]
        with _output(self._log) as output:
            self._process = await asyncio.create_subprocess_exec(
                *prefix,
                *own,
                *self._program,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                cwd=self._cwd,
                start_new_session=True,  # Ctrl-C in the terminal is for us; we stop children in order
            )

    async def wait(self) -> int:
        """The exit status, once it has ended."""
        assert self._process is not None, "start() first"
        return await self._process.wait()

    async def stop(self, stop_signal: signal.Signals, *, timeout_s: float) -> None:
        """Ask with the signal, wait, then SIGKILL. Does nothing to a process that has ended."""
        if self._process is None or self._process.returncode is not None:
            return
        self._signal(stop_signal)
        try:
            async with asyncio.timeout(timeout_s):
                await self._process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        """Not Process.send_signal: that may reap the child behind the event loop's back."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)


class _output:
    """The log file opened for appending, or our own stderr."""

    def __init__(self, log: Path | None) -> None:
        self._log = log

    def __enter__(self) -> int:
        if self._log is None:
            self._fd = os.dup(2)
        else:
            self._fd = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
