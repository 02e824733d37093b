"""The HTTP clients for subgraphs, against a server on the loopback that answers as told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from gateway_fakes import make_call

from kokoa.gateway.execute import HttpClient, PeerClient, SubgraphUnavailable
from kokoa.kernel.call import Call
from kokoa.kernel.errors import DeadlineExceeded
from kokoa.web.connections import Connections

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Connect = Callable[[Handler], Awaitable[HttpClient]]


def sign(call: Call) -> str:
    return f"signed:{call.depth}"


@pytest.fixture(params=[HttpClient, PeerClient])
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Connect]:
    """connect(handler) → a client of a server that answers with the handler."""
    opened: list[TestServer | aiohttp.ClientSession | Connections] = []

    async def to(handler: Handler) -> HttpClient:
        app = web.Application()
        app.router.add_post("/graphql", handler)
        server, session = TestServer(app), aiohttp.ClientSession()
        await server.start_server()
        opened.extend((session, server))
        url = str(server.make_url("/graphql"))
        if request.param is HttpClient:
            return HttpClient("reviews", url, session, sign, response_bytes_max=10_000)
        connections = Connections()
        opened.insert(0, connections)
        return PeerClient("reviews", url, connections, session, sign, response_bytes_max=10_000)

    yield to
    for one in opened:
        await one.close()


async def test_a_request_carries_the_operation_the_token_and_the_correlation_id(connect: Connect) -> None:
    seen: list[tuple[dict[str, str], dict[str, object]]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(({key.lower(): value for key, value in request.headers.items()}, await request.json()))
        return web.json_response({"data": {"x": 1}}, content_type="application/graphql-response+json")

    client = await connect(answer)
    result = await client.execute("query A { x }", {"v": 1}, make_call(depth=2), "A")
    headers, body = seen[0]
    assert result.data == {"x": 1}
    assert body == {"query": "query A { x }", "variables": {"v": 1}, "operationName": "A"}
    assert headers["x-kokoa-call"] == "signed:2"
    assert headers["x-correlation-id"] == make_call().correlation_id
    assert headers["accept"].startswith("application/graphql-response+json")


async def test_graphql_errors_are_an_answer_whatever_the_status(connect: Connect) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"errors": [{"message": "no"}, "junk"]}, status=400)

    result = await (await connect(answer)).execute("{ x }", {}, make_call(), None)
    assert result.refused
    assert result.errors == [{"message": "no"}]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>", "not a GraphQL response"),
        (b"[]", "not a GraphQL response"),
        (b"{}", "not a GraphQL response"),
        (b'{"data": 7}', "malformed"),
        (b'{"data": {}, "errors": "x"}', "malformed"),
        (orjson.dumps({"data": {"x": "y" * 10_000}}), "more than 10000 bytes"),
    ],
)
async def test_nonsense_is_unavailability_that_names_the_subgraph(connect: Connect, body: bytes, said: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, status=502)

    client = await connect(answer)
    with pytest.raises(SubgraphUnavailable, match=said) as failed:
        await client.execute("{ x }", {}, make_call(), None)
    assert "reviews" in failed.value.message


async def test_redirects_are_not_followed(connect: Connect) -> None:
    async def answer(_: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.1:1/elsewhere")

    client = await connect(answer)
    with pytest.raises(SubgraphUnavailable, match="HTTP status 302"):
        await client.execute("{ x }", {}, make_call(), None)


async def test_a_server_that_is_away_or_hangs(connect: Connect) -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    client = await connect(hang)
    with pytest.raises(DeadlineExceeded, match="reviews did not answer"):
        await client.execute("{ x }", {}, make_call(deadline_in_ms=80), None)
    async with aiohttp.ClientSession() as session:
        url = "http://127.0.0.1:9/graphql"
        for nobody in (
            HttpClient("reviews", url, session, sign),
            PeerClient("reviews", url, Connections(), session, sign),
        ):
            with pytest.raises(SubgraphUnavailable, match="cannot be reached"):
                await nobody.execute("{ x }", {}, make_call(), None)
