"""Extensions that are GraphQL servers: behind a URL on the loopback, and in a function."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from extension_fakes import CATALOG, PRICES, Shop, all_policies
from gateway_fakes import FEDERATION, make_call

from kokoa.gateway.extensions.gate import Breaker, Gate
from kokoa.graphql.subgraph import Subgraph, build_subgraph

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Open = Callable[..., Awaitable[Shop]]
LISTING = "{ products(limit: 2) { id price { amount } points } }"


def prices_subgraph(sdl: str = PRICES, **resolvers: Any) -> Subgraph:
    """The extension as a real subgraph of the engine."""
    usual: dict[str, Any] = {
        "Product": lambda representations, _: [{"id": one["id"]} for one in representations],
        "Product.price": lambda parents, args, _: [
            {"amount": int(one["id"]), "currency": args["currency"]} for one in parents
        ],
        "Product.stock": lambda parents, _a, _c: [0 for _ in parents],
        "Product.points": lambda parents, _a, _c: [7 for _ in parents],
        "Query.recommended": lambda _p, _a, _c: [[{"id": "4"}]],
        "Query.greeting": lambda _p, args, _c: [f"Hello {args['to_whom']}"],
        "Mutation.redeem": lambda _p, args, _c: [{"new_balance": args["points"], "product": {"id": "1"}}],
    }
    return build_subgraph(name="prices", sdl=FEDERATION + sdl, resolvers=usual | resolvers)


def serving(subgraph: Subgraph, seen: list[web.Request] | None = None) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        if seen is not None:
            seen.append(request)
        body = await request.json()
        result = await subgraph.execute(body["query"], body.get("variables"), make_call())
        return web.json_response(result.response())

    return answer


@pytest.fixture
async def open_shop() -> AsyncIterator[Open]:
    """open_shop(handler, …) → a shop whose extension is at a real server."""
    opened: list[TestServer | aiohttp.ClientSession] = []

    async def to(handler: Handler, *, port: int | None = None, **given: Any) -> Shop:
        app = web.Application()
        app.router.add_post("/graphql", handler)
        server = TestServer(app)
        session = aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar())
        await server.start_server()
        opened.extend((session, server))

        async def allowed(host: str, at: int) -> bool:
            return (host, at) == ("127.0.0.1", server.port)

        url = str(server.make_url("/graphql")) if port is None else f"http://127.0.0.1:{port}/graphql"
        return Shop(target="url", url=url, session=session, **{"allowed": allowed} | given)

    yield to
    for one in opened:
        await one.close()


async def test_a_server_elsewhere_answers_its_part(open_shop: Open) -> None:
    shop = await open_shop(serving(prices_subgraph()))
    result = await shop.ask(LISTING)
    assert result.errors == ()
    assert result.data == {"products": [{"id": str(one), "price": {"amount": one}, "points": 7} for one in (1, 2)]}
    assert shop.reports.counts() == {("Product.price", "answered"): 2}
    mutation = await shop.ask("mutation { redeem(points: 3) { newBalance product { name price { amount } } } }")
    assert mutation.data == {"redeem": {"newBalance": 3, "product": {"name": "product 1", "price": {"amount": 1}}}}


async def test_a_partner_learns_which_request_it_is_and_nothing_else(open_shop: Open) -> None:
    seen: list[web.Request] = []
    shop = await open_shop(serving(prices_subgraph(), seen))
    await shop.ask('{ greeting(toWhom: "Ada") }')
    headers = {name.lower(): value for name, value in seen[0].headers.items()}
    assert headers.pop("traceparent").startswith(f"00-{make_call().correlation_id}-")
    assert set(headers) <= {
        "host", "content-type", "content-length", "accept", "accept-encoding", "user-agent", "x-correlation-id",
    }  # fmt: skip
    assert headers["x-correlation-id"] == make_call().correlation_id


async def test_an_address_is_asked_only_while_it_is_allowed(open_shop: Open) -> None:
    seen: list[web.Request] = []
    allow = [False]

    async def allowed(host: str, port: int) -> bool:
        return allow[0]

    shop = await open_shop(serving(prices_subgraph(), seen), allowed=allowed)
    refused = await shop.ask('{ greeting(toWhom: "Ada") }')
    assert refused.errors[0]["extensions"] == {"code": "ADDRESS_NOT_ALLOWED", "subgraph": "prices"}
    native = await shop.ask("{ products(limit: 1) { stock } }")
    assert native.data == {"products": [{"stock": 1}]}
    assert seen == []
    allow[0] = True
    assert (await shop.ask('{ greeting(toWhom: "Ada") }')).data == {"greeting": "Hello Ada"}


async def test_redirects_are_not_followed(open_shop: Open) -> None:
    async def answer(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect("http://127.0.0.1:1/elsewhere")

    shop = await open_shop(answer)
    refused = await shop.ask('{ greeting(toWhom: "Ada") }')
    assert refused.errors[0]["extensions"]["code"] == "SUBGRAPH_UNAVAILABLE"
    assert "307" in refused.errors[0]["message"]


async def test_what_is_too_long_is_not_read(open_shop: Open) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"data": {"greeting": "x" * 8_000_000}})

    refused = await (await open_shop(answer)).ask('{ greeting(toWhom: "Ada") }')
    assert "more than 8000000 bytes" in refused.errors[0]["message"]


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_query_is_tried_twice_and_a_mutation_once(open_shop: Open, status: int) -> None:
    statuses: list[int] = []
    good = serving(prices_subgraph())

    async def second_time(request: web.Request) -> web.StreamResponse:
        statuses.append(status if len(statuses) % 2 == 0 else 200)
        return web.Response(status=status) if statuses[-1] == status else await good(request)

    shop = await open_shop(second_time)
    assert (await shop.ask('{ greeting(toWhom: "Ada") }')).data == {"greeting": "Hello Ada"}
    assert statuses == [status, 200]
    refused = await shop.ask("mutation { redeem(points: 1) { newBalance } }")
    assert refused.errors[0]["extensions"]["code"] == "SUBGRAPH_UNAVAILABLE"
    assert statuses == [status, 200, status]


async def test_other_failures_are_not_tried_again(open_shop: Open) -> None:
    asked: list[int] = []

    async def broken(_: web.Request) -> web.Response:
        asked.append(1)
        return web.Response(status=500, text="<html>")

    shop = await open_shop(broken)
    await shop.ask('{ greeting(toWhom: "Ada") }')
    assert len(asked) == 1


async def test_where_nobody_listens_the_native_answer_comes_at_once(open_shop: Open, unused_port: int) -> None:
    async def allowed(host: str, port: int) -> bool:
        return True

    breaker = Breaker("prices", failures_max=2)
    shop = await open_shop(
        serving(prices_subgraph()), port=unused_port, allowed=allowed, gate=Gate("prices", breaker=breaker)
    )
    for _ in range(3):
        assert (await shop.ask("{ products(limit: 1) { stock } }")).data == {"products": [{"stock": 1}]}
    assert "cannot be reached" in shop.reports.noted[0].reason or "ClientConnector" in shop.reports.noted[0].reason
    assert "2 times in a row" in shop.reports.noted[-1].reason


@pytest.fixture
async def unused_port() -> int:
    """A port of the loopback on which nobody listens."""
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = int(server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()
    return port


def _entities(found: Any) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps({"data": {"_entities": found}}), content_type="application/json")

    return answer


@pytest.mark.parametrize(
    "found",
    [
        None, [], [{"stock": 1}], [{"stock": "x"}, {"stock": []}], [7, "x"], {"stock": 1}, [{"stock": {}}, {}],
        [None, None], [[], [{}]],
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_answered_natively(open_shop: Open, found: Any) -> None:
    shop = await open_shop(_entities(found))
    result = await shop.ask("{ products(limit: 2) { stock } }")
    counts = shop.reports.counts()
    assert result.errors == ()
    invalid, answered = counts.get(("Product.stock", "invalid"), 0), counts.get(("Product.stock", "answered"), 0)
    assert invalid + answered == 2
    if found == [{"stock": {}}, {}]:
        assert (invalid, answered) == (1, 1)  # an absent field is null, which stock may be
        assert result.data == {"products": [{"stock": 1}, {"stock": None}]}
    else:
        assert result.data == {"products": [{"stock": 1}, {"stock": 2}]}
        assert answered == 0


async def test_null_that_climbed_in_the_partners_server_takes_no_native_field_with_it(open_shop: Open) -> None:
    def no_price(parents: Any, args: Any, call: Any) -> list[Any]:
        return [None for _ in parents]

    shop = await open_shop(serving(prices_subgraph(**{"Product.price": no_price})))
    result = await shop.ask("{ products(limit: 2) { id price { amount } label { longText } } }")
    assert result.data == {
        "products": [{"id": str(one), "price": {"amount": one * 100}, "label": None} for one in (1, 2)]
    }
    assert {tuple(one["path"]) for one in result.errors} == {("products", 0, "label"), ("products", 1, "label")}


async def test_what_it_adds_has_longer_than_what_it_overrides(open_shop: Open) -> None:
    release = asyncio.Event()
    good = serving(prices_subgraph())

    async def slow(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return await good(request)

    shop = await open_shop(slow, policies=all_policies(deadline_ms=50))
    only = await shop.ask("{ products(limit: 1) { price { amount } } }")
    assert only.data == {"products": [{"price": {"amount": 100}}]}
    both = asyncio.ensure_future(shop.ask("{ products(limit: 1) { price { amount } points } }"))
    async with asyncio.timeout(30):
        while len(shop.reports.noted) < 2:
            await asyncio.sleep(0)
    assert not both.done()
    release.set()
    assert (await both).data == {"products": [{"price": {"amount": 100}, "points": 7}]}
    assert [one.outcome for one in shop.reports.noted] == ["late", "late"]


async def test_a_partner_cannot_speak_for_another_subgraph(open_shop: Open) -> None:
    async def answer(_: web.Request) -> web.Response:
        forged = {"code": "not a code!", "subgraph": "catalog", "stacktrace": ["secret"]}
        return web.json_response(
            {"data": {"greeting": None}, "errors": [{"message": 7, "path": ["greeting"], "extensions": forged}]}
        )

    result = await (await open_shop(answer)).ask('{ greeting(toWhom: "x") }')
    (error,) = result.errors
    assert error["extensions"] == {"code": "SUBGRAPH_ERROR", "subgraph": "prices"}
    assert error["message"] == "The extension prices reported an error."


async def test_a_graphql_server_in_a_function() -> None:
    subgraph = prices_subgraph()

    async def function(event: dict[str, Any]) -> Any:
        result = await subgraph.execute(event["query"], event["variables"], make_call())
        return result.response()

    shop = Shop(function, target="function")
    result = await shop.ask(LISTING)
    assert result.errors == ()
    assert result.data == {"products": [{"id": str(one), "price": {"amount": one}, "points": 7} for one in (1, 2)]}

    def crash(_: Any) -> Any:
        raise AssertionError("boom")

    shop.functions.function = crash
    fallen = await shop.ask("{ products(limit: 1) { price { amount } } }")
    assert fallen.data == {"products": [{"price": {"amount": 100}}]}
    shop.functions.function = lambda _: "no GraphQL"
    assert (await shop.ask('{ greeting(toWhom: "x") }')).errors[0]["extensions"]["code"] == "SUBGRAPH_UNAVAILABLE"


UNION = """
type Query { found: [Found!]!  wrapped: Wrapped }
union Found = Product | Note
type Note { text: String! }
type Wrapped { inner: [[Found!]!]! }
type Product @key(fields: "id") { id: ID!  stock: Int @override(from: "catalog") }
"""


async def test_overrides_below_unions_and_nested_lists_fall_back(open_shop: Open) -> None:
    def crash(*_: Any) -> Any:
        raise ValueError("boom")

    things = [{"__typename": "Product", "id": "5"}, {"__typename": "Note", "text": "x"}]
    subgraph = build_subgraph(
        name="prices",
        sdl=FEDERATION + UNION,
        resolvers={
            "Query.found": lambda _p, _a, _c: [things],
            "Query.wrapped": lambda _p, _a, _c: [{"inner": [things, things[:1]]}],
            "Product": lambda representations, _: list(representations),
            "Product.stock": crash,
        },
    )
    shop = await open_shop(serving(subgraph), sdl=UNION, native=CATALOG)
    fields = "{ ... on Product { id stock name } ... on Note { text } }"
    result = await shop.ask(f"{{ found {fields} wrapped {{ inner {fields} }} }}")
    product = {"id": "5", "stock": 5, "name": "product 5"}
    assert result.errors == ()
    assert result.data == {
        "found": [product, {"text": "x"}],
        "wrapped": {"inner": [[product, {"text": "x"}], [product]]},
    }
