"""The edge as an ASGI application: the whole pipeline, top to bottom."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from graphql import GraphQLSchema
from starlette.types import ASGIApp, Receive, Scope, Send

from kokoa.edge.customers import SignedInCustomers
from kokoa.edge.entrance import Entrance
from kokoa.edge.environments import EnvironmentDirectory, Environments, TokenVerifier
from kokoa.edge.extensions import Extensions, FunctionInvoker
from kokoa.edge.graph import Graph, GraphqlEndpoint, Plans
from kokoa.edge.limits import RateLimits
from kokoa.edge.native.media import MediaFiles, MediaRoutes
from kokoa.edge.native.operations import NativeOperation
from kokoa.edge.native.payment_webhooks import PaymentWebhookRoute, PaymentWebhooks
from kokoa.edge.native.serve import NativeRoutes
from kokoa.edge.overriding import Overriding, Shadows
from kokoa.edge.policies import Policies
from kokoa.edge.reserved import Reserved
from kokoa.edge.store import Store
from kokoa.edge.tables import RouteTables
from kokoa.graphql.persisted import RegisteredOperations
from kokoa.kernel.overrides import OverrideReports
from kokoa.web.correlation import Correlation
from kokoa.web.health import Check
from kokoa.web.http import ROUTE_KEY, Response, StreamedResponse, request_of, send_answer
from kokoa.web.metrics import HttpMetrics
from kokoa.web.observe import Observed
from kokoa.web.problem import Problems


@dataclass(frozen=True)
class EdgeParts:
    """Everything that the edge is given; `roles` fills it.

    is_aws_request, aws: the AWS endpoint behind the same port.  operations: the native routes, by name.
    schema: the graph as every storefront sees it, for the API description.  media: the storage of pictures.
    webhooks: where payment providers are heard.
    policies, reports, shadows: how overrides behave, where it is told what became of them, and what runs beside.
    plans: how the graph would run an operation, for those who may know.
    """

    directory: EnvironmentDirectory
    tokens: TokenVerifier
    customers: SignedInCustomers
    limits: RateLimits
    tables: RouteTables
    graph: Graph
    registered: RegisteredOperations
    schema: Callable[[], GraphQLSchema]
    operations: Mapping[str, NativeOperation]
    media: MediaFiles
    webhooks: PaymentWebhooks
    invoker: FunctionInvoker
    policies: Policies
    reports: OverrideReports
    shadows: Shadows
    is_aws_request: Callable[[Scope], bool]
    aws: ASGIApp
    metrics: HttpMetrics
    checks: Mapping[str, Check]
    version: str
    plans: Plans | None = None


def create_edge_app(parts: EdgeParts) -> ASGIApp:
    """Read it as the way of a request, from the outside in."""
    reserved = Reserved(
        checks=parts.checks,
        metrics=parts.metrics,
        operations=parts.operations,
        schema=parts.schema,
        version=parts.version,
    )
    extensions = Extensions(parts.invoker)
    store = Store(
        environments=Environments(parts.directory, parts.tokens, parts.customers),
        limits=parts.limits,
        tables=parts.tables,
        graphql=GraphqlEndpoint(parts.graph, parts.registered, parts.plans),
        native=NativeRoutes(parts.operations, parts.graph),
        media=MediaRoutes(parts.media, parts.graph),
        webhooks=PaymentWebhookRoute(parts.webhooks),
        extensions=extensions,
        policies=parts.policies,
        overriding=Overriding(extensions, parts.shadows, parts.reports),
    )
    layers: tuple[Callable[[ASGIApp], ASGIApp], ...] = (
        Correlation,  # an id for everything that the request causes
        lambda app: Observed(app, parts.metrics),  # one access log line, one measurement
        Problems,  # every exception becomes a problem document
        Entrance,  # what no honest client sends is refused
        lambda app: AwsOrNot(app, parts.aws, parts.is_aws_request),  # Signature V4: the AWS endpoint
    )
    app: ASGIApp = OwnPathsThenStore(reserved, store)
    for layer in reversed(layers):
        app = layer(app)
    return app


class AwsOrNot:
    """Before Kokoa's own paths: an S3 client may well have a bucket called `console`."""

    def __init__(self, app: ASGIApp, aws: ASGIApp, is_aws_request: Callable[[Scope], bool]) -> None:
        self._app = app
        self._aws = aws
        self._is_aws_request = is_aws_request

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and self._is_aws_request(scope):
            scope[ROUTE_KEY] = "aws"
            return self._aws(scope, receive, send)
        return self._app(scope, receive, send)


class OwnPathsThenStore:
    """The end of the pipeline: Kokoa's own paths, else the store's."""

    def __init__(self, reserved: Reserved, store: Store) -> None:
        self._reserved = reserved
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"the edge serves HTTP, not {scope['type']}")
        request = request_of(scope)
        own = await self._reserved.answer(request)
        response: Response | StreamedResponse
        if own is not None:
            scope[ROUTE_KEY], response = own
        else:
            response = await self._store.answer(request, scope, receive)
        await send_answer(send, receive, response, head_only=request.method == "HEAD")
