"""Subgraphs as partners write them, with their own libraries, joined with the core by the gateway's `url` client."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import strawberry
from aiohttp import web
from aiohttp.test_utils import TestServer
from extended_graph import LINK, ExtendedStore
from node_tools import node
from strawberry.aiohttp.views import GraphQLView

from kokoa.gateway.extension import Extension
from kokoa.kernel.overrides import OverridePolicy

pytestmark = pytest.mark.e2e

POLICIES = {"Product.price": OverridePolicy(deadline_ms=60_000)}
APOLLO = """
type Query { recommended: [Product!]! }
type Mutation { redeem(points: Int!): Redeemed! }
type Redeemed { newBalance: Int!  product: Product! }
type Product @key(fields: "id") {
  id: ID!
  price(currency: String! = "EUR"): Money! @override(from: "catalog")
  points: Int!
}
type Money @shareable { amount: Int!  currency: String! }
"""
START_S = 60


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    opened = aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar())
    async with opened:
        yield opened


def store_at(port: int, sdl: str, session: aiohttp.ClientSession, path: str = "/") -> ExtendedStore:
    url = f"http://127.0.0.1:{port}{path}"
    extension = Extension("partner", "123456789012", "acme", sdl, "url", url=url, policies=POLICIES)
    return ExtendedStore(extension, session, allowed=port)


@strawberry.federation.type(shareable=True)
class Money:
    """As the catalogue has it."""

    amount: int
    currency: str


@strawberry.federation.type(keys=["id"])
class Product:
    """What the partner knows of a product."""

    id: strawberry.ID

    @strawberry.federation.field(override="catalog")
    def price(self, currency: str = "EUR") -> Money:
        if self.id == "13":
            raise ValueError("unlucky")
        return Money(amount=int(self.id) * 10, currency=currency)

    @strawberry.field
    def points(self) -> int:
        return 7

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> "Product":
        return cls(id=id)


@strawberry.type
class Query:
    """The partner's own queries."""

    @strawberry.field
    def recommended(self) -> list[Product]:
        return [Product(id=strawberry.ID("4")), Product(id=strawberry.ID("5"))]


@pytest.fixture
async def strawberry_port() -> AsyncIterator[tuple[int, str]]:
    """The port of a Strawberry server, and its SDL."""
    schema = strawberry.federation.Schema(query=Query, types=[Product])
    app = web.Application()
    app.router.add_route("*", "/graphql", GraphQLView(schema=schema, graphql_ide=None))
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    found = await schema.execute("{ _service { sdl } }")
    assert found.data is not None
    assert server.port is not None
    yield server.port, found.data["_service"]["sdl"]
    await server.close()


async def test_a_strawberry_server_answers_its_part(
    strawberry_port: tuple[int, str], session: aiohttp.ClientSession
) -> None:
    port, sdl = strawberry_port
    store = store_at(port, sdl, session, "/graphql")
    result = await store.ask("{ recommended { id name points price { amount } } }")
    assert result.errors == ()
    assert result.data == {
        "recommended": [
            {"id": "4", "name": "p4", "points": 7, "price": {"amount": 40}},
            {"id": "5", "name": "p5", "points": 7, "price": {"amount": 50}},
        ]
    }
    assert store.reports.seen() == [("Product.price", "answered", 2)]


async def test_where_a_strawberry_server_fails_the_price_is_native(
    strawberry_port: tuple[int, str], session: aiohttp.ClientSession
) -> None:
    port, sdl = strawberry_port
    store = store_at(port, sdl, session, "/graphql")
    text = '{ products(ids: ["1", "13"]) { id price(currency: "USD") { amount currency } } }'
    result = await store.ask(text)
    assert result.errors == ()
    assert result.data is not None
    assert [one["price"]["amount"] for one in result.data["products"]] == [10, 13]
    assert sorted(store.reports.seen()) == [("Product.price", "answered", 1), ("Product.price", "failed", 1)]


@pytest.fixture
def apollo(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    schema = tmp_path / "schema.graphql"
    schema.write_text(LINK + APOLLO)
    process = node("subgraph.mjs", str(schema))
    yield process
    assert process.stdin is not None
    process.stdin.close()
    process.wait(timeout=START_S)


async def test_an_apollo_server_answers_its_part(
    apollo: "subprocess.Popen[str]", session: aiohttp.ClientSession
) -> None:
    assert apollo.stdout is not None
    async with asyncio.timeout(START_S):
        port = int(await asyncio.to_thread(apollo.stdout.readline))
    store = store_at(port, LINK + APOLLO, session)
    result = await store.ask("{ recommended { id name points price { amount } } }")
    assert result.errors == ()
    assert result.data == {
        "recommended": [
            {"id": "4", "name": "p4", "points": 7, "price": {"amount": 40}},
            {"id": "5", "name": "p5", "points": 7, "price": {"amount": 50}},
        ]
    }
    store.reports.noted.clear()
    native = await store.ask('{ products(ids: ["1", "13"]) { price { amount } } }')
    assert native.errors == ()
    assert native.data == {"products": [{"price": {"amount": 10}}, {"price": {"amount": 13}}]}
    assert sorted(store.reports.seen()) == [("Product.price", "answered", 1), ("Product.price", "failed", 1)]
    done = await store.ask("mutation { redeem(points: 3) { newBalance product { name price { amount } } } }")
    assert done.data == {"redeem": {"newBalance": 3, "product": {"name": "p1", "price": {"amount": 10}}}}
