"""The code cache: verified, fetched once, bounded, never taken from under a sandbox."""

import asyncio
import hashlib
import io
import zipfile
from pathlib import Path

import obstore
import pytest
from obstore.store import LocalStore, MemoryStore

from kokoa.functions.host.code import CodeCache, ObjectStoreCode
from kokoa.functions.host.errors import FunctionCodeUnavailable


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("handler.py", content)
    return buffer.getvalue()


class Shelf:
    """Packages in memory; counts what was asked for."""

    def __init__(self, *contents: bytes) -> None:
        self.packages = {hashlib.sha256(zipped(content)).hexdigest(): zipped(content) for content in contents}
        self.asked: list[str] = []

    async def fetch(self, sha256: str) -> bytes:
        self.asked.append(sha256)
        await asyncio.sleep(0)
        return self.packages[sha256]


async def test_many_who_ask_at_once_fetch_once(tmp_path: Path) -> None:
    shelf = Shelf(b"x = 1")
    (digest,) = shelf.packages
    cache = CodeCache(tmp_path / "code", shelf, bytes_max=1000)
    cache.open()
    folders = await asyncio.gather(*(cache.lease(digest) for _ in range(5)))
    assert {(folder / "handler.py").read_text() for folder in folders} == {"x = 1"}
    assert shelf.asked == [digest]


async def test_what_is_not_in_use_makes_room_and_can_come_back(tmp_path: Path) -> None:
    shelf = Shelf(*(bytes([n]) * 100 for n in range(4)))
    cache = CodeCache(tmp_path / "code", shelf, bytes_max=250)
    cache.open()
    first, second, third, fourth = shelf.packages
    kept = await cache.lease(first)
    for digest in (second, third, fourth):
        await cache.lease(digest)
        cache.release(digest)
    assert (kept / "handler.py").exists()
    assert sum(path.is_dir() for path in (tmp_path / "code").iterdir()) <= 2
    assert (await cache.lease(second) / "handler.py").exists()
    assert shelf.asked.count(second) == 2
    assert shelf.asked.count(first) == 1


async def test_a_package_that_is_not_what_its_digest_says_is_refused(tmp_path: Path) -> None:
    shelf = Shelf(b"x")
    (digest,) = shelf.packages
    shelf.packages[digest] = zipped(b"something else")
    cache = CodeCache(tmp_path / "code", shelf, bytes_max=1000)
    cache.open()
    with pytest.raises(FunctionCodeUnavailable, match="damaged"):
        await cache.lease(digest)
    with pytest.raises(FunctionCodeUnavailable, match="digest"):
        await cache.lease("../../etc")
    assert list((tmp_path / "code").iterdir()) == []


async def test_an_object_store_is_a_source(tmp_path: Path) -> None:
    data = zipped(b"x")
    digest = hashlib.sha256(data).hexdigest()
    for store in (MemoryStore(), LocalStore(tmp_path)):
        await obstore.put_async(store, f"code/{digest}", data)
        source = ObjectStoreCode(store)
        assert await source.fetch(digest) == data
        with pytest.raises(FunctionCodeUnavailable):
            await source.fetch("0" * 64)
