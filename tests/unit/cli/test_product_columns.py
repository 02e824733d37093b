"""Columns of types, attributes and options in CSV: what cells mean, and what is said of wrong ones."""

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokoa.cli.products.cells import Definition, read_cell, read_options, write_cell, write_options
from kokoa.cli.products.errors import FileUnusable
from kokoa.cli.products.model import Item, Problem
from kokoa.cli.products.reading import COLUMNS_MAX, Lines, read_header, read_items, require_attributes

HEADER = (
    "externalReference,name,productType,options,sku,price,currency,option.size,attribute.power,attribute.rooms,"
    "attribute.dimmable,attribute.since,attribute.deposit,attribute.sockets,attribute.ean\n"
)
KINDS = {"power": "NUMBER", "dimmable": "BOOLEAN", "since": "DATE", "deposit": "MONEY", "sockets": "INTEGER"}
TYPES = {
    "lamp": {
        **{key: Definition(key, kind, "PRODUCT", False) for key, kind in KINDS.items()},
        "rooms": Definition("rooms", "TEXT", "PRODUCT", True),
        "ean": Definition("ean", "TEXT", "VARIANT", False),
    },
    "table": {"power": Definition("power", "TEXT", "VARIANT", False)},
}


def read(content: str) -> list[Item | Problem]:
    return list(read_items(Lines(io.BytesIO(content.encode())), "csv", None, TYPES))


def only(*rows: str, header: str = HEADER) -> Any:
    (found,) = read(header + "\n".join(rows))
    return found


def pairs(listed: list[dict[str, Any]]) -> dict[str, Any]:
    return {one["key"]: one["value"] for one in listed}


def test_cells_are_read_by_the_products_type() -> None:
    item = only(
        "1,Lamp,lamp,,L-S,9.00,EUR,S,40.50,hall|a \\| b,TRUE,2026-01-31,19.90 EUR,2,400",
        "1,,,,L-M,9.00,EUR,M,,,,,,,401",
    )
    assert isinstance(item, Item), item
    assert item.input["productType"] == "lamp"
    assert pairs(item.input["attributes"]) == {
        "power": "40.50",
        "rooms": ["hall", "a | b"],
        "dimmable": True,
        "since": "2026-01-31",
        "deposit": {"amountMinor": 1990, "currency": "EUR"},
        "sockets": 2,
    }
    assert item.input["options"] == [{"key": "size", "name": "size", "values": ["S", "M"]}]
    small, medium = item.input["variants"]
    assert (pairs(small["attributes"]), pairs(small["options"])) == ({"ean": "400"}, {"size": "S"})
    assert (pairs(medium["attributes"]), pairs(medium["options"])) == ({"ean": "401"}, {"size": "M"})


def test_an_empty_cell_takes_a_value_away_and_a_column_of_another_type_says_nothing() -> None:
    item = only("1,,lamp,,,,,,,,,,,,")
    assert set(pairs(item.input["attributes"]).values()) == {None}
    assert "options" not in item.input
    item = only("1,,table,,T,1.00,EUR,,oak,,,,,,")
    assert "attributes" not in item.input
    assert item.input["variants"][0]["attributes"] == [{"key": "power", "value": "oak"}]
    item = only("1,Card,,,,,,,,,,,,,")
    assert item.input == {"externalReference": "1", "name": "Card", "variants": []}


def test_a_cell_says_the_options_themselves() -> None:
    item = only("1,Lamp,lamp,size=Size:S|M|L,L-S,9.00,EUR,S,,,,,,,")
    assert item.input["options"] == [{"key": "size", "name": "Size", "values": ["S", "M", "L"]}]


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        ("1,,lamp,,,,,,forty,,,,,,", "attribute.power", "BAD_NUMBER"),
        ("1,,lamp,,,,,,,,yes,,,,", "attribute.dimmable", "BAD_VALUE"),
        ("1,,lamp,,,,,,,,,2026-02-30,,,", "attribute.since", "BAD_VALUE"),
        ("1,,lamp,,,,,,,,,31.1.2026,,,", "attribute.since", "BAD_VALUE"),
        ("1,,lamp,,,,,,,,,,19.90,,", "attribute.deposit", "BAD_NUMBER"),
        ("1,,lamp,,,,,,,,,,19.999 EUR,,", "attribute.deposit", "BAD_NUMBER"),
        ("1,,lamp,,,,,,,,,,19.90 XXQ,,", "attribute.deposit", "UNKNOWN_CURRENCY"),
        ("1,,lamp,,,,,,,,,,99999999999 EUR,,", "attribute.deposit", "MONEY_OVERFLOW"),
        ("1,,lamp,,,,,,,,,,,2.5,", "attribute.sockets", "BAD_NUMBER"),
        ("1,,lamp,size,,,,,,,,,,,", "options", "BAD_VALUE"),
        ("1,,lamp,,,,,,,,,,,,400", "sku", "MISSING_VALUE"),
        ("1,,lamp,,,,,S,,,,,,,", "sku", "MISSING_VALUE"),
        ("1,,chair,,,,,,1,,,,,,", "productType", "UNKNOWN_PRODUCT_TYPE"),
        ("1,,,,,,,,1,,,,,,", "productType", "MISSING_VALUE"),
        ("1,,table,,T,1.00,EUR,,,hall,,,,,", "attribute.rooms", "UNKNOWN_ATTRIBUTE"),
    ],
)
def test_a_wrong_cell_has_its_line_and_column(row: str, column: str, code: str) -> None:
    found = only(row)
    assert isinstance(found, Problem), found
    assert (found.line, found.column, found.code, found.reference) == (2, column, code, "1")


