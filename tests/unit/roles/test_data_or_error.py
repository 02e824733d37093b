"""What a service learns of the graph's errors: a part that is away is no failure of what was asked."""

from typing import Any

import pytest

from kokoa.graphql import ExecutionResult
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.errors import KokoaError
from kokoa.roles.graph import DataOrError, GraphFailed, GraphToCome, GraphUnavailable


class Answers:
    """A graph that always answers the same."""

    def __init__(self, data: Any, *codes: str) -> None:
        self._result = ExecutionResult(data, [{"message": code, "extensions": {"code": code}} for code in codes])

    async def execute(self, *_: Any, **__: Any) -> ExecutionResult:
        return self._result


@pytest.mark.parametrize(
    ("data", "codes", "kind"),
    [
        (None, ["DATABASE_UNAVAILABLE"], GraphUnavailable),
        ({"a": None}, ["SUBGRAPH_UNAVAILABLE", "PEER_UNAVAILABLE"], GraphUnavailable),
        ({"a": None}, ["DATABASE_UNAVAILABLE", "INTERNAL"], GraphFailed),
        ({"a": None}, ["DEADLINE_EXCEEDED"], GraphFailed),
        (None, [], GraphFailed),
    ],
)
async def test_only_outages_alone_are_an_outage(data: Any, codes: list[str], kind: type[KokoaError]) -> None:
    call = Call("environment", Caller("service", "search"), "0" * 32, 2**52)
    with pytest.raises(KokoaError) as failed:
        await DataOrError(Answers(data, *codes)).query("{ a }", {}, call)  # type: ignore[arg-type]  # the part it uses
    assert type(failed.value) is kind


async def test_a_graph_that_is_to_come_is_away_until_it_is_there() -> None:
    call = Call("environment", Caller("service", "carts"), "0" * 32, 2**52)
    graph = GraphToCome()
    with pytest.raises(GraphUnavailable):
        await graph.query("{ a }", {}, call)
    graph.graph = Answers({"a": 1})  # type: ignore[assignment]  # the part it uses
    assert await graph.query("{ a }", {}, call) == {"a": 1}
