"""Which graph an environment has in a process: made once, looked for again, never a wrong one."""

import asyncio
from collections import Counter

import pytest

from kokoa.gateway.app import Gateway
from kokoa.gateway.compose import compose
from kokoa.gateway.supergraph import SubgraphDefinition
from kokoa.graphql.result import ExecutionResult
from kokoa.kernel.errors import Unavailable
from kokoa.roles.graph import LocalGraph
from kokoa.roles.schemas import GRAPHS_MAX, Compositions, EnvironmentGraphs, SchemaUnavailable
from unit.gateway.gateway_fakes import FakeClient, make_call

TENANTS = SubgraphDefinition("tenants", "type Query { store: String }")
PLAIN = "type Query { x: String }"


class FakeSchemas:
    """Catalog's answers. told: digest by environment.  down: whether it does not answer."""

    def __init__(self, **told: str) -> None:
        self.told = told
        self.down = False
        self.asked: Counter[str] = Counter()

    async def digest(self, environment_id: str) -> str:
        self.asked["digest"] += 1
        if self.down:
            raise Unavailable("Catalog does not answer.")
        return self.told.get(environment_id, "")

    async def sdl(self, environment_id: str, digest: str) -> str:
        self.asked["sdl"] += 1
        if self.down:
            raise Unavailable("Catalog does not answer.")
        return f"type Query {{ x: String {digest}: String }}" if digest != "broken" else "type Query { x: Missing }"


class Place:
    """A gateway whose catalog is fake, and a clock that is set by hand."""

    def __init__(self, **told: str) -> None:
        self.now = 0.0
        self.schemas = FakeSchemas(**told)
        common = compose([TENANTS, SubgraphDefinition("catalog", PLAIN)])
        self.clients: dict[str, FakeClient] = {}
        self.gateway = Gateway(common, {"tenants": FakeClient(), "catalog": FakeClient()})
        self.graphs = EnvironmentGraphs(
            self.gateway, self.schemas, Compositions(common), self.client, clock=lambda: self.now
        )

    async def client(self, _: str, digest: str) -> FakeClient:
        return self.clients.setdefault(digest, FakeClient(*[ExecutionResult({digest: "here"})] * 9))


async def test_environments_without_a_schema_of_their_own_have_the_common_graph() -> None:
    place = Place(one="height")
    assert await place.graphs.of("two") is None
    graph = await place.graphs.of("one")
    assert graph is not None
    assert "height" in graph.supergraph.schema.query_type.fields  # type: ignore[union-attr]
    assert place.schemas.asked == {"digest": 2, "sdl": 1}


async def test_equal_schemas_share_a_graph_and_many_who_wait_make_it_once() -> None:
    place = Place(one="height", two="height")
    found = await asyncio.gather(*(place.graphs.of("one") for _ in range(20)))
    found.append(await place.graphs.of("two"))
    assert len(set(map(id, found))) == 1
    assert place.schemas.asked == {"digest": 2, "sdl": 1}


async def test_a_change_is_seen_after_a_notice_or_a_second() -> None:
    place = Place(one="height")
    before = await place.graphs.of("one")
    place.schemas.told["one"] = "width"
    assert await place.graphs.of("one") is before
    place.now = 1.0
    after = await place.graphs.of("one")
    assert after is not before
    place.schemas.told["one"] = ""
    place.graphs.forget("one")
    assert await place.graphs.of("one") is None


async def test_a_request_ends_on_the_graph_that_it_began_with() -> None:
    place = Place(one="height")
    graph = LocalGraph(place.gateway, place.graphs)
    client = await place.client("", "height")
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(*_: object) -> ExecutionResult:
        entered.set()
        await go_on.wait()
        return ExecutionResult({"height": "still here"})

    client.execute = slowly  # type: ignore[method-assign]
    request = asyncio.create_task(graph.execute("{ height }", {}, make_call(environment_id="one")))
    await asyncio.wait_for(entered.wait(), 30)
    place.schemas.told["one"] = "width"
    place.graphs.forget("one")
    refused = await graph.execute("{ height }", {}, make_call(environment_id="one"))
    assert refused.errors[0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    go_on.set()
    assert (await asyncio.wait_for(request, 30)).data == {"height": "still here"}


async def test_who_cannot_tell_the_schema_says_so_and_uses_no_other() -> None:
    place = Place(one="height")
    place.schemas.down = True
    graph = LocalGraph(place.gateway, place.graphs)
    for document in ("{ x }", "{ height }"):
        refused = await graph.execute(document, {}, make_call(environment_id="one"))
        assert refused.refused
        assert refused.errors[0]["extensions"]["code"] == "UNAVAILABLE"
        (streamed,) = [one async for one in graph.stream(document, {}, make_call(environment_id="one"))]
        assert streamed.errors[0]["extensions"]["code"] == "UNAVAILABLE"
    place.schemas.down = False
    assert (await graph.execute("{ height }", {}, make_call(environment_id="one"))).data == {"height": "here"}


async def test_the_last_schema_serves_for_a_minute_while_catalog_does_not_answer() -> None:
    place = Place(one="height")
    known = await place.graphs.of("one")
    place.schemas.down = True
    place.now = 59.0
    assert await place.graphs.of("one") is known
    place.now = 61.0
    with pytest.raises(Unavailable):
        await place.graphs.of("one")


async def test_a_schema_that_does_not_compose_any_more_is_an_error_of_its_environment_alone() -> None:
    place = Place(one="broken", two="height")
    with pytest.raises(SchemaUnavailable):
        await place.graphs.of("one")
    assert await place.graphs.of("two") is not None
    assert await place.graphs.of("three") is None


async def test_graphs_are_kept_within_a_bound_and_made_again() -> None:
    place = Place(**{f"e{n}": f"field{n}" for n in range(GRAPHS_MAX + 1)})
    for number in range(GRAPHS_MAX + 1):
        assert await place.graphs.of(f"e{number}") is not None
    again = await place.graphs.of("e0")
    assert again is not None
    assert "field0" in again.supergraph.schema.query_type.fields  # type: ignore[union-attr]
    assert place.schemas.asked["sdl"] == GRAPHS_MAX + 2
