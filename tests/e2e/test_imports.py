"""`kokoa import products` and `kokoa export products` against a running store, also through kills."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from partners import Environment, new_environment
from running import POLL_S, VENV_BIN, RunningStore, free_port, store_up, until
from test_crashes import kill

COUNT = 12_000
WITHIN_S = 180


def settings_of(environment: Environment) -> dict[str, str]:
    """As the shell of somebody who has the tenant's secrets."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KOKOA_"))}
    secrets = environment.secrets
    return {
        **clean,
        "KOKOA_URL": environment.store.url,
        "KOKOA_TENANT_ID": secrets["X-Tenant-ID"],
        "KOKOA_TENANT_SECRET": secrets["X-Tenant-Secret"],
        "KOKOA_GRAPHQL_SECRET": secrets["X-GraphQL-Secret"],
    }


def kokoa(
    environment: Environment, *words: str, stdin: bytes = b"", status: int = 0, **more: str
) -> "subprocess.CompletedProcess[bytes]":
    """Run the command, which must end with the status."""
    done = subprocess.run(
        [str(VENV_BIN / "kokoa"), *words],
        env={**settings_of(environment), **more},
        input=stdin,
        capture_output=True,
        timeout=WITHIN_S,
    )
    assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout!r}\n{done.stderr!r}"
    return done


@pytest.fixture
def shop(store: RunningStore) -> Environment:
    return new_environment(store)


def exported(environment: Environment) -> list[dict[str, Any]]:
    """All products, as the export writes them."""
    done = kokoa(environment, "export", "products", "-", "--format", "jsonl")
    return [json.loads(line) for line in done.stdout.splitlines()]


ODD = {
    "externalReference": "odd > 1",
    "name": 'Chips, "salted"',
    "slug": "odd-chips",
    "description": "Two\nlines, ünd \U0001f35f",
    "category": ["Grocery > dry", "Snacks \\ more", "Chips"],
    "status": "ARCHIVED",
    "variants": [
        {"sku": "o-s", "name": "", "priceMinor": 120, "currency": "EUR"},
        {"sku": "o-l", "name": "Large, 1 kg", "priceMinor": 1500, "currency": "JPY"},
        {"sku": "o-b", "name": "In Bahrain", "priceMinor": 1234, "currency": "BHD"},
    ],
}
PLAIN = {
    "externalReference": "plain",
    "name": "Dip",
    "slug": "dip",
    "description": "",
    "category": [],
    "status": "PUBLISHED",
    "variants": [],
}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_export_is_imported_elsewhere_and_exported_again_the_same(
    shop: Environment, store: RunningStore, tmp_path: Path, kind: str
) -> None:
    products = [ODD, PLAIN, *({**PLAIN, "externalReference": f"r{n}", "slug": f"r{n}"} for n in range(230))]
    lines = b"\n".join(json.dumps(one).encode() for one in products)
    kokoa(shop, "import", "products", "-", "--format", "jsonl", stdin=lines)
    first, second = tmp_path / f"first.{kind}", tmp_path / f"second.{kind}"
    kokoa(shop, "export", "products", str(first))
    other = new_environment(store)
    done = kokoa(other, "import", "products", str(first))
    assert b"232 created, 0 updated, 0 unchanged, 0 rows with errors" in done.stdout
    kokoa(other, "export", "products", str(second))
    assert first.read_bytes() == second.read_bytes()
    assert exported(other) == sorted(products, key=lambda one: str(one["externalReference"]))
    again = kokoa(other, "import", "products", str(first))
    assert b"0 created, 0 updated, 232 unchanged" in again.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == [first.name, second.name]


CREATE_TYPE = """mutation Create($input: CreateProductTypeInput!) {
  createProductType(input: $input) { id version } }"""
