"""The engine against graphql-core's executor: the same schema, data, request and failures, the same response.

Data, the order of its keys, errors, their order, messages, paths and locations must be equal (what a bug's message
says is compared as INTERNAL). Two things are ours on purpose, and the generator does not ask for them:

- operationName missing or unknown: our text names the choices; only that both refuse is compared (GraphQL §6.1.1).
- @skip or @include whose variable has a default and is given as null: the variable does not have "the value true",
  so the condition is false (GraphQL §6.3.2); graphql-core makes it an error. The last test here holds ours.
"""

import logging
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import structlog
from differential.cases import CASES, CASES_OF_A_WORLD, Case, first_difference, make_cases
from differential.features import count_features, shares_percent
from differential.seeded_bugs import BUGS
from graph_fakes import make_subgraph, run
from hypothesis import HealthCheck, given, seed, settings

CASES_MAX = 500
SHARE_MIN_PERCENT = 5.0
GENERATED = settings(
    max_examples=CASES_MAX // CASES_OF_A_WORLD,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """The generated bugs would fill the log."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def worlds() -> list[list[Case]]:
    """Cases that stay the same whatever hypothesis does in its next version, with the generator's own frequencies."""
    return [make_cases(Random(number)) for number in range(CASES_MAX // CASES_OF_A_WORLD)]


@pytest.mark.timeout(600)
@seed(1)
@settings(GENERATED)
@given(CASES)
def test_same_response_as_graphql_core(cases: list[Case]) -> None:
    difference = first_difference(cases)
    assert not difference, difference


def test_every_part_of_the_language_occurs(worlds: list[list[Case]]) -> None:
    cases = [case for world in worlds for case in world]
    shares = shares_percent(count_features(cases), len(cases))
    assert {name: percent for name, percent in shares.items() if percent < SHARE_MIN_PERCENT} == {}


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_is_found(name: str, worlds: list[list[Case]], monkeypatch: pytest.MonkeyPatch) -> None:
    BUGS[name](monkeypatch)
    showing = next(filter(differs, worlds), None)
    assert showing is not None, f"{name} shows in none of {CASES_MAX} cases"
    monkeypatch.undo()
    assert not first_difference(showing)


def differs(cases: list[Case]) -> bool:
    """Whether something shows; an engine that falls over shows."""
    try:
        return bool(first_difference(cases))
    except Exception:
        return True


# What one generated comparison cannot show.


async def test_a_lazy_list_that_breaks_half_way_fails_its_own_field_only() -> None:
    def numbers(parents: Any, _args: Any, _call: Any) -> list[Any]:
        return [(1 // (2 - number) for number in range(4)) for _ in parents]

    subgraph = make_subgraph(
        "type Query { numbers: [Int]  fine: Int }", {"Query.numbers": numbers, "Query.fine": _five}
    )
    response = await run(subgraph, "{ numbers fine }")
    assert response["data"] == {"numbers": None, "fine": 5}
    assert [one["path"] for one in response["errors"]] == [["numbers"]]


async def test_a_condition_that_is_null_is_not_true() -> None:
    subgraph = make_subgraph("type Query { fine: Int }", {"Query.fine": _five})
    text = "query ($flag: Boolean = true) { skipped: fine @skip(if: $flag)  included: fine @include(if: $flag) }"
    assert await run(subgraph, text, {"flag": None}) == {"data": {"skipped": 5}}
    assert await run(subgraph, text) == {"data": {"included": 5}}


def _five(parents: Any, _args: Any, _call: Any) -> list[int]:
    return [5] * len(parents)
