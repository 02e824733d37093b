"""Our side as the audit sees it: an HTTP endpoint for one suite's supergraph, and a proxy that renames."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from graphql import parse

from kokoa.gateway.app import Gateway
from kokoa.gateway.execute import HttpClient
from kokoa.gateway.supergraph import Supergraph
from kokoa.graphql.http import Refusal, encode, read_request
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms

from .renaming import Names, keys_of, response
from .server import free_port

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_call() -> Call:
    return Call("audit", Caller("server"), "0" * 32, now_ms() + 10_000)


def gateway_handler(supergraph: Supergraph, session: aiohttp.ClientSession) -> Handler:
    """GraphQL over HTTP for a supergraph whose subgraphs are all remote."""
    clients = {
        one.name: HttpClient(one.name, one.url, session, lambda _call: "audit") for one in supergraph.definitions
    }
    gateway = Gateway(supergraph, clients)

    async def handle(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = read_request(request.method, headers, request.query_string, await request.read())
        if isinstance(asked, Refusal):
            answer = asked.answer()
        else:
            result = await gateway.execute(asked.query, asked.variables, make_call(), asked.operation_name)
            answer = encode(result, asked.accept)
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    return handle


def renaming_handler(names: Names, urls: Mapping[str, str], session: aiohttp.ClientSession) -> Handler:
    """A proxy before subgraphs that speaks in other names. urls: other name of a subgraph → where it really is."""
    back = names.back()

    async def handle(request: web.Request) -> web.Response:
        asked = await request.json()
        real = back.query(asked["query"], keep_keys=True)
        sent = {"query": real, "variables": back.value(asked.get("variables") or {})}
        async with session.post(urls[request.path.strip("/")], json=sent) as answer:
            found = await answer.json(content_type=None)
        if isinstance(found.get("data"), dict):
            found["data"] = response(found["data"], keys_of(parse(real), Names(())), names.types)
        return web.json_response(found)

    return handle


@asynccontextmanager
async def http_server(handler: Handler) -> AsyncIterator[str]:
    """The address of a server of one handler, while it runs."""
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
