"""A file of stock: its columns, what each row says, and how the rows go to the store."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from kokoa.cli.products.errors import FileUnusable
from kokoa.cli.products.journal import Committed
from kokoa.cli.products.model import Item, Problem, Record, json_line
from kokoa.cli.products.reading import (
    Format,
    Lines,
    SeenReferences,
    csv_records,
    json_items,
    read_columns,
    require_columns,
)
from kokoa.cli.products.report import Words
from kokoa.cli.products.sending import Batch, Sending

COLUMNS = ("sku", "onHand", "location")
NEEDED = ("sku", "onHand")
DEFAULT_LOCATION = "default"
# What the store takes, and what a GraphQL Int holds.
ON_HAND_MAX = 1_000_000_000

SET = """mutation ImportStock($input: [StockRowInput!]!, $dryRun: Boolean!, $key: String) {
  setStock(input: {rows: $input, dryRun: $dryRun, idempotencyKey: $key}) {
    changed unchanged failed rows { index status code message }
  }
}"""
# What the store says of a row → the column that it is about.
_COLUMN_OF: Mapping[str, str] = {"INVALID_SKU": "sku", "LOCATION_NOT_FOUND": "location", "INVALID_STOCK": "onHand"}


class _Row(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    sku: str
    on_hand: Annotated[int, Meta(ge=0, le=ON_HAND_MAX)]
    location: str = DEFAULT_LOCATION


_json: Final = msgspec.json.Decoder(_Row)


def read_stock(lines: Lines, kind: Format) -> Iterator[Item | Problem]:
    """Each article at each location, once, and what is wrong with others. Raises FileUnusable."""
    found = _csv_items(lines) if kind == "csv" else json_items(lines, _json_item)
    with SeenReferences() as seen:
        for one in found:
            if isinstance(one, Item) and (first := seen.line_of(_place(one), one.line)) is not None:
                message = f"Line {first} has this SKU at this location already."
                yield Problem(one.line, "sku", "DUPLICATE_ROW", message, one.reference)
            else:
                yield one


def _place(item: Item) -> str:
    return f"{item.reference}\x00{item.input['location']}"


def _csv_items(lines: Lines) -> Iterator[Item | Problem]:
    header = read_columns(lines)
    for name in header:
        if name not in COLUMNS:
            raise FileUnusable(
                f"Line 1: there is no column {name[:60]!r} (UNKNOWN_COLUMN). There are {', '.join(COLUMNS)}."
            )
    require_columns(header, NEEDED)
    for record in csv_records(lines, header, "sku"):
        yield record if isinstance(record, Problem) else _csv_item(record)


def _csv_item(record: Record) -> Item | Problem:
    sku, on_hand = record.cells["sku"], record.cells["onHand"].strip()
    for column in NEEDED:
        if not record.cells[column].strip():
            return Problem(record.line, column, "MISSING_VALUE", f"Each row needs {column}.", sku)
    if not (on_hand.isascii() and on_hand.isdigit() and len(on_hand) <= 10 and int(on_hand) <= ON_HAND_MAX):
        message = f"{on_hand[:20]!r} is no whole number from 0 to {ON_HAND_MAX:,}."
        return Problem(record.line, "onHand", "BAD_NUMBER", message, sku)
    return _item(record.line, _Row(sku, int(on_hand), record.cells.get("location") or DEFAULT_LOCATION))


def _json_item(line: int, text: bytes) -> Item | Problem:
    """An object like the API's StockRowInput."""
    row = json_line(line, text, _json)
    if not isinstance(row, Problem):
        return _item(line, row)
    bad_number = (row.column, row.code) == ("onHand", "BAD_VALUE")
    return msgspec.structs.replace(row, code="BAD_NUMBER") if bad_number else row


def _item(line: int, row: _Row) -> Item:
    return Item(line, row.sku, {"sku": row.sku, "location": row.location, "onHand": row.on_hand})


def _committed(batch: Batch, answer: Any) -> Committed:
    """What the store said of the rows."""
    problems = [
        Problem(item.line, _COLUMN_OF.get(row["code"], ""), row["code"], row["message"], item.reference)
        for row in answer["rows"]
        if row["status"] == "FAILED"
        for item in (batch.items[row["index"]],)
    ]
    return Committed(batch.digest, 0, answer["changed"], answer["unchanged"], problems)


# A batch that was sent, and not noted, must not undo what was sold since: the store answers it as it was.
STOCK: Final = Sending(SET, _committed, keyed=True)
STOCK_WORDS: Final = Words("rows", (("updated", "changed"), ("unchanged", "unchanged")))
