"""The channels between a sandbox and its host, misused: forged answers, smuggled requests, what goes on after an answer."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from attacks.arena import Arena, open_arena, processes_called, text_of
from functions_fixtures.hosting import eventually

from kokoa.functions.host.relay import CALL_HEADER

API = "/2018-06-01/runtime"
OTHER_ID = "00000000-0000-4000-8000-000000000000"


def post(path: str, body: str = '"forged"') -> str:
    return f"POST {API}/{path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n{body}"


class Store:
    """A store's web process that remembers what reached it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.url = ""

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((request.method, request.raw_path, headers, await request.read()))
        return web.Response(text="from the store")


@pytest.fixture(scope="module")
async def store() -> AsyncIterator[Store]:
    store = Store()
    runner = web.ServerRunner(web.Server(store.serve))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    store.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield store
    await runner.cleanup()


@pytest.fixture(scope="module")
async def joined(store: Store, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    """An arena whose doors lead to that store."""
    async with open_arena(tmp_path_factory.mktemp("joined"), web_url=store.url) as arena:
        yield arena


FORGED = {
    "another invocation": (post(f"invocation/{OTHER_ID}/response"), "400", "InvalidRequestID"),
    "another invocation's error": (post(f"invocation/{OTHER_ID}/error"), "400", "InvalidRequestID"),
    "an id with a path": (post("invocation/../../x/response"), "40", ""),
    "an id with a percent": (post("invocation/%7Bid%7D/response"), "40", ""),
    "an empty id": (post("invocation//response"), "400", "InvalidRequestID"),
    "a failed start": (post("init/error"), "403", "InvalidStateTransition"),
    "the next one": (f"GET {API}/invocation/next HTTP/1.1\r\n\r\n", "403", "InvalidStateTransition"),
    "another method": (f"PUT {API}/invocation/next HTTP/1.1\r\n\r\n", "404", ""),
    "another API": ("GET /2020-01-01/extension/event/next HTTP/1.1\r\n\r\n", "404", ""),
    "websocket": (
        f"GET {API}/invocation/next HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "400",
        "",
    ),
    "h2c": (f"GET {API}/invocation/next HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "400", ""),
    "HTTP/2": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400", ""),
    "CONNECT": ("CONNECT 127.0.0.1:22 HTTP/1.1\r\n\r\n", "400", ""),
    "both lengths": (
        f"POST {API}/init/error HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
        "",
    ),
    "a line break in a header": (f"GET {API}/invocation/next HTTP/1.1\r\nA: b\rc\nd\r\n\r\n", "400", ""),
    "two requests at once": (post("x") + post(f"invocation/{OTHER_ID}/response"), "4", ""),
}


async def test_calls_of_the_runtime_api_that_are_not_its_to_make(arena: Arena) -> None:
    """They are refused, and the invocation that runs ends with its own answer."""
    answers = await arena.attack("runtime_api", {"requests": [request for request, _, _ in FORGED.values()]})
    for (name, (_, status, error_type)), answer in zip(FORGED.items(), answers, strict=True):
        assert answer.startswith(f"HTTP/1.1 {status}"), (name, answer)
        assert error_type in answer, (name, answer)
    assert len(answers) == len(FORGED)


async def test_another_sandboxes_invocation_cannot_be_answered(arena: Arena) -> None:
    """Two run at once; the one knows the other's id, and its own Runtime API does not."""
    waiting = arena.host.function("from time import sleep\ndef handler(event, context): sleep(2); return 'mine'")
    request = arena.host.request(waiting)
    running = asyncio.ensure_future(arena.host.client.invoke(request))
    await eventually(lambda: arena.host.logs.messages(request.request_id), "it runs", 30)
    calls = [post(f"invocation/{request.request_id}/{what}") for what in ("response", "error")]
    for answer in await arena.attack("runtime_api", {"requests": calls}):
        assert "InvalidRequestID" in answer
    assert (await running).payload == b'"mine"'


async def test_a_killed_invocation_has_no_answer(arena: Arena) -> None:
    """Its process outlives the timeout no more than its sandbox does, and nobody takes the forged answer."""
    weapon = arena.weapon("answers_late", timeout_s=1)
    first = arena.host.request(weapon)
    second = arena.host.request(weapon)
    late = await arena.host.client.invoke(arena.host.request(weapon, second.request_id, request_id=first.request_id))
    assert json.loads(late.payload)["errorType"] == "Sandbox.Timedout"
    again = await arena.host.client.invoke(arena.host.request(weapon, first.request_id, request_id=second.request_id))
    assert json.loads(again.payload)["errorType"] == "Sandbox.Timedout"
    await eventually(lambda: not processes_called("answers-late"), "no process of a killed sandbox is left", 30)


async def test_what_goes_on_after_an_answer_gets_nothing_more(joined: Arena, store: Store) -> None:
    """A process left behind stands still between invocations, and borrows no token from others' calls."""
    weapon = joined.weapon("leaves_processes")
    await joined.host.answer(weapon, [9002, 9003])
    await eventually(lambda: processes_called("left-9002"), "it goes on", 30)
    (left,) = processes_called("left-9002")
    heard: list[str] = []
    for number in range(5):
        heard = await joined.host.answer(weapon, token=f"token-{number}")
    assert set(heard) <= {"HTTP/1.1 200 OK", "HTTP/1.1 503 Service Unavailable"}
    await eventually(lambda: frozen(joined, left), "it stands still between invocations", 30)
    own = {"token-of-the-call", *(f"token-{number}" for number in range(5))}
    assert {headers[CALL_HEADER.lower()] for _, path, headers, _ in store.requests if path == "/left-behind"} <= own
    quiet = len(store.requests)
    other = joined.host.function("def handler(event, context): return 'mine'")
    assert [await joined.host.answer(other) for _ in range(5)] == ["mine"] * 5
    assert len(store.requests) == quiet


async def test_who_steals_the_next_invocation_steals_from_itself(joined: Arena) -> None:
    """The thief's own function waits for an answer, at most its timeout; then it has a sandbox without a thief."""
    weapon = joined.weapon("leaves_processes", timeout_s=2)
    await joined.host.invoke(weapon, [9001])
    other = joined.host.function("def handler(event, context): return 'mine'")
    assert [await joined.host.answer(other) for _ in range(5)] == ["mine"] * 5
    for _ in range(10):
        invocation = await joined.host.invoke(weapon)
        if invocation.function_error is None and not processes_called("left-9001"):
            break
        assert invocation.function_error is None or b"Sandbox.Timedout" in invocation.payload
        if invocation.function_error is not None:
            await eventually(lambda: not processes_called("left-9001"), "its sandbox ends", 30)
    assert not processes_called("left-9001")
    assert await joined.host.answer(weapon) == []


def frozen(arena: Arena, pid: str) -> bool:
    """Whether the process is in a group that stands still."""
    own = [group for group in arena.groups if pid in text_of(group / "cgroup.procs").split()]
    return any(
        "FROZEN" in text_of(group / "freezer.state") or "frozen 1" in text_of(group / "cgroup.events")
        for group in own
    )


SMUGGLED = {
    "both lengths": "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\nX-Kokoa-Call: forged\r\n\r\n",
    "two lengths": "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\nGET /b HTTP/1.1\r\nX-Kokoa-Call: forged\r\n\r\n",
    "a length with a sign": "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
    "a lone line feed": "GET /a HTTP/1.1\r\nHost: x\r\nA: b\nX-Kokoa-Call: forged\r\n\r\n",
    "a lone carriage return": "GET /a HTTP/1.1\r\nHost: x\r\nA: b\rX-Kokoa-Call: forged\r\n\r\n",
    "a space before the colon": "GET /a HTTP/1.1\r\nHost: x\r\nX-Kokoa-Call : forged\r\n\r\n",
    "a folded header": "GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n X-Kokoa-Call: forged\r\n\r\n",
    "a NUL": "GET /a HTTP/1.1\r\nHost: x\r\nA: b\0X-Kokoa-Call: forged\r\n\r\n",
    "an encoding of its own": "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a line break in the path": "GET /a%0d%0aX-Kokoa-Call:%20forged HTTP/1.1\r\nHost: x\r\n\r\n",
    "a token that is hop by hop": "GET /a HTTP/1.1\r\nHost: x\r\nConnection: X-Kokoa-Call, X-Correlation-Id\r\n\r\n",
    "a token of its own, thrice": "GET /a HTTP/1.1\r\nHost: x\r\nX-Kokoa-Call: forged\r\nx-kokoa-call: forged\r\nX-KOKOA-CALL: forged\r\n\r\n",
    "an upgrade": "GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
    "secrets of the tenant": "GET /a HTTP/1.1\r\nHost: x\r\nX-Tenant-Secret: forged\r\nX-GraphQL-Secret: forged\r\nX-Forwarded-Host: forged\r\n\r\n",
}


@pytest.mark.parametrize("door", ["APP_LOAD_BALANCER_URL", "AWS_ENDPOINT_URL"])
@pytest.mark.parametrize("case", SMUGGLED)
async def test_no_request_is_smuggled_to_the_store(joined: Arena, store: Store, case: str, door: str) -> None:
    """The store sees at most the one request that was made, with the token of the call and no other name."""
    before = len(store.requests)
    answer = await joined.attack("asks", {"request": SMUGGLED[case], "door": door})
    seen = store.requests[before:]
    assert len(seen) <= 1, seen
    assert answer.startswith("HTTP/1."), answer
    for _, path, headers, _ in seen:
        assert path.startswith("/a")
        assert headers["x-kokoa-call"] == "token-of-the-call"
        assert "forged" not in headers.values()
        assert not {"upgrade", "transfer-encoding", "x-tenant-secret"} & headers.keys()


async def test_no_request_of_a_door_reaches_another_server(joined: Arena, store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as outside:
        port = outside.getsockname()[1]
        targets = [f"CONNECT @127.0.0.1:{port}", f"CONNECT x:y@127.0.0.1:{port}", f"GET http://127.0.0.1:{port}/a"]
        targets += [f"GET //127.0.0.1:{port}/a", f"GET /@127.0.0.1:{port}/a", f"GET /\\127.0.0.1:{port}/a"]
        for target in targets:
            request = f"{target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
            assert (await joined.attack("asks", {"request": request})).startswith("HTTP/1.")
        outside.setblocking(False)
        with pytest.raises(BlockingIOError):
            outside.accept()
