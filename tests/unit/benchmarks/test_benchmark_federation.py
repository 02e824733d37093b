"""The benchmark of federated gateways: what is compared must be the same work with the same result."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from benchmarks.federation.__main__ import ratio_of
from benchmarks.federation.contest import FLOOR, KOKOA, Round
from benchmarks.federation.floor_app import Floor
from benchmarks.federation.gateway_app import GatewayApp
from benchmarks.federation.shop import ONE_FETCH, QUERY, make_supergraph, plan_of
from benchmarks.federation.small_app import SmallApp
from benchmarks.federation.subgraph_app import Subgraphs

HEADERS = {"content-type": "application/json"}


@pytest.fixture
async def subgraphs() -> AsyncIterator[tuple[str, list[str]]]:
    """The four, over HTTP: their base URL, and whom anybody asked so far."""
    four = Subgraphs()
    asked: list[str] = []

    async def serve(request: web.Request) -> web.Response:
        asked.append(request.path[1:])
        status, body = await four.answer(request.path, {}, await request.read())
        return web.Response(status=status, body=body, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{name}", serve)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/"), asked


async def answer_of(app: SmallApp, query: str) -> dict[str, Any]:
    """The data of an answer without errors."""
    status, body = await app.answer("/graphql", HEADERS, orjson.dumps({"query": query}))
    answer: dict[str, Any] = orjson.loads(body)
    assert (status, list(answer)) == (200, ["data"])
    data: dict[str, Any] = answer["data"]
    return data


def test_the_plan_needs_seven_fetches() -> None:
    plan = plan_of(make_supergraph("http://shop.test"))
    assert (len(plan.fetches), plan.depth()) == (7, 4)


async def test_gateway_and_floor_fetch_the_same_and_answer_the_same(subgraphs: tuple[str, list[str]]) -> None:
    base_url, asked = subgraphs
    answers, fetched = [], []
    for app in (GatewayApp(base_url), Floor(base_url)):
        await app.open()
        try:
            answers.append((await answer_of(app, QUERY), await answer_of(app, ONE_FETCH)))
        finally:
            await app.close()
        fetched.append(sorted(asked))
        asked.clear()
    long_query = ["accounts"] * 2 + ["inventory"] * 2 + ["products"] * 2 + ["reviews"]
    assert fetched == [sorted([*long_query, "accounts"])] * 2
    assert answers[0] == answers[1]
    couch = answers[0][0]["topProducts"][1]
    assert couch.pop("reviews")[3]["author"]["name"] == "Uri Goldshtein"
    assert couch == {
        "inStock": False, "name": "Couch", "price": 1299, "shippingEstimate": 0, "upc": "2", "weight": 1000,
    }  # fmt: skip


async def test_the_subgraphs_count_what_they_are_asked() -> None:
    four = Subgraphs()
    query = orjson.dumps({"query": "{ me { username } }"})
    first, again = await four.answer("/accounts", {}, query), await four.answer("/accounts", {}, query)
    assert first == again == (200, b'{"data":{"me":{"username":"urigo"}}}')
    assert await four.answer("/asked", {}, b"") == (200, b"2")


def test_a_round_is_judged_by_its_own() -> None:
    def turn(per_second: float, cpu_ms: float) -> Round:
        return Round(per_second, p50_ms=1, p99_ms=1, cpu_ms=cpu_ms, fetches=7, added_ms=0)

    found = {KOKOA: [turn(50, 2), turn(10, 2), turn(40, 8)], FLOOR: [turn(100, 1), turn(40, 1), turn(80, 2)]}
    ratio = ratio_of(found, FLOOR)
    assert (ratio.per_second, ratio.cpu) == (0.5, 0.5)
