"""Spans of operation, plan and fetch: which there are, what they say, and what they never say."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from extension_fakes import Shop
from gateway_fakes import CATALOG, SEARCH, FakeClient, composed, make_call
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, format_span_id, format_trace_id

from kokoa.gateway.app import Gateway
from kokoa.gateway.execute import InProcessClient, SubgraphUnavailable
from kokoa.gateway.execute.clients import SubgraphClient
from kokoa.graphql.result import ExecutionResult
from kokoa.kernel.call import Call
from kokoa.processes import free_port
from kokoa.roles.tracing import ATTRIBUTE_LENGTH_MAX, OtelTracer

SHOP = composed(catalog=CATALOG, search=SEARCH)
SECRET = "a word of the shopper's own"
LAMPS = f'query Lamps {{ search(q: "{SECRET}") {{ items {{ name }} }} }}'


class Drawn:
    """A gateway that draws into memory."""

    def __init__(self, clients: Mapping[str, SubgraphClient], supergraph: Any = SHOP) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracer = OtelTracer(SimpleSpanProcessor(self.exporter), role="web")
        self.gateway = Gateway(supergraph, clients, tracer=self.tracer)

    def spans(self, name: str) -> list[ReadableSpan]:
        return [one for one in self.exporter.get_finished_spans() if one.name == name]

    def attributes(self, name: str) -> list[dict[str, Any]]:
        return [dict(one.attributes or {}) for one in self.spans(name)]


def searched(client: FakeClient) -> dict[str, FakeClient]:
    """A catalogue that is not asked, beside this search."""
    return {"catalog": FakeClient(), "search": client}


def found_lamps(times: int = 1) -> dict[str, FakeClient]:
    """Two lamps, so many times."""
    items = '{"search": {"items": [{"__typename": "Product", "id": "1"}, {"__typename": "Product", "id": "2"}]}}'
    names = '{"_entities": [{"name": "Lamp 1"}, {"name": "Lamp 2"}]}'
    return {
        name: FakeClient(*(ExecutionResult(orjson.loads(data)) for _ in range(times)))
        for name, data in (("search", items), ("catalog", names))
    }


async def test_an_operation_has_its_plan_and_its_fetches_in_the_trace_of_its_correlation_id() -> None:
    drawn = Drawn(found_lamps())
    result = await drawn.gateway.execute(LAMPS, {}, make_call())
    assert result.data == {"search": {"items": [{"name": "Lamp 1"}, {"name": "Lamp 2"}]}}
    (operation,), (plan,) = drawn.spans("graphql.operation"), drawn.spans("graphql.plan")
    fetches = drawn.spans("graphql.fetch")
    every = [operation, plan, *fetches]
    assert {format_trace_id(one.context.trace_id) for one in every} == {make_call().correlation_id}
    assert operation.parent is None
    assert {one.parent.span_id for one in (plan, *fetches) if one.parent} == {operation.context.span_id}
    assert {one.resource.attributes["service.name"] for one in every} == {"kokoa-web"}
    (said,) = drawn.attributes("graphql.operation")
    assert len(said.pop("kokoa.document_sha256")) == 64
    assert said == {
        "graphql.operation.name": "Lamps",
        "graphql.operation.type": "query",
        "kokoa.environment_id": "env",
        "kokoa.plan_remembered": False,
        "kokoa.fetches_count": 2,
        "kokoa.errors_count": 0,
    }
    assert drawn.attributes("graphql.fetch") == [
        {"kokoa.subgraph": "search", "kokoa.entities_count": 0, "kokoa.outcome": "answered"},
        {"kokoa.subgraph": "catalog", "kokoa.entities_count": 2, "kokoa.outcome": "answered"},
    ]


async def test_a_remembered_plan_is_an_attribute_and_no_span() -> None:
    drawn = Drawn(found_lamps(2))
    for _ in range(2):
        await drawn.gateway.execute(LAMPS, {}, make_call())
    assert [one["kokoa.plan_remembered"] for one in drawn.attributes("graphql.operation")] == [False, True]
    assert len(drawn.spans("graphql.plan")) == 1


async def test_an_own_graph_of_an_environment_is_drawn_as_the_common_one_is() -> None:
    drawn = Drawn({"catalog": FakeClient(), "search": FakeClient()})
    drawn.gateway.publish(
        "env", composed(own="type Query { x: Int }"), {"own": FakeClient(ExecutionResult({"x": 1}))}
    )
    await drawn.gateway.execute("{ x }", {}, make_call())
    await drawn.gateway.execute("{ x }", {}, make_call(environment_id="other"))
    said = [(one["kokoa.environment_id"], one["kokoa.errors_count"]) for one in drawn.attributes("graphql.operation")]
    assert said == [("env", 0), ("other", 1)]


async def test_failures_are_drawn_by_their_codes() -> None:
    drawn = Drawn(searched(FakeClient(SubgraphUnavailable(f"away: {SECRET}"))))
    await drawn.gateway.execute(LAMPS, {}, make_call())
    (fetch,) = drawn.spans("graphql.fetch")
    assert dict(fetch.attributes or {}) == {
        "kokoa.subgraph": "search",
        "kokoa.entities_count": 0,
        "kokoa.outcome": "failed",
        "error.type": "SUBGRAPH_UNAVAILABLE",
    }
    (operation,) = drawn.spans("graphql.operation")
    assert (operation.attributes or {})["kokoa.errors_count"] == 1
    assert {fetch.status.status_code, operation.status.status_code} == {StatusCode.ERROR}


async def test_a_document_that_is_refused_is_drawn_without_what_it_is_not() -> None:
    drawn = Drawn(searched(FakeClient()))
    await drawn.gateway.execute("{ nothing }", {}, make_call())
    (said,) = drawn.attributes("graphql.operation")
    assert (said["kokoa.errors_count"], said["kokoa.fetches_count"]) == (1, 0)
    assert "graphql.operation.type" not in said
    assert not drawn.spans("graphql.plan")


async def test_nothing_that_a_shopper_or_a_partner_wrote_is_drawn_and_names_are_cut() -> None:
    entry = {"message": SECRET, "extensions": {"code": SECRET * 10}}
    drawn = Drawn(searched(FakeClient(ExecutionResult({"search": None}, [entry]))))
    long = "L" * 1_000
    text = f"query {long}($q: String!) {{ search(q: $q) {{ total }} products {{ id @skip(if: true) }} }}"
    await drawn.gateway.execute(text, {"q": SECRET}, make_call())
    await drawn.gateway.execute(LAMPS, {}, make_call())
    for span in drawn.exporter.get_finished_spans():
        assert SECRET not in span.to_json()
        assert not span.events
        assert all(len(str(value)) <= ATTRIBUTE_LENGTH_MAX for value in (span.attributes or {}).values())
    assert drawn.attributes("graphql.operation")[0]["graphql.operation.name"] == long[:ATTRIBUTE_LENGTH_MAX]


async def test_what_no_longer_is_waited_for_ends_as_abandoned() -> None:
    asked = asyncio.Event()

    class Hangs(FakeClient):
        async def execute(self, *_: Any) -> ExecutionResult:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError("never")

    drawn = Drawn(searched(Hangs()))
    request = asyncio.ensure_future(drawn.gateway.execute(LAMPS, {}, make_call()))
    async with asyncio.timeout(30):
        await asked.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert drawn.attributes("graphql.fetch")[0]["kokoa.outcome"] == "abandoned"
    (said,) = drawn.attributes("graphql.operation")
    assert said["kokoa.abandoned"] is True
    assert "kokoa.errors_count" not in said


async def test_a_subscription_has_the_span_of_its_beginning_and_a_streamed_query_its_whole_one() -> None:
    class Ticks(FakeClient):
        async def stream(self, *_: Any) -> AsyncGenerator[ExecutionResult, None]:
            for n in range(3):
                yield ExecutionResult({"ticks": n})

    sdl = "type Query { x: Int }  type Subscription { ticks: Int }"
    drawn = Drawn({"a": Ticks(ExecutionResult({"x": 1}))}, composed(a=sdl))
    for text, count in (("subscription { ticks }", 3), ("{ x }", 1)):
        async with aclosing(drawn.gateway.stream(text, {}, make_call())) as events:
            assert len([one async for one in events]) == count
    said = [
        (one["graphql.operation.type"], one["kokoa.fetches_count"]) for one in drawn.attributes("graphql.operation")
    ]
    assert said == [("subscription", 0), ("query", 1)]


async def test_a_partners_server_is_told_the_fetchs_span() -> None:
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers["traceparent"])
        return web.json_response({"data": {"greeting": "Hello"}})

    app = web.Application()
    app.router.add_post("/graphql", answer)

    async def allowed(host: str, port: int) -> bool:
        return True

    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        url = str(server.make_url("/graphql"))
        shop = Shop(target="url", url=url, session=session, allowed=allowed)
        drawn = Drawn({"catalog": InProcessClient(shop.catalog), "prices": shop.client}, shop.supergraph)
        result = await drawn.gateway.execute('{ greeting(toWhom: "Ada") }', {}, make_call())
    assert result.data == {"greeting": "Hello"}
    (fetch,) = drawn.spans("graphql.fetch")
    assert seen == [f"00-{make_call().correlation_id}-{format_span_id(fetch.context.span_id)}-01"]


async def test_traces_that_are_not_kept_cost_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    clients = found_lamps()
    drawn = Drawn(clients)
    assert (await drawn.gateway.execute(LAMPS, {}, make_call())).errors == ()
    assert drawn.exporter.get_finished_spans() == ()
    assert [one.span_id for one in clients["search"].calls] == [""]


async def test_a_collector_that_is_away_holds_up_neither_requests_nor_the_end() -> None:
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{free_port()}/v1/traces", timeout=1)
    tracer = OtelTracer(BatchSpanProcessor(exporter), role="web")
    gateway = Gateway(SHOP, found_lamps(), tracer=tracer)
    assert (await gateway.execute(LAMPS, {}, make_call())).errors == ()
    async with asyncio.timeout(60):
        await tracer.close()


def test_a_call_without_a_trace_id_is_drawn_in_a_trace_of_its_own() -> None:
    drawn = Drawn(found_lamps())
    call = make_call()
    for text in ("0" * 32, "4BF92F", ""):
        drawn.tracer.operation("{ x }", Call(call.environment_id, call.caller, text, call.deadline_ms)).end(0)
    traces = {one.context.trace_id for one in drawn.exporter.get_finished_spans()}
    assert len(traces) == 3
    assert 0 not in traces


def test_opentelemetry_is_not_loaded_where_nothing_is_drawn() -> None:
    text = "import sys, kokoa.roles.web; sys.exit(any(one.startswith('opentelemetry') for one in sys.modules))"
    assert subprocess.run([sys.executable, "-c", text], timeout=120).returncode == 0
