"""Secrets in files: made once, whole or not at all, whatever dies in the middle and whoever else makes them."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def kept_secret(path: Path, make: Callable[[], bytes]) -> bytes:
    """The secret in a file that only its owner can read; made on first use. Its folder is made too, 0700."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
    with open(descriptor, "wb") as file:
        file.write(make())
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):  # somebody else was quicker: theirs is the one
        os.link(partial, path)
    os.unlink(partial)
    sync_folder(path.parent)
    return path.read_bytes()


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
