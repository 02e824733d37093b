"""A lock file that the kernel releases when its holder dies, however it dies."""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from kokoa.kernel.errors import Conflict


class AlreadyRunning(Conflict):
    """Another process holds the lock."""


class FileLock:
    """An exclusive flock(2) with the holder's pid written inside, for the message to the second comer."""

    def __init__(self, path: Path, *, what: str) -> None:
        self._path = path
        self._what = what
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock now. Raises AlreadyRunning, which names the holder."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 32).decode().strip()
            os.close(fd)
            raise AlreadyRunning(
                f"{self._what} is already running (process {holder or 'unknown'}, lock {self._path})."
            ) from None
        os.ftruncate(fd, 0)
        os.write(fd, str(os.getpid()).encode())
        self._fd = fd

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> "FileLock":
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
