"""What attacks share: raw system calls, and attempts that report instead of raising."""

import ctypes
import errno
import os
from collections.abc import Callable
from typing import Any

libc = ctypes.CDLL(None, use_errno=True)


def call(number: int, *arguments: Any) -> str:
    """A system call by its x86_64 number: "done", or the name of its error."""
    ctypes.set_errno(0)
    wide = [argument if isinstance(argument, bytes) else ctypes.c_long(argument) for argument in arguments]
    result = libc.syscall(ctypes.c_long(number), *wide)
    return errno.errorcode.get(ctypes.get_errno(), "failed") if result == -1 else "done"


def attempt(work: Callable[[], Any]) -> Any:
    """What the work gave, or the name of its error."""
    try:
        return work()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    except Exception as error:
        return type(error).__name__


def got(work: Callable[[], Any]) -> bool:
    """Whether the work came to its end."""
    try:
        work()
    except Exception:
        return False
    return True


def read(path: str) -> str:
    """A file's text; empty when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(1 << 20).decode("utf-8", "replace")
    except OSError:
        return ""


def write(path: str, text: str) -> bool:
    """Whether a file could be written."""
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError:
        return False
    return True


def fork(work: Callable[[], None]) -> int:
    """A child that does the work and ends."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid
