"""`kokoa graph explain`: an operation and files in, the plan out."""

import subprocess
import sys
from pathlib import Path

import pytest

LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@override"])\n'
CATALOG = LINK + 'type Query { product: Product } type Product @key(fields: "id") { id: ID! name: String }'
REVIEWS = (
    LINK
    + """type Product @key(fields: "id") {
  id: ID! rating: Float name: String @override(from: "catalog", label: "percent(5)") }"""
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "catalog.graphql").write_text(CATALOG)
    (tmp_path / "reviews.graphql").write_text(REVIEWS)
    return tmp_path


def explain(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kokoa.cli.main", "graph", "explain", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=60)


@pytest.mark.parametrize(
    ("on", "subgraphs"),
    [((), ["0 catalog"]), (("r",), ["0 catalog", "1 reviews"]), (("percent(5)",), ["0 catalog", "1 reviews"])],
)
def test_the_plan_is_printed_for_what_is_on(shop: Path, on: tuple[str, ...], subgraphs: list[str]) -> None:
    query = "query ($r: Boolean!) { product { name rating @include(if: $r) } }"
    chosen = [part for one in on for part in ("--on", one)]
    done = explain(shop, query, "catalog.graphql", "reviews.graphql", *chosen)
    assert done.returncode == 0, done.stderr
    heads = [" ".join(line.split()[:2]) for line in done.stdout.splitlines() if line[0].isdigit()]
    assert heads == subgraphs


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{ product { name } }"], "Name the files with the subgraphs' SDL"),
        (["{ product", "catalog.graphql", "reviews.graphql"], "The operation cannot be read"),
        (["{ nope }", "catalog.graphql", "reviews.graphql"], "Cannot query field 'nope' on type 'Query'"),
        (["{ product { id } }", "catalog.graphql", "reviews.graphql", "--on", "x"], "--on names x"),
    ],
)
def test_bad_input_is_refused_with_what_to_change(shop: Path, arguments: list[str], says: str) -> None:
    done = explain(shop, *arguments)
    assert done.returncode != 0
    assert says in " ".join(done.stderr.split())