LAMP = {
    "key": "lamp",
    "name": "Lamp",
    "attributes": [
        {"key": "power", "name": "Power", "type": "NUMBER", "max": 100},
        {"key": "dimmable", "name": "Dimmable", "type": "BOOLEAN"},
        {"key": "since", "name": "Since", "type": "DATE"},
        {"key": "material", "name": "Material", "type": "ENUM", "values": [{"key": "brass"}, {"key": "oak"}]},
        {"key": "deposit", "name": "Deposit", "type": "MONEY"},
        {"key": "rooms", "name": "Rooms", "type": "TEXT", "list": True},
        {"key": "ean", "name": "EAN", "type": "TEXT", "level": "VARIANT", "unique": True},
    ],
}
TYPED = {
    **ODD,
    "externalReference": "lamp",
    "slug": "lamp",
    "productType": "lamp",
    "attributes": {
        "power": "40.5",
        "dimmable": False,
        "since": "2026-01-31",
        "material": "oak",
        "deposit": {"amountMinor": -1990, "currency": "EUR"},
        "rooms": ["hall", "a | b\\"],
    },
    "options": [{"key": "si=ze", "name": "Size: or so", "values": ["S", "M;|", "L"]}],
    "variants": [
        {"sku": "l-s", "name": "Small", "priceMinor": 120, "currency": "EUR", "attributes": {"ean": "400"},
         "options": {"si=ze": "S"}},
        {"sku": "l-m", "name": "", "priceMinor": 120, "currency": "EUR", "options": {"si=ze": "M;|"}},
    ],
}  # fmt: skip
WEIGHED = {
    **PLAIN,
    "externalReference": "weighed",
    "slug": "weighed",
    "variants": [
        {"sku": "w", "name": "", "priceMinor": 1, "currency": "EUR", "weightGrams": 0, "externalReference": "erp-w"}
    ],
}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_types_attributes_and_options_are_exported_imported_elsewhere_and_exported_again_the_same(
    shop: Environment, store: RunningStore, tmp_path: Path, kind: str
) -> None:
    other = new_environment(store)
    for one in (shop, other):
        assert "errors" not in one.graphql(CREATE_TYPE, input=LAMP).json
    products = [TYPED, ODD, PLAIN, *([WEIGHED] if kind == "jsonl" else [])]
    lines = b"\n".join(json.dumps(one).encode() for one in products)
    kokoa(shop, "import", "products", "-", "--format", "jsonl", stdin=lines)
    assert exported(shop) == sorted(products, key=lambda one: str(one["externalReference"]))
    first, second = tmp_path / f"first.{kind}", tmp_path / f"second.{kind}"
    kokoa(shop, "export", "products", str(first))
    done = kokoa(other, "import", "products", str(first))
    assert f"{len(products)} created, 0 updated, 0 unchanged, 0 rows with errors" in done.stdout.decode()
    kokoa(other, "export", "products", str(second))
    assert first.read_bytes() == second.read_bytes()
    assert exported(other) == exported(shop)
    again = kokoa(other, "import", "products", str(first))
    assert f"0 created, 0 updated, {len(products)} unchanged" in again.stdout.decode()


def test_a_wrong_value_fails_its_row_with_line_and_column_and_changes_nothing(
    shop: Environment, store: RunningStore, tmp_path: Path
) -> None:
    assert "errors" not in shop.graphql(CREATE_TYPE, input=LAMP).json
    rows = ["a,A,lamp,40,oak,a-1,1.00,EUR,401", "a,,,,,a-2,1.00,EUR,402", "b,B,lamp,400,oak,b-1,1.00,EUR,403"]
    rows += ["c,C,lamp,40,gold,c-1,1.00,EUR,404", "d,D,lamp,x,oak,d-1,1.00,EUR,405", "e,E,lamp,1,oak,e-1,1.00,EUR,9"]
    rows += ["e,,,,,e-2,1.00,EUR,9", "f,F,sofa,,,f-1,1.00,EUR,"]
    header = "externalReference,name,productType,attribute.power,attribute.material,sku,price,currency,attribute.ean"
    file, errors = tmp_path / "lamps.csv", tmp_path / "errors.jsonl"
    file.write_text("\n".join((header, *rows)))
    kokoa(shop, "import", "products", str(file), "--errors", str(errors), status=3)
    found = [json.loads(line) for line in errors.read_text().splitlines()]
    assert sorted((one["line"], one["column"], one["code"]) for one in found) == [
        (4, "attribute.power", "ATTRIBUTE_OUT_OF_RANGE"),
        (5, "attribute.material", "UNKNOWN_ENUM_VALUE"),
        (6, "attribute.power", "BAD_NUMBER"),
        (8, "attributes", "ATTRIBUTE_VALUE_TAKEN"),
        (9, "productType", "UNKNOWN_PRODUCT_TYPE"),
    ]
    assert [one["externalReference"] for one in exported(shop)] == ["a"]
    # An empty cell takes the value away; the types of another environment are unknown.
    kokoa(shop, "import", "products", "-", "--format", "csv",
          stdin=b"externalReference,productType,attribute.power\na,lamp,\n")  # fmt: skip
    assert exported(shop)[0]["attributes"] == {"material": "oak"}
    refused = kokoa(new_environment(store), "import", "products", str(file), status=1)
    assert b"no product type of this store has an attribute 'power'" in refused.stderr


