"""`kokoa graph compose`: files in, standard SDL out, or every problem with its code."""

import subprocess
import sys
from pathlib import Path

import pytest
from graphql import EnumTypeDefinitionNode, parse, print_ast

LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])\n'
CATALOG = LINK + 'type Query { product: Product } type Product @key(fields: "id") { id: ID! name: String }'
REVIEWS = LINK + 'type Product @key(fields: "id") { id: ID! rating: Float }'


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "catalog.subgraph.graphql").write_text(CATALOG)
    (tmp_path / "b.graphql").write_text(REVIEWS)
    return tmp_path


def kokoa_graph_compose(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kokoa.cli.main", "graph", "compose", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=60)


def test_the_supergraph_is_printed_with_names_and_urls(shop: Path) -> None:
    done = kokoa_graph_compose(
        "catalog.subgraph.graphql", "reviews=b.graphql", "--url", "reviews=https://r.example/graphql", folder=shop
    )
    assert done.returncode == 0, done.stderr
    definitions = parse(done.stdout).definitions
    graphs = next(
        one for one in definitions if isinstance(one, EnumTypeDefinitionNode) and one.name.value == "join__Graph"
    )
    assert [print_ast(one) for one in graphs.values or ()] == [
        'CATALOG @join__graph(name: "catalog", url: "")',
        'REVIEWS @join__graph(name: "reviews", url: "https://r.example/graphql")',
    ]
    assert "rating: Float @join__field(graph: REVIEWS)" in done.stdout


def test_every_problem_is_shown_with_its_code(shop: Path) -> None:
    (shop / "b.graphql").write_text(REVIEWS.replace("Float", "Nope"))
    done = kokoa_graph_compose("catalog.subgraph.graphql", "b.graphql", folder=shop)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("INVALID_GRAPHQL [b] Unknown type 'Nope'.")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Name at least one file"),
        (["missing.graphql"], "missing.graphql cannot be read: No such file or directory."),
        (["picture.graphql"], "picture.graphql is not text in UTF-8."),
        (["b.graphql", "--url", "b"], "'b' cannot be read: --url takes NAME=URL"),
        (["b.graphql", "--url", "c=http://c"], "--url names c, but the subgraphs are b."),
    ],
)
def test_bad_input_is_refused_with_what_to_change(shop: Path, arguments: list[str], says: str) -> None:
    (shop / "picture.graphql").write_bytes(b"\x89PNG")
    done = kokoa_graph_compose(*arguments, folder=shop)
    assert done.returncode == 1
    assert says in done.stderr
