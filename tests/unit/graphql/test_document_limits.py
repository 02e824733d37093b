"""What a hostile document may cost: every limit is refused by name and value, before work."""

import time

import pytest
from graph_fakes import make_subgraph, run
from graphql import get_introspection_query

SDL = "type Query { a: Query b: Query leaf: Int }"


def nested_fragments(levels: int) -> str:
    """A document that asks for 2^levels fields with few tokens."""
    fragments = [f"fragment F{n} on Query {{ a {{ ...F{n + 1} }} b {{ ...F{n + 1} }} }}" for n in range(levels)]
    return "{ ...F0 } " + " ".join(fragments) + f" fragment F{levels} on Query {{ leaf }}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{ leaf " + "#" * 100_001 + "\n}", "has 100010 bytes; at most 100000"),
        ("{" + " leaf" * 4_001 + "}", "has 4003 tokens; at most 4000"),
        ("{ a " * 15 + "{ leaf }" + "}" * 15, "levels; at most 15"),
        ("{" + "".join(f" x{n}: leaf" for n in range(101)) + "}", "has 101 aliases; at most 100"),
        ("{" + " ... @include(if: true) { leaf }" * 51 + "}", "has 51 directives; at most 50"),
        (nested_fragments(14), "selections; at most 10000"),
        ("{" + "...{" * 100 + "leaf" + "}" * 101, "fragments within fragments; at most 20"),
        ("{ a {" + " leaf" * 300 + "} }", "has 44850 overlapping selections; at most 20000"),
    ],
)
async def test_a_document_over_a_limit_is_refused_with_its_name_and_value(text: str, said: str) -> None:
    started = time.perf_counter()
    response = await run(make_subgraph(SDL, {}), text)
    took = time.perf_counter() - started
    (entry,) = response["errors"]
    assert said in entry["message"]
    assert entry["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert "data" not in response
    assert took < 1


@pytest.mark.parametrize(
    "text",
    [
        "{" * 3_000,
        "{ a { ...F } } fragment F on Query { a { ...F } }",
        '{ leaf(x: """' + '\\"""' * 1_000 + "}",
        "\ud800",
        "",
        "query ($a: [[[[Int]]]] = [[[[" + "1 " * 500 + "]]]]) { leaf }",
    ],
)
async def test_hostile_text_is_an_answer_not_a_crash(text: str) -> None:
    response = await run(make_subgraph(SDL, {}), text)
    assert response["errors"]
    assert "data" not in response


async def test_comments_and_block_strings_are_counted_as_the_lexer_counts_them() -> None:
    text = "{ leaf # " + "word " * 4_000 + "\n}"
    assert "errors" not in await run(make_subgraph(SDL, {"Query.leaf": lambda *_: [1]}), text)


async def test_the_standard_introspection_query_is_within_the_limits() -> None:
    response = await run(make_subgraph(SDL, {}), get_introspection_query())
    assert response["data"]["__schema"]["queryType"]["name"] == "Query"
