"""Fakes of the edge's seams, and a whole edge made of them."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from graphql import GraphQLSchema, build_schema
from starlette.types import ASGIApp, Receive, Scope, Send

from kokoa.edge.app import EdgeParts, create_edge_app
from kokoa.edge.customers import SignedInCustomers
from kokoa.edge.extensions import FunctionAnswer
from kokoa.edge.limits import RateLimits
from kokoa.edge.model import Environment, ExtensionRoute, Grant, RatePolicy, RouteTableInput
from kokoa.edge.native.media import ROUTES as MEDIA_ROUTES
from kokoa.edge.native.operations import load_operations
from kokoa.edge.native.payment_webhooks import ROUTE as WEBHOOK_ROUTE
from kokoa.edge.overriding import Shadows
from kokoa.edge.policies import Policies
from kokoa.edge.tables import RouteTables
from kokoa.graphql import ExecutionResult
from kokoa.kernel.call import Call
from kokoa.kernel.overrides import Observation, OverridePolicy
from kokoa.web.customer_tokens import CustomerTokens
from kokoa.web.http import Response, send_response
from kokoa.web.metrics import HttpMetrics
from kokoa.web.tokens import CallTokens

ACCOUNT = "123456789012"
TOKENS = CallTokens(b"k" * 32)
CUSTOMER_TOKENS = CustomerTokens(b"c" * 32)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def environment(alias: str, name: str, *domains: str, rate: RatePolicy | None = None) -> Environment:
    """Its id is `alias/name`, its secrets are `ts-alias-name` and `gs-alias-name`."""
    return Environment(
        id=f"{alias}/{name}",
        tenant_alias=alias,
        name=name,
        tenant_secret_digest=digest(f"ts-{alias}-{name}"),
        graphql_secret_digest=digest(f"gs-{alias}-{name}"),
        domains=frozenset(domains),
        rate=rate or RatePolicy(),
    )


BOEING = environment("boeing", "prod", "shop.boeing.test")
BOEING_DEV = environment("boeing", "dev", "dev.boeing.test")
SAAB = environment("saab", "prod", "shop.saab.test")


class FakeSessions:
    """Sessions of customers, as (environment id, session id)."""

    def __init__(self, *standing: tuple[str, str]) -> None:
        self.standing = set(standing)
        self.questions = 0

    async def session_stands(self, environment_id: str, session_id: str) -> bool:
        self.questions += 1
        return (environment_id, session_id) in self.standing


class FakeDirectory:
    def __init__(self, *environments: Environment) -> None:
        self.environments = list(environments) or [BOEING, BOEING_DEV, SAAB]
        self.questions = 0

    def _first(self, wanted: Callable[[Environment], bool]) -> Environment | None:
        self.questions += 1
        return next((found for found in self.environments if wanted(found)), None)

    async def by_alias(self, tenant_alias: str, environment_name: str) -> Environment | None:
        return self._first(lambda e: (e.tenant_alias, e.name) == (tenant_alias, environment_name))

    async def by_secrets(self, tenant_alias: str, tenant_secret_digest: str) -> Environment | None:
        return self._first(lambda e: (e.tenant_alias, e.tenant_secret_digest) == (tenant_alias, tenant_secret_digest))

    async def by_domain(self, host: str) -> Environment | None:
        return self._first(lambda e: host in e.domains)

    async def by_id(self, environment_id: str) -> Environment | None:
        return self._first(lambda e: e.id == environment_id)


class FakeGossip:
    """All processes of a test share one; nothing arrives while `away`."""

    def __init__(self) -> None:
        self.handlers: list[Callable[[str, bytes], Awaitable[None]]] = []
        self.away: Exception | None = None

    async def notify(self, name: str, payload: bytes = b"") -> None:
        if self.away:
            raise self.away
        for handler in self.handlers:
            await handler(name, payload)

    async def listen(self, name: str, handler: Callable[[str, bytes], Awaitable[None]]) -> None:
        self.handlers.append(handler)


class FakeRouteSource:
    def __init__(self) -> None:
        self.inputs: dict[str, RouteTableInput] = {}
        self.failure: Exception | None = None
        self.loads = 0

    async def load(self, environment_id: str) -> RouteTableInput:
        self.loads += 1
        if self.failure:
            raise self.failure
        return self.inputs.get(environment_id, RouteTableInput())


class FakeInvoker:
    """answer: what the function returns, an exception to raise, or None to hang."""

    def __init__(self) -> None:
        self.answer: FunctionAnswer | Exception | None = FunctionAnswer(b'{"statusCode":200,"body":"fn"}', None, "r")
        self.calls: list[tuple[Call, str, bytes]] = []

    async def invoke(self, call: Call, function_arn: str, payload: bytes) -> FunctionAnswer:
        self.calls.append((call, function_arn, payload))
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        assert self.answer is not None
        return self.answer


class FakePolicies:
    """By environment and subject."""

    def __init__(self) -> None:
        self.by_environment: dict[str, dict[str, OverridePolicy]] = {}
        self.failure: Exception | None = None
        self.loads = 0

    async def policies(self, environment_id: str) -> dict[str, OverridePolicy]:
        self.loads += 1
        if self.failure:
            raise self.failure
        return dict(self.by_environment.get(environment_id, {}))


class FakeReports:
    def __init__(self) -> None:
        self.observations: list[Observation] = []

    def note(self, observations: Sequence[Observation]) -> None:
        self.observations.extend(observations)

    @property
    def outcomes(self) -> list[str]:
        return [one.outcome for one in self.observations]


class FakeGraph:
    def __init__(self) -> None:
        self.result = ExecutionResult({"products": []})
        self.asked: list[tuple[str, Mapping[str, Any] | None, Call, str | None, bool]] = []

    async def execute(
        self,
        document: str,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        *,
        read_only: bool = False,
    ) -> ExecutionResult:
        self.asked.append((document, variables, call, operation_name, read_only))
        return self.result

    async def stream(
        self,
        document: str,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        *,
        read_only: bool = False,
    ) -> AsyncGenerator[ExecutionResult, None]:
        yield await self.execute(document, variables, call, operation_name, read_only=read_only)

    async def explain(
        self, document: str, variables: Mapping[str, Any] | None, call: Call, operation_name: str | None = None
    ) -> str:
        return f"0 catalog\n  {document}"


class FakeFile(msgspec.Struct, frozen=True):
    content: bytes
    content_type: str
    tag: str


class FakeMedia:
    """files: by (environment, hash, name).  uploads: what was kept, and where.  gate: to hold uploads up."""

    def __init__(self) -> None:
        self.files: dict[tuple[str, str, str], FakeFile] = {}
        self.uploads: list[tuple[str, bytes]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def keep_upload(self, environment_id: str, upload: bytes) -> str:
        self.uploads.append((environment_id, upload))
        await self.gate.wait()
        return f"upload-{len(self.uploads)}"

    async def file(self, environment_id: str, content_hash: str, name: str) -> FakeFile | None:
        return self.files.get((environment_id, content_hash, name))


class FakePaymentWebhooks:
    """taken: (environment, provider, headers, body) of all that came.  refusal: raised instead."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, dict[str, str], bytes]] = []
        self.refusal: Exception | None = None

    async def receive_webhook(self, environment_id: str, provider: str, headers: dict[str, str], body: bytes) -> bool:
        if self.refusal is not None:
            raise self.refusal
        self.taken.append((environment_id, provider, headers, body))
        return True


