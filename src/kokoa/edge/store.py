"""A request for a store: who asks, within which limit, on which route; then graphql, native or extension."""

import msgspec
import structlog
from starlette.types import Receive, Scope

from kokoa.edge.environments import Asker, Environments
from kokoa.edge.errors import ExtensionNotReady, RouteNotFound
from kokoa.edge.extensions import Extensions
from kokoa.edge.graph import GraphqlEndpoint
from kokoa.edge.limits import RateLimits
from kokoa.edge.model import ExtensionRoute, NativeRoute
from kokoa.edge.native.media import ROUTES as MEDIA_ROUTES
from kokoa.edge.native.media import MediaRoutes
from kokoa.edge.native.payment_webhooks import ROUTE as WEBHOOK_ROUTE
from kokoa.edge.native.payment_webhooks import PaymentWebhookRoute
from kokoa.edge.native.serve import NativeRoutes
from kokoa.edge.overriding import Asked, Overriding
from kokoa.edge.policies import Policies
from kokoa.edge.routes import Match
from kokoa.edge.routes.grants import is_reserved
from kokoa.edge.routes.table import EXTENSION_PREFIX, RouteTable
from kokoa.edge.sessions import new_session, with_cookie
from kokoa.edge.tables import RouteTables
from kokoa.kernel.call import Call
from kokoa.kernel.errors import Unavailable
from kokoa.web.errors import MethodNotAllowed
from kokoa.web.http import ANSWER_HEADERS, ROUTE_KEY, Request, Response, StreamedResponse


class Store:
    """Answers everything that is not Kokoa's own path."""

    def __init__(
        self,
        *,
        environments: Environments,
        limits: RateLimits,
        tables: RouteTables,
        graphql: GraphqlEndpoint,
        native: NativeRoutes,
        media: MediaRoutes,
        webhooks: PaymentWebhookRoute,
        extensions: Extensions,
        policies: Policies,
        overriding: Overriding,
    ) -> None:
        self._environments = environments
        self._limits = limits
        self._tables = tables
        self._graphql = graphql
        self._native = native
        self._media = media
        self._webhooks = webhooks
        self._extensions = extensions
        self._policies = policies
        self._overriding = overriding

    async def answer(self, request: Request, scope: Scope, receive: Receive) -> Response | StreamedResponse:
        """Raises what identifying, limiting and serving raise."""
        asker = await self._environments.identify(request)
        environment = asker.environment
        structlog.contextvars.bind_contextvars(store=f"{environment.tenant_alias}/{environment.name}")
        allowance = self._limits.take(_limit_key(asker), environment.rate)
        scope[ANSWER_HEADERS].extend(allowance.headers())
        allowance.require()
        session = await self._session_for(asker) if _may_need_session(asker) else ""
        if not session:
            return await self._routed(request, scope, receive, asker)
        call = msgspec.structs.replace(asker.call, session=session)
        answer = await self._routed(request, scope, receive, msgspec.structs.replace(asker, call=call))
        return with_cookie(answer, session, secure=request.scheme == "https")

    async def _session_for(self, asker: Asker) -> str:
        """A new one for this visitor, where customers are divided; else empty."""
        try:
            policies = await self._policies.of(asker.environment.id)
        except Unavailable:
            return ""  # whoever needs the policies says so; a page that needs none is served
        return new_session() if policies.divides else ""

    async def _routed(
        self, request: Request, scope: Scope, receive: Receive, asker: Asker
    ) -> Response | StreamedResponse:
        environment = asker.environment
        if request.segments == ("graphql",):
            scope[ROUTE_KEY] = "/graphql"
            answer = await self._graphql.serve(request, receive, asker.call)
            if isinstance(answer, StreamedResponse):
                scope[ROUTE_KEY] = "/graphql (events)"  # how long a stream lives says nothing about an answer's time
            return answer
        if is_reserved(request.segments[0]) and request.segments[0] != EXTENSION_PREFIX:
            raise _not_found(request)
        table = await self._tables.of(environment.id)
        match = table.match(request.method, request.segments)
        if match is None:
            return _unmatched(request, table)
        try:
            return await self._serve(request, scope, receive, asker, match)
        except ExtensionNotReady:
            # Its function may have gone together with the route, and this table be from before that.
            # Other methods have a body, which the function's event has and nobody can read again.
            again = await self._match_anew(request, environment.id) if request.method in {"GET", "HEAD"} else None
            if again is None or again.route == match.route:
                raise
        return await self._serve(request, scope, receive, asker, again)

    async def _match_anew(self, request: Request, environment_id: str) -> Match | None:
        self._tables.invalidate(environment_id)
        return (await self._tables.of(environment_id)).match(request.method, request.segments)

    async def _serve(
        self, request: Request, scope: Scope, receive: Receive, asker: Asker, match: Match
    ) -> Response | StreamedResponse:
        scope[ROUTE_KEY] = _template(match)
        if isinstance(match.route, ExtensionRoute):
            structlog.contextvars.bind_contextvars(function=match.route.function_name)
            return await self._extended(Asked(request, receive, asker.call, match, match.route))
        return await self._natively(request, receive, asker.call, match, match.route)

    async def _extended(self, asked: Asked) -> Response:
        """Below `/ext/` a partner's route is as it is; policies are for what a store's customers ask."""
        if not asked.match.at_root:
            return await self._extensions.serve(*asked)
        policies = await self._policies.of(asked.call.environment_id)
        policy = policies.by_subject.get(asked.match.subject)
        if asked.match.overridden is None:
            return await self._extensions.serve(*asked, deadline_ms=policy.deadline_ms if policy else None)
        instead, route = asked.match.native(), asked.match.overridden.route

        async def native() -> Response:
            return await self._natively(asked.request, asked.receive, asked.call, instead, route)

        return await self._overriding.serve(asked, policy, native)

    async def _natively(
        self, request: Request, receive: Receive, call: Call, match: Match, route: NativeRoute
    ) -> Response:
        if route in MEDIA_ROUTES:
            return await self._media.serve(request, receive, call, route, match.parameters)
        if route == WEBHOOK_ROUTE:
            return await self._webhooks.serve(request, receive, call, match.parameters)
        return await self._native.serve(request, receive, call, route.operation, match.parameters)


def _may_need_session(asker: Asker) -> bool:
    """Whether this is a visitor without a session."""
    return not (asker.internal or asker.call.session or asker.call.caller.kind != "storefront")


def _limit_key(asker: Asker) -> str:
    """Calls from inside have a limit of their own for each caller, so that a partner's loop cannot close the shop."""
    if asker.internal:
        return f"{asker.environment.id}/{asker.call.caller.kind}/{asker.call.caller.subject}"
    return asker.environment.id


def _template(match: Match) -> str:
    if isinstance(match.route, ExtensionRoute):
        return f"extension {match.key.path}"
    return match.key.path


def _unmatched(request: Request, table: RouteTable) -> Response:
    allowed = table.allowed(request.segments)
    if not allowed:
        raise _not_found(request)
    if request.method == "OPTIONS":
        return Response(204, (("allow", ", ".join((*allowed, "OPTIONS"))),))
    raise MethodNotAllowed(f"{request.path[:200]} does not answer {request.method}.", allowed=allowed)


def _not_found(request: Request) -> RouteNotFound:
    return RouteNotFound(f"No route of this store answers {request.method} {request.path[:200]}.")
