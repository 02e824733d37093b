"""The two doors out of a sandbox: what the store sees when a function asks it for something."""

import gzip
import json
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from functions_fixtures.hosting import Hosting, require_sandboxes, running_host

from kokoa.functions.host import shares
from kokoa.functions.host.relay import BODY_BYTES_MAX

pytestmark = pytest.mark.e2e

ASK = """
import http.client, json, os, urllib.parse
def ask(url, method='GET', path='/', body=None, headers={}):
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=5)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return [answer.status, dict(answer.getheaders()), answer.read().decode('latin-1')]
def handler(event, context):
    url = os.environ[event.pop('door')]
    return ask(url, **event)
"""


class Store:
    """A store's web process that remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, list[tuple[str, str]], bytes]] = []
        self.url = ""

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.requests.append((request.method, request.raw_path, list(request.headers.items()), body))
        if request.path == "/stream":
            response = web.StreamResponse(headers={"Content-Type": "text/plain"})
            await response.prepare(request)
            for part in (b"one ", b"two ", b"three"):
                await response.write(part)
            await response.write_eof()
            return response
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": "/elsewhere", "Set-Cookie": "a=b"})
        return web.json_response({"path": request.raw_path, "size": len(body)}, status=201)

    def last(self) -> dict[str, str]:
        """Headers of the last request, names in lower case."""
        return {name.lower(): value for name, value in self.requests[-1][2]}


@pytest.fixture(scope="module")
async def store() -> AsyncIterator[Store]:
    store = Store()
    runner = web.ServerRunner(web.Server(store.serve, auto_decompress=False))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    store.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield store
    await runner.cleanup()


@pytest.fixture(scope="module")
async def host(store: Store, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hosting]:
    await require_sandboxes()
    async with running_host(tmp_path_factory.mktemp("relay"), web_url=store.url) as hosting:
        yield hosting


async def test_a_request_to_the_store_carries_the_running_calls_token(host: Hosting, store: Store) -> None:
    function = host.function(ASK)
    for token in ("first-token", "second-token"):
        request = host.request(
            function,
            {"door": "APP_LOAD_BALANCER_URL", "method": "POST", "path": "/graphql?a=%2Fb&c=%C3%A9", "body": "{}"},
            token=token,
        )
        status, _, body = json.loads((await host.client.invoke(request)).payload)
        assert (status, json.loads(body)) == (201, {"path": "/graphql?a=%2Fb&c=%C3%A9", "size": 2})
        assert store.last()["x-kokoa-call"] == token
        assert store.last()["x-correlation-id"] == request.correlation_id
        assert store.last()["host"] == store.url.removeprefix("http://")


async def test_what_a_function_claims_to_be_is_dropped(host: Hosting, store: Store) -> None:
    forged = {
        "X-Kokoa-Call": "forged",
        "x-kokoa-anything": "forged",
        "X-Tenant-ID": "boeing",
        "X-Tenant-Secret": "forged",
        "X-GraphQL-Secret": "forged",
        "X-Environment": "prod",
        "X-Forwarded-Host": "victim.example",
        "X-Correlation-Id": "0" * 32,
        "Connection": "close, X-Hop",
        "X-Hop": "1",
        "X-Mine": "kept",
    }
    for door in ("APP_LOAD_BALANCER_URL", "AWS_ENDPOINT_URL"):
        await host.answer(host.function(ASK), {"door": door, "headers": forged})
        seen = store.last()
        assert "forged" not in seen.values()
        assert not {"x-tenant-id", "x-environment", "x-forwarded-host", "x-hop"} & seen.keys()
        assert (seen["x-kokoa-call"], seen["x-mine"]) == ("token-of-the-call", "kept")
        assert seen["x-correlation-id"] != "0" * 32


async def test_the_aws_door_keeps_what_a_signature_signs(host: Hosting, store: Store) -> None:
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=…".replace("…", "x"), "X-Amz-Date": "20260101T000000Z"}
    event = {"door": "AWS_ENDPOINT_URL", "method": "PUT", "path": "/2015-03-31/functions/a%20b", "body": "zip"}
    await host.answer(host.function(ASK), event | {"headers": signed})
    method, path, _, body = store.requests[-1]
    assert (method, path, body) == ("PUT", "/2015-03-31/functions/a%20b", b"zip")
    assert store.last()["host"] == "127.0.0.1:9003"
    assert store.last()["authorization"] == signed["Authorization"]
    assert store.last()["x-amz-date"] == signed["X-Amz-Date"]
    assert "content-type" not in store.last()


async def test_answers_come_through_as_they_are(host: Hosting) -> None:
    function = host.function(ASK)
    status, headers, body = await host.answer(function, {"door": "APP_LOAD_BALANCER_URL", "path": "/stream"})
    assert (status, body, headers["Content-Type"]) == (200, "one two three", "text/plain")
    status, headers, _ = await host.answer(function, {"door": "APP_LOAD_BALANCER_URL", "path": "/moved"})
    assert (status, headers["Location"], headers["Set-Cookie"]) == (302, "/elsewhere", "a=b")
    status, _, body = await host.answer(function, {"door": "APP_LOAD_BALANCER_URL", "method": "HEAD"})
    assert (status, body) == (201, "")


RAW = """
import socket
def handler(event, context):
    with socket.create_connection(("127.0.0.1", 9002), 5) as store:
        store.sendall(event.encode())
        return store.recv(65536).decode()