def test_an_export_of_products_without_references_is_imported_where_it_came_from(
    store: RunningStore, tmp_path: Path
) -> None:
    """The demo shop's products have none."""
    file = tmp_path / "demo.csv"
    store.run(f"kokoa export products {file}")
    done = store.run(f"kokoa import products {file}")
    assert "0 created, 0 updated" in done.stdout
    assert " 0 rows with errors" in done.stdout


FEED = """query Changes($since: String) { productChanges(since: $since, limit: 250) {
  cursor hasMore changes { kind externalReference product { name price category { path name } } }
} }"""


def test_a_follower_of_changes_has_all_of_an_import_through_the_composed_graph(shop: Environment) -> None:
    lines = "".join(
        f'{{"externalReference": "{n:03}", "name": "Dip {n}", "category": ["Dips"]}}\n' for n in range(600)
    )
    kokoa(shop, "import", "products", "-", "--format", "jsonl", stdin=lines.encode())
    found: list[Any] = []
    since = None
    while True:
        page = shop.graphql(FEED, since=since).json["data"]["productChanges"]
        found += page["changes"]
        since = page["cursor"]
        if not page["hasMore"] and len(found) >= 600:
            break
    assert sorted(one["externalReference"] for one in found) == [f"{n:03}" for n in range(600)]
    assert all(one["product"]["category"] == {"path": "dips", "name": "Dips"} for one in found)
    kokoa(shop, "import", "products", "-", "--format", "jsonl", stdin=lines.encode())
    assert shop.graphql(FEED, since=since).json["data"]["productChanges"]["changes"] == []
    refused = shop.store.request(
        "/graphql",
        method="POST",
        body=json.dumps({"query": FEED}).encode(),
        headers={"Content-Type": "application/json", **shop.shopper},
    )
    assert refused.json["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_ctrl_c_ends_an_import_of_a_store_that_is_away_soon_and_says_how_to_go_on(
    shop: Environment, tmp_path: Path
) -> None:
    file = tmp_path / "products.jsonl"
    file.write_text('{"externalReference": "1", "name": "Dip"}\n')
    away = {**settings_of(shop), "KOKOA_URL": f"http://127.0.0.1:{free_port()}"}
    importing = subprocess.Popen(
        # Whoever runs the tests in the background of a shell has Ctrl-C ignored, and so would this have.
        ["env", "--default-signal=INT", str(VENV_BIN / "kokoa"), "import", "products", str(file)],
        env=away,
        stderr=subprocess.PIPE,
    )
    assert importing.stderr is not None
    assert b"Trying again" in importing.stderr.readline()
    importing.send_signal(signal.SIGINT)
    _, said = importing.communicate(timeout=60)
    assert importing.returncode == 130
    assert b"with --resume goes on" in said
    assert noted(tmp_path / "products.jsonl.import-journal") == 0


