"""Texts of other locales, SEO and custom fields in files: what is read, and what is said of wrong ones."""

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokoa.cli.products.cells import Definition, read_cell, write_custom
from kokoa.cli.products.errors import FileUnusable
from kokoa.cli.products.model import Item, Problem, json_item
from kokoa.cli.products.parts import StoreParts, part_columns
from kokoa.cli.products.reading import COLUMNS_MAX, Lines, read_header, read_items
from kokoa.cli.products.writing import ColumnsSeen, csv_head, csv_rows, json_rows

KINDS = {
    "months": "INT",
    "weight": "FLOAT",
    "fragile": "BOOLEAN",
    "since": "DATE",
    "seen": "DATE_TIME",
    "size": "ENUM",
    "extra": "JSON",
    "note": "STRING",
}
FIELDS = {key: Definition(key, kind, "PRODUCT", False) for key, kind in KINDS.items()}
FIELDS["tags"] = Definition("tags", "STRING", "PRODUCT", True)
FIELDS["many"] = Definition("many", "JSON", "PRODUCT", True)
STORE = StoreParts("en", ["de", "de-CH"], FIELDS)
HEADER = "externalReference,name,name.de,slug.de,name.de-CH,seo.title,seo.noIndex,sku,price,currency"


def read(content: str) -> list[Item | Problem]:
    lines = Lines(io.BytesIO(content.encode()))
    header = read_header(lines)
    return list(read_items(lines, "csv", header, None, part_columns(header, STORE)))


def only(*rows: str, header: str = HEADER) -> Any:
    (found,) = read("\n".join((header, *rows)))
    return found


def custom(**cells: str) -> Any:
    quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells.values()]
    header = ",".join(("externalReference", *(f"custom.{key}" for key in cells)))
    return only(",".join(("1", *quoted)), header=header)


def test_cells_of_a_product_are_in_its_first_row_and_empty_ones_take_away() -> None:
    item = only("1,Chair,Stuhl,stuhl,,Chairs,true,a,1.00,EUR", "1,,,,,,,b,2.00,EUR")
    assert isinstance(item, Item), item
    assert item.input["translations"] == [
        {"locale": "de", "name": "Stuhl", "slug": "stuhl"},
        {"locale": "de-CH", "name": None},
    ]
    assert item.input["seo"] == {"title": "Chairs", "noIndex": True}
    assert "custom" not in item.input
    item = only("1,Chair,,,,,,,,")
    assert item.input["translations"][0] == {"locale": "de", "name": None, "slug": None}
    assert item.input["seo"] == {"title": None, "noIndex": None}
    found = only("1,Chair,Stuhl,,,,,a,1.00,EUR", "1,,Tisch,,,,,b,2.00,EUR")
    assert (found.line, found.column, found.code) == (3, "name.de", "DIFFERENT_VALUE")


def test_cells_of_custom_fields_are_read_by_their_types() -> None:
    cells = {"months": "24", "weight": "1.5e2", "fragile": "FALSE", "since": "2026-01-31", "size": "S", "note": ""}
    more = {"seen": "2026-01-31T12:00:00+02:00", "extra": '{"a": [1, null]}', "tags": "a|b \\| c", "many": "1|[2]"}
    assert {one["key"]: one["value"] for one in custom(**cells, **more).input["custom"]} == {
        "months": 24,
        "weight": 150.0,
        "fragile": False,
        "since": "2026-01-31",
        "size": "S",
        "note": None,
        "seen": "2026-01-31T12:00:00+02:00",
        "extra": {"a": [1, None]},
        "tags": ["a", "b | c"],
        "many": [1, [2]],
    }


