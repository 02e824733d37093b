"""Kokoa's own paths on every domain: health, metrics, the API description, GraphiQL. No store is asked for them."""

from collections.abc import Callable, Mapping
from ipaddress import ip_address

import orjson
from graphql import GraphQLSchema

from kokoa.edge.environments import CALL_HEADER
from kokoa.edge.errors import MetricsForbidden
from kokoa.edge.graphiql import PREFIX, Graphiql
from kokoa.edge.native.media import PATHS as MEDIA_PATHS
from kokoa.edge.native.openapi import openapi_of
from kokoa.edge.native.operations import NativeOperation
from kokoa.edge.native.payment_webhooks import PATHS as WEBHOOK_PATHS
from kokoa.web.errors import MethodNotAllowed
from kokoa.web.health import Check, liveness, readiness
from kokoa.web.http import Request, Response
from kokoa.web.metrics import HttpMetrics


class Reserved:
    """schema: the graph as every storefront sees it, before any environment's extensions."""

    def __init__(
        self,
        *,
        checks: Mapping[str, Check],
        metrics: HttpMetrics,
        operations: Mapping[str, NativeOperation],
        schema: Callable[[], GraphQLSchema],
        version: str,
    ) -> None:
        self._checks = checks
        self._metrics = metrics
        self._operations = operations
        self._schema = schema
        self._version = version
        self._graphiql = Graphiql()
        self._openapi: tuple[GraphQLSchema, bytes] | None = None

    async def answer(self, request: Request) -> tuple[str, Response] | None:
        """The route's template and the answer, or None when the path is a store's matter."""
        match request.segments:
            case ("healthz",):
                _require_read(request)
                return "/healthz", liveness()
            case ("readyz",):
                _require_read(request)
                return "/readyz", await readiness(self._checks)
            case ("metrics",):
                _require_read(request)
                _require_operators_network(request)
                return "/metrics", self._metrics.response()
            case ("openapi.json",):
                _require_read(request)
                return "/openapi.json", self._describe()
            case ("graphql",) if self._graphiql.wants_page(request):
                return "/graphql", self._graphiql.page()
            case (first, second, *_) if (first, second) == PREFIX:
                return "/_kokoa/graphiql/{file}", self._graphiql.file(request)
            case _:
                return None

    def _describe(self) -> Response:
        schema = self._schema()
        if self._openapi is None or self._openapi[0] is not schema:
            document = openapi_of(
                self._operations.values(), schema, version=self._version, others=MEDIA_PATHS | WEBHOOK_PATHS
            )
            self._openapi = (schema, orjson.dumps(document))
        return Response(200, (("content-type", "application/json"), ("cache-control", "no-cache")), self._openapi[1])


def _require_read(request: Request) -> None:
    if request.method not in {"GET", "HEAD"}:
        raise MethodNotAllowed(f"{request.path} answers GET and HEAD only.", allowed=("GET", "HEAD"))


def _require_operators_network(request: Request) -> None:
    """Metrics name routes and traffic. What came through a proxy, or out of a sandbox, is not the operator."""
    outside = request.header("x-forwarded-for") or request.header("forwarded") or request.header(CALL_HEADER)
    try:
        address = ip_address(request.client)
    except ValueError:
        address = None
    if outside or address is None or not (address.is_private or address.is_loopback):
        raise MetricsForbidden("Metrics are answered within the operator's own network only.")
