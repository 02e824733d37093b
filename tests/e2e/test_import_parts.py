"""Translations, SEO and custom fields through the import and the export of products of a running store."""

import json
from pathlib import Path
from typing import Any

import pytest
from partners import Environment, new_environment
from running import RunningStore
from test_imports import ODD, PLAIN, exported, killed_after, kokoa, start_import

LOCALES = """mutation {
  setLocales(input: {default: "en", locales: [{code: "fi"}, {code: "de"}, {code: "de-CH"}]}) { code } }"""
DEFINE = "mutation($input: DefineCustomFieldInput!) { defineCustomField(input: $input) { key } }"
FIELDS: list[dict[str, Any]] = [
    {"key": "months", "type": "INT"},
    {"key": "weight", "type": "FLOAT"},
    {"key": "fragile", "type": "BOOLEAN"},
    {"key": "since", "type": "DATE"},
    {"key": "seen", "type": "DATE_TIME"},
    {"key": "size", "type": "ENUM", "enumValues": ["S", "M"]},
    {"key": "tags", "type": "STRING", "isList": True},
    {"key": "extra", "type": "JSON"},
    {"key": "many", "type": "JSON", "isList": True},
]
FULL = {
    **ODD,
    "externalReference": "full",
    "slug": "full",
    "variants": [{**ODD["variants"][0], "sku": "full-1"}, {**ODD["variants"][1], "sku": "full-2"}],  # type: ignore[index]
    "translations": {
        "fi": {"name": 'Sipsejä, "suolaisia"', "description": "Kaksi\nriviä", "slug": "sipseja"},
        "de-CH": {"name": "Chips", "seoTitle": "Chips kaufen", "seoDescription": "Viele, viele"},
    },
    "seo": {"title": "Chips", "description": "Buy\nthem", "canonicalPath": "/products/chips", "noIndex": True},
    "custom": {
        "months": 24,
        "weight": 1.5,
        "fragile": False,
        "since": "2026-01-31",
        "seen": "2026-01-31T12:00:00Z",
        "size": "M",
        "tags": ["a | b", "c\\"],
        "extra": {"ä": [1, None, "x"]},
        "many": [1, ["|"], "y"],
    },
}
SOME = {**PLAIN, "externalReference": "some", "slug": "some", "translations": {"fi": {"name": "Dippi"}}}
HIDDEN = {**PLAIN, "externalReference": "hidden", "slug": "hidden", "seo": {"noIndex": True}, "custom": {"weight": 2}}


def with_fields(environment: Environment) -> Environment:
    assert "errors" not in environment.graphql(LOCALES).json
    for one in FIELDS:
        assert "errors" not in environment.graphql(DEFINE, input={"on": "PRODUCT", **one}).json
    return environment


@pytest.fixture
def shop(store: RunningStore) -> Environment:
    return with_fields(new_environment(store))


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_texts_seo_and_custom_fields_are_exported_imported_elsewhere_and_exported_again_the_same(
    shop: Environment, store: RunningStore, tmp_path: Path, kind: str
) -> None:
    products = [FULL, SOME, HIDDEN, PLAIN]
    lines = b"\n".join(json.dumps(one).encode() for one in products)
    kokoa(shop, "import", "products", "-", "--format", "jsonl", stdin=lines)
    assert exported(shop) == sorted(products, key=lambda one: str(one["externalReference"]))
    first, second = tmp_path / f"first.{kind}", tmp_path / f"second.{kind}"
    kokoa(shop, "export", "products", str(first))
    other = with_fields(new_environment(store))
    done = kokoa(other, "import", "products", str(first))
    assert b"4 created, 0 updated, 0 unchanged, 0 rows with errors" in done.stdout
    kokoa(other, "export", "products", str(second))
    assert first.read_bytes() == second.read_bytes()
    assert exported(other) == exported(shop)
    again = kokoa(other, "import", "products", str(first))
    assert b"0 created, 0 updated, 4 unchanged" in again.stdout
    # A shop that has not these locales and fields says so before anything is changed, or row by row.
    bare = new_environment(store)
    status = 1 if kind == "csv" else 3
    refused = kokoa(bare, "import", "products", str(first), status=status)
    assert (b"this store has no locale" if kind == "csv" else b"UNKNOWN_LOCALE") in refused.stderr
    assert [one["externalReference"] for one in exported(bare)] == ([] if kind == "csv" else ["plain"])


