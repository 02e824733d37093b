"""Where uploads and renditions are kept: object storage, by environment.

uploads/<environment>/<id>              what was sent, until it is used; a day at most
media/<environment>/<hash>/<rendition>  written before the row that names it commits, and never changed
"""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore

from kokoa.kernel.ids import new_id
from kokoa.kernel.transaction import refuse_in_transaction
from kokoa.services.catalog.media.errors import MediaStoreUnavailable, UploadNotFound
from kokoa.services.catalog.media.model import (
    CONTENT_TYPES,
    FILE_NAMES,
    File,
    folder_of,
    is_file,
    is_stale,
    upload_key,
)
from kokoa.services.catalog.media.results import Rendition

TIMEOUT_S: Final = 60
_WRITES_AT_ONCE = 4


class MediaObjects:
    """In any obstore store (S3, GCS, Azure, a folder).  folder: of a LocalStore, to reach its disk."""

    def __init__(self, store: ObjectStore, *, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder

    @classmethod
    def in_folder(cls, folder: Path) -> "MediaObjects":
        """A folder of this machine, which all processes share."""
        return cls(LocalStore(folder, mkdir=True), folder=folder)

    async def keep_upload(self, environment_id: str, upload: bytes) -> str:
        """The id of an upload that was kept. Raises MediaStoreUnavailable."""
        upload_id = new_id()
        await self._put(upload_key(environment_id, upload_id), upload)
        return upload_id

    async def upload(self, environment_id: str, upload_id: str) -> bytes:
        """Raises UploadNotFound, MediaStoreUnavailable."""
        found = await self._get(upload_key(environment_id, upload_id))
        if found is None:
            raise UploadNotFound(f"There is no upload {upload_id}; it may have been used. Send the picture again.")
        return found

    async def drop_upload(self, environment_id: str, upload_id: str) -> None:
        """No error when it is gone already. Raises MediaStoreUnavailable."""
        await self._delete(upload_key(environment_id, upload_id))

    async def put_renditions(self, environment_id: str, content_hash: str, renditions: Sequence[Rendition]) -> None:
        """Keep all of a picture durably; again is no error. Raises MediaStoreUnavailable."""
        folder, at_once = folder_of(environment_id, content_hash), asyncio.Semaphore(_WRITES_AT_ONCE)

        async def put(rendition: Rendition) -> str:
            key = f"{folder}/{rendition.name}"
            async with at_once, _translated("The picture could not be stored; try again."):
                await obstore.put_async(self._store, key, rendition.content)
            return key

        await self._keep(*await asyncio.gather(*map(put, renditions)))

    async def file(self, environment_id: str, content_hash: str, name: str) -> File | None:
        """A rendition, or None when there is none of that name. Raises MediaStoreUnavailable."""
        if not is_file(content_hash, name):
            return None
        content = await self._get(f"{folder_of(environment_id, content_hash)}/{name}")
        if content is None:
            return None
        return File(content, CONTENT_TYPES[name.rpartition(".")[2]], f'"{content_hash[:32]}-{name}"')

    async def remove(self, environment_id: str, content_hash: str) -> None:
        """All renditions of a picture; again is no error. Raises MediaStoreUnavailable."""
        folder = folder_of(environment_id, content_hash)
        for name in sorted(FILE_NAMES):
            await self._delete(f"{folder}/{name}")

    async def remove_stale_uploads(self, now: datetime, most: int) -> int:
        """Forget what was sent and never used; how many there were. Raises MediaStoreUnavailable."""
        stale: list[str] = []
        async with _translated("The uploads could not be listed; try again."):
            async for page in obstore.list(self._store, prefix="uploads/"):
                stale += [one["path"] for one in page if is_stale(one["last_modified"], now)]
                if len(stale) >= most:
                    break
        for key in stale[:most]:
            await self._delete(key)
        return len(stale[:most])

    async def _put(self, key: str, content: bytes) -> None:
        async with _translated("The picture could not be stored; try again."):
            await obstore.put_async(self._store, key, content)
        await self._keep(key)

    async def _keep(self, *keys: str) -> None:
        """What was put survives a loss of power from now on; any store but a folder has seen to that."""
        if self._folder is not None:
            async with _translated("The picture could not be stored; try again."):
                await asyncio.to_thread(_sync, self._folder, keys)

    async def _get(self, key: str) -> bytes | None:
        async with _translated("The picture could not be read; try again."):
            try:
                result = await obstore.get_async(self._store, key)
                return bytes(await result.bytes_async())
            except (NotFoundError, FileNotFoundError):
                return None

    async def _delete(self, key: str) -> None:
        async with _translated("The picture could not be deleted; try again."):
            try:
                await obstore.delete_async(self._store, key)
            except (NotFoundError, FileNotFoundError):
                return


@asynccontextmanager
async def _translated(message: str) -> AsyncIterator[None]:
    refuse_in_transaction("object storage")
    try:
        async with asyncio.timeout(TIMEOUT_S):
            yield
    except (BaseError, OSError) as error:  # TimeoutError is one
        full = os.strerror(errno.ENOSPC) in str(error)
        raise MediaStoreUnavailable(
            "The disk of the pictures is full: none can be stored until its operator makes room."
            if full
            else message,
            detail=repr(error),
        ) from error


def _sync(folder: Path, keys: Sequence[str]) -> None:
    """obstore renames a finished file into place, but leaves it to the system when it reaches the disk."""
    paths = [folder / key for key in keys]
    parents = {parent: None for path in paths for parent in path.parents}
    folders = [parent for parent in parents if parent == folder or folder in parent.parents]
    for target in (*paths, *folders):
        descriptor = os.open(target, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
