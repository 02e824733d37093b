"""Which graph an environment has in a process: made once, looked for again, never a wrong one."""

import asyncio
from collections import Counter

import pytest

from kokoa.gateway.app import Gateway, Graph
from kokoa.gateway.compose import compose
from kokoa.gateway.extension import Extension
from kokoa.gateway.supergraph import SubgraphDefinition
from kokoa.graphql.result import ExecutionResult
from kokoa.kernel.errors import Unavailable
from kokoa.kernel.overrides import OverridePolicy
from kokoa.roles.compositions import Compositions
from kokoa.roles.graph import LocalGraph
from kokoa.roles.schemas import GRAPHS_MAX, EnvironmentGraphs, GraphSources, SchemaUnavailable
from kokoa.roles.seams import PublishedSubgraph, PublishedSubgraphs
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


class FakeSubgraphs:
    """Tenants' answers. live: what is published, by environment."""

    def __init__(self) -> None:
        self.live: dict[str, dict[str, str]] = {}
        self.down = False

    async def digest(self, environment_id: str) -> str:
        if self.down:
            raise Unavailable("Tenants does not answer.")
        return ";".join(f"{name}={sdl}" for name, sdl in self.live.get(environment_id, {}).items())

    async def published(self, environment_id: str) -> PublishedSubgraphs:
        found = [
            PublishedSubgraph(name, "1" * 12, "acme", 1, sdl, "url", "", "http://127.0.0.1:9/graphql")
            for name, sdl in self.live.get(environment_id, {}).items()
        ]
        return PublishedSubgraphs(await self.digest(environment_id), found)


class FakePolicies:
    def __init__(self) -> None:
        self.told: dict[str, OverridePolicy] = {}

    async def policies(self, environment_id: str) -> dict[str, OverridePolicy]:
        return self.told


class Place:
    """A gateway whose catalog is fake, and a clock that is set by hand."""

    def __init__(self, **told: str) -> None:
        self.now = 0.0
        self.schemas = FakeSchemas(**told)
        self.subgraphs = FakeSubgraphs()
        self.policies = FakePolicies()
        common = compose([TENANTS, SubgraphDefinition("catalog", PLAIN)])
        self.clients: dict[str, FakeClient] = {}
        self.extensions: list[Extension] = []
        self.gateway = Gateway(common, {"tenants": FakeClient(), "catalog": FakeClient(ExecutionResult({"x": "y"}))})
        self.compositions = Compositions(common)
        self.graphs = self.new_process()

    def new_process(self) -> EnvironmentGraphs:
        sources = GraphSources(self.schemas, self.subgraphs, self.policies)  # type: ignore[arg-type]
        return EnvironmentGraphs(
            self.gateway, sources, self.compositions, self.client, self.extension, clock=lambda: self.now
        )

    async def client(self, _: str, digest: str) -> FakeClient:
        return self.clients.setdefault(digest, FakeClient(*[ExecutionResult({digest: "here"})] * 9))

    async def extension(self, _: str, extension: Extension, *_more: object) -> FakeClient:
        self.extensions.append(extension)
        return FakeClient(*[ExecutionResult({"acme": 1})] * 9)

    async def settled(self, environment_id: str) -> Graph | None:
        """The graph, when nothing is being made any more."""
        self.graphs.forget(environment_id)
        await self.graphs.renew(environment_id)
        return await self.graphs.of(environment_id)


def fields_of(graph: Graph | None) -> set[str]:
    assert graph is not None
    query = graph.supergraph.schema.query_type
    assert query is not None
    return set(query.fields)


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
    assert await place.graphs.of("one") is before, "it serves until the new one is there"
    after = await place.settled("one")
    assert after is not before
    assert "width" in fields_of(after)
    place.schemas.told["one"] = ""
    place.graphs.forget("one")
    assert await place.graphs.of("one") is None


