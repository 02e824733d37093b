"""Where packages are kept: object storage, by the SHA-256 of their content.

A package is there, whole and on the disk, before the row that names it commits; so a function never points at code
that a crash took away.
"""

import asyncio
import errno
import hashlib
import os
from pathlib import Path
from typing import Final, Protocol

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore

from kokoa.functions.control.errors import CodeStoreUnavailable

TIMEOUT_S: Final = 60


class CodeStore(Protocol):
    """Keeps packages."""

    async def put(self, sha256: str, content: bytes) -> None:
        """Keep the package durably; again is no error. Raises CodeStoreUnavailable."""

    async def fetch(self, sha256: str) -> bytes:
        """The package. Raises CodeStoreUnavailable, also when it is not there or is damaged."""


def object_key(sha256: str) -> str:
    """Where a package is in the store; function hosts read it there."""
    return f"code/{sha256}"


class ObjectCodeStore:
    """Packages in any obstore store (S3, GCS, Azure, a folder).  folder: of a LocalStore, to reach its disk."""

    def __init__(self, store: ObjectStore, *, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder

    @classmethod
    def in_folder(cls, folder: Path) -> "ObjectCodeStore":
        """A folder of this machine, which all processes share."""
        return cls(LocalStore(folder, mkdir=True), folder=folder)

    async def put(self, sha256: str, content: bytes) -> None:
        """Keep the package durably; again is no error. Raises CodeStoreUnavailable."""
        key = object_key(sha256)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await obstore.put_async(self._store, key, content)
                if self._folder is not None:
                    await asyncio.to_thread(_sync, self._folder / key)
        except (BaseError, OSError) as error:
            raise CodeStoreUnavailable(_why_not_stored(error), detail=repr(error)) from error

    async def fetch(self, sha256: str) -> bytes:
        """The package. Raises CodeStoreUnavailable, also when it is not there or is damaged."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                result = await obstore.get_async(self._store, object_key(sha256))
                content = bytes(await result.bytes_async())
        except (BaseError, OSError) as error:
            raise CodeStoreUnavailable("The package could not be read; try again.", detail=repr(error)) from error
        digest = await asyncio.to_thread(lambda: hashlib.sha256(content).hexdigest())
        if digest != sha256:
            raise CodeStoreUnavailable("The stored package is damaged.", detail=f"{sha256} reads as {digest}")
        return content


def _why_not_stored(error: Exception) -> str:
    if os.strerror(errno.ENOSPC) in str(error):
        return "The disk of the package store is full: no package can be stored until its operator makes room."
    return "The package could not be stored; try again."


def _sync(path: Path) -> None:
    """obstore renames a finished file into place, but leaves it to the system when it reaches the disk."""
    for target, flags in ((path, os.O_RDONLY), (path.parent, os.O_RDONLY | os.O_DIRECTORY)):
        descriptor = os.open(target, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
