"""`python -m benchmarks.sizes`: what each query costs in a store of 1,000 products and in one of 100,000.

Both are tenants of one running store, filled by `kokoa import products`; one kept connection asks now the one, now
the other.
"""

import asyncio
import csv
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Annotated, Any

import msgspec
import uvloop
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from benchmarks.imports import import_file, make_tenant, until_indexed
from benchmarks.load import Line
from benchmarks.running import store_up
from benchmarks.search_seed import ADJECTIVES, MATERIALS, THINGS
from benchmarks.stage import Stage, Tell, open_stage

_WARM = 30
_SECTIONS, _SHELVES = 5, 8
_AIM = 2.0
_COLUMNS = [
    "externalReference", "name", "slug", "description", "category", "sku", "price", "currency",
    "productType", "attribute.material", "attribute.weight",
]  # fmt: skip
_TYPE = {
    "key": "ware",
    "name": "Ware",
    "attributes": [
        {"key": "material", "name": "Material", "type": "TEXT"},
        {"key": "weight", "name": "Weight", "type": "INTEGER"},
    ],
}
_MAKE_TYPE = "mutation($input: CreateProductTypeInput!) { createProductType(input: $input) { id } }"
_FIELDS = "{ id name slug price currency variants { sku price } }"
_FOUND = "{ items { id name price } }"

KINDS: Mapping[str, str] = {
    "products": f"products(limit: 50, offset: $offset) {_FIELDS}",
    "products of a category": f"products(category: $shelf, limit: 50) {_FIELDS}",
    "products by price": f"products(limit: 50, offset: $offset, sort: {{field: PRICE}}) {_FIELDS}",
    "products from a price on": "products(limit: 50, sort: {field: PRICE}, "
    f'filter: {{currency: "EUR", minPriceMinor: $least}}) {_FIELDS}',
    "products of a category from a price on": "products(limit: 50, filter: {category: $section, "
    f'includeSubcategories: true, currency: "EUR", minPriceMinor: $least}}) {_FIELDS}',
    "products of a material": 'products(limit: 50, filter: {productType: ["ware"], '
    f'attributes: [{{key: "material", equals: $material}}]}}) {_FIELDS}',
    "products within weights": 'products(limit: 50, filter: {productType: ["ware"], '
    f'attributes: [{{key: "weight", min: 100, max: $weight}}]}}) {_FIELDS}',
    "names that contain": f"products(limit: 50, filter: {{nameContains: $thing}}) {_FIELDS}",
    "connection by date": "productConnection(first: 50, sort: {field: CREATED, direction: DESC}) "
    f"{{ nodes {_FIELDS} pageInfo {{ endCursor hasNextPage }} }}",
    "product page": f"product(slug: $slug) {_FIELDS}",
    "category page": "category(path: $section) { name children { name path } "
    f"products(limit: 50, includeSubcategories: true) {_FIELDS} }}",
    "changes": "productChanges(limit: 100) { changes { id version } cursor }",
    "export": "bulkProducts(limit: 250) { products { id name } cursor }",
    "search: two words": f"search(q: $two) {_FOUND}",
    "search: one word": f"search(q: $thing) {_FOUND}",
    "search: one word, counted": "search(q: $thing) { total items { id name price } }",
    "search: as you type": f"search(q: $begun) {_FOUND}",
    "search: misspelt": f"search(q: $misspelt) {_FOUND}",
    "search: cheapest first": f"search(q: $thing, sort: PRICE_ASC) {_FOUND}",
    "search: within a category": f"search(q: $thing, filter: {{category: $section}}) {_FOUND}",
    "search: facets": "search(q: $two) { items { id } facets { categories { path count } } }",
    "suggestions": "searchSuggestions(prefix: $begun)",
}
_TYPES = {"offset": "Int!", "least": "Int!", "weight": "AttributeValue!", "material": "AttributeValue!"}

app = App(name="sizes")


class Store(msgspec.Struct, frozen=True):
    """A tenant with so many products.  variables: its secrets, as `kokoa` takes them."""

    products: int
    variables: Mapping[str, str]


