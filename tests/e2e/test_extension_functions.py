"""Extensions of a graph whose functions run in real sandboxes: of fields, and with a GraphQL server in them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import graphql
import msgspec
import pytest
from extended_graph import LINK, ExtendedStore
from functions_fixtures.hosting import ACCOUNT_ID, Hosting, package, require_sandboxes, running_host

from kokoa.functions.host.model import FunctionSpec, Invocation
from kokoa.gateway.extension import Extension
from kokoa.kernel.call import Call
from kokoa.kernel.overrides import OverridePolicy

pytestmark = pytest.mark.e2e

STOCK = """
type Query { nearest(town: String!): String }
type Product @key(fields: "id") { id: ID!  stock: Int! @override(from: "catalog")  shelves: [Shelf!]! }
type Shelf { shelfName: String! }
"""
FIELDS = """
def handler(event, context):
    match event["field"]:
        case "Query.nearest":
            return [event["arguments"]["town"].upper()]
        case "Product.shelves":
            return [[{"shelfName": "A" + one["id"]}] for one in event["parents"]]
        case "Product.stock":
            if event["parents"][0]["id"] == "13":
                raise ValueError("unlucky")
            return [int(one["id"]) + 1000 for one in event["parents"]]
"""
SERVER = '''
import json
from graphql import build_schema, graphql_sync

SCHEMA = build_schema("""
scalar _Any
union _Entity = Product
type Query { nearest(town: String!): String  _entities(representations: [_Any!]!): [_Entity]! }
type Product { id: ID!  stock: Int!  shelves: [Shelf!]! }
type Shelf { shelfName: String! }
""")
ROOT = {
    "nearest": lambda info, town: town.upper(),
    "_entities": lambda info, representations: [
        {"__typename": "Product", "id": one["id"], "stock": int(one["id"]) + 1000,
         "shelves": [{"shelfName": "A" + one["id"]}]}
        for one in representations
    ],
}

def handler(event, context):
    assert event["requestContext"]["http"]["method"] == "POST", event
    asked = json.loads(event["body"])
    result = graphql_sync(SCHEMA, asked["query"], ROOT, variable_values=asked["variables"])
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(result.formatted)}
'''


class HostFunctions:
    """FunctionInvoker on a host of the test."""

    def __init__(self, host: Hosting, function: FunctionSpec) -> None:
        self._host = host
        self._function = function

    async def invoke(self, call: Call, account_id: str, function: str, payload: bytes) -> Invocation:
        assert (account_id, function) == (ACCOUNT_ID, self._function.name)
        request = self._host.request(self._function, deadline_ms=call.deadline_ms, correlation_id=call.correlation_id)
        return await self._host.client.invoke(msgspec.structs.replace(request, payload=payload))


def store_of(host: Hosting, function: FunctionSpec, target: Any, session: aiohttp.ClientSession) -> ExtendedStore:
    policy = OverridePolicy(deadline_ms=60_000)
    extension = Extension(
        "stock", ACCOUNT_ID, "acme", LINK + STOCK, target, function.name, policies={"Product.stock": policy}
    )
    return ExtendedStore(extension, session, invoker=HostFunctions(host, function))


@pytest.fixture(scope="module")
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hosting]:
    await require_sandboxes()
    async with running_host(tmp_path_factory.mktemp("functions")) as hosting:
        yield hosting


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


def server_package() -> bytes:
    """The function with graphql-core beside it."""
    folder = Path(graphql.__file__).parent
    files: dict[str, str | bytes] = {
        f"graphql/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*.py")
    }
    return package({"handler.py": SERVER, **files})


@pytest.mark.parametrize("target", ["fields", "function"])
async def test_a_function_in_a_sandbox_answers_its_part_of_the_graph(
    host: Hosting, session: aiohttp.ClientSession, target: str
) -> None:
    function = host.function(FIELDS) if target == "fields" else host.packaged(server_package(), memory_mb=256)
    store = store_of(host, function, target, session)
    result = await store.ask(
        '{ products(ids: ["1", "2", "3"]) { id name stock shelves { shelfName } } nearest(town: "Turku") }'
    )
    assert result.errors == ()
    assert result.data == {
        "products": [
            {"id": str(one), "name": f"p{one}", "stock": one + 1000, "shelves": [{"shelfName": f"A{one}"}]}
            for one in (1, 2, 3)
        ],
        "nearest": "TURKU",
    }
    assert [(one.subject, one.outcome, one.count) for one in store.reports.noted] == [
        ("Product.stock", "answered", 3)
    ]


async def test_a_function_that_raises_is_answered_natively_and_the_owner_reads_why(
    host: Hosting, session: aiohttp.ClientSession
) -> None:
    store = store_of(host, host.function(FIELDS), "fields", session)
    result = await store.ask('{ products(ids: ["13"]) { stock } }')
    assert result.errors == ()
    assert result.data == {"products": [{"stock": 1}]}
    (noted,) = store.reports.noted
    assert (noted.outcome, noted.reason) == ("failed", "ValueError: unlucky")
