"""Generated graphs answer the same when every subgraph of them is asked as an extension: failing, and in shadow too.

The cases are those of test_gateway_differential: interfaces, unions, interface objects, requirements, promises,
aliases that cannot be kept, overrides with and without labels. Failing and in shadow all overrides are served
by the subgraphs that had them.
"""

import logging
import os
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any

import federated.cases
import pytest
import structlog
from extension_fakes import Reports
from federated.cases import Case
from federated.executors import LIMITS, Refused, Resolving, Split, StrictSubgraph, WatchedGraph

from kokoa.gateway.extension import Extension
from kokoa.gateway.extensions.answers import AnswerCheck, places_of
from kokoa.gateway.extensions.overriding import ExtensionClient
from kokoa.gateway.extensions.works import Reader
from kokoa.gateway.rollout import labels_on
from kokoa.gateway.supergraph import Supergraph
from kokoa.graphql.result import ExecutionResult
from kokoa.kernel.call import Call
from kokoa.kernel.overrides import OverridePolicy

CASES = int(os.environ.get("EXTENSION_CASES", "80"))  # more by hand
SEED = int(os.environ.get("EXTENSION_SEED", "500100"))


class Lenient(StrictSubgraph):
    """Answers what it lost to an override: it is asked for that in its native role."""

    def _check_override(self, made: Any, type_name: str) -> None:
        pass


class Targeted:
    """A subgraph as an extension's target. reader: of an extension whose overrides all fail."""

    checks = False

    def __init__(self, subgraph: StrictSubgraph, reader: Reader | None) -> None:
        self._subgraph = subgraph
        self._reader = reader

    async def execute(
        self, document: str, variables: Mapping[str, Any], call: Call, *, patience_ms: int | None, again: bool
    ) -> ExecutionResult:
        result = await self._subgraph.execute(document, variables, call, None)
        work = self._reader.work(document) if self._reader is not None else None
        if work is None or work.is_mutation or not isinstance(result.data, dict):
            return result
        errors = list(result.errors)
        for site in work.sites:
            for place in places_of(work, site, variables) if site.policy.fallback else ():
                holder = result.data[place[0]][place[1]] if place else result.data
                if holder is not None:
                    holder[site.key] = None
                errors.append({"message": "failed", "path": [*place, site.key]})
        return ExecutionResult(result.data, errors)

    def stream(
        self, document: str, variables: Mapping[str, Any], call: Call
    ) -> AsyncGenerator[ExecutionResult, None]:
        raise Refused("no subscriptions here")


def extensions_of(
    supergraph: Supergraph, subgraphs: Mapping[str, StrictSubgraph], policy: OverridePolicy, reports: Reports
) -> dict[str, ExtensionClient]:
    """Each subgraph as an extension, with one policy for all that it overrides by keys that others have too."""
    found = {}
    for one in supergraph.definitions:
        extension = Extension(one.name, "123456789012", "acme", one.sdl, "url")
        keys = Reader(supergraph, extension, frozenset(subgraphs))
        policies = {
            f"{holder}.{field}": OverridePolicy(fallback=False, deadline_ms=600_000)
            if keys.unknown_keys(holder, native)
            else policy
            for (holder, field), (native, _) in keys.overrides.items()
        }
        extension = Extension(one.name, "123456789012", "acme", one.sdl, "url", policies=policies)
        reader = Reader(supergraph, extension, frozenset(subgraphs))
        overrides = [f"{holder}.{field}" for holder, field in reader.overrides]
        check = AnswerCheck(one.name, one.sdl, overrides)
        target = Targeted(subgraphs[one.name], reader if policy.fallback else None)
        found[one.name] = ExtensionClient(extension, target, reader, subgraphs, reports, check)
    return found


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """The generated failures would fill the log."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["answered", "failed", "equal"])
def test_the_same_answers_as_a_monolith(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: Counter[str] = Counter()

    async def run_extended(
        parts: Split, plan: Any, world: Any, call: Call, text: str, variables: dict[str, Any]
    ) -> Any:
        resolving = Resolving(plan, world)
        labels = labels_on(parts.supergraph.override_labels, call)
        kind = StrictSubgraph if how == "answered" else Lenient
        subgraphs = {name: kind(name, schema, resolving, labels) for name, schema in parts.schemas.items()}
        reports = Reports()
        policy = OverridePolicy(fallback=how == "failed", shadow=how == "equal", deadline_ms=600_000)
        clients = extensions_of(parts.supergraph, subgraphs, policy, reports)
        graph = WatchedGraph(parts.supergraph, clients, LIMITS)
        result = await graph.execute(text, variables, call, None, read_only=False)
        for client in clients.values():
            await client.settled()
        if resolving.refused:
            raise Refused(f"{resolving.refused[0]}; {graph.made}")
        outcomes.update(one.outcome for one in reports.noted)
        return result, graph.made

    monkeypatch.setattr(federated.cases, "run_gateway", run_extended)
    for seed in range(SEED, SEED + CASES):
        case = Case(seed)
        difference = case.difference()
        assert not difference, f"seed {seed}: {case.shrunk()}"
    assert outcomes[how] > CASES / 20
    assert not outcomes["different"]
    assert not outcomes["invalid"]
