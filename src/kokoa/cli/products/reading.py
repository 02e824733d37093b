"""Records of a file, one after the other, whatever its size: CSV (RFC 4180) and JSON lines, in UTF-8."""

import csv
import difflib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal, Self

from kokoa.cli.products.cells import ATTRIBUTE, CUSTOM, OPTION, Types
from kokoa.cli.products.csv_rows import csv_items
from kokoa.cli.products.errors import FileUnusable
from kokoa.cli.products.model import (
    COLUMNS,
    RECORD_BYTES_MAX,
    TYPE_COLUMNS,
    VARIANT_COLUMNS,
    Item,
    Problem,
    Record,
    json_item,
)
from kokoa.cli.products.parts import NO_COLUMNS, SEO_COLUMNS, TEXTS, PartColumns, is_part

Format = Literal["csv", "jsonl"]

COLUMNS_MAX = 1_000
_BOM = b"\xef\xbb\xbf"
_MIB = 1 << 20


class Lines:
    """Lines with their numbers, none longer than a record may be."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.number = 0
        self.bytes_read = 0

    def next(self) -> bytes:
        """The next line with its end; empty after the last. A line that is too long comes cut, without its end."""
        line = self._file.readline(RECORD_BYTES_MAX + 1)
        if self.number == 0:
            line = line.removeprefix(_BOM)
        self.number += 1
        self.bytes_read += len(line)
        return line

    def skip(self) -> None:
        """The rest of a line that was too long."""
        while True:
            rest = self._file.readline(_MIB)
            self.bytes_read += len(rest)
            if not rest or rest.endswith(b"\n"):
                return


def format_of(path: Path | None, given: Format | None) -> Format:
    """What --format says, else the file's name. Raises FileUnusable."""
    if given:
        return given
    suffix = path.suffix.lower() if path else ""
    if suffix == ".csv":
        return "csv"
    if suffix in (".jsonl", ".ndjson"):
        return "jsonl"
    raise FileUnusable(
        "Say what is in it: --format csv or --format jsonl. (.csv and .jsonl files say it themselves.)"
    )


def attribute_keys(header: Sequence[str]) -> list[str]:
    """Attributes that have a column; their cells cannot be read without the store's types."""
    return [name.removeprefix(ATTRIBUTE) for name in header if name.startswith(ATTRIBUTE)]


def require_attributes(header: Sequence[str], types: Types) -> None:
    """Raises FileUnusable for a column of an attribute that no type has."""
    known = {key: None for definitions in types.values() for key in definitions}
    for key in attribute_keys(header):
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f" Did you mean {ATTRIBUTE + near[0]!r}?" if near else ""
            message = f"Line 1: no product type of this store has an attribute {key[:60]!r} (UNKNOWN_COLUMN).{hint}"
            raise FileUnusable(message)


def read_items(
    lines: Lines,
    kind: Format,
    header: Sequence[str] | None = None,
    types: Types | None = None,
    parts: PartColumns = NO_COLUMNS,
) -> Iterator[Item | Problem]:
    """Products, each once, and what is wrong with others. Raises FileUnusable where nothing more can be read.

    header: what `read_header` found, if it was asked.  types: of the store.  parts: columns of the header, as
    `part_columns` reads them.
    """
    if kind == "csv":
        columns = read_header(lines) if header is None else header
        found = csv_items(csv_records(lines, columns, "externalReference"), columns, types or {}, parts)
    else:
        found = json_items(lines, json_item)
    with SeenReferences() as seen:
        for one in found:
            if isinstance(one, Item) and (first := seen.line_of(one.reference, one.line)) is not None:
                yield Problem(
                    one.line,
                    "externalReference",
                    "DUPLICATE_REFERENCE",
                    f"Line {first} has this externalReference already.",
                    one.reference,
                )
            else:
                yield one


