"""Asking a partner's server: only where it is allowed, at the time of each request, without anything of ours."""

from collections.abc import AsyncIterator, Sequence

import aiohttp
import pytest
from aiohttp import web

from kokoa.edge.extensions import FunctionAnswer
from kokoa.edge.model import Environment, ExtensionRoute
from kokoa.functions.control.errors import FunctionNotFound
from kokoa.gateway.compose import compose
from kokoa.gateway.execute.clients import SubgraphClient
from kokoa.gateway.extension import Extension
from kokoa.gateway.supergraph import SubgraphDefinition
from kokoa.kernel.call import Call
from kokoa.kernel.overrides import Observation
from kokoa.roles.extensions import ExtensionClients
from unit.gateway.gateway_fakes import make_call


class Egress:
    """What environments allow."""

    def __init__(self) -> None:
        self.allowed: dict[str, tuple[str, ...]] = {}

    async def by_id(self, environment_id: str) -> Environment | None:
        return None

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


class Unheard:
    """Reports that nobody reads."""

    def note(self, observations: Sequence[Observation]) -> None:
        raise AssertionError(observations)


class NoFunctions:
    """Functions of an environment that has none."""

    async def routes_of(self, environment_id: str) -> list[ExtensionRoute]:
        return []

    async def invoke(self, call: Call, function_arn: str, payload: bytes) -> FunctionAnswer:
        raise FunctionNotFound(f"There is no function {function_arn}.")

    async def ready(self) -> bool:
        return True


async def client_of(extension: Extension, session: aiohttp.ClientSession, egress: Egress) -> SubgraphClient:
    supergraph = compose([SubgraphDefinition(extension.name, extension.sdl)])
    clients = ExtensionClients(NoFunctions(), "us-east-1", session, egress, Unheard())
    return await clients.client("one", extension, supergraph, {})


async def test_a_server_is_asked_where_it_is_allowed_and_learns_nothing(
    server: Server, session: aiohttp.ClientSession
) -> None:
    egress = Egress()
    egress.allowed["one"] = (server.destination,)
    client = await client_of(reviews(f"http://{server.destination}/graphql"), session, egress)
    for _ in range(2):
        assert (await client.execute("{ x }", {}, make_call(environment_id="one"), None)).data == {"x": 1}
    assert not {"x-kokoa-call", "authorization", "cookie"} & server.headers[-1].keys()
    assert client.trusted is False
    refused = await client_of(reviews(f"http://{server.destination}/graphql"), session, Egress())
    result = await refused.execute("{ x }", {}, make_call(environment_id="one"), None)
    assert [one["extensions"]["code"] for one in result.errors] == ["ADDRESS_NOT_ALLOWED"]
    assert len(server.headers) == 2


async def test_a_redirect_leads_nowhere(server: Server, session: aiohttp.ClientSession) -> None:
    egress = Egress()
    egress.allowed["one"] = (server.destination,)
    client = await client_of(reviews(f"http://{server.destination}/moved"), session, egress)
    result = await client.execute("{ x }", {}, make_call(environment_id="one"), None)
    assert [one["extensions"]["code"] for one in result.errors] == ["SUBGRAPH_UNAVAILABLE"]
    assert len(server.headers) == 1


async def test_a_function_that_is_gone_is_an_error_of_its_subgraph(session: aiohttp.ClientSession) -> None:
    extension = Extension("reviews", "1" * 12, "acme", "type Query { x: Int }", "fields", function="reviews")
    client = await client_of(extension, session, Egress())
    result = await client.execute("{ x }", {}, make_call(environment_id="one"), None)
    assert result.errors