"""


@pytest.mark.parametrize("target", ["CONNECT @{0}", "CONNECT a:b@{0}", "CONNECT {0}", "GET http://{0}/", "OPTIONS *"])
async def test_no_request_chooses_another_server(host: Hosting, store: Store, target: str) -> None:
    """What stands in the place of the path must not become a part of the address that the host asks."""
    before = len(store.requests)
    elsewhere = store.url.removeprefix("http://").replace("127.0.0.1", "127.0.0.2")
    raw = f"{target.format(elsewhere)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_server(("127.0.0.2", int(elsewhere.partition(":")[2]))) as listener:
        assert "400 Bad Request" in await host.answer(host.function(RAW), raw)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert len(store.requests) == before


async def test_bodies_are_not_unpacked_on_the_way(host: Hosting, store: Store) -> None:
    bomb = gzip.compress(bytes(1_000_000)).decode("latin-1")
    event = {"door": "APP_LOAD_BALANCER_URL", "method": "POST", "headers": {"Content-Encoding": "gzip"}, "body": bomb}
    assert (await host.answer(host.function(ASK), event))[0] == 201
    assert store.requests[-1][3] == bomb.encode("latin-1")
    assert store.last()["content-encoding"] == "gzip"


async def test_who_asks_too_fast_waits_or_is_told_so(
    host: Hosting, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five requests at once here, and then one an hour: the sixth would come after the invocation's deadline."""
    monkeypatch.setattr(shares, "REQUESTS", 5.0)
    monkeypatch.setattr(shares, "REQUESTS_PER_S", 1 / 3600)
    source = ASK + "def handler(e, c): return [ask(os.environ['APP_LOAD_BALANCER_URL'])[0] for _ in range(8)]"
    before = len(store.requests)
    # Two functions of an account that has had no sandbox before the change.
    functions = [host.function(source, account_id="5" * 12) for _ in range(2)]
    answers = [answer for function in functions for answer in await host.answer(function)]
    assert answers == [201] * 5 + [429] * 11
    assert len(store.requests) - before == 5
    monkeypatch.setattr(shares, "REQUESTS_PER_S", 50.0)
    answers = await host.answer(host.function(source, account_id="6" * 12))
    assert answers == [201] * 8, "who may wait waits"


async def test_a_body_over_the_bound_is_refused(host: Hosting) -> None:
    event = {
        "door": "APP_LOAD_BALANCER_URL",
        "method": "POST",
        "headers": {"Content-Length": str(BODY_BYTES_MAX + 1)},
    }
    status, _, body = await host.answer(host.function(ASK), event)
    assert (status, json.loads(body)["status"]) == (413, 413)


async def test_nobody_to_ask_for_between_invocations(host: Hosting, store: Store) -> None:
    """A thread that goes on after the answer cannot borrow the token of the call that is over."""
    function = host.function(
        ASK + "import threading, time\nheard = []\n"
        "def later():\n"
        "    for _ in range(5000):\n"
        "        status = ask(os.environ['APP_LOAD_BALANCER_URL'])[0]\n"
        "        heard.append(status)\n"
        "        if status == 503: return\n"
        "def handler(event, context):\n"
        "    if event == 'start': threading.Thread(target=later, daemon=True).start()\n"
        "    return heard[-1:]\n"
    )
    await host.answer(function, "start")
    for _ in range(200):
        heard = await host.answer(function, "look")
        if heard == [503]:
            break
    assert heard == [503]


async def test_a_store_that_is_away_is_a_bad_gateway(tmp_path_factory: pytest.TempPathFactory) -> None:
    await require_sandboxes()
    async with running_host(tmp_path_factory.mktemp("away"), web_url="http://127.0.0.1:9") as host:
        status, headers, body = await host.answer(host.function(ASK), {"door": "APP_LOAD_BALANCER_URL"})
        assert (status, headers["Content-Type"]) == (502, "application/problem+json")
        assert json.loads(body)["detail"] == "The store's API does not answer."
