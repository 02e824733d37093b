"""Packages: what a host could not unpack is refused when it is uploaded; what is kept is whole and on the disk."""

import hashlib
import io
import stat
import tempfile
import zipfile
from pathlib import Path

import pytest

from kokoa.functions.control.code_store import ObjectCodeStore, object_key
from kokoa.functions.control.errors import CodeStoreUnavailable
from kokoa.functions.control.package import check_package
from kokoa.functions.host.package import UNZIPPED_BYTES_MAX, ZIP_BYTES_MAX
from kokoa.kernel.errors import Invalid


def package(*entries: tuple[str, bytes], mode: int = 0) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, text)
    return content.getvalue()


GOOD = package(("handler.py", b"def handler(event, context): return event\n" * 50))


def test_a_good_package_has_digest_and_size() -> None:
    code = check_package(GOOD)
    assert (code.sha256, code.size) == (hashlib.sha256(GOOD).hexdigest(), len(GOOD))


def damaged(content: bytes) -> bytes:
    """The same zip with a byte of its compressed data changed."""
    at = content.index(b"handler.py") + len("handler.py") + 10
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


BAD = {
    "empty": b"",
    "no zip": b"PK\x03\x04 but not really",
    "cut off": GOOD[: len(GOOD) // 2],
    "damaged": damaged(GOOD),
    "traversal": package(("../x", b"")),
    "absolute": package(("/x", b"")),
    "link out of it": package(("x", b"../../etc/passwd"), mode=stat.S_IFLNK | 0o777),
    "device": package(("x", b""), mode=stat.S_IFCHR | 0o666),
    "file and folder of one name": package(("x", b"1"), ("x/y", b"2")),
    "too large": b"PK\x03\x04" + bytes(ZIP_BYTES_MAX),
    "bomb": package(*((str(n), bytes(UNZIPPED_BYTES_MAX // 4 + 1)) for n in range(4))),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_package_is_refused_and_leaves_nothing(case: str) -> None:
    before = set(Path(tempfile.gettempdir()).glob("kokoa-package-*"))
    with pytest.raises(Invalid) as caught:
        check_package(BAD[case])
    assert caught.value.message
    assert set(Path(tempfile.gettempdir()).glob("kokoa-package-*")) <= before


async def test_a_package_is_kept_and_comes_back(tmp_path: Path) -> None:
    code = check_package(GOOD)
    store = ObjectCodeStore.in_folder(tmp_path)
    await store.put(code.sha256, GOOD)
    await store.put(code.sha256, GOOD)
    assert await ObjectCodeStore.in_folder(tmp_path).fetch(code.sha256) == GOOD


async def test_what_is_not_there_or_damaged_is_unavailable(tmp_path: Path) -> None:
    code = check_package(GOOD)
    store = ObjectCodeStore.in_folder(tmp_path)
    with pytest.raises(CodeStoreUnavailable):
        await store.fetch(code.sha256)
    await store.put(code.sha256, GOOD)
    (tmp_path / object_key(code.sha256)).write_bytes(b"something else")
    with pytest.raises(CodeStoreUnavailable, match="damaged"):
        await store.fetch(code.sha256)
    await store.put(code.sha256, GOOD)
    assert await store.fetch(code.sha256) == GOOD
