"""Servers of partners, Strawberry and Apollo, published with `kokoa graph publish` and joined with a real store."""

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import strawberry
from aiohttp import web
from node_tools import node
from running import RunningStore, until
from strawberry.aiohttp.views import GraphQLView

pytestmark = pytest.mark.e2e

START_S = 60
APOLLO = """
extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])
type Query { recommended: [Product!]! }
type Mutation { redeem(points: Int!): DemoRedeemed! }
type DemoRedeemed { newBalance: Int! }
type Product @key(fields: "id") { id: ID!  points: Int! }
"""


@strawberry.federation.type(keys=["id"])
class Product:
    """What the partner knows of a product."""

    id: strawberry.ID

    @strawberry.field
    def stars(self) -> int:
        return len(self.id)

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> "Product":
        return cls(id=id)


@strawberry.type
class Query:
    """The partner's own queries."""

    @strawberry.field
    def best(self, ids: list[strawberry.ID]) -> list[Product]:
        return [Product(id=one) for one in ids]


SCHEMA = strawberry.federation.Schema(query=Query, types=[Product])


@pytest.fixture
def strawberry_port() -> Iterator[int]:
    """A server of the partner's, in a thread of its own."""
    started, found = threading.Event(), [0]
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        app = web.Application()
        app.router.add_route("*", "/graphql", GraphQLView(schema=SCHEMA, graphql_ide=None))
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found[0] = runner.addresses[0][1]
        started.set()
        await ended.wait()
        await runner.cleanup()

    ended = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(START_S)
    yield found[0]
    loop.call_soon_threadsafe(ended.set)
    thread.join(START_S)
    loop.close()


def publish(store: RunningStore, name: str, sdl: Path, url: str, port: int, *granted: str) -> None:
    store.run(f"kokoa egress allow 127.0.0.1:{port} --tenant demo")
    for one in granted:
        store.run(f"kokoa grants add demo {one} --tenant demo")
    store.run(f"kokoa graph publish {name} {sdl} --url {url}")


def withdraw(store: RunningStore, name: str, url: str, port: int, folder: Path) -> None:
    """What was asked today protects its fields; that it was asked is written down once a second."""
    less = folder / "less.graphql"
    less.write_text('type Product @key(fields: "id") { id: ID! }')

    def protected() -> bool:
        checked = store.run(f"kokoa graph check {name} {less} --url {url}", check=False)
        return "BREAKS_OPERATION" in checked.stdout + checked.stderr

    until(protected, within_s=30, what="the use of its fields")
    refused = store.run(f"kokoa graph withdraw {name}", check=False)
    assert "These operations would be refused" in refused.stderr
    store.run(f"kokoa graph withdraw {name} --allow-breaking")
    store.run(f"kokoa egress remove 127.0.0.1:{port} --tenant demo")


def test_strawberry(store: RunningStore, strawberry_port: int, tmp_path: Path) -> None:
    sdl = tmp_path / "stars.graphql"
    sdl.write_text(SCHEMA.as_str())
    url = f"http://127.0.0.1:{strawberry_port}/graphql"
    refused = store.run(f"kokoa graph check stars {sdl} --url {url}", check=False)
    assert refused.returncode != 0
    publish(store, "stars", sdl, url, strawberry_port, "Product.stars", "Query.best")
    products = store.graphql("{ products(limit: 3) { id name } }").json["data"]["products"]
    ids = [one["id"] for one in products]
    query = "query($ids: [ID!]!) { best(ids: $ids) { name stars } products(ids: $ids) { stars } }"
    joined = {"best": [{"name": one["name"], "stars": 36} for one in products], "products": [{"stars": 36}] * 3}
    until(lambda: store.graphql(query, {"ids": ids}).json.get("data") == joined, within_s=30, what="the joined graph")
    withdraw(store, "stars", url, strawberry_port, tmp_path)
    until(lambda: "errors" in store.graphql("{ products { stars } }").json, within_s=30, what="the withdrawal")


def test_apollo_server(store: RunningStore, tmp_path: Path) -> None:
    sdl = tmp_path / "points.graphql"
    sdl.write_text(APOLLO)
    process: subprocess.Popen[str] = node("subgraph.mjs", str(sdl))
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        port = int(process.stdout.readline())
        granted = ("Product.points", "Query.recommended", "Mutation.redeem")
        publish(store, "points", sdl, f"http://127.0.0.1:{port}/", port, *granted)

        def joined() -> bool:
            answer = store.graphql("{ products(limit: 2) { name points } recommended { points } }").json
            if "errors" in answer:
                return False
            assert all(one["name"] and one["points"] == 7 for one in answer["data"]["products"])
            return answer["data"]["recommended"] == [{"points": 7}] * 2

        until(joined, within_s=30, what="the joined graph")
        done = store.graphql("mutation { redeem(points: 3) { newBalance } }").json
        assert done["data"] == {"redeem": {"newBalance": 3}}
        withdraw(store, "points", f"http://127.0.0.1:{port}/", port, tmp_path)
    finally:
        process.stdin.close()
        process.wait(timeout=START_S)
