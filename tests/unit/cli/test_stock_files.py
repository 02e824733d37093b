"""Files of stock: what is read, and what is said of every kind of bad row."""

import io
import json
from typing import Any

import pytest

from kokoa.cli.products.errors import FileUnusable
from kokoa.cli.products.model import Item, Problem
from kokoa.cli.products.reading import Format, Lines
from kokoa.cli.products.report import Report
from kokoa.cli.products.sending import BATCH_ROWS_MAX, Batches
from kokoa.cli.stock import ON_HAND_MAX, STOCK, read_stock


def read(content: str | bytes, kind: Format = "csv") -> list[Item | Problem]:
    raw = content if isinstance(content, bytes) else content.encode()
    return list(read_stock(Lines(io.BytesIO(raw)), kind))


def sent(content: str, kind: Format = "csv") -> list[Any]:
    return [one.input for one in read(content, kind) if isinstance(one, Item)]


def test_a_row_is_an_article_at_a_location() -> None:
    expected = [
        {"sku": "a", "location": "default", "onHand": 3},
        {"sku": "a", "location": "attic", "onHand": 0},
        {"sku": "b, c", "location": "default", "onHand": ON_HAND_MAX},
    ]
    assert sent(f'\ufeffsku,onHand,location\na, 3 ,\r\n\r\na,0,attic\n"b, c",{ON_HAND_MAX},\n') == expected
    assert sent("onHand,sku\n3,a\n") == expected[:1]
    lines = '{"sku": "a", "onHand": 3}\n\n{"sku": "a", "onHand": 0, "location": "attic"}\n'
    assert sent(lines, "jsonl") == expected[:2]


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        ("a,many,", "onHand", "BAD_NUMBER"),
        ("a,1.5,", "onHand", "BAD_NUMBER"),
        ("a,-1,", "onHand", "BAD_NUMBER"),
        ("a,²,", "onHand", "BAD_NUMBER"),
        (f"a,{ON_HAND_MAX + 1},", "onHand", "BAD_NUMBER"),
        ("a," + "9" * 5_000 + ",", "onHand", "BAD_NUMBER"),
        ("a,,", "onHand", "MISSING_VALUE"),
        (",1,", "sku", "MISSING_VALUE"),
        ("a,1", "", "WRONG_CELLS"),
        ("first,2,", "sku", "DUPLICATE_ROW"),
        ("first,2,default", "sku", "DUPLICATE_ROW"),
        ('a,1,"x"y', "", "BAD_QUOTE"),
    ],
)
def test_a_wrong_row_of_csv_is_named_and_keeps_no_other_back(row: str, column: str, code: str) -> None:
    found = read(f"sku,onHand,location\nfirst,1,\n{row}\nlast,1,\n")
    (problem,) = [one for one in found if isinstance(one, Problem)]
    assert (problem.line, problem.column, problem.code) == (3, column, code)
    assert [one.reference for one in found if isinstance(one, Item)] == ["first", "last"]


def test_a_cell_that_is_no_utf_8_is_named() -> None:
    (problem,) = read(b"sku,onHand\ncaf\xe9,1\n")
    assert isinstance(problem, Problem)
    assert (problem.line, problem.column, problem.code) == (2, "sku", "INVALID_UTF8")


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        ({"sku": "a"}, "onHand", "MISSING_COLUMN"),
        ({"onHand": 1}, "sku", "MISSING_COLUMN"),
        ({"sku": "a", "onHand": 1, "stock": 2}, "stock", "UNKNOWN_COLUMN"),
        ({"sku": "a", "onHand": -1}, "onHand", "BAD_NUMBER"),
        ({"sku": "a", "onHand": 1.5}, "onHand", "BAD_NUMBER"),
        ({"sku": "a", "onHand": "1"}, "onHand", "BAD_NUMBER"),
        ({"sku": 1, "onHand": 1}, "sku", "BAD_VALUE"),
        ({"sku": "first", "onHand": 2}, "sku", "DUPLICATE_ROW"),
        ([], "", "NOT_AN_OBJECT"),
    ],
)
def test_a_wrong_line_of_json_is_named_and_keeps_no_other_back(row: Any, column: str, code: str) -> None:
    lines = "\n".join((json.dumps({"sku": "first", "onHand": 1}), json.dumps(row), '{"sku": "last", "onHand": 1}'))
    found = read(lines, "jsonl")
    (problem,) = [one for one in found if isinstance(one, Problem)]
    assert (problem.line, problem.column, problem.code) == (2, column, code)
    assert [one.reference for one in found if isinstance(one, Item)] == ["first", "last"]


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("", "empty"),
        ("sku,location", "'onHand' is missing"),
        ("onHand", "'sku' is missing"),
        ("sku,onHand,price", "no column 'price'"),
        ("sku,onHand,sku", "there twice"),
    ],
)
def test_a_header_that_does_not_fit_ends_the_import(header: str, why: str) -> None:
    with pytest.raises(FileUnusable, match=why):
        read(header)


def batches_of(run: str, dry_run: bool = False) -> list[Any]:
    """The requests of a file of a batch and one more row."""
    text = "sku,onHand\n" + "".join(f"s{n},{n}\n" for n in range(BATCH_ROWS_MAX + 1))
    batches = Batches(
        read_stock(Lines(io.BytesIO(text.encode())), "csv"), Report(None, None), STOCK, run, dry_run=dry_run
    )
    return [json.loads(batch.body)["variables"] for batch in iter(batches.next, None)]


def test_a_batch_has_its_own_key_which_is_another_one_in_another_import() -> None:
    first, second = batches_of("a")
    assert (len(first["input"]), len(second["input"]), first["dryRun"]) == (BATCH_ROWS_MAX, 1, False)
    keys = {one["key"] for one in (first, second, *batches_of("b"))}
    assert len(keys) == 4
    assert [one["key"] for one in batches_of("a")] == [first["key"], second["key"]]
    assert max(map(len, keys)) < 100
    assert batches_of("a", dry_run=True)[0]["dryRun"] is True