MIXED = b"""externalReference,name,slug,category,sku,price,currency
good,Chips,,Grocery > Snacks,good-s,1.20,EUR
bad-price,Chips,,,b1,cheap,EUR
bad-utf,Caf\xe9,,,b2,1,EUR
long,%b,,,b3,1,EUR
bad-slug,Chips,No Slug,,b4,1,EUR
deep,Chips,,a>b>c>d>e>f>g>h>i,b5,1,EUR
pair,Chips,,,pair-s,1,EUR
pair,,,,%b,1,EUR
good,Again,,,b6,1,EUR
taken,Chips,,,good-s,1,EUR
last,Dip,,,last-s,2147483647,JPY
""" % (b"x" * 201, b"s" * 65)  # fmt: skip
FOUND = {
    (3, "price", "BAD_NUMBER"), (4, "name", "INVALID_UTF8"), (5, "name", "INVALID_PRODUCT"),
    (6, "slug", "INVALID_PRODUCT"), (7, "category", "INVALID_CATEGORY_PATH"), (9, "sku", "INVALID_PRODUCT"),
    (10, "externalReference", "DUPLICATE_REFERENCE"), (11, "sku", "ALREADY_TAKEN"),
}  # fmt: skip


def test_bad_rows_are_reported_with_line_and_column_and_all_others_are_imported(
    shop: Environment, tmp_path: Path
) -> None:
    file, errors = tmp_path / "mixed.csv", tmp_path / "errors.jsonl"
    file.write_bytes(MIXED)
    tried = kokoa(shop, "import", "products", str(file), "--dry-run", "--errors", str(errors), status=3)
    assert b"Nothing was changed; this would be: 2 created" in tried.stdout
    assert exported(shop) == []
    foreseen = errors.read_bytes()
    done = kokoa(shop, "import", "products", str(file), "--errors", str(errors), status=3)
    assert b"2 created, 0 updated, 0 unchanged, 8 rows with errors" in done.stdout
    found = [json.loads(line) for line in errors.read_text().splitlines()]
    assert {(one["line"], one["column"], one["code"]) for one in found} == FOUND
    assert sorted(foreseen.splitlines()) == sorted(errors.read_bytes().splitlines())
    assert b"line 3, price: 'cheap' is no price such as 12.90" in done.stderr
    assert b"\x1b" not in done.stderr
    assert [one["externalReference"] for one in exported(shop)] == ["good", "last"]


def test_a_file_cannot_speak_to_the_terminal(shop: Environment) -> None:
    row = json.dumps({"externalReference": "1", "\x1b[2Jcolumn": 1}) + "\n"
    other = json.dumps({"externalReference": "2", "name": "Dip", "slug": "\x1b]0;title\x07"})
    done = kokoa(shop, "import", "products", "-", "--format", "jsonl", stdin=f"{row}{other}".encode(), status=3)
    assert b"\\x1b[2Jcolumn" in done.stderr
    assert b"\x1b" not in done.stderr
    assert b"\x07" not in done.stderr


def refusal(environment: Environment, *words: str, **more: str) -> str:
    done = kokoa(environment, "import", "products", *words, status=1, **more)
    lines = done.stderr.decode().splitlines()
    return next(line.removeprefix("error: ") for line in lines if line.startswith("error: "))


def test_an_import_that_cannot_begin_says_why_in_one_line(shop: Environment, tmp_path: Path) -> None:
    file = tmp_path / "products.csv"
    file.write_text("externalReference,name\n1,Chips\n")
    assert "cannot be read: No such file" in refusal(shop, str(tmp_path / "none.csv"))
    assert "Set KOKOA_TENANT_SECRET:" in refusal(shop, str(file), KOKOA_TENANT_SECRET="")
    assert "no journal to go on with" in refusal(shop, str(file), "--resume")
    assert "must be different files" in refusal(shop, str(file), "--errors", str(file))
    assert "--format csv or --format jsonl" in refusal(shop, str(tmp_path))
    away = f"http://127.0.0.1:{free_port()}"
    assert "does not answer" in refusal(shop, str(file), "--patience", "1", KOKOA_URL=away)
    assert "has these secrets" in refusal(shop, str(file), KOKOA_TENANT_SECRET="ts_wrong")
    other = new_environment(shop.store)
    assert "another store or environment" in refusal(other, str(file), "--resume")
    assert exported(shop) == exported(other) == []
    assert file.read_text() == "externalReference,name\n1,Chips\n"


