"""`python -m benchmarks.field_functions`: what an override by a field function adds to a listing of 50 products.

The catalogue and the function are in this process and cost next to nothing, so that the gateway's own share is seen:
the processor time of the listing with one field overridden, beside the same listing without, measured in turns.
"""

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import aiohttp
import msgspec
import orjson
import uvloop

from kokoa.gateway.app import Gateway
from kokoa.gateway.compose import compose
from kokoa.gateway.execute.clients import InProcessClient
from kokoa.gateway.extension import Extension
from kokoa.gateway.extensions.client import ExtensionParts, extension_client
from kokoa.gateway.supergraph import SubgraphDefinition
from kokoa.graphql.subgraph import build_subgraph
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.overrides import Observation, OverridePolicy
from kokoa.roles.extensions import ApiGatewayEvents

ROUNDS = 9
QUERIES = 200
EXTRA_MS_MAX = 2.0
LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@override"])\n'
CATALOG = """
type Query { products: [Product!]! }
type Product @key(fields: "id") { id: ID!  name: String!  slug: String!  stock: Int!  variants: [Variant!]! }
type Variant { sku: String!  weight: Int }
"""
OVERRIDE = 'type Product @key(fields: "id") { id: ID!  stock: Int! @override(from: "catalog") }'
QUERY = "{ products { id name slug stock variants { sku weight } } }"
PRODUCTS = [
    {
        "id": f"018f3f1e-0000-7000-8000-{number:012}",
        "name": f"product {number}",
        "slug": f"product-{number}",
        "stock": number,
        "variants": [{"sku": f"{number}-{one}", "weight": one} for one in range(3)],
    }
    for number in range(50)
]
BY_ID = {one["id"]: one for one in PRODUCTS}


class Answer(msgspec.Struct, frozen=True):
    """What a function returned."""

    payload: bytes
    function_error: str | None = None


class LocalFunction:
    """A FunctionInvoker without a host: it answers at once, or fails at once."""

    def __init__(self) -> None:
        self.invokes = 0
        self.fails = False

    async def invoke(self, call: Call, account_id: str, function: str, payload: bytes) -> Answer:
        self.invokes += 1
        if self.fails:
            return Answer(b'{"errorType": "Error", "errorMessage": "no"}', "Unhandled")
        return Answer(orjson.dumps([7] * len(orjson.loads(payload)["parents"])))


class NoReports:
    """OverrideReports that only count."""

    def __init__(self) -> None:
        self.noted = 0

    def note(self, observations: Sequence[Observation]) -> None:
        self.noted += len(observations)


async def nowhere(host: str, port: int) -> bool:
    """Nothing is allowed."""
    return False


def make_gateways(function: LocalFunction, session: aiohttp.ClientSession, **policy: Any) -> tuple[Gateway, Gateway]:
    """The catalogue alone, and with the extension."""
    resolvers = {
        "Query.products": lambda _p, _a, _c: [PRODUCTS],
        "Product": lambda representations, _: [BY_ID[one["id"]] for one in representations],
    }
    catalog = InProcessClient(build_subgraph(name="catalog", sdl=LINK + CATALOG, resolvers=resolvers))
    policies = {"Product.stock": OverridePolicy(deadline_ms=10_000, **policy)}
    extension = Extension("stock", "123456789012", "acme", LINK + OVERRIDE, "fields", "stock", policies=policies)
    core = SubgraphDefinition("catalog", LINK + CATALOG)
    supergraph = compose([core, SubgraphDefinition("stock", extension.sdl)])
    parts = ExtensionParts(function, ApiGatewayEvents(), session, nowhere, NoReports())
    client = extension_client(extension, supergraph, {"catalog": catalog}, parts)
    return Gateway(compose([core]), {"catalog": catalog}), Gateway(supergraph, {"catalog": catalog, "stock": client})


async def cpu_ms(gateway: Gateway) -> float:
    """Processor time of one query, the mean of many."""
    started = time.process_time()
    for _ in range(QUERIES):
        call = Call("env", Caller("storefront"), "4bf92f3577b34da6a3ce929d0e0e4736", now_ms() + 30_000)
        result = await gateway.execute(QUERY, {}, call)
        assert not result.errors, result.errors
    return (time.process_time() - started) * 1000 / QUERIES


async def measure(name: str, function: LocalFunction, native: Gateway, overridden: Gateway) -> bool:
    """Print what the override adds; whether it is within the target."""
    for gateway in (native, overridden):
        await cpu_ms(gateway)
    function.invokes = 0
    pairs = [(await cpu_ms(native), await cpu_ms(overridden)) for _ in range(ROUNDS)]
    extra = median(other - alone for alone, other in pairs)
    invokes = function.invokes / ROUNDS / QUERIES
    print(
        f"{name}: {median(one for one, _ in pairs):.2f} ms natively, + {extra:.2f} ms "
        f"(at most {EXTRA_MS_MAX:g}), {invokes:g} invokes a query"
    )
    return extra <= EXTRA_MS_MAX and (invokes <= 1 or function.fails)


async def main() -> None:
    """Served by the function, served natively because it fails, and in shadow."""
    function = LocalFunction()
    async with aiohttp.ClientSession() as session:
        native, overridden = make_gateways(function, session)
        good = await measure("one field of 50 products overridden", function, native, overridden)
        _, shadowed = make_gateways(function, session, shadow=True)
        good &= await measure("in shadow", function, native, shadowed)
        function.fails = True
        await measure("failing, so served natively", function, native, overridden)
    if not good:
        raise SystemExit(1)


if __name__ == "__main__":
    uvloop.run(main())
