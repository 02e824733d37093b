"""A small catalogue in this process and one extension of its graph, joined as a gateway joins them."""

from collections.abc import Sequence
from typing import Any

import aiohttp

from kokoa.gateway.app import Gateway
from kokoa.gateway.compose import compose
from kokoa.gateway.execute.clients import InProcessClient
from kokoa.gateway.extension import Extension
from kokoa.gateway.extensions.client import ExtensionParts, extension_client
from kokoa.gateway.supergraph import SubgraphDefinition
from kokoa.graphql.result import ExecutionResult
from kokoa.graphql.subgraph import build_subgraph
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.overrides import Observation
from kokoa.roles.extensions import ApiGatewayEvents

ENVIRONMENT_ID = "018f3f1e-0000-7000-8000-000000000001"
LINK = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", '
    'import: ["@key", "@override", "@shareable"])\n'
)
CATALOG = """
type Query { products(ids: [ID!]! = ["1", "2"]): [Product!]! }
type Product @key(fields: "id") { id: ID!  name: String!  stock: Int!  price(currency: String! = "EUR"): Money! }
type Money @shareable { amount: Int!  currency: String! }
"""


class Reports:
    """OverrideReports that remember."""

    def __init__(self) -> None:
        self.noted: list[Observation] = []

    def note(self, observations: Sequence[Observation]) -> None:
        self.noted += observations

    def seen(self) -> list[tuple[str, str, int]]:
        return [(one.subject, one.outcome, one.count) for one in self.noted]


class ExtendedStore:
    """allowed: the port of the loopback that the environment allows.  invoker: of the extension's function."""

    def __init__(
        self, extension: Extension, session: aiohttp.ClientSession, *, allowed: int = 0, invoker: Any = None
    ) -> None:
        self.reports = Reports()
        catalog = build_subgraph(
            name="catalog",
            sdl=LINK + CATALOG,
            resolvers={
                "Query.products": lambda _p, args, _c: [[_product(one) for one in args["ids"]]],
                "Product": lambda representations, _: [_product(one["id"]) for one in representations],
                "Product.price": lambda parents, args, _: [
                    {"amount": int(one["id"]), "currency": args["currency"]} for one in parents
                ],
            },
        )
        definitions = [
            SubgraphDefinition("catalog", LINK + CATALOG),
            SubgraphDefinition(extension.name, extension.sdl),
        ]
        supergraph = compose(definitions)
        natives = {"catalog": InProcessClient(catalog)}

        async def may(host: str, port: int) -> bool:
            return (host, port) == ("127.0.0.1", allowed)

        parts = ExtensionParts(invoker, ApiGatewayEvents(), session, may, self.reports)
        client = extension_client(extension, supergraph, natives, parts)
        self._gateway = Gateway(supergraph, {**natives, extension.name: client})

    async def ask(self, text: str) -> ExecutionResult:
        call = Call(ENVIRONMENT_ID, Caller("storefront"), "4bf92f3577b34da6a3ce929d0e0e4736", now_ms() + 120_000)
        return await self._gateway.execute(text, {}, call)


def _product(id: str) -> dict[str, Any]:
    return {"id": id, "name": f"p{id}", "stock": 1}