def test_a_further_row_repeats_the_products_values_or_leaves_them_empty() -> None:
    found = only("1,,lamp,,L-S,9.00,EUR,,40,,,,,,", "1,,lamp,,L-M,9.00,EUR,,40,,,,,,")
    assert isinstance(found, Item)
    found = only("1,,lamp,,L-S,9.00,EUR,,40,,,,,,", "1,,,,L-M,9.00,EUR,,41,,,,,,")
    assert (found.line, found.column, found.code) == (3, "attribute.power", "DIFFERENT_VALUE")
    found = only("1,,lamp,,L-S,9.00,EUR,,40,,,,,,", "1,,table,,L-M,9.00,EUR,,,,,,,,")
    assert (found.line, found.column, found.code) == (3, "productType", "DIFFERENT_VALUE")


def test_what_the_store_says_of_a_value_has_its_line_and_column() -> None:
    item = only("1,Lamp,lamp,,L-S,9.00,EUR,S,40,,,,,,400", "1,,,,L-M,9.00,EUR,M,,,,,,,401")
    assert item.place_of("attributes.0.value") == (2, "attribute.power")
    assert item.place_of("attributes.1.value.0") == (2, "attribute.rooms")
    assert item.place_of("variants.1.attributes.0.value") == (3, "attribute.ean")
    assert item.place_of("variants.1.options.0") == (3, "option.size")
    assert item.place_of("variants.1.options") == (3, "options")
    assert item.place_of("variants.0.priceMinor") == (2, "price")
    assert item.place_of("productType") == (2, "productType")
    assert item.place_of("attributes.99.value") == (2, "attributes.99.value")


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("name.", "UNKNOWN_COLUMN"),
        ("custom.", "UNKNOWN_COLUMN"),
        ("seo.titel", r"Did you mean 'seo\.title'"),
        ("attribute.", "UNKNOWN_COLUMN"),
        ("productTyp", "Did you mean 'productType'"),
    ],
)
def test_a_column_that_a_file_cannot_have_says_what_to_use(column: str, said: str) -> None:
    with pytest.raises(FileUnusable, match=said):
        read(f"externalReference,{column}\n")


def test_the_header_is_bounded_and_names_attributes_that_there_are() -> None:
    with pytest.raises(FileUnusable, match="sku"):
        read("externalReference,option.size\n")
    many = ",".join(f"attribute.a{n}" for n in range(COLUMNS_MAX))
    with pytest.raises(FileUnusable, match="TOO_MANY_COLUMNS"):
        read(f"externalReference,{many}\n")
    header = read_header(Lines(io.BytesIO(b"externalReference,productType,attribute.powr\n")))
    with pytest.raises(FileUnusable, match=r"Did you mean 'attribute\.power'"):
        require_attributes(header, TYPES)


TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1)


@settings(deadline=None)  # a busy machine is no finding
@given(st.lists(TEXTS, min_size=1))
def test_every_list_of_texts_survives_a_cell(texts: list[str]) -> None:
    assert read_cell(TYPES["lamp"]["rooms"], write_cell("TEXT", texts)) == texts


@settings(deadline=None)  # a busy machine is no finding
@given(st.integers(-(2**31) + 1, 2**31 - 1), st.sampled_from(["EUR", "JPY", "BHD"]))
def test_every_amount_survives_a_cell(minor: int, currency: str) -> None:
    money = {"amountMinor": minor, "currency": currency}
    assert read_cell(TYPES["lamp"]["deposit"], write_cell("MONEY", money)) == money


@settings(deadline=None)  # a busy machine is no finding
@given(st.lists(st.tuples(TEXTS.map(str.strip).filter(bool), TEXTS.map(str.strip).filter(bool),
                          st.lists(TEXTS, min_size=1)), min_size=1))  # fmt: skip
def test_all_options_survive_a_cell(options: list[tuple[str, str, list[str]]]) -> None:
    given = [{"key": key, "name": name, "values": values} for key, name, values in options]
    assert read_options(write_options(given)) == given
