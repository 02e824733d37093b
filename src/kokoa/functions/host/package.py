"""Function packages: which zips may be unpacked, and how that is done without trusting them.

The tree is only ever looked at from inside a sandbox. What matters here is that unpacking writes nowhere else, ends,
and fits (AWS: 262,144,000 bytes unzipped).
"""

import contextlib
import io
import itertools
import posixpath
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from kokoa.functions.host.errors import FunctionCodeInvalid

ZIP_BYTES_MAX = 52_428_800
UNZIPPED_BYTES_MAX = 262_144_000
ENTRIES_MAX = 50_000
_DEPTH_MAX = 100
_NAME_BYTES_MAX = 1024
_LINK_BYTES_MAX = 1024
_CHUNK_BYTES = 256 * 1024
_ENTRY_SIGNATURE = b"PK\x01\x02"


def check(data: bytes) -> int:
    """The unzipped size that the package declares. Raises FunctionCodeInvalid, which says what is wrong."""
    with _open(data) as archive:
        return sum(entry.file_size for entry in _entries(archive))


def unpack(data: bytes, folder: Path) -> int:
    """Unpack into an empty folder, readable for everybody; file modes are kept. Returns the bytes on disk.

    Raises FunctionCodeInvalid.
    """
    links: list[tuple[Path, str]] = []
    written = 0
    with _open(data) as archive, _as_invalid():
        for entry in _entries(archive):
            target = folder / entry.filename
            if entry.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            elif _is_link(entry):
                links.append((target, _link_target(archive, entry)))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                written += _write(archive, entry, target, UNZIPPED_BYTES_MAX - written)
    # Last, so that nothing above can be written through one.
    with _as_invalid():
        for target, text in links:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(text)
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    folder.chmod(0o755)
    return written


@contextlib.contextmanager
def _as_invalid() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, struct.error, ValueError, RuntimeError, EOFError, OSError) as error:
        # What zipfile lets through when a zip is damaged or encrypted; OSError is a package that has a file and a
        # folder of one name, or names too long for a file system.
        raise FunctionCodeInvalid(f"The zip cannot be unpacked: {error}", field="ZipFile") from error


@contextlib.contextmanager
def _open(data: bytes) -> Iterator[zipfile.ZipFile]:
    if len(data) > ZIP_BYTES_MAX:
        raise FunctionCodeInvalid(f"The zip has {len(data)} bytes; at most {ZIP_BYTES_MAX} are allowed.")
    # Before zipfile reads the directory: a million entries would take a gigabyte, and it does not believe the count.
    _require_few(data.count(_ENTRY_SIGNATURE))
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, struct.error, ValueError, EOFError, RuntimeError) as error:
        raise FunctionCodeInvalid("Could not unzip uploaded file. Please check your file, then try again.") from error
    with archive:
        yield archive


def _entries(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    entries = archive.infolist()
    if sum(entry.file_size for entry in entries) > UNZIPPED_BYTES_MAX:
        raise FunctionCodeInvalid(f"Unzipped size must be smaller than {UNZIPPED_BYTES_MAX} bytes")
    for entry in entries:
        _check_name(entry.filename)
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FunctionCodeInvalid(f"The zip has an entry that is neither stored nor deflated: {entry.filename!r}")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            raise FunctionCodeInvalid(f"The zip has a special file: {entry.filename!r}")
    _check_places(entries)
    return entries


def _require_few(count: int) -> None:
    if count > ENTRIES_MAX:
        raise FunctionCodeInvalid(f"The zip has {count} entries; at most {ENTRIES_MAX} are allowed.")


def _check_places(entries: list[zipfile.ZipInfo]) -> None:
    """Refuse what lies below a symbolic link, and more folders than there may be entries."""
    links = {str(PurePosixPath(entry.filename)) for entry in entries if _is_link(entry)}
    folders: set[str] = set()
    for entry in entries:
        for parent in PurePosixPath(entry.filename).parents:
            folder = str(parent)
            if folder in folders:
                break
            if folder in links:
                raise FunctionCodeInvalid(f"The zip has an entry below a symbolic link: {entry.filename!r}")
            folders.add(folder)
        _require_few(len(folders))


def _is_link(entry: zipfile.ZipInfo) -> bool:
    return stat.S_IFMT(entry.external_attr >> 16) == stat.S_IFLNK and not entry.is_dir()


def _check_name(name: str) -> None:
    path = PurePosixPath(name)
    if not name or len(name.encode()) > _NAME_BYTES_MAX or "\0" in name or "\\" in name:
        raise FunctionCodeInvalid(f"The zip has an entry that no file can be called: {name[:100]!r}")
    if path.is_absolute() or ".." in path.parts:
        raise FunctionCodeInvalid(f"The zip has an entry outside of its own folder: {name!r}")
    if len(path.parts) > _DEPTH_MAX:
        raise FunctionCodeInvalid(f"The zip has an entry more than {_DEPTH_MAX} folders deep: {name[:100]!r}")


def _link_target(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str:
    if entry.file_size > _LINK_BYTES_MAX:
        raise FunctionCodeInvalid(f"The zip has a symbolic link that is too long: {entry.filename!r}")
    text = archive.read(entry).decode("utf-8", "surrogateescape")
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(entry.filename), text))
    if not text or "\0" in text or posixpath.isabs(text) or resolved.startswith(".."):
        raise FunctionCodeInvalid(f"The zip has a symbolic link out of its own folder: {entry.filename!r}")
    # Only a link that first goes up and then down stays where its text says: "link/.." is the parent of its target.
    if ".." in itertools.dropwhile(_goes_up, PurePosixPath(text).parts):
        raise FunctionCodeInvalid(f"The zip has a symbolic link that goes down and up again: {entry.filename!r}")
    return text


def _goes_up(part: str) -> bool:
    return part == ".."


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, room: int) -> int:
    """Write one file; what an entry declares is not believed. Returns its size."""
    size = 0
    with archive.open(entry) as source, target.open("xb") as sink:
        while chunk := source.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > room:
                raise FunctionCodeInvalid(f"Unzipped size must be smaller than {UNZIPPED_BYTES_MAX} bytes")
            sink.write(chunk)
    mode = stat.S_IMODE(entry.external_attr >> 16)
    target.chmod((mode & 0o755) | 0o444)
    return size