class FakeRegister:
    """Registered documents by (environment, id)."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], str] = {}
        self.required: set[str] = set()

    async def find(self, environment_id: str, document_id: str) -> str | None:
        return self.documents.get((environment_id, document_id))

    async def are_required(self, environment_id: str) -> bool:
        return environment_id in self.required


SCHEMA: GraphQLSchema = build_schema(
    """
    type Query {
      products(limit: Int! = 20, offset: Int! = 0, filter: ProductFilter, sort: ProductSort): [Product!]!
      product(id: ID): Product
      search(q: String!, limit: Int! = 20, offset: Int! = 0, filter: SearchFilter, sort: SearchSort! = RELEVANCE)
        : SearchResults!
    }
    input SearchFilter { category: String  currency: String  minPriceMinor: Int  maxPriceMinor: Int }
    enum SearchSort { RELEVANCE PRICE_ASC }
    type SearchResults { total: Int!  items: [Product!]! }
    type Product {
      id: ID!  name: String!  slug: String!  description: String!  price: Float  currency: Currency
      category: Category  variants: [Variant!]!
    }
    type Category { slug: String!  name: String! }
    type Variant { id: ID!  sku: String!  name: String!  price: Float!  currency: Currency! }
    enum Currency { EUR USD }
    enum ProductStatus { DRAFT PUBLISHED ARCHIVED }
    enum ProductSortField { NAME PRICE CREATED UPDATED }
    enum SortDirection { ASC DESC }
    scalar DateTime
    input ProductSort { field: ProductSortField! = NAME  direction: SortDirection! = ASC }
    input ProductFilter {
      ids: [ID!]  status: [ProductStatus!]  category: String  includeSubcategories: Boolean! = false
      nameContains: String  namePrefix: String  currency: String  minPriceMinor: Int  maxPriceMinor: Int
      skus: [String!]  externalReferences: [String!]  channel: String
      createdFrom: DateTime  createdTo: DateTime  updatedFrom: DateTime  updatedTo: DateTime
    }
    """
)


async def fake_aws(scope: Scope, receive: Receive, send: Send) -> None:
    await send_response(send, Response(200, (("content-type", "application/xml"),), b"aws"))


class FakeEdge:
    """Every part that a test may want to change, and the app."""

    def __init__(self, *environments: Environment) -> None:
        self.directory = FakeDirectory(*environments)
        self.sessions = FakeSessions()
        self.gossip = FakeGossip()
        self.source = FakeRouteSource()
        self.invoker = FakeInvoker()
        self.graph = FakeGraph()
        self.media = FakeMedia()
        self.webhooks = FakePaymentWebhooks()
        self.policy_source = FakePolicies()
        self.policies = Policies(self.policy_source)
        self.reports = FakeReports()
        self.shadows = Shadows()
        self.registered = FakeRegister()
        self.metrics = HttpMetrics("test")
        self.checks: dict[str, Callable[[], Awaitable[None]]] = {}
        operations = load_operations()
        self.tables = RouteTables(
            self.source, [*(one.route for one in operations.values()), *MEDIA_ROUTES, WEBHOOK_ROUTE]
        )
        parts = EdgeParts(
            directory=self.directory,
            tokens=TOKENS,
            customers=SignedInCustomers(CUSTOMER_TOKENS, self.sessions),
            limits=RateLimits(self.gossip),
            tables=self.tables,
            graph=self.graph,
            registered=self.registered,
            schema=lambda: SCHEMA,
            operations=operations,
            media=self.media,
            webhooks=self.webhooks,
            invoker=self.invoker,
            policies=self.policies,
            reports=self.reports,
            shadows=self.shadows,
            is_aws_request=lambda scope: any(value.startswith(b"AWS4") for _, value in scope["headers"]),
            aws=fake_aws,
            metrics=self.metrics,
            checks=self.checks,
            version="1",
            plans=self.graph,
        )
        self.app: ASGIApp = create_edge_app(parts)

    def rule(self, subject: str, *, environment_id: str = BOEING.id, **policy: Any) -> None:
        """A policy beside those that are there."""
        rules = self.policy_source.by_environment.setdefault(environment_id, {})
        rules[subject] = OverridePolicy(**{"fallback": False, "deadline_ms": 30_000, **policy})
        self.policies.forget(environment_id)

    def deploy(
        self, *keys: str, environment_id: str = BOEING.id, grants: tuple[str, ...] = ("/api/*",), **more: Any
    ) -> None:
        """Routes of the API search-plus in place of what was there."""
        routes = tuple(extension_route(key, **more) for key in keys)
        self.source.inputs[environment_id] = RouteTableInput(routes, tuple(Grant(ACCOUNT, grant) for grant in grants))
        self.tables.invalidate(environment_id)


def extension_route(key: str, **more: Any) -> ExtensionRoute:
    route = ExtensionRoute("a1b2c3d4e5", "search-plus", ACCOUNT, "demo", key, "arn:fn", "search-plus", True, 1)
    return msgspec.structs.replace(route, **more)
