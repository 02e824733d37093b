"""Zips that a hostile hand made: nothing is written outside, and unpacking ends."""

import contextlib
import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoa.functions.host import package
from kokoa.functions.host.errors import FunctionCodeInvalid


def zipped(*entries: tuple[str, bytes, int]) -> bytes:
    """A zip of (name, content, unix mode with its type)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


FILE = stat.S_IFREG | 0o644
LINK = stat.S_IFLNK | 0o777


def test_files_arrive_with_their_modes_and_readable_for_all(tmp_path: Path) -> None:
    data = zipped(
        ("handler.py", b"x = 1", stat.S_IFREG | 0o600),
        ("bin/tool", b"#!/bin/sh", stat.S_IFREG | 0o700),
        ("setuid", b"", stat.S_IFREG | 0o4755),
        ("lib/link", b"../handler.py", LINK),
    )
    assert package.unpack(data, tmp_path) == len(b"x = 1" + b"#!/bin/sh")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert (modes["handler.py"], modes["tool"], modes["setuid"]) == (0o644, 0o744, 0o755)
    assert modes["bin"] == 0o755
    assert (tmp_path / "lib" / "link").read_text() == "x = 1"


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "..", "a\\..\\evil", "x" * 2000])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(FunctionCodeInvalid):
        package.unpack(zipped((name, b"evil", FILE)), folder)
    assert list(tmp_path.iterdir()) == [folder]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("target", [b"/etc/passwd", b"../../etc", b"a/../../..", b"", b"x" * 2000])
def test_links_that_lead_out_are_refused(tmp_path: Path, target: bytes) -> None:
    with pytest.raises(FunctionCodeInvalid, match="symbolic link"):
        package.unpack(zipped(("link", target, LINK)), tmp_path)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    with pytest.raises(FunctionCodeInvalid, match="below a symbolic link"):
        package.unpack(zipped(("real/f", b"1", FILE), ("link", b"real", LINK), ("link/f", b"2", FILE)), tmp_path)
    assert list(tmp_path.iterdir()) == []


CHAINS = {
    "through a link and up": [("a/b/up", b"../..", LINK), ("out", b"a/b/up/..", LINK)],
    "below a link that leads out": [("a/up", b"..", LINK), ("out", b"a/up/..", LINK), ("out/evil", b"x", LINK)],
    "below a link that stays inside": [("real/f", b"1", FILE), ("link", b"real", LINK), ("link/evil", b"f", LINK)],
    "a folder below a link": [("real/f", b"1", FILE), ("link", b"real", LINK), ("link/evil/", b"", stat.S_IFDIR)],
}


@pytest.mark.parametrize("chain", CHAINS)
def test_links_that_lead_out_together_are_refused(tmp_path: Path, chain: str) -> None:
    """Each text for itself stays inside; the kernel, which follows the links on the way, would go elsewhere."""
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(FunctionCodeInvalid, match="symbolic link"):
        package.unpack(zipped(("a/b/f", b"", FILE), *CHAINS[chain]), folder)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_links_to_links_and_to_folders_work(tmp_path: Path) -> None:
    links = [("lib/so", b"so.1", LINK), ("lib/so.1", b"so.1.2", LINK), ("now", b"versions/1", LINK)]
    links += [("bin/tool", b"../now/tool", LINK)]
    files = [("lib/so.1.2", b"so", FILE), ("versions/1/tool", b"tool", FILE)]
    package.unpack(zipped(*files, *links), tmp_path)
    assert (tmp_path / "lib/so").read_bytes() == b"so"
    assert (tmp_path / "bin/tool").read_bytes() == b"tool"


def test_special_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FunctionCodeInvalid, match="special file"):
        package.unpack(zipped(("device", b"", stat.S_IFCHR | 0o666)), tmp_path)


def test_a_file_and_a_folder_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FunctionCodeInvalid, match="cannot be unpacked"):
        package.unpack(zipped(("a", b"file", FILE), ("a/b", b"below", FILE)), tmp_path)


def test_a_bomb_that_declares_its_size_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "UNZIPPED_BYTES_MAX", 1000)
    with pytest.raises(FunctionCodeInvalid, match="Unzipped size must be smaller"):
        package.check(zipped(("zeros", bytes(1001), FILE)))
    with pytest.raises(FunctionCodeInvalid, match="Unzipped size must be smaller"):
        package.unpack(zipped(("a", bytes(600), FILE), ("b", bytes(600), FILE)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_bomb_that_lies_about_its_size_ends(tmp_path: Path) -> None:
    honest = zipped(("zeros", bytes(1_000_000), FILE))
    size = struct.pack("<I", 1_000_000)
    assert honest.count(size) == 2
    with pytest.raises(FunctionCodeInvalid):
        package.unpack(honest.replace(size, struct.pack("<I", 10)), tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) < 1_000_000


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "ENTRIES_MAX", 3)
    with pytest.raises(FunctionCodeInvalid, match="4 entries"):
        package.check(zipped(*((f"f{n}", b"", FILE) for n in range(4))))


def test_folders_that_nobody_packed_are_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name of a kilobyte makes hundreds of folders: thousands of them would fill the machine's disk."""
    monkeypatch.setattr(package, "ENTRIES_MAX", 100)
    with pytest.raises(FunctionCodeInvalid, match="at most 100"):
        package.check(zipped(*((f"{n}/" + "a/" * 60 + "f", b"", FILE) for n in range(2))))
    with pytest.raises(FunctionCodeInvalid, match="folders deep"):
        package.check(zipped(("a/" * 100 + "f", b"", FILE)))


def test_a_directory_without_end_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entries that count are those of the directory, whatever its last record declares."""
    opened = []
    monkeypatch.setattr(zipfile, "ZipFile", opened.append)
    with pytest.raises(FunctionCodeInvalid, match="50001 entries"):
        package.check((b"PK\x01\x02" + bytes(42)) * (package.ENTRIES_MAX + 1) + b"PK\x05\x06" + bytes(18))
    assert opened == []


def test_encrypted_entries_are_refused(tmp_path: Path) -> None:
    data = bytearray(zipped(("secret.py", b"x", FILE)))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(signature) + offset
        data[at] |= 1
    with pytest.raises(FunctionCodeInvalid, match="cannot be unpacked"):
        package.unpack(bytes(data), tmp_path)


@given(st.binary(max_size=300))
def test_what_is_no_zip_is_refused(data: bytes) -> None:
    with pytest.raises(FunctionCodeInvalid):
        package.check(data)


@given(st.integers(0, 5000), st.binary(min_size=1, max_size=8))
def test_a_damaged_zip_is_refused_or_unpacked_but_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes
) -> None:
    data = bytearray(zipped(("a/b.py", b"print(1)" * 20, FILE), ("link", b"a/b.py", LINK), ("c", bytes(200), FILE)))
    at %= len(data)
    data[at : at + len(noise)] = noise
    folder = tmp_path_factory.mktemp("damaged")
    inside = folder / "in"
    inside.mkdir()
    with contextlib.suppress(FunctionCodeInvalid):
        package.unpack(bytes(data), inside)
    assert [path.name for path in folder.iterdir()] == ["in"]