class SeenReferences:
    """The references of a file and their lines, in a temporary database of SQLite: a file may have millions."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE seen (reference TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def line_of(self, reference: str, line: int) -> int | None:
        """The line where the reference was first; None when that is this one."""
        try:
            added = self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (reference, line))
        except UnicodeEncodeError:  # a lone surrogate, which the store refuses by itself
            return None
        if added.rowcount:
            return None
        found = self._database.execute("SELECT line FROM seen WHERE reference = ?", (reference,)).fetchone()
        return int(found[0])


def json_items(lines: Lines, read: Callable[[int, bytes], Item | Problem]) -> Iterator[Item | Problem]:
    """What each line says.  read: (number, line) → what it is."""
    while line := lines.next():
        if len(line) > RECORD_BYTES_MAX:
            lines.skip()
            yield _huge(lines.number)
        elif line.strip():
            yield read(lines.number, line)


def _huge(line: int) -> Problem:
    return Problem(line, "", "HUGE_LINE", f"The line has more than {RECORD_BYTES_MAX} bytes.")


def csv_records(lines: Lines, header: Sequence[str], key: str) -> Iterator[Record | Problem]:
    """Rows below the header.  key: the column that says what a row is about. Raises FileUnusable."""
    csv.field_size_limit(RECORD_BYTES_MAX)
    while (read := _record(lines)) is not None:
        number, raw = read
        if raw.strip(b"\r\n"):
            yield _csv_record(number, raw, header, key)


def _csv_record(line: int, raw: bytes, header: Sequence[str], key: str) -> Record | Problem:
    text = raw.decode(errors="replace")
    try:
        (cells,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError) as error:
        return Problem(line, "", "BAD_QUOTE", f"The quotes of this row do not fit: {error}.")
    named = dict(zip(header, cells, strict=False))
    reference = named.get(key, "")
    if len(cells) != len(header):
        message = f"The row has {len(cells)} cells, the header {len(header)}."
        return Problem(line, "", "WRONG_CELLS", message, reference)
    if "\ufffd" in text and (problem := _not_utf8(line, raw, named, reference)):
        return problem
    return Record(line, named)


def _not_utf8(line: int, raw: bytes, named: dict[str, str], reference: str) -> Problem | None:
    try:
        raw.decode()
        return None
    except UnicodeDecodeError as error:
        column = next((name for name, value in named.items() if "\ufffd" in value), "")
        message = f"Byte {error.start + 1} of the row is not UTF-8. Save the file as UTF-8."
        return Problem(line, column, "INVALID_UTF8", message, reference)


def _record(lines: Lines) -> tuple[int, bytes] | None:
    """(line, bytes) of the next record, whose quoted cells may hold line ends; None after the last."""
    raw = lines.next()
    if not raw:
        return None
    begun = lines.number
    quotes = raw.count(b'"')
    parts = [raw]
    size = len(raw)
    while quotes % 2 and size <= RECORD_BYTES_MAX:
        raw = lines.next()
        if not raw:
            raise FileUnusable(f"Line {begun}: a quote is opened and never closed (UNBALANCED_QUOTE).")
        quotes += raw.count(b'"')
        parts.append(raw)
        size += len(raw)
    if size > RECORD_BYTES_MAX:
        code = "UNBALANCED_QUOTE" if quotes % 2 else "HUGE_LINE"
        raise FileUnusable(
            f"Line {begun}: the row has more than {RECORD_BYTES_MAX} bytes ({code}). A quote that is not closed?"
        )
    return begun, b"".join(parts)


def read_columns(lines: Lines) -> list[str]:
    """The columns that a file of CSV begins with, whatever they are. Raises FileUnusable."""
    csv.field_size_limit(RECORD_BYTES_MAX)
    read = _record(lines)
    if read is None:
        raise FileUnusable("The file is empty; its first line must name the columns (MISSING_COLUMN).")
    try:
        (header,) = csv.reader([read[1].decode()], strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise FileUnusable(f"Line 1: the columns cannot be read: {error}.") from None
    if len(header) > COLUMNS_MAX:
        raise FileUnusable(
            f"Line 1: there are {len(header)} columns; at most {COLUMNS_MAX} can be (TOO_MANY_COLUMNS)."
        )
    header = [name.strip() for name in header]
    for name in header:
        if header.count(name) > 1:
            raise FileUnusable(f"Line 1: the column {name[:60]!r} is there twice (DUPLICATE_COLUMN).")
    return header


def read_header(lines: Lines) -> list[str]:
    """The columns of a file of products. Raises FileUnusable."""
    header = read_columns(lines)
    for name in header:
        _require_column(name)
    needed = ["externalReference"]
    if set(header) & set(VARIANT_COLUMNS) or any(name.startswith(OPTION) for name in header):
        needed += ["sku", "price", "currency"]
    require_columns(header, needed)
    return header


def require_columns(header: Sequence[str], needed: Sequence[str]) -> None:
    """Raises FileUnusable."""
    missing = [name for name in needed if name not in header]
    if missing:
        raise FileUnusable(f"Line 1: the column {missing[0]!r} is missing (MISSING_COLUMN).")


def _require_column(name: str) -> None:
    """Raises FileUnusable, which says what to use instead."""
    if name in COLUMNS or name in TYPE_COLUMNS or is_part(name):
        return
    if any(name.startswith(prefix) and len(name) > len(prefix) for prefix in (ATTRIBUTE, OPTION)):
        return
    near = difflib.get_close_matches(name[:60], COLUMNS + TYPE_COLUMNS + SEO_COLUMNS, 1)
    families = (f"{ATTRIBUTE}<key>", f"{OPTION}<key>", *(f"{text}.<locale>" for text in TEXTS), f"{CUSTOM}<key>")
    all_of_them = ", ".join((*COLUMNS, *TYPE_COLUMNS, *SEO_COLUMNS, *families))
    hint = f" Did you mean {near[0]!r}?" if near else f" There are {all_of_them}."
    raise FileUnusable(f"Line 1: there is no column {name[:60]!r} (UNKNOWN_COLUMN).{hint}")
