"""What an import tells: a bar for people at a terminal, lines for logs, and problems for machines."""

import time
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kokoa.cli.products.errors import FileUnusable
from kokoa.cli.products.journal import Committed
from kokoa.cli.products.model import Problem

_SHOWN_MAX = 20
_SHOWN_CHARACTERS_MAX = 500
_LINE_EVERY_S = 5.0


class Words(msgspec.Struct, frozen=True):
    """How an import is told.  rows: what they are.  counts: (what is counted, how it is called)."""

    rows: str
    counts: tuple[tuple[str, str], ...]


PRODUCTS = Words("products", (("created", "created"), ("updated", "updated"), ("unchanged", "unchanged")))


class Report:
    """Use it as a context manager.  errors: takes a JSON line for each problem.  total_bytes: None when not known."""

    def __init__(self, errors: Path | None, total_bytes: int | None, words: Words = PRODUCTS) -> None:
        self._words = words
        self.created = self.updated = self.unchanged = self.failed = 0
        self._console = Console(stderr=True, highlight=False)
        self._errors_path = errors
        self._errors: BinaryIO | None = None
        self._total_bytes = total_bytes
        self._bar: Progress | None = None
        self._begun_s = self._told_s = time.monotonic()

    @property
    def done(self) -> int:
        """How many the store has as the file says."""
        return self.created + self.updated + self.unchanged

    def __enter__(self) -> Self:
        if self._errors_path:
            try:
                self._errors = self._errors_path.open("wb")
            except OSError as error:
                raise FileUnusable(f"--errors {self._errors_path} cannot be written: {error.strerror}.") from None
        if self._console.is_terminal:
            size = DownloadColumn() if self._total_bytes else MofNCompleteColumn()
            columns = (TextColumn("{task.description}"), BarColumn(), size, TimeRemainingColumn())
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task("Importing", total=self._total_bytes)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
        if self._errors:
            self._errors.close()

    def say(self, line: str) -> None:
        """A line for people."""
        self._console.print(line, soft_wrap=True, markup=False)

    def progress(self, bytes_read: int) -> None:
        """Where the file stands."""
        if self._bar:
            self._bar.update(self._task, completed=bytes_read, description=f"Importing {self.done:,}")
        elif time.monotonic() - self._told_s >= _LINE_EVERY_S:
            self._told_s = time.monotonic()
            share = f" ({bytes_read * 100 // self._total_bytes} %)" if self._total_bytes else ""
            self.say(f"{self.done:,} {self._words.rows}{share}, {self.failed:,} rows with errors")

    def problem(self, problem: Problem) -> None:
        """A row that is not imported."""
        self.failed += 1
        if self._errors:
            self._errors.write(msgspec.json.encode(problem) + b"\n")
        if self.failed <= _SHOWN_MAX:
            place = f"line {problem.line}" + (f", {problem.column}" if problem.column else "")
            self.say(_printable(f"{place}: {problem.message} ({problem.code})"))
        elif self.failed == _SHOWN_MAX + 1:
            more = (
                f" {self._errors_path} has all of them." if self._errors_path else " --errors FILE writes down all."
            )
            self.say(f"There are more rows with errors.{more}")

    def committed(self, batch: Committed) -> None:
        """A batch that the store has."""
        self.created += batch.created
        self.updated += batch.updated
        self.unchanged += batch.unchanged
        for problem in batch.problems:
            self.problem(problem)

    def summary(self, *, dry_run: bool) -> str:
        """One line about the whole."""
        took_s = time.monotonic() - self._begun_s
        counts = ", ".join(f"{getattr(self, name):,} {called}" for name, called in self._words.counts)
        tried = "Nothing was changed; this would be: " if dry_run else ""
        return f"{tried}{counts}, {self.failed:,} rows with errors, in {took_s:.1f} s."


def _printable(text: str) -> str:
    """What a file says may hold commands for a terminal."""
    shown = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
    return shown if len(shown) <= _SHOWN_CHARACTERS_MAX else f"{shown[:_SHOWN_CHARACTERS_MAX]}…"
