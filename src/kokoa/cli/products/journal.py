"""What the store has acknowledged of an import, so that the next one need not send it again.

A line for each batch, with the digest of what was sent. Whoever resumes reads the file from its beginning and leaves
out batches that are in the journal; a file that was changed meanwhile has other batches, which are sent.
"""

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Self

import msgspec

from kokoa.cli.products.errors import JournalUnusable
from kokoa.cli.products.model import Problem
from kokoa.kernel.ids import new_id

_LINE_BYTES_MAX = 16 << 20


class Head(msgspec.Struct, frozen=True):
    """target: of which store and environment, without telling its secrets.  run: names the import."""

    target: str
    version: int = 1
    run: str = ""


class Committed(msgspec.Struct, frozen=True):
    """A batch that the store has.  digest: of what was sent."""

    digest: str
    created: int
    updated: int
    unchanged: int
    problems: list[Problem]


class Journal:
    """Made by `start` or `resume`; `close` keeps it, `finish` removes it."""

    def __init__(self, path: Path, file: BinaryIO, known: dict[str, Committed], run: str) -> None:
        self.run = run
        self._path = path
        self._file = file
        self._known = known

    @classmethod
    def start(cls, path: Path, target: str) -> Self:
        """An empty journal in place of an older one. Raises JournalUnusable; another file is left alone."""
        try:
            file = path.open("a+b")
            _require_journal(file, path)
            file.truncate(0)
        except OSError as error:
            raise JournalUnusable(
                f"The journal {path} cannot be written: {error.strerror}. --journal names another place."
            ) from None
        journal = cls(path, file, {}, new_id())
        journal._write(Head(target, run=journal.run))
        return journal

    @classmethod
    def resume(cls, path: Path, target: str) -> Self:
        """Go on with the one that is there. Raises JournalUnusable for another store's, and when there is none."""
        try:
            file = path.open("r+b")
        except OSError as error:
            raise JournalUnusable(
                f"There is no journal to go on with: {path} cannot be opened ({error.strerror}). "
                "Leave out --resume; what the store has already is left unchanged."
            ) from None
        try:
            known, run = _read(file, target, path)
        except BaseException:
            file.close()
            raise
        return cls(path, file, known, run)

    def known(self, digest: str) -> Committed | None:
        """What was noted about a batch with this digest."""
        return self._known.get(digest)

    def note(self, committed: Committed) -> None:
        """On disk when this returns."""
        self._write(committed)

    def finish(self) -> None:
        """All is done: nobody will resume."""
        self._file.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def close(self) -> None:
        """Keep it for whoever resumes."""
        self._file.close()

    def _write(self, line: Head | Committed) -> None:
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _require_journal(file: BinaryIO, path: Path) -> None:
    file.seek(0)
    begin = file.readline(_LINE_BYTES_MAX)
    try:
        if begin:
            msgspec.json.decode(begin, type=Head)
    except msgspec.MsgspecError:
        file.close()
        raise JournalUnusable(
            f"{path} is no journal of an import; it is left alone. Name another with --journal."
        ) from None


def _read(file: BinaryIO, target: str, path: Path) -> tuple[dict[str, Committed], str]:
    try:
        head = msgspec.json.decode(file.readline(_LINE_BYTES_MAX), type=Head)
    except msgspec.MsgspecError:
        raise JournalUnusable(
            f"{path} is no journal of an import. Remove it, or name another with --journal."
        ) from None
    if head.target != target:
        raise JournalUnusable(
            f"The journal {path} is of other things, or of an import into another store or environment. "
            "Leave out --resume to begin anew."
        )
    known: dict[str, Committed] = {}
    end = file.tell()
    while line := file.readline(_LINE_BYTES_MAX):
        if not line.endswith(b"\n"):
            break  # it was being written when the import was killed
        try:
            committed = msgspec.json.decode(line, type=Committed)
        except msgspec.MsgspecError:
            break
        known[committed.digest] = committed
        end = file.tell()
    file.seek(end)
    file.truncate()
    return known, head.run


def digest_of(number: int, payload: bytes) -> str:
    """Of a batch.  number: its place, so that equal batches are told apart."""
    return hashlib.sha256(b"%d:" % number + payload).hexdigest()


def target_of(parts: Sequence[str]) -> str:
    """Names what is imported where, by an id and a secret that it does not tell; stores move."""
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()