@pytest.mark.parametrize(
    ("key", "cell", "code"),
    [
        ("months", "2.5", "BAD_NUMBER"),
        ("months", "99999999999", "BAD_NUMBER"),
        ("weight", "heavy", "BAD_NUMBER"),
        ("weight", "nan", "BAD_NUMBER"),
        ("weight", "1e999", "BAD_NUMBER"),
        ("fragile", "yes", "BAD_VALUE"),
        ("since", "31.1.2026", "BAD_VALUE"),
        ("seen", "2026-01-31T12:00:00", "BAD_VALUE"),
        ("seen", "noon", "BAD_VALUE"),
        ("extra", "{a: 1}", "BAD_VALUE"),
        ("extra", "[" * 100_000, "BAD_VALUE"),
        ("many", "1|{", "BAD_VALUE"),
    ],
)
def test_a_wrong_cell_has_its_line_and_column(key: str, cell: str, code: str) -> None:
    found = custom(**{key: cell})
    assert isinstance(found, Problem), found
    assert (found.line, found.column, found.code, found.reference) == (2, f"custom.{key}", code, "1")
    assert len(found.message) < 200


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("name.fi", "this store has no locale 'fi'"),
        ("name.de-ch", r"Did you mean 'name\.de-CH'"),
        ("name.en", "the default locale, whose texts are in the column 'name'"),
        ("custom.month", r"no custom field 'month'.*Did you mean 'custom\.months'"),
        ("custom.__proto__", "no custom field '__proto__'"),
        ("custom.id", "no custom field 'id'"),
        ("name." + "x" * 900_000, "UNKNOWN_COLUMN"),
    ],
)
def test_a_locale_or_a_field_that_the_store_has_not_is_no_column(column: str, said: str) -> None:
    with pytest.raises(FileUnusable, match=said) as refused:
        read(f"externalReference,{column}\n")
    assert len(refused.value.message) < 300


def test_another_stores_fields_are_no_columns() -> None:
    with pytest.raises(FileUnusable, match="no custom field 'months'"):
        part_columns(["externalReference", "custom.months"], StoreParts("en", ["de"], {}))


def test_what_the_store_says_has_its_line_and_column() -> None:
    item = only("1,Chair,Stuhl,stuhl,,Chairs,true,a,1.00,EUR")
    places = {
        "translations.0.slug": "slug.de",
        "translations.1.locale": "name.de-CH",
        "translations.9.name": "translations.9.name",
        "translations.0": "name.de",
        "translations": "translations",
        "seo.title": "seo.title",
        "variants.0": "sku",
        "variants": "sku",
    }
    assert {path: item.place_of(path) for path in places} == {path: (2, name) for path, name in places.items()}
    item = custom(months="1", note="x")
    assert item.place_of("custom.1.key") == (2, "custom.note")
    assert item.place_of("custom.note.1") == (2, "custom.note")
    assert item.place_of("custom") == (2, "custom")
    line = {"externalReference": "1", "translations": {"de": {"name": "x"}}, "custom": {"a": 1, "b": 2}}
    found = json_item(7, json.dumps(line).encode())
    assert isinstance(found, Item)
    assert found.place_of("translations.0.name") == (7, "translations.de.name")
    assert found.place_of("translations.0.locale") == (7, "translations.de")
    assert found.place_of("custom.1.key") == (7, "custom.b")
    assert found.place_of("custom.a") == (7, "custom.a")


def test_a_line_of_json_names_locales_and_fields_and_what_it_does_not_name_stays() -> None:
    line = {
        "externalReference": "1",
        "translations": {"de": {"name": "Stuhl", "slug": None}, "rm": None},
        "seo": {"canonicalPath": "/a", "noIndex": False},
        "custom": {"months": None, "__proto__": 1},
    }
    item = json_item(1, json.dumps(line).encode())
    assert isinstance(item, Item), item
    nothing = {"name": None, "description": None, "slug": None, "seoTitle": None, "seoDescription": None}
    assert item.input == {
        "externalReference": "1",
        "translations": [{"locale": "de", "name": "Stuhl", "slug": None}, {"locale": "rm", **nothing}],
        "seo": {"canonicalPath": "/a", "noIndex": False},
        "custom": [{"key": "months", "value": None}, {"key": "__proto__", "value": 1}],
    }
    empty = json_item(1, b'{"externalReference": "1", "translations": null, "seo": null, "custom": null}')
    assert isinstance(empty, Item)
    assert empty.input == {"externalReference": "1"}