def test_wrong_cells_are_reported_with_line_and_column_also_by_a_dry_run(shop: Environment, tmp_path: Path) -> None:
    header = (
        "externalReference,name,name.fi,slug.fi,seo.title,seo.canonicalPath,custom.months,custom.size,custom.tags"
    )
    rows = [
        "good,A,Aa,aa,T,/a,1,S,x|y",
        "taken,A,,aa,,,,,",
        f"long,A,{'x' * 201},,,,,,",
        f"huge,A,{'x' * 900_000},,,,,,",
        "path,A,,,,//evil,,,",
        "number,A,,,,,many,,",
        "range,A,,,,,2147483648,,",
        "option,A,,,,,,XL,",
        f"text,A,,,,,,,a|{'x' * 5_001}",
        "last,A,,,,,,,",
    ]
    file, errors = tmp_path / "texts.csv", tmp_path / "errors.jsonl"
    file.write_text("\n".join((header, *rows)))
    tried = kokoa(shop, "import", "products", str(file), "--dry-run", "--errors", str(errors), status=3)
    assert b"Nothing was changed; this would be: 2 created" in tried.stdout
    assert exported(shop) == []
    foreseen = errors.read_bytes()
    kokoa(shop, "import", "products", str(file), "--errors", str(errors), status=3)
    found = [json.loads(line) for line in errors.read_text().splitlines()]
    assert sorted((one["line"], one["column"], one["code"]) for one in found) == [
        (3, "slug.fi", "ALREADY_TAKEN"),
        (4, "name.fi", "INVALID_TRANSLATION"),
        (5, "name.fi", "INVALID_TRANSLATION"),
        (6, "seo.canonicalPath", "INVALID_SEO"),
        (7, "custom.months", "BAD_NUMBER"),
        (8, "custom.months", "INVALID_CUSTOM_VALUE"),
        (9, "custom.size", "INVALID_CUSTOM_VALUE"),
        (10, "custom.tags", "INVALID_CUSTOM_VALUE"),
    ]
    assert sorted(foreseen.splitlines()) == sorted(errors.read_bytes().splitlines())
    good, last = exported(shop)
    assert (good["translations"], good["seo"]) == (
        {"fi": {"name": "Aa", "slug": "aa"}},
        {"title": "T", "canonicalPath": "/a"},
    )
    assert good["custom"] == {"months": 1, "size": "S", "tags": ["x", "y"]}
    assert not {"translations", "seo", "custom"} & set(last)


def test_a_file_without_these_columns_leaves_them_alone_and_an_empty_cell_takes_away(shop: Environment) -> None:
    kokoa(shop, "import", "products", "-", "--format", "jsonl", stdin=json.dumps(FULL).encode())
    kokoa(shop, "import", "products", "-", "--format", "csv", stdin=b"externalReference,name\nfull,B\n")
    assert exported(shop) == [{**FULL, "name": "B"}]
    cells = b"externalReference,name.de-CH,seoTitle.de-CH,slug.fi,seo.title,seo.noIndex,custom.months\nfull,,,,,,\n"
    kokoa(shop, "import", "products", "-", "--format", "csv", stdin=cells)
    (after,) = exported(shop)
    assert after["translations"] == {
        "fi": {"name": 'Sipsejä, "suolaisia"', "description": "Kaksi\nriviä"},
        "de-CH": {"seoDescription": "Viele, viele"},
    }
    assert after["seo"] == {"description": "Buy\nthem", "canonicalPath": "/products/chips"}
    assert sorted(after["custom"]) == ["extra", "fragile", "many", "seen", "since", "size", "tags", "weight"]