@pytest.mark.parametrize("ask", ["execute", "stream", "check"])
async def test_who_knows_of_a_change_before_the_process_does_is_understood(ask: str) -> None:
    """One process answers a change of the schema; the next request is another's, which has not heard of it."""
    place = Place(one="height")
    graph = LocalGraph(place.gateway, place.graphs)

    async def errors(document: str) -> list[str]:
        call = make_call(environment_id="one")
        if ask == "check":
            found = await graph.check(document, "one")
        elif ask == "stream":
            (result,) = [one async for one in graph.stream(document, {}, call)]
            found = list(result.errors)
        else:
            found = list((await graph.execute(document, {}, call)).errors)
        return [one["extensions"]["code"] for one in found]

    assert await errors("{ height }") == []
    place.schemas.told["one"] = "width"
    assert await errors("{ width }") == []
    assert await errors("{ height }") == ["GRAPHQL_VALIDATION_FAILED"]
    place.schemas.told["one"] = ""
    assert await errors("{ height }") == ["GRAPHQL_VALIDATION_FAILED"]
    place.schemas.told["one"] = "height"
    assert await errors("{ height }") == []


async def test_a_document_that_fits_no_schema_costs_one_look_and_makes_nothing() -> None:
    place = Place(one="height", two="broken")
    graph = LocalGraph(place.gateway, place.graphs)
    await graph.execute("{ height }", {}, make_call(environment_id="one"))
    before = dict(place.schemas.asked)
    for document in ("{ nothing }", "{ nothing", "{ height }"):
        await graph.execute(document, {}, make_call(environment_id="one"))
    assert place.schemas.asked["digest"] - before["digest"] == 1
    assert place.schemas.asked["sdl"] == before["sdl"]
    place.schemas.down = True
    refused = await graph.execute("{ nothing }", {}, make_call(environment_id="one"))
    assert refused.errors[0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_a_flood_of_documents_that_do_not_fit_looks_only_so_often_at_a_time() -> None:
    place = Place(one="height")
    graph = LocalGraph(place.gateway, place.graphs)
    await graph.execute("{ height }", {}, make_call(environment_id="one"))
    looking = most = 0

    async def slowly(_: str) -> str:
        nonlocal looking, most
        looking += 1
        most = max(most, looking)
        await asyncio.sleep(0)
        looking -= 1
        return "height"

    place.schemas.digest = slowly  # type: ignore[method-assign]
    calls = [graph.execute(f"{{ nothing{n} }}", {}, make_call(environment_id="one")) for n in range(100)]
    results = await asyncio.gather(*calls)
    assert {one.errors[0]["extensions"]["code"] for one in results} <= {
        "GRAPHQL_VALIDATION_FAILED",
        "TOO_MANY_NEW_DOCUMENTS",
    }
    assert 1 <= most <= 16


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
    await place.graphs.renew("one")
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


ACME = "type Query { acme: Int }"
OVERRIDING = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@override"]) '
    'type Query { x: String @override(from: "catalog") acme: Int }'
)
# It composed once: `y` was catalog's.
BROKEN = OVERRIDING.replace("acme: Int", "acme: Missing")


async def test_a_published_subgraph_is_in_its_environments_graph_alone() -> None:
    place = Place(one="height")
    place.subgraphs.live["one"] = {"acme": ACME}
    place.subgraphs.live["two"] = {"acme": ACME}
    assert fields_of(await place.graphs.of("one")) == {"store", "x", "height", "acme"}
    assert fields_of(await place.graphs.of("two")) == {"store", "x", "acme"}
    assert await place.graphs.of("three") is None
    assert await place.graphs.of("one") is not await place.graphs.of("two")
    assert [(one.name, one.account_id, one.target) for one in place.extensions] == [("acme", "1" * 12, "url")] * 2
    place.subgraphs.live["one"] = {}
    assert fields_of(await place.settled("one")) == {"store", "x", "height"}


async def test_policies_are_labels_and_a_change_of_them_is_another_graph() -> None:
    place = Place()
    place.subgraphs.live["one"] = {"acme": OVERRIDING}
    first = await place.graphs.of("one")
    assert first is not None
    assert first.supergraph.override_labels == ()
    assert place.extensions[-1].policies == {}
    policy = OverridePolicy(percent=20)
    place.policies.told = {"Query.x": policy, "Query.other": policy}
    second = await place.settled("one")
    assert second is not None
    assert second.supergraph.override_labels == ("percent(20)",)
    assert place.extensions[-1].policies == {"Query.x": policy}