@pytest.mark.parametrize(
    ("more", "column", "code"),
    [
        ('"translations": {"de": {"title": "x"}}', "translations[...].title", "UNKNOWN_COLUMN"),
        ('"translations": {"de": {"name": 1}}', "translations[...].name", "BAD_VALUE"),
        ('"translations": [{"locale": "de"}]', "translations", "BAD_VALUE"),
        ('"seo": {"titel": "x"}', "seo.titel", "UNKNOWN_COLUMN"),
        ('"seo": {"noIndex": "yes"}', "seo.noIndex", "BAD_VALUE"),
        ('"custom": [1]', "custom", "BAD_VALUE"),
        (f'"custom": {{"a": {"[" * 100_000}{"]" * 100_000}}}', "", "INVALID_JSON"),
    ],
)
def test_a_wrong_line_of_json_has_its_place(more: str, column: str, code: str) -> None:
    found = json_item(3, f'{{"externalReference": "1", {more}}}'.encode())
    assert isinstance(found, Problem), found
    assert (found.line, found.column, found.code) == (3, column, code)


def exported(**more: Any) -> dict[str, Any]:
    texts = {"description": None, "slug": None, "seoTitle": None, "seoDescription": None}
    return {
        **{
            "id": "i",
            "externalReference": "1",
            "name": "Chair",
            "slug": "chair",
            "description": "",
            "category": None,
        },
        **{"status": "DRAFT", "productType": None, "attributes": [], "options": [], "variants": []},
        "translations": [{"locale": "de-CH", "name": "Stuehli", **texts}, {"locale": "de", "name": "Stuhl", **texts}],
        "ownSeo": {"title": "Chairs", "description": None, "canonicalPath": None, "noIndex": False},
        **more,
    }


def test_an_export_has_the_columns_that_any_product_needs_and_reads_them_again() -> None:
    values = {"months": 24, "weight": 1.5, "fragile": False, "extra": ["a"], "tags": ["a|b", "c"], "note": None}
    products = [exported(custom=values), exported(externalReference="2", translations=[], ownSeo=None, custom={})]
    seen = ColumnsSeen(FIELDS)
    for one in products:
        seen.add(one)
    columns = seen.columns()
    parts = "name.de,name.de-CH,seo.title,custom.extra,custom.fragile,custom.months,custom.tags,custom.weight"
    assert csv_head(columns).decode().strip().endswith(f",currency,{parts}")
    text = csv_head(columns) + b"".join(csv_rows(one, columns) for one in products)
    first, second = read(text.decode())
    assert isinstance(first, Item)
    assert isinstance(second, Item)
    assert first.input["translations"] == [{"locale": "de", "name": "Stuhl"}, {"locale": "de-CH", "name": "Stuehli"}]
    assert first.input["seo"] == {"title": "Chairs"}
    assert {one["key"]: one["value"] for one in first.input["custom"]} == {
        k: v for k, v in values.items() if v is not None
    }
    assert {one["value"] for one in second.input["custom"]} == {None}
    lines = json_rows(products).splitlines()
    assert json.loads(lines[0])["custom"] == {key: value for key, value in values.items() if value is not None}
    assert json.loads(lines[0])["translations"]["de"] == {"name": "Stuhl"}
    assert not {"translations", "seo", "custom"} & set(json.loads(lines[1]))


def test_an_export_with_too_many_columns_says_what_to_use() -> None:
    seen = ColumnsSeen({})
    with pytest.raises(FileUnusable, match="--format jsonl"):
        seen.add(exported(custom={f"a{n}": 1 for n in range(COLUMNS_MAX)}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(blacklist_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(blacklist_categories=["Cs"])), inner),
    max_leaves=10,
)  # fmt: skip


@settings(deadline=None)  # a busy machine is no finding
@given(JSON.filter(lambda value: value is not None), st.lists(JSON, min_size=1))
def test_every_json_survives_a_cell(value: Any, values: list[Any]) -> None:
    assert read_cell(FIELDS["extra"], write_custom(FIELDS["extra"], value)) == value
    assert read_cell(FIELDS["many"], write_custom(FIELDS["many"], values)) == values


@settings(deadline=None)  # a busy machine is no finding
@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**16), 10**16))
def test_every_number_survives_a_cell(value: float) -> None:
    found = read_cell(FIELDS["weight"], write_custom(FIELDS["weight"], value))
    assert (found, type(found)) == (value, type(value))