MANY = ",".join(f'"x{chr(97 + n % 26)}{chr(97 + n // 26)}": {{}}' for n in range(60))
DEEP, DEEPER = (f"{'[' * depth}1{']' * depth}" for depth in (60, 400))
HOSTILE = [
    ('"translations": {"__proto__": {"name": "x"}}', "translations.__proto__", "INVALID_LOCALE"),
    ('"translations": {"sv": {"name": "x"}}', "translations.sv", "UNKNOWN_LOCALE"),
    ('"translations": {"en": {"name": "x"}}', "translations.en", "INVALID_LOCALE"),
    (f'"translations": {{{MANY}}}', "translations", "INVALID_TRANSLATION"),
    ('"translations": {"fi": {"name": "%s"}}' % ("x" * 1_000_000), "translations.fi.name", "INVALID_TRANSLATION"),
    ('"custom": {"__proto__": {"a": 1}}', "custom.__proto__", "UNKNOWN_CUSTOM_FIELD"),
    ('"custom": {"id": "x"}', "custom.id", "UNKNOWN_CUSTOM_FIELD"),
    ('"custom": {"months": {"$gt": 1}}', "custom.months", "INVALID_CUSTOM_VALUE"),
    (f'"custom": {{"extra": {DEEP}}}', "custom.extra", "INVALID_CUSTOM_VALUE"),
    (f'"custom": {{"extra": {DEEPER}}}', "", "INVALID_JSON"),
    ('"custom": {"tags": ["\\ud800"]}', "", "INVALID_JSON"),
    ('"custom": {"extra": "%s"}' % ("x" * 1_000_000), "custom.extra", "INVALID_CUSTOM_VALUE"),
]  # fmt: skip


def test_hostile_lines_fail_alone_and_another_tenants_field_is_unknown(
    shop: Environment, store: RunningStore, tmp_path: Path
) -> None:
    other = new_environment(store)
    assert "errors" not in other.graphql(DEFINE, input={"on": "PRODUCT", "key": "theirs", "type": "INT"}).json
    cases = [*HOSTILE, ('"custom": {"theirs": 1}', "custom.theirs", "UNKNOWN_CUSTOM_FIELD")]
    lines = [f'{{"externalReference": "h{n:02}", "name": "H", {more}}}' for n, (more, _, _) in enumerate(cases)]
    file, errors = tmp_path / "hostile.jsonl", tmp_path / "errors.jsonl"
    file.write_text("\n".join([*lines, json.dumps(SOME)]))
    kokoa(shop, "import", "products", str(file), "--errors", str(errors), status=3)
    found = {one["line"]: (one["column"], one["code"]) for one in map(json.loads, errors.read_text().splitlines())}
    assert found == {line: (column, code) for line, (_, column, code) in enumerate(cases, 1)}
    assert exported(shop) == [SOME]
    assert exported(other) == []


def test_an_import_with_these_columns_that_is_killed_goes_on_and_ends_with_exactly_the_file(
    shop: Environment, tmp_path: Path
) -> None:
    count, file = 4_000, tmp_path / "assortment.csv"
    journal = tmp_path / "assortment.csv.import-journal"
    with file.open("w") as out:
        out.write("externalReference,name,name.fi,slug.fi,seo.title,custom.months\n")
        out.writelines(f"{n:04},Chips {n},Sipsi {n},sipsi-{n},Buy {n},{n % 40}\n" for n in range(count))
    killed_after(start_import(shop, file), journal, 1)
    done = kokoa(shop, "import", "products", str(file), "--resume")
    assert not journal.exists()
    assert b" 0 rows with errors" in done.stdout
    found = exported(shop)
    assert [one["externalReference"] for one in found] == [f"{n:04}" for n in range(count)]
    for n, one in enumerate(found):
        assert one["translations"] == {"fi": {"name": f"Sipsi {n}", "slug": f"sipsi-{n}"}}
        assert (one["seo"], one["custom"]) == ({"title": f"Buy {n}"}, {"months": n % 40})
    again = kokoa(shop, "import", "products", str(file))
    assert b"0 created, 0 updated, 4,000 unchanged, 0 rows with errors" in again.stdout
