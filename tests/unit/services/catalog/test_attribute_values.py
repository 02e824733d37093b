"""Values of attributes: what is taken, how it is kept, and that its written form sorts as the values do."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoa.kernel.errors import KokoaError
from kokoa.services.catalog.types.definitions import loosens, read_definitions
from kokoa.services.catalog.types.model import AttributeDefinition, EnumValue
from kokoa.services.catalog.types.values import (
    checked,
    display,
    sorted_money,
    sorted_number,
    sorted_text,
    sorted_values,
    written_decimal,
)

PRODUCT = "0193f000-0000-7000-8000-000000000001"
SIZES = (EnumValue("S", "Small"), EnumValue("M", "Medium"))


def definition(kind: str, **rules: Any) -> AttributeDefinition:
    return AttributeDefinition("it", "It", kind, **rules)  # type: ignore[arg-type]  # tests name them as text


@pytest.mark.parametrize(
    ("kind", "given", "kept", "shown"),
    [
        ("TEXT", "brass", "brass", "brass"),
        ("NUMBER", 12.5, "12.5", "12.5"),
        ("NUMBER", "12.50", "12.5", "12.5"),
        ("NUMBER", 1e-7, "0.0000001", "0.0000001"),
        ("NUMBER", -0.0, "0", "0"),
        ("NUMBER", 1200, "1200", "1200"),
        ("NUMBER", "007", "7", "7"),
        ("INTEGER", 40, 40, "40"),
        ("INTEGER", 40.0, 40, "40"),
        ("BOOLEAN", True, True, "true"),
        ("DATE", "2026-02-28", "2026-02-28", "2026-02-28"),
        ("ENUM", "M", "M", "Medium"),
        ("MONEY", {"amountMinor": 1990, "currency": "EUR"}, {"amountMinor": 1990, "currency": "EUR"}, "19.90 EUR"),
        ("MONEY", {"amountMinor": -5, "currency": "JPY"}, {"amountMinor": -5, "currency": "JPY"}, "-5 JPY"),
        ("REFERENCE", PRODUCT.upper(), PRODUCT, PRODUCT),
    ],
)
def test_values_are_kept_in_one_form(kind: str, given: Any, kept: Any, shown: str) -> None:
    wanted = definition(kind, values=SIZES if kind == "ENUM" else ())
    found = checked(wanted, given, "value")
    assert (found, type(found)) == (kept, type(kept))
    assert display(wanted, found) == shown
    assert checked(wanted, found, "value") == found, "what is kept is a value too"


@pytest.mark.parametrize(
    ("rules", "given", "code"),
    [
        ({"kind": "TEXT"}, 5, "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "TEXT"}, "a\x00b", "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "TEXT"}, "a\ud800b", "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "TEXT"}, "x" * 10_001, "ATTRIBUTE_OUT_OF_RANGE"),
        ({"kind": "TEXT", "min_length": 3}, "ab", "ATTRIBUTE_OUT_OF_RANGE"),
        ({"kind": "TEXT", "max_length": 1}, "ab", "ATTRIBUTE_OUT_OF_RANGE"),
        ({"kind": "TEXT", "pattern": "[A-Z]{2}-[0-9]+"}, "AB-12\n", "PATTERN_NOT_MATCHED"),
        ({"kind": "NUMBER"}, True, "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "NUMBER"}, "12,5", "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "NUMBER"}, "1e9", "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "NUMBER"}, "NaN", "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "NUMBER"}, float("inf"), "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "NUMBER"}, 1e300, "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "NUMBER"}, 10**4000, "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "NUMBER"}, "0." + "1" * 5000, "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "NUMBER", "min": "10"}, 9.999, "ATTRIBUTE_OUT_OF_RANGE"),
        ({"kind": "NUMBER", "max": "10"}, "10.000000001", "ATTRIBUTE_OUT_OF_RANGE"),
        ({"kind": "INTEGER"}, 1.5, "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "INTEGER"}, "1", "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "INTEGER"}, 2**31, "ATTRIBUTE_OUT_OF_RANGE"),
        ({"kind": "BOOLEAN"}, "true", "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "DATE"}, "2026-02-30", "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "DATE"}, "20260228", "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "DATE", "max": "2026-01-01"}, "2026-01-02", "ATTRIBUTE_OUT_OF_RANGE"),
        ({"kind": "ENUM", "values": SIZES}, "XL", "UNKNOWN_ENUM_VALUE"),
        ({"kind": "ENUM", "values": SIZES}, 5, "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "MONEY"}, 1990, "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "MONEY"}, {"amountMinor": 1}, "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "MONEY"}, {"amountMinor": 1, "currency": "QQQ"}, "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "MONEY"}, {"amountMinor": 1.5, "currency": "EUR"}, "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "MONEY", "min": 100}, {"amountMinor": 99, "currency": "EUR"}, "ATTRIBUTE_OUT_OF_RANGE"),
        ({"kind": "REFERENCE"}, "not-an-id", "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "REFERENCE"}, 7, "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "REFERENCE"}, PRODUCT, "UNKNOWN_REFERENCE"),
        ({"kind": "TEXT", "list": True}, "alone", "WRONG_ATTRIBUTE_VALUE"),
        ({"kind": "TEXT", "list": True}, ["a", "a"], "ATTRIBUTE_GIVEN_TWICE"),
        ({"kind": "TEXT", "list": True, "max_values": 1}, ["a", "b"], "ATTRIBUTE_OUT_OF_RANGE"),
        ({"kind": "INTEGER", "list": True}, [1, [2]], "WRONG_ATTRIBUTE_VALUE"),
    ],
)
def test_each_kind_of_wrong_value_is_named(rules: dict[str, Any], given: Any, code: str) -> None:
    with pytest.raises(KokoaError) as raised:
        checked(definition(rules.pop("kind"), **rules), given, "attributes.0.value", references=())
    assert raised.value.code == code
    assert getattr(raised.value, "field", "").startswith("attributes.0.value")


@given(st.lists(st.decimals(-(10**14), 10**14, allow_nan=False, places=9), min_size=2))
def test_numbers_sort_as_they_are_written(numbers: list[Decimal]) -> None:
    assert sorted(map(sorted_number, numbers)) == [sorted_number(one) for one in sorted(numbers)]
    assert all(Decimal(written_decimal(one)) == one for one in numbers)


@given(st.lists(st.integers(-(2**31) + 1, 2**31 - 1), min_size=2))
def test_amounts_of_one_currency_sort_as_they_are_written(amounts: list[int]) -> None:
    def written(amount: int) -> str:
        return sorted_money({"amountMinor": amount, "currency": "EUR"})

    assert sorted(map(written, amounts)) == [written(one) for one in sorted(amounts)]


def test_long_texts_are_told_apart_and_short_enough_for_an_index() -> None:
    one, other = "ä" * 9_999 + "a", "ä" * 9_999 + "b"
    assert sorted_text(one) != sorted_text(other)
    assert len(sorted_text(one).encode()) < 1_000
    assert sorted_values(definition("TEXT", list=True), ["b", "a"]) == ["=b", "=a"]


def test_a_pattern_that_would_take_a_backtracking_engine_for_ever_is_matched_at_once() -> None:
    wanted = read_definitions([{"key": "it", "name": "It", "type": "TEXT", "pattern": "(a+)+b"}])[0]
    with pytest.raises(KokoaError) as raised:
        checked(wanted, "a" * 10_000, "value")
    assert raised.value.code == "PATTERN_NOT_MATCHED"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"key": "1st"}, "key"),
        ({"key": "__mine"}, "key"),
        ({"key": "a\x00"}, "key"),
        ({"name": ""}, "name"),
        ({"min": 1}, "min"),
        ({"type": "NUMBER", "min": 5, "max": 4}, "min"),
        ({"type": "NUMBER", "max": "much"}, "max"),
        ({"type": "MONEY", "min": {"amountMinor": 1, "currency": "EUR"}}, "min"),
        ({"pattern": "(?=a)b"}, "pattern"),
        ({"pattern": r"(a)\1"}, "pattern"),
        ({"pattern": "("}, "pattern"),
        ({"pattern": "((a{1,100}){1,100}){1,100}"}, "pattern"),
        ({"min_length": 5, "max_length": 4}, "minLength"),
        ({"max_length": 10_001}, "maxLength"),
        ({"max_values": 5}, "maxValues"),
        ({"type": "MONEY", "list": True}, "list"),
        ({"type": "BOOLEAN", "unique": True}, "unique"),
        ({"type": "ENUM"}, "values"),
        ({"type": "ENUM", "values": [{"key": "a"}, {"key": "a"}]}, "values.1.key"),
        ({"type": "ENUM", "values": [{"key": str(n)} for n in range(1_001)]}, "values"),
        ({"default": "x"}, "default"),
        ({"required": True, "type": "INTEGER", "default": "x"}, "default"),
        ({"required": True, "unique": True, "default": "x"}, "default"),
    ],
)
def test_definitions_that_make_no_sense_are_refused(change: dict[str, Any], field: str) -> None:
    wrong = {"key": "it", "name": "It", "type": "TEXT", **change}
    with pytest.raises(KokoaError) as raised:
        read_definitions([{"key": "other", "name": "Other", "type": "TEXT"}, wrong])
    assert raised.value.code == "INVALID_PRODUCT_TYPE"
    assert getattr(raised.value, "field", "") == f"attributes.1.{field}"


def test_bounds_of_a_type_hold() -> None:
    many = [{"key": f"a{n}", "name": "A", "type": "TEXT"} for n in range(101)]
    for wrong in (many, [*many[:1], *many[:1]]):
        with pytest.raises(KokoaError) as raised:
            read_definitions(wrong)
        assert raised.value.code == "INVALID_PRODUCT_TYPE"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"type": "NUMBER", "min": 5}, {"type": "NUMBER", "min": "4.5"}, True),
        ({"type": "NUMBER", "min": 5}, {"type": "NUMBER", "min": 6}, False),
        ({"type": "NUMBER"}, {"type": "NUMBER", "max": 6}, False),
        ({"type": "DATE", "max": "2026-01-01"}, {"type": "DATE", "max": "2027-01-01"}, True),
        ({"type": "TEXT", "max_length": 5}, {"type": "TEXT"}, True),
        ({"type": "TEXT"}, {"type": "TEXT", "pattern": "a"}, False),
        ({"type": "TEXT", "pattern": "a"}, {"type": "TEXT"}, True),
        ({"type": "TEXT"}, {"type": "TEXT", "required": True}, False),
        ({"type": "TEXT", "required": True}, {"type": "TEXT"}, True),
        ({"type": "TEXT"}, {"type": "TEXT", "unique": True}, False),
        ({"type": "INTEGER"}, {"type": "NUMBER"}, False),
        ({"type": "ENUM", "values": [{"key": "a"}]}, {"type": "ENUM", "values": [{"key": "b"}, {"key": "a"}]}, True),
        ({"type": "ENUM", "values": [{"key": "a"}]}, {"type": "ENUM", "values": [{"key": "b"}]}, False),
        ({"type": "TEXT"}, {"type": "TEXT", "level": "VARIANT"}, False),
    ],
)
def test_what_allows_more_than_before_needs_no_look_at_products(
    before: dict[str, Any], after: dict[str, Any], expected: bool
) -> None:
    old, new = (read_definitions([{"key": "it", "name": "It", **one}]) for one in (before, after))
    assert loosens(old, new) is expected
