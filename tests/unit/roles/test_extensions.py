"""Asking a partner's server: only where it is allowed, at the time of each request, without anything of ours."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from kokoa.gateway.execute.clients import SubgraphUnavailable
from kokoa.gateway.extension import Extension
from kokoa.roles.extensions import AllowlistedClient, Allowlists, NobodyYet
from unit.gateway.gateway_fakes import make_call


class Egress:
    """What environments allow."""

    def __init__(self) -> None:
        self.allowed: dict[str, tuple[str, ...]] = {}

    async def egress(self, environment_id: str) -> tuple[str, ...]:
        return self.allowed.get(environment_id, ())


class Server:
    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []
        self.destination = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if request.path == "/moved":
            raise web.HTTPFound(f"http://{self.destination}/graphql")
        answer = web.json_response({"data": {"x": 1}})
        answer.set_cookie("seen", "1")
        return answer


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    app = web.Application()
    app.router.add_post("/{any}", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.destination = f"127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()) as opened:
        yield opened


def reviews(url: str) -> Extension:
    return Extension("reviews", "1" * 12, "acme", "type Query { x: Int }", "url", url=url)


async def test_a_server_is_asked_where_it_is_allowed_and_learns_nothing(
    server: Server, session: aiohttp.ClientSession
) -> None:
    egress = Egress()
    egress.allowed["one"] = (server.destination,)
    client = AllowlistedClient(reviews(f"http://{server.destination}/graphql"), session, Allowlists(egress))
    for _ in range(2):
        assert (await client.execute("{ x }", {}, make_call(environment_id="one"), None)).data == {"x": 1}
    assert not {"x-kokoa-call", "authorization", "cookie"} & server.headers[-1].keys()
    assert server.headers[-1]["accept-encoding"] == "identity"
    assert client.trusted is False
    with pytest.raises(SubgraphUnavailable, match=f"kokoa egress allow {server.destination}"):
        await client.execute("{ x }", {}, make_call(environment_id="two"), None)
    with pytest.raises(SubgraphUnavailable):
        async for _ in client.stream("{ x }", {}, make_call(environment_id="two"), None):
            pass
    assert len(server.headers) == 2


async def test_a_redirect_leads_nowhere(server: Server, session: aiohttp.ClientSession) -> None:
    egress = Egress()
    egress.allowed["one"] = (server.destination,)
    client = AllowlistedClient(reviews(f"http://{server.destination}/moved"), session, Allowlists(egress))
    with pytest.raises(SubgraphUnavailable):
        await client.execute("{ x }", {}, make_call(environment_id="one"), None)
    assert len(server.headers) == 1


async def test_functions_say_that_they_cannot_be_asked_yet() -> None:
    client = NobodyYet(Extension("reviews", "1" * 12, "acme", "", "fields", function="reviews"))
    with pytest.raises(SubgraphUnavailable, match="reviews"):
        await client.execute("{ x }", {}, make_call(), None)
    with pytest.raises(SubgraphUnavailable):
        async for _ in client.stream("{ x }", {}, make_call(), None):
            pass
