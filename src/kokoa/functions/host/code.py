"""The code cache: packages fetched by digest, verified, unpacked once, kept while in use, bounded in size."""

import asyncio
import hashlib
import re
import shutil
import tempfile
import time
from pathlib import Path

import obstore
import structlog
from obstore.exceptions import BaseError as ObjectStoreError
from obstore.store import ObjectStore

from kokoa.functions.host.errors import FunctionCodeUnavailable
from kokoa.functions.host.model import CodeSource
from kokoa.functions.host.package import ZIP_BYTES_MAX, unpack

_log = structlog.get_logger(__name__)

_DIGEST = re.compile(r"[0-9a-f]{64}")
_FETCH_S = 60.0


class ObjectStoreCode:
    """Packages in an object store (a folder, S3, GCS, Azure), at `<prefix><sha256>`."""

    def __init__(self, store: ObjectStore, prefix: str = "code/") -> None:
        self._store = store
        self._prefix = prefix

    async def fetch(self, sha256: str) -> bytes:
        """The zip with this digest. Raises FunctionCodeUnavailable."""
        try:
            found = await obstore.get_async(self._store, self._prefix + sha256)
            if found.meta["size"] > ZIP_BYTES_MAX:
                raise FunctionCodeUnavailable("The function's code in the object store is larger than allowed.")
            return bytes(await found.bytes_async())
        except (ObjectStoreError, OSError) as error:
            raise FunctionCodeUnavailable(
                "The function's code cannot be read from the object store; try again.", detail=str(error)
            ) from error


class CodeCache:
    """Unpacked packages below a folder that belongs to one host."""

    def __init__(self, folder: Path, source: CodeSource, *, bytes_max: int) -> None:
        self._folder = folder
        self._source = source
        self._bytes_max = bytes_max
        self._sizes: dict[str, int] = {}
        self._used: dict[str, float] = {}
        self._leases: dict[str, int] = {}
        self._arriving: dict[str, asyncio.Task[None]] = {}

    def open(self) -> None:
        """Start empty: what a host that was killed, or a machine that lost power, left behind is not trusted."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._folder.chmod(0o755)

    async def lease(self, sha256: str) -> Path:
        """The unpacked package; it stays until `release`. Raises FunctionCodeUnavailable, FunctionCodeInvalid."""
        if not _DIGEST.fullmatch(sha256):
            raise FunctionCodeUnavailable("The function's code has no valid digest; update its code.")
        self._leases[sha256] = self._leases.get(sha256, 0) + 1
        try:
            if sha256 not in self._sizes:
                await self._arrive(sha256)
        except BaseException:
            self.release(sha256)
            raise
        self._used[sha256] = time.monotonic()
        return self._folder / sha256

    def release(self, sha256: str) -> None:
        """One user fewer."""
        self._leases[sha256] -= 1
        if not self._leases[sha256]:
            del self._leases[sha256]

    async def _arrive(self, sha256: str) -> None:
        """Fetch it once, however many ask."""
        task = self._arriving.get(sha256)
        if task is None:
            task = self._arriving[sha256] = asyncio.ensure_future(self._fetch(sha256))
            task.add_done_callback(lambda _: self._arriving.pop(sha256, None))
        await asyncio.shield(task)

    async def _fetch(self, sha256: str) -> None:
        try:
            data = await asyncio.wait_for(self._source.fetch(sha256), _FETCH_S)
        except TimeoutError:
            raise FunctionCodeUnavailable("The function's code did not arrive in time; try again.") from None
        size = await asyncio.to_thread(_store, data, sha256, self._folder)
        self._sizes[sha256] = size
        self._used[sha256] = time.monotonic()
        await self._make_room()

    async def _make_room(self) -> None:
        """Remove what was not used for longest, but nothing that is in use."""
        for sha256 in sorted(self._used, key=self._used.__getitem__):
            if sum(self._sizes.values()) <= self._bytes_max:
                return
            if sha256 not in self._leases:
                del self._sizes[sha256], self._used[sha256]
                # Out of the way at once: the same code may arrive again while this is being removed.
                leaving = Path(tempfile.mkdtemp(dir=self._folder, prefix=".old-"))
                (self._folder / sha256).rename(leaving / sha256)
                await asyncio.to_thread(shutil.rmtree, leaving, ignore_errors=True)


def _store(data: bytes, sha256: str, folder: Path) -> int:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise FunctionCodeUnavailable("The function's code in the object store is damaged; update its code.")
    temporary = Path(tempfile.mkdtemp(dir=folder, prefix=".new-"))
    try:
        size = unpack(data, temporary)
        temporary.rename(folder / sha256)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return size
