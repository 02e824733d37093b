"""`kokoa import stock` against a running store: what it sets, what it says of wrong rows, how it goes on."""

import json
from pathlib import Path
from typing import Any

import pytest
from partners import Environment, new_environment
from running import RunningStore
from test_imports import kokoa, noted

SEEN = "query($sku: String!) { stockItem(sku: $sku) { onHand movements { reason } levels { location onHand } } }"
SOLD = """mutation($sku: String!) { adjustStock(input: {sku: $sku, delta: -5, reason: LOST}) { onHand } }"""
LOCATION = """mutation { createStockLocation(input: {key: "attic", name: "Attic"}) { id } }"""


@pytest.fixture
def shop(store: RunningStore) -> Environment:
    return new_environment(store)


def seen(shop: Environment, sku: str) -> Any:
    return shop.graphql(SEEN, sku=sku).json["data"]["stockItem"]


def test_a_file_sets_what_is_on_hand_and_leaves_the_rest_alone(shop: Environment, tmp_path: Path) -> None:
    assert "errors" not in shop.graphql(LOCATION).json
    file = tmp_path / "count.csv"
    file.write_text("sku,onHand,location\nlamp,12,\nlamp,3,attic\nrug,0,\n")
    tried = kokoa(shop, "import", "stock", str(file), "--dry-run")
    assert b"Nothing was changed; this would be: 2 changed, 1 unchanged, 0 rows with errors" in tried.stdout
    assert seen(shop, "lamp") is None
    done = kokoa(shop, "import", "stock", str(file))
    assert b"2 changed, 1 unchanged, 0 rows with errors" in done.stdout
    found = seen(shop, "lamp")
    assert (found["onHand"], {one["reason"] for one in found["movements"]}) == (15, {"COUNTED"})
    assert sorted((one["location"], one["onHand"]) for one in found["levels"]) == [("attic", 3), ("default", 12)]
    again = kokoa(shop, "import", "stock", str(file))
    assert b"0 changed, 3 unchanged" in again.stdout
    lines = b'{"sku": "lamp", "onHand": 1}\n'
    done = kokoa(shop, "import", "stock", "-", "--format", "jsonl", stdin=lines)
    assert (b"1 changed, 0 unchanged" in done.stdout, seen(shop, "lamp")["onHand"]) == (True, 4)
    assert [path.name for path in tmp_path.iterdir()] == ["count.csv"]


def test_wrong_rows_are_named_and_all_others_are_set(shop: Environment, store: RunningStore, tmp_path: Path) -> None:
    file, errors = tmp_path / "count.csv", tmp_path / "errors.jsonl"
    file.write_text(f"sku,onHand,location\ngood,1,\nbad,many,\nbad,1,nowhere\n{'s' * 129},1,\ngood,2,\nlast,2,\n")
    for words in (("--dry-run",), ()):
        done = kokoa(shop, "import", "stock", str(file), "--errors", str(errors), *words, status=3)
        assert b"2 changed, 0 unchanged, 4 rows with errors" in done.stdout
        found = [json.loads(line) for line in errors.read_text().splitlines()]
        assert sorted((one["line"], one["column"], one["code"]) for one in found) == [
            (3, "onHand", "BAD_NUMBER"),
            (4, "location", "LOCATION_NOT_FOUND"),
            (5, "sku", "INVALID_SKU"),
            (6, "sku", "DUPLICATE_ROW"),
        ]
        assert b"line 3, onHand: 'many' is no whole number" in done.stderr
    assert (seen(shop, "good")["onHand"], seen(shop, "last")["onHand"], seen(shop, "bad")) == (1, 2, None)
    assert seen(new_environment(store), "good") is None
    file.write_text("sku,onhand\ngood,1\n")
    refused = kokoa(shop, "import", "stock", str(file), status=1)
    assert b"no column 'onhand' (UNKNOWN_COLUMN)" in refused.stderr


def test_a_batch_that_was_sent_and_not_noted_does_not_undo_what_was_sold_since(
    shop: Environment, tmp_path: Path
) -> None:
    file, journal = tmp_path / "count.csv", tmp_path / "count.csv.import-journal"
    rows = "sku,onHand\n" + "".join(f"s{n},20\n" for n in range(1_000))
    file.write_text(rows + 's1000,"')
    kokoa(shop, "import", "stock", str(file), status=1)
    assert (noted(journal), seen(shop, "s7")["onHand"]) == (1, 20)
    # As if it had died between the store's answer and its own note of it.
    journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0])
    assert shop.graphql(SOLD, sku="s7").json["data"]["adjustStock"]["onHand"] == 15
    file.write_text(rows + "s1000,20\n")
    done = kokoa(shop, "import", "stock", str(file), "--resume")
    assert b"1,001 changed, 0 unchanged" in done.stdout
    assert (seen(shop, "s7")["onHand"], seen(shop, "s1000")["onHand"], journal.exists()) == (15, 20, False)
    # Tomorrow's import of the same file is another one.
    done = kokoa(shop, "import", "stock", str(file))
    assert (b"1 changed, 1,000 unchanged" in done.stdout, seen(shop, "s7")["onHand"]) == (True, 20)


def test_a_journal_of_products_is_not_one_of_stock(shop: Environment, tmp_path: Path) -> None:
    file, journal = tmp_path / "products.csv", tmp_path / "journal"
    file.write_text('externalReference,name\n1,"')
    kokoa(shop, "import", "products", str(file), "--journal", str(journal), status=1)
    kept = journal.read_bytes()
    file.write_text("sku,onHand\na,1\n")
    words = ("import", "stock", str(file), "--journal", str(journal), "--resume")
    assert b"of other things" in kokoa(shop, *words, status=1).stderr
    assert (journal.read_bytes(), seen(shop, "a")) == (kept, None)