@app.default
def sizes(
    *,
    small: Annotated[int, Parameter(help="Products of the smaller store; at least 1,000.")] = 1_000,
    large: Annotated[int, Parameter(help="Products of the larger store.")] = 100_000,
    samples: Annotated[int, Parameter(help="Of each query, in each of the two.")] = 300,
) -> None:
    """Fill a store of each size, ask both, print a table of latencies and of their ratios."""
    progress = Console(stderr=True, highlight=False)
    busy = os.getloadavg()[0]
    with progress.status("starting a store") as status, store_up() as store:

        async def run() -> Table:
            async with open_stage(store, status.update) as stage:
                stores = [await _fill(stage, count, status.update) for count in (small, large)]
                return await asyncio.to_thread(_measure, stage, stores, samples, status.update)

        table = uvloop.run(run())
    table.caption = f"milliseconds over HTTP, one at a time; {os.cpu_count()} processors, {busy:.1f} busy before"
    Console(highlight=False, width=110).print(table)


async def _fill(stage: Stage, count: int, tell: Tell) -> Store:
    tell(f"importing {count:,} products")
    environment_id, variables = await make_tenant(stage, f"of{count}")
    store = Store(count, variables)
    with Line(stage.store.address) as line:
        made = msgspec.json.decode(line.exchange(stage.graphql(_MAKE_TYPE, {"input": _TYPE}, variables)))
        assert "errors" not in made, made
    with tempfile.TemporaryDirectory(prefix="kokoa-sizes-") as folder:
        file = Path(folder) / "wares.csv"
        with file.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(_COLUMNS)
            writer.writerows(_wares(count))
        await asyncio.to_thread(import_file, file, variables)
    await until_indexed(stage, environment_id, count)
    return store


def _wares(count: int) -> Iterator[Sequence[Any]]:
    random = Random(count)
    for n in range(count):
        adjective, material, thing = (random.choice(words) for words in (ADJECTIVES[:32], MATERIALS, THINGS))
        name = f"{adjective.capitalize()} {material} {thing} {n}"
        price = f"{random.randint(1, 2000)}.{random.randint(0, 99):02}"
        words = " ".join(f"word{int(2000 * random.random() ** 3)}" for _ in range(25))
        category = f"Section {n % _SECTIONS} > Shelf {n % _SHELVES}"
        yield n, name, f"ware-{n}", words, category, f"W-{n}", price, "EUR", "ware", material, random.randint(1, 5000)


def _measure(stage: Stage, stores: Sequence[Store], samples: int, tell: Tell) -> Table:
    table = Table("QUERY", box=None, header_style="bold")
    for store in stores:
        table.add_column(f"{store.products:,} P50", justify="right")
        table.add_column("P99", justify="right")
    table.add_column("RATIO", justify="right")
    random = Random(11)
    for name, field in KINDS.items():
        tell(f"asking: {name}")
        found: list[list[float]] = [[] for _ in stores]
        with Line(stage.store.address) as line:
            for number in range(samples + _WARM):
                for times, store in zip(found, stores, strict=True):
                    request = _request(stage, store, field, random)
                    if number == 0:
                        answer = msgspec.json.decode(line.exchange(request))
                        assert "errors" not in answer, answer
                    elif number < _WARM:
                        line.exchange(request)
                    else:
                        times.append(line.time_ms(request))
        p50s = [_percentile(times, 50) for times in found]
        cells = [f"{_percentile(times, share):.2f}" for times in found for share in (50, 99)]
        ratio = p50s[1] / p50s[0]
        table.add_row(name, *cells, f"{ratio:.2f}", style="" if ratio <= _AIM else "red")
    return table


def _request(stage: Stage, store: Store, field: str, random: Random) -> bytes:
    thing, material, section = random.choice(THINGS), random.choice(MATERIALS), random.randrange(_SECTIONS)
    values = {
        "offset": random.randrange(900),
        "section": f"section-{section}",
        "shelf": f"section-{section}/shelf-{random.randrange(_SHELVES)}",
        "least": random.randint(100, 150_000),
        "weight": random.randint(200, 5_000),
        "material": material,
        "slug": f"ware-{random.randrange(store.products)}",
        "thing": thing,
        "two": f"{material} {thing}",
        "begun": f"{material} {thing[: max(3, len(thing) - 2)]}",
        "misspelt": f"{material} {thing[:2]}{thing[1:]}",
    }
    names = sorted(set(re.findall(r"\$(\w+)", field)))
    declared = ", ".join(f"${name}: {_TYPES.get(name, 'String!')}" for name in names)
    query = f"query({declared}) {{ {field} }}" if names else f"{{ {field} }}"
    return stage.graphql(query, {name: values[name] for name in names}, store.variables)


def _percentile(times: Sequence[float], share: int) -> float:
    return sorted(times)[len(times) * share // 100]


if __name__ == "__main__":
    app()