def test_a_limit_of_the_store_slows_an_import_down_and_does_not_end_it(store: RunningStore, tmp_path: Path) -> None:
    # Two processes count for themselves at first, and a new second may begin at any time: three batches may pass.
    shop = new_environment(store, limit=1)
    file = tmp_path / "products.jsonl"
    file.write_text("".join(f'{{"externalReference": "{n}", "name": "Chips {n}"}}\n' for n in range(4500)))
    done = kokoa(shop, "import", "products", str(file))
    assert b"4,500 created" in done.stdout
    assert b"Trying again in" in done.stderr


def write_assortment(file: Path, count: int = COUNT, price: str = "1.20") -> None:
    """Products of three aisles, each with two variants in rows of their own."""
    with file.open("w") as out:
        out.write("externalReference,name,category,sku,price,currency\n")
        for n in range(count):
            out.write(f"{n:06},Chips no {n},Grocery > Aisle {n % 3},s{n},{price},EUR\n{n:06},,,m{n},9.99,EUR\n")


def noted(journal: Path) -> int:
    """How many batches a journal has."""
    try:
        return max(0, journal.read_bytes().count(b"\n") - 1)
    except FileNotFoundError:
        return 0


@pytest.fixture(scope="module")
def hurt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningStore, "subprocess.Popen[bytes]"]]:
    """A store of this module's own, which its test hurts."""
    with store_up(tmp_path_factory.mktemp("import") / "state") as (store, process):
        yield store, process


def start_import(environment: Environment, file: Path, *words: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [str(VENV_BIN / "kokoa"), "import", "products", str(file), *words],
        env=settings_of(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def killed_after(importing: "subprocess.Popen[bytes]", journal: Path, batches: int) -> None:
    """Wait until so many more batches are noted, then SIGKILL the import."""
    wanted = noted(journal) + batches
    deadline = time.monotonic() + WITHIN_S
    while noted(journal) < wanted:
        assert importing.poll() is None, importing.stderr and importing.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(POLL_S / 10)
    importing.send_signal(signal.SIGKILL)
    importing.communicate()


@pytest.mark.timeout(400)
def test_an_import_that_is_killed_goes_on_where_it_was_and_ends_with_exactly_the_file(
    hurt: tuple[RunningStore, "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    store, process = hurt
    shop = new_environment(store)
    file = tmp_path / "assortment.csv"
    journal = tmp_path / "assortment.csv.import-journal"
    write_assortment(file)
    killed_after(start_import(shop, file), journal, 1)
    kill(process, "serve", "web")
    killed_after(start_import(shop, file, "--resume"), journal, 2)
    kept = noted(journal)
    assert 3 <= kept < COUNT // 1000
    importing = start_import(shop, file, "--resume")
    gone_on = lambda: noted(journal) > kept or importing.poll() is not None  # noqa: E731
    until(gone_on, within_s=WITHIN_S, what="a batch of the resumed import")
    kill(process, "serve", "web")
    _, said = importing.communicate(timeout=WITHIN_S * 2)
    assert importing.returncode == 0, said
    assert not journal.exists()
    require_exactly(shop, price_minor=120)
    until(lambda: total(shop) == COUNT, within_s=WITHIN_S, what="all products in the index")
    write_assortment(file, price="1.30")
    done = kokoa(shop, "import", "products", str(file))
    assert f"0 created, {COUNT:,} updated, 0 unchanged".encode() in done.stdout
    require_exactly(shop, price_minor=130)


def require_exactly(shop: Environment, *, price_minor: int) -> None:
    """The environment has what the file says, and nothing else."""
    found: list[Mapping[str, Any]] = exported(shop)
    assert [one["externalReference"] for one in found] == [f"{n:06}" for n in range(COUNT)]
    for n, one in enumerate(found):
        assert (one["name"], one["category"]) == (f"Chips no {n}", ["Grocery", f"Aisle {n % 3}"])
        assert [(v["sku"], v["priceMinor"]) for v in one["variants"]] == [(f"s{n}", price_minor), (f"m{n}", 999)]


def total(shop: Environment) -> int:
    """How many products can be found, while the store answers."""
    answer = shop.graphql("{ searchStatus { documents } }")
    return int(answer.json["data"]["searchStatus"]["documents"]) if answer.status == 200 else -1
