"""A shop with an extension, and functions that answer as a test wants, for the tests of extensions."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import aiohttp
import msgspec
import orjson
from gateway_fakes import FEDERATION, make_call

from kokoa.gateway.app import Gateway
from kokoa.gateway.compose import compose
from kokoa.gateway.execute.clients import InProcessClient
from kokoa.gateway.extension import Extension
from kokoa.gateway.extensions.client import ExtensionParts, extension_client
from kokoa.gateway.extensions.gate import Gate
from kokoa.gateway.extensions.overriding import ExtensionClient
from kokoa.gateway.supergraph import SubgraphDefinition
from kokoa.graphql.result import ExecutionResult
from kokoa.graphql.subgraph import build_subgraph
from kokoa.kernel.call import Call
from kokoa.kernel.overrides import Observation, OverridePolicy

CATALOG = """
type Query { products(limit: Int! = 3): [Product!]!  product(id: ID!): Product  newest: Product! }
type Mutation { rename(id: ID!, name: String!): Product }
type Product @key(fields: "id") {
  id: ID!  name: String!  price(currency: String! = "EUR"): Money!  stock: Int  related: [Product!]!
}
type Money @shareable { amount: Int!  currency: String! }
"""
PRICES = """
type Query { recommended(limit: Int! = 2): [Product!]!  greeting(toWhom: String!): String }
type Mutation { redeem(points: Int!): Redeemed! }
type Product @key(fields: "id") {
  id: ID!
  price(currency: String! = "EUR"): Money! @override(from: "catalog")
  stock: Int @override(from: "catalog")
  points: Int!
  label: Label
}
type Money @shareable { amount: Int!  currency: String! }
type Label { longText: String!  parts: [LabelPart!]! }
type LabelPart { textValue: String  kind: Kind }
type Redeemed { newBalance: Int!  product: Product }
enum Kind { BIG SMALL }
"""


class Product:
    """A product of the native catalogue."""

    def __init__(self, id: str, name: str = "") -> None:
        self.id = id
        self.name = name or f"product {id}"

    @property
    def stock(self) -> int:
        return int(self.id) % 7


def catalog_subgraph(sdl: str = CATALOG) -> Any:
    """The native catalogue; it remembers in `catalog.asked` how often prices were asked for."""
    asked: list[str] = []

    def price(parents: Sequence[Any], args: Mapping[str, Any], _: Call) -> list[Any]:
        asked.append("price")
        return [{"amount": int(one.id) * 100, "currency": args["currency"]} for one in parents]

    found = build_subgraph(
        name="catalog",
        sdl=FEDERATION + sdl,
        resolvers={
            "Query.products": lambda _p, args, _c: [[Product(str(one)) for one in range(1, args["limit"] + 1)]],
            "Query.product": lambda _p, args, _c: [Product(args["id"])],
            "Query.newest": lambda _p, _a, _c: [Product("9")],
            "Mutation.rename": lambda _p, args, _c: [Product(args["id"], args["name"])],
            "Product": lambda representations, _: [Product(one["id"]) for one in representations],
            "Product.price": price,
            "Product.related": lambda parents, _a, _c: [[Product("2"), Product("3")] for _ in parents],
        },
    )
    found.asked = asked  # type: ignore[attr-defined]
    return found


class Answer(msgspec.Struct, frozen=True):
    """As the function host answers."""

    payload: bytes
    function_error: str | None = None


Function = Callable[[dict[str, Any]], Any | Awaitable[Any]]


class FakeFunctions:
    """A FunctionInvoker whose one function is Python's; it remembers its events."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.events: list[dict[str, Any]] = []
        self.running = 0
        self.running_max = 0

    async def invoke(self, call: Call, account_id: str, function: str, payload: bytes) -> Answer:
        inner = call.enter(f"function {function}")
        event = orjson.loads(payload)
        self.events.append(event)
        self.running += 1
        self.running_max = max(self.running, self.running_max)
        try:
            found = self.function(event | {"_call": inner} if isinstance(event, dict) else event)
            if asyncio.iscoroutine(found):
                found = await found
        except AssertionError as error:
            return Answer(orjson.dumps({"errorType": "Boom", "errorMessage": str(error)}), "Unhandled")
        finally:
            self.running -= 1
        if isinstance(found, Answer):
            return found
        return Answer(found if isinstance(found, bytes) else orjson.dumps(found))


class Reports:
    """OverrideReports that remember."""

    def __init__(self) -> None:
        self.noted: list[Observation] = []

    def note(self, observations: Sequence[Observation]) -> None:
        self.noted += observations

    def counts(self) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for one in self.noted:
            found[one.subject, one.outcome] = found.get((one.subject, one.outcome), 0) + one.count
        return found


class PlainEvents:
    """HttpEvents without API Gateway: the body is the event, the answer the body."""

    def event_of(self, extension: Extension, headers: Any, body: bytes, call: Call) -> bytes:
        return body

    def response_of(self, payload: bytes) -> tuple[int, bytes]:
        return 200, payload


async def nowhere(host: str, port: int) -> bool:
    return False


# A machine may be busy for longer than a second.
PATIENT = dict.fromkeys(
    ("Product.price", "Product.stock", "Query.product", "Query.newest", "Mutation.rename"),
    OverridePolicy(deadline_ms=60_000),
)


class Shop:
    """A gateway over the catalogue and one extension."""

    def __init__(
        self,
        function: Function | None = None,
        *,
        sdl: str = PRICES,
        native: str = CATALOG,
        target: Any = "fields",
        url: str = "",
        session: aiohttp.ClientSession | None = None,
        allowed: Any = nowhere,
        policies: Mapping[str, OverridePolicy] | None = None,
        gate: Gate | None = None,
        catalog: Any = None,
    ) -> None:
        self.catalog = catalog or catalog_subgraph(native)
        self.functions = FakeFunctions(function or (lambda event: [None] * len(event["parents"])))
        self.reports = Reports()
        self.extension = Extension(
            "prices",
            "123456789012",
            "acme",
            FEDERATION + sdl,
            target,
            "price-fields",
            url,
            PATIENT | dict(policies or {}),
        )
        self.supergraph = compose(
            [
                SubgraphDefinition("catalog", FEDERATION + native),
                SubgraphDefinition("prices", self.extension.sdl),
            ]
        )
        natives = {"catalog": InProcessClient(self.catalog)}
        parts = ExtensionParts(
            self.functions,
            PlainEvents(),
            session,
            allowed,
            self.reports,
            "boeing/prod",  # type: ignore[arg-type]
        )
        self.client: ExtensionClient = extension_client(self.extension, self.supergraph, natives, parts, gate=gate)
        self.gateway = Gateway(self.supergraph, {**natives, "prices": self.client})

    async def ask(self, text: str, call: Call | None = None, **variables: Any) -> ExecutionResult:
        return await self.gateway.execute(text, variables, call or make_call())


def all_policies(**changes: Any) -> dict[str, OverridePolicy]:
    """The same policy for both overrides."""
    return dict.fromkeys(("Product.price", "Product.stock"), OverridePolicy(**{"deadline_ms": 60_000} | changes))