async def test_what_does_not_compose_is_never_served_and_the_graph_before_is() -> None:
    place = Place(one="height")
    place.subgraphs.live["one"] = {"acme": ACME}
    good = await place.graphs.of("one")
    place.subgraphs.live["one"] = {"acme": BROKEN}
    for _ in range(3):
        place.now += 2
        assert await place.settled("one") is good
    place.subgraphs.live["one"] = {"acme": ACME, "more": "type Query { more: Int }"}
    assert fields_of(await place.settled("one")) == {"store", "x", "height", "acme", "more"}


async def test_a_process_without_a_graph_before_leaves_out_what_does_not_fit() -> None:
    place = Place(one="height")
    place.subgraphs.live["one"] = {"acme": BROKEN, "more": "type Query { more: Int }"}
    graph = await place.graphs.of("one")
    assert fields_of(graph) == {"store", "x", "height", "more"}
    assert await place.settled("one") is graph
    place.subgraphs.live["one"] = {"more": "type Query { more: Int }"}
    assert await place.settled("one") is not graph


async def test_nothing_is_left_out_whose_native_answer_may_not_stand_in() -> None:
    place = Place()
    place.policies.told = {"Query.x": OverridePolicy(fallback=False)}
    place.subgraphs.live["one"] = {"acme": BROKEN}
    with pytest.raises(SchemaUnavailable):
        await place.graphs.of("one")
    assert await place.graphs.of("two") is None
    place.subgraphs.live["one"] = {"acme": ACME}
    assert fields_of(await place.settled("one")) == {"store", "x", "acme"}


async def test_what_was_told_serves_for_a_minute_while_tenants_does_not_answer() -> None:
    place = Place()
    place.subgraphs.live["one"] = {"acme": ACME}
    known = await place.graphs.of("one")
    place.subgraphs.down = True
    place.now = 59.0
    assert await place.graphs.of("one") is known
    place.now = 61.0
    with pytest.raises(Unavailable):
        await place.graphs.of("one")
    with pytest.raises(Unavailable):
        await place.new_process().of("one")


async def test_after_a_long_silence_nobody_gets_the_graph_before() -> None:
    place = Place()
    place.subgraphs.live["one"] = {"acme": ACME}
    before = await place.graphs.of("one")
    place.subgraphs.live["one"] = {"more": "type Query { more: Int }"}
    place.now += 5
    assert await place.graphs.of("one") is before
    quiet = place.new_process()
    first = await quiet.of("one")
    place.subgraphs.live["one"] = {"acme": ACME}
    place.now += 3_600
    assert fields_of(await quiet.of("one")) == {"store", "x", "acme"}
    assert fields_of(first) == {"store", "x", "more"}


async def test_notices_that_come_while_a_graph_is_made_are_not_lost() -> None:
    place = Place()
    place.subgraphs.live["one"] = {"acme": ACME}
    await place.graphs.of("one")
    for number in range(5):
        place.subgraphs.live["one"] = {"acme": f"type Query {{ acme{number}: Int }}"}
        place.graphs.heard("one")
        await asyncio.sleep(0)
    async with asyncio.timeout(30):
        while "acme4" not in fields_of(await place.graphs.of("one")):
            await asyncio.sleep(0.01)
    await place.graphs.close()


async def test_parts_of_a_graph_were_there_together() -> None:
    place = Place(one="height")
    place.subgraphs.live["one"] = {"acme": ACME}
    digest = place.schemas.digest
    told = iter(["height", "width", "width"])

    async def changing(environment_id: str) -> str:
        await digest(environment_id)
        return next(told, "width")

    place.schemas.digest = changing  # type: ignore[method-assign]
    place.schemas.told["one"] = "width"
    assert fields_of(await place.graphs.of("one")) == {"store", "x", "width", "acme"}


async def test_answered_documents_are_noted_and_refused_ones_are_not() -> None:
    place = Place()
    noted: list[tuple[str, str]] = []

    class Notes:
        def note(self, environment_id: str, text: str) -> None:
            noted.append((environment_id, text))

    graph = LocalGraph(place.gateway, place.graphs, Notes())
    await graph.execute("{ x }", {}, make_call(environment_id="one"))
    await graph.execute("{ nothing }", {}, make_call(environment_id="one"))
    async for _ in graph.stream("{ __typename }", {}, make_call(environment_id="two")):
        pass
    assert noted == [("one", "{ x }"), ("two", "{ __typename }")]
