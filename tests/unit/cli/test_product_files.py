"""Files of products: what is read, and what is said of every kind of bad row."""

import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoa.cli.products.errors import FileUnusable, JournalUnusable
from kokoa.cli.products.journal import Committed, Journal, digest_of
from kokoa.cli.products.model import (
    RECORD_BYTES_MAX,
    Item,
    Problem,
    join_category,
    split_category,
)
from kokoa.cli.products.prices import read_price, write_price
from kokoa.cli.products.reading import Format, Lines, format_of, read_items

HEADER = "externalReference,name,description,category,sku,variantName,price,currency\n"


def read(content: str | bytes, kind: Format = "csv") -> list[Item | Problem]:
    raw = content if isinstance(content, bytes) else content.encode()
    return list(read_items(Lines(io.BytesIO(raw)), kind))


def only(content: str | bytes, kind: Format = "csv") -> Any:
    (found,) = read(content, kind)
    return found


def test_rows_that_follow_each_other_are_the_variants_of_one_product() -> None:
    text = (
        "\ufeff" + HEADER + '1,"Chips, salted","Two\nlines",Grocery > Snacks,C-S,Small,1.20,EUR\r\n'
        "1,,,,C-L,Large,2.5,EUR\r\n\r\n2,Dip,,,,,,\n"
    )
    first, second = read(text)
    assert isinstance(first, Item)
    assert isinstance(second, Item)
    assert first.input == {
        "externalReference": "1",
        "name": "Chips, salted",
        "description": "Two\nlines",
        "category": ["Grocery", "Snacks"],
        "variants": [
            {"sku": "C-S", "priceMinor": 120, "currency": "EUR", "name": "Small"},
            {"sku": "C-L", "priceMinor": 250, "currency": "EUR", "name": "Large"},
        ],
    }
    assert (first.line, first.lines) == (2, (2, 4))
    assert first.place_of("variants.1.priceMinor") == (4, "price")
    assert first.place_of("category") == (2, "category")
    assert second.input == {
        "externalReference": "2", "name": "Dip", "description": "", "category": [], "variants": []
    }  # fmt: skip


def test_columns_that_a_file_has_not_are_not_sent() -> None:
    assert only("externalReference,sku,price,currency\n1,A,2,JPY\n").input == {
        "externalReference": "1",
        "variants": [{"sku": "A", "priceMinor": 2, "currency": "JPY"}],
    }
    assert only('{"externalReference": "1"}', "jsonl").input == {"externalReference": "1"}


def test_a_status_is_sent_where_a_row_has_one() -> None:
    first, second, third = read("externalReference,status\n1,ARCHIVED\n2,\n3,sold\n")
    assert isinstance(first, Item)
    assert isinstance(second, Item)
    assert isinstance(third, Problem)
    assert (first.input["status"], "status" in second.input) == ("ARCHIVED", False)
    assert (third.line, third.column, third.code) == (4, "status", "BAD_VALUE")
    assert only('{"externalReference": "1", "status": "DRAFT"}', "jsonl").input["status"] == "DRAFT"
    wrong = only('{"externalReference": "1", "status": "draft"}', "jsonl")
    assert (wrong.column, wrong.code) == ("status", "BAD_VALUE")


BAD_ROWS: dict[str, tuple[str | bytes, int, str, str]] = {
    "no reference": (" ,Chips,,,A,,1,EUR\n", 2, "externalReference", "MISSING_VALUE"),
    "too few cells": ("1,Chips\n", 2, "", "WRONG_CELLS"),
    "too many cells": ("1,Chips,,,A,,1,EUR,x\n", 2, "", "WRONG_CELLS"),
    "no number": ("1,Chips,,,A,,cheap,EUR\n", 2, "price", "BAD_NUMBER"),
    "negative": ("1,Chips,,,A,,-1,EUR\n", 2, "price", "BAD_NUMBER"),
    "exponent": ("1,Chips,,,A,,1e5,EUR\n", 2, "price", "BAD_NUMBER"),
    "other digits": ("1,Chips,,,A,,١٢,EUR\n", 2, "price", "BAD_NUMBER"),
    "comma": ('1,Chips,,,A,,"1,20",EUR\n', 2, "price", "BAD_NUMBER"),
    "too many decimals": ("1,Chips,,,A,,1.5,JPY\n", 2, "price", "BAD_NUMBER"),
    "overflow": ("1,Chips,,,A,,21474836.48,EUR\n", 2, "price", "MONEY_OVERFLOW"),
    "many digits": (f"1,Chips,,,A,,{'9' * 39},EUR\n", 2, "price", "MONEY_OVERFLOW"),
    "no currency": ("1,Chips,,,A,,1,\n", 2, "currency", "MISSING_VALUE"),
    "unknown currency": ("1,Chips,,,A,,1,EURO\n", 2, "currency", "UNKNOWN_CURRENCY"),
    "price without SKU": ("1,Chips,,,,,1,EUR\n", 2, "sku", "MISSING_VALUE"),
    "second row without SKU": ("1,Chips,,,A,,1,EUR\n1,,,,,,,\n", 3, "sku", "MISSING_VALUE"),
    "second row differs": ("1,Chips,,,A,,1,EUR\n1,Dip,,,B,,1,EUR\n", 3, "name", "DIFFERENT_VALUE"),
    "not UTF-8": (b"1,Caf\xe9,,,A,,1,EUR\n", 2, "name", "INVALID_UTF8"),
    "not UTF-8 in a variant": (b"1,Chips,,,A,,1,EUR\n1,,,,B,\xff,1,EUR\n", 3, "variantName", "INVALID_UTF8"),
    "text after a quote": ('1,"Chips"s,,,A,,1,EUR\n', 2, "", "BAD_QUOTE"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_of_csv_is_named_and_the_next_is_read(case: str) -> None:
    row, line, column, code = BAD_ROWS[case]
    raw = row if isinstance(row, bytes) else row.encode()
    problem, good = read(HEADER.encode() + raw + b"9,Good,,,G,,1,EUR\n")
    assert isinstance(problem, Problem)
    assert (problem.line, problem.column, problem.code) == (line, column, code)
    assert isinstance(good, Item)
    assert good.reference == "9"


BAD_FILES = {
    "empty": ("", "Line 1|empty", "MISSING_COLUMN"),
    "no reference": ("name\nChips\n", "'externalReference' is missing", "MISSING_COLUMN"),
    "half a variant": ("externalReference,price\n", "'sku' is missing", "MISSING_COLUMN"),
    "unknown": ("externalReference,nmae\n", "Did you mean 'name'", "UNKNOWN_COLUMN"),
    "twice": ("externalReference,name,name\n", "'name' is there twice", "DUPLICATE_COLUMN"),
    "open quote": (HEADER + '1,"Chips,,,A,,1,EUR\n2,Dip,,,,,,\n', "Line 2: a quote", "UNBALANCED_QUOTE"),
    "huge open quote": (HEADER + '1,"Chips\n' + "x" * 100 + "\n" * RECORD_BYTES_MAX, "Line 2", "UNBALANCED_QUOTE"),
    "huge row": (HEADER + "1," + "x" * RECORD_BYTES_MAX + "\n", "Line 2", "HUGE_LINE"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_cannot_be_read_on_says_where(case: str) -> None:
    content, message, code = BAD_FILES[case]
    with pytest.raises(FileUnusable, match=message) as raised:
        read(content)
    assert code in raised.value.message


GOOD_JSON = '{"externalReference": "9", "variants": [{"sku": "A", "priceMinor": 1, "currency": "EUR"}]}'
BAD_JSON: dict[str, tuple[str | bytes, str, str]] = {
    "no JSON": ("{", "", "INVALID_JSON"),
    "no object": ("[1]", "", "NOT_AN_OBJECT"),
    "two values": (GOOD_JSON + " {}", "", "INVALID_JSON"),
    "no reference": ("{}", "externalReference", "MISSING_COLUMN"),
    "unknown": ('{"externalReference": "1", "nmae": 1}', "nmae", "UNKNOWN_COLUMN"),
    "wrong type": ('{"externalReference": "1", "name": 1}', "name", "BAD_VALUE"),
    "not UTF-8": (b'{"externalReference": "\xff"}', "24", "INVALID_UTF8"),
    "half a character": ('{"externalReference": "\\ud800"}', "", "INVALID_JSON"),
    "price": (GOOD_JSON.replace('r": 1', 'r": 1.5'), "variants[0].priceMinor", "BAD_NUMBER"),
    "negative": (GOOD_JSON.replace('r": 1', 'r": -1'), "variants[0].priceMinor", "BAD_NUMBER"),
    "overflow": (GOOD_JSON.replace('r": 1', 'r": 2147483648'), "variants[0].priceMinor", "MONEY_OVERFLOW"),
    "huge number": (GOOD_JSON.replace('r": 1', f'r": {"9" * 30}'), "variants[0].priceMinor", "MONEY_OVERFLOW"),
    "currency": (GOOD_JSON.replace("EUR", "eur"), "variants[0].currency", "UNKNOWN_CURRENCY"),
    "huge": (f'{{"externalReference": "{"x" * RECORD_BYTES_MAX}"}}', "", "HUGE_LINE"),
}


@pytest.mark.parametrize("case", BAD_JSON)
def test_a_bad_line_of_json_is_named_and_the_next_is_read(case: str) -> None:
    line, column, code = BAD_JSON[case]
    raw = line if isinstance(line, bytes) else line.encode()
    problem, good = read(raw + b"\n\n" + GOOD_JSON.encode(), "jsonl")
    assert isinstance(problem, Problem)
    assert (problem.line, problem.column, problem.code) == (1, column, code), problem
    assert isinstance(good, Item)
    assert good.line == 3


def test_a_reference_that_comes_again_is_named_with_its_first_line() -> None:
    found = read(HEADER + "1,A,,,,,,\n2,C,,,,,,\n1,D,,,,,,\n")
    assert isinstance(found[-1], Problem)
    assert (found[-1].line, found[-1].code) == (4, "DUPLICATE_REFERENCE")
    assert "Line 2" in found[-1].message


def test_a_product_has_a_bounded_number_of_variants_and_is_left_out_whole() -> None:
    rows = "".join(f"1,{'Chips' if n == 0 else ''},,,S{n},,1,EUR\n" for n in range(5000))
    (problem,) = read(HEADER + rows)
    assert isinstance(problem, Problem)
    assert (problem.line, problem.code) == (102, "TOO_MANY_VARIANTS")


def test_a_long_file_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    with path.open("w") as file:
        file.write(HEADER)
        file.writelines(f"{n},Chips {n},{'x' * 200},,S{n},,1,EUR\n" for n in range(60_000))
    tracemalloc.start()
    with path.open("rb") as source:
        count = sum(1 for _ in read_items(Lines(source), "csv"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 60_000
    assert peak < 5_000_000 < path.stat().st_size


@given(st.lists(st.text(min_size=1).map(str.strip).filter(bool), max_size=8))
def test_every_category_path_survives_a_cell(path: list[str]) -> None:
    assert split_category(join_category(path)) == path


@given(st.integers(0, 2**31 - 1), st.sampled_from(["EUR", "JPY", "BHD"]))
def test_every_price_survives_a_cell(minor: int, currency: str) -> None:
    assert read_price(write_price(minor, currency), currency) == minor


@pytest.mark.parametrize(("name", "kind"), [("a.csv", "csv"), ("A.CSV", "csv"), ("a.jsonl", "jsonl")])
def test_a_files_name_says_what_it_is(name: str, kind: str) -> None:
    assert format_of(Path(name), None) == kind
    with pytest.raises(FileUnusable, match="--format csv"):
        format_of(None, None)


def committed(number: int) -> Committed:
    return Committed(digest_of(number, b"rows"), number, 0, 0, [Problem(1, "name", "CODE", "Why.")])


def test_a_journal_knows_what_was_noted_also_after_a_crash_in_the_middle_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal.start(path, "here")
    for number in (1, 2):
        journal.note(committed(number))
    journal.close()
    whole = path.read_bytes()
    for torn in (whole, whole + b'{"digest":"ab', whole[:-1]):
        path.write_bytes(torn)
        journal = Journal.resume(path, "here")
        assert journal.known(committed(1).digest) == committed(1)
        assert (journal.known(committed(2).digest) is None) == (torn == whole[:-1])
        journal.note(committed(3))
        journal.close()
        journal = Journal.resume(path, "here")
        assert journal.known(committed(3).digest) == committed(3)
        journal.close()
    journal = Journal.start(path, "here")
    assert journal.known(committed(1).digest) is None
    journal.finish()
    assert not path.exists()


def test_a_journal_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with pytest.raises(JournalUnusable, match="no journal to go on with"):
        Journal.resume(path, "here")
    Journal.start(path, "here").close()
    with pytest.raises(JournalUnusable, match="another store or environment"):
        Journal.resume(path, "there")
    precious = json.dumps({"precious": 1})
    path.write_text(precious)
    for opening in (Journal.start, Journal.resume):
        with pytest.raises(JournalUnusable, match="no journal of an import"):
            opening(path, "here")
    assert path.read_text() == precious
    with pytest.raises(JournalUnusable, match="cannot be written"):
        Journal.start(tmp_path / "nowhere" / "journal", "here")


def test_a_line_of_json_gives_attributes_and_options_by_key() -> None:
    product = {
        "externalReference": "1",
        "productType": "lamp",
        "attributes": {"power": 40.5, "rooms": ["hall"], "care": None},
        "options": [{"key": "size", "name": "Size", "values": ["S"]}],
        "variants": [
            {"sku": "a", "priceMinor": 1, "currency": "EUR", "weightGrams": 5, "options": {"size": "S"},
             "attributes": {"deposit": {"amountMinor": 1, "currency": "EUR"}}}
        ],
    }  # fmt: skip
    item = only(json.dumps(product), "jsonl")
    assert isinstance(item, Item), item
    assert item.input["attributes"] == [
        {"key": "power", "value": 40.5},
        {"key": "rooms", "value": ["hall"]},
        {"key": "care", "value": None},
    ]
    assert item.input["options"] == product["options"]
    variant = item.input["variants"][0]
    assert variant["options"] == [{"key": "size", "value": "S"}]
    assert variant["attributes"] == [{"key": "deposit", "value": {"amountMinor": 1, "currency": "EUR"}}]
    assert (variant["weightGrams"], item.input["productType"]) == (5, "lamp")
    assert item.values == 36, "what a request counts"
    wrong = only(json.dumps({**product, "attributes": ["power"]}), "jsonl")
    assert (wrong.code, wrong.column) == ("BAD_VALUE", "attributes")
