"""The operator's API under /_kokoa/operator/: what the `kokoa` command asks. Bearer token, JSON, problem+json."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kokoa.edge.tables import RouteTables
from kokoa.graphql import ExecutionResult
from kokoa.graphql.errors import ErrorEntry
from kokoa.kernel.call import DEADLINE_DEFAULT_MS, Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import Invalid, Unauthenticated
from kokoa.roles.operator_overrides import OverrideOperations, PolicyChange
from kokoa.roles.publishing.seam import Order, Publishing
from kokoa.roles.seams import Administration, Directory, Operations, OperationText, Subgraphs
from kokoa.services.tenants.errors import EnvironmentNotFound
from kokoa.services.tenants.subgraphs.errors import SubgraphNotFound
from kokoa.web.http import CORRELATION_KEY

PREFIX = "/_kokoa/operator"
_BODY_BYTES_MAX = 64 * 1024
_PAGE_MAX = 1000
_REGISTER_BYTES_MAX = 8 * 1024 * 1024
_REGISTER_MAX = 500

_Body = TypeVar("_Body")

_ENVIRONMENT = PREFIX + "/tenants/{tenant}/{environment}"


class OperatorTokenWrong(Unauthenticated):
    """The operator's token is missing or is another store's."""


class InvalidBody(Invalid):
    """The request's body does not fit."""


class _Named(msgspec.Struct):
    tenant: str
    environment: str = "prod"


class _Partner(msgspec.Struct):
    partner: str


class _Grant(msgspec.Struct):
    partner: str
    pattern: str


class _Destination(msgspec.Struct):
    destination: str


class _Domain(msgspec.Struct):
    domain: str


class _RateLimit(msgspec.Struct):
    requests: int


class _Register(msgspec.Struct):
    operations: list[OperationText]


class _Withdraw(msgspec.Struct):
    if_version: int | None = None
    allow_breaking: bool = False


class _OperationPolicy(msgspec.Struct):
    registered_only: bool


class _Subject(msgspec.Struct):
    subject: str


class _Rebuild(msgspec.Struct):
    language: str | None = None


_STATUS_FIELDS = (
    "{ documents generation language waiting lagSeconds indexedAt rebuild { generation language done startedAt } }"
)
_SEARCH_STATUS = f"query {{ answer: searchStatus {_STATUS_FIELDS} }}"
_REBUILD_SEARCH = f"mutation($language: String) {{ answer: rebuildSearch(language: $language) {_STATUS_FIELDS} }}"


class GraphRefused(Invalid):
    """The environment's graph did not do what the operator asked for; the message is its own."""


class OperationRefused(Invalid):
    """The environment's graph does not take a document; the message says which and why."""


class OperatedGraph(Protocol):
    """The environments' graphs, as the operator needs them."""

    async def check(self, document: str, environment_id: str) -> list[ErrorEntry]:
        """Why the graph would refuse a document."""
        ...

    async def execute(
        self,
        document: str,
        variables: Mapping[str, Any] | None,
        call: Call,
    ) -> ExecutionResult: ...


class OperatedSubgraphs(NamedTuple):
    """What partners have published, as the operator needs it."""

    subgraphs: Subgraphs
    publishing: Publishing


class OperatorApi:
    """Routes for a Starlette application."""

    def __init__(
        self,
        administration: Administration,
        directory: Directory,
        operations: Operations,
        graph: OperatedGraph,
        tables: RouteTables,
        overrides: OverrideOperations,
        published: OperatedSubgraphs,
        *,
        token: str,
    ) -> None:
        self._administration = administration
        self._directory = directory
        self._operations = operations
        self._graph = graph
        self._tables = tables
        self._overrides = overrides
        self._published = published
        self._token = token

    def routes(self) -> list[Route]:
        """Every address, with what answers."""
        return [
            self._route("GET", PREFIX + "/tenants", self.list_environments),
            self._route("POST", PREFIX + "/tenants", self.create_environment),
            self._route("POST", _ENVIRONMENT + "/secrets", self.rotate_secrets),
            self._route("POST", _ENVIRONMENT + "/domains", self.add_domain),
            self._route("PUT", _ENVIRONMENT + "/rate-limit", self.set_rate_limit),
            self._route("GET", _ENVIRONMENT + "/partners", self.list_partners),
            self._route("POST", _ENVIRONMENT + "/partners", self.add_partner),
            self._route("GET", _ENVIRONMENT + "/partners/{partner}/keys", self.list_keys),
            self._route("POST", _ENVIRONMENT + "/partners/{partner}/keys", self.create_key),
            self._route("DELETE", _ENVIRONMENT + "/keys/{key}", self.revoke_key),
            self._route("GET", _ENVIRONMENT + "/grants", self.list_grants),
            self._route("POST", _ENVIRONMENT + "/grants", self.add_grant),
            self._route("DELETE", _ENVIRONMENT + "/grants", self.revoke_grant),
            self._route("GET", _ENVIRONMENT + "/egress", self.list_egress),
            self._route("POST", _ENVIRONMENT + "/egress", self.allow_egress),
            self._route("DELETE", _ENVIRONMENT + "/egress", self.remove_egress),
            self._route("GET", _ENVIRONMENT + "/routes", self.list_routes),
            self._route("GET", _ENVIRONMENT + "/operations", self.list_operations),
            self._route("POST", _ENVIRONMENT + "/operations", self.register_operations),
            self._route("PUT", _ENVIRONMENT + "/operations", self.set_operation_policy),
            self._route("DELETE", _ENVIRONMENT + "/operations/{operation}", self.remove_operation),
            self._route("GET", _ENVIRONMENT + "/subgraphs", self.list_subgraphs),
            self._route("DELETE", _ENVIRONMENT + "/subgraphs/{subgraph}", self.withdraw_subgraph),
            self._route("GET", _ENVIRONMENT + "/search", self.search_status),
            self._route("POST", _ENVIRONMENT + "/search/rebuild", self.rebuild_search),
            self._route("GET", _ENVIRONMENT + "/overrides", self.list_overrides),
            self._route("PUT", _ENVIRONMENT + "/overrides", self.set_override),
            self._route("DELETE", _ENVIRONMENT + "/overrides", self.unset_override),
            self._route("GET", _ENVIRONMENT + "/overrides/report", self.report_override),
        ]

    def _route(self, method: str, path: str, answer: Callable[[Request], Awaitable[Any]]) -> Route:
        async def endpoint(request: Request) -> Response:
            self._authorise(request)
            result = await answer(request)
            if result is None:
                return Response(status_code=204)
            status = 201 if method == "POST" else 200
            return Response(msgspec.json.encode(result), status_code=status, media_type="application/json")

        return Route(path, endpoint, methods=[method], name=f"{method} {path}")

    def _authorise(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), self._token.encode()):
            raise OperatorTokenWrong(
                "This needs the operator's token: KOKOA_OPERATOR_TOKEN, or operator.token in the state folder."
            )

    async def list_environments(self, request: Request) -> Any:
        after = request.query_params.get("after", "").partition("/")
        return await self._administration.environments(after[0], after[2], _PAGE_MAX)

    async def create_environment(self, request: Request) -> Any:
        named = await _body(request, _Named)
        return await self._administration.create_environment(named.tenant, named.environment, _correlation(request))

    async def rotate_secrets(self, request: Request) -> Any:
        return await self._administration.rotate_secrets(*_where(request), _correlation(request))

    async def add_domain(self, request: Request) -> Any:
        given = await _body(request, _Domain)
        domain = await self._administration.add_domain(*_where(request), given.domain, _correlation(request))
        return {"domain": domain}

    async def set_rate_limit(self, request: Request) -> Any:
        given = await _body(request, _RateLimit)
        if not 1 <= given.requests <= 1_000_000:
            raise InvalidBody("requests must be 1 to 1,000,000 in each window of 10 s.", field="requests")
        await self._administration.set_rate_limit(*_where(request), given.requests, _correlation(request))

    async def list_partners(self, request: Request) -> Any:
        return await self._administration.partners(*_where(request))

    async def add_partner(self, request: Request) -> Any:
        given = await _body(request, _Partner)
        return await self._administration.add_partner(*_where(request), given.partner, _correlation(request))

    async def list_keys(self, request: Request) -> Any:
        return await self._administration.keys(*_where(request), request.path_params["partner"])

    async def create_key(self, request: Request) -> Any:
        partner = request.path_params["partner"]
        return await self._administration.create_key(*_where(request), partner, _correlation(request))

    async def revoke_key(self, request: Request) -> Any:
        await self._administration.revoke_key(*_where(request), request.path_params["key"], _correlation(request))

    async def list_grants(self, request: Request) -> Any:
        return await self._administration.grants(*_where(request))

    async def add_grant(self, request: Request) -> Any:
        given = await _body(request, _Grant)
        where = _where(request)
        await self._administration.add_grant(*where, given.partner, given.pattern, _correlation(request))

    async def revoke_grant(self, request: Request) -> Any:
        given = await _body(request, _Grant)
        where = _where(request)
        await self._administration.revoke_grant(*where, given.partner, given.pattern, _correlation(request))

    async def list_egress(self, request: Request) -> Any:
        return await self._administration.egress(*_where(request))

    async def allow_egress(self, request: Request) -> Any:
        given = await _body(request, _Destination)
        where = _where(request)
        return await self._administration.allow_egress(*where, given.destination, _correlation(request))

    async def remove_egress(self, request: Request) -> Any:
        given = await _body(request, _Destination)
        where = _where(request)
        await self._administration.remove_egress(*where, given.destination, _correlation(request))

    async def list_routes(self, request: Request) -> Any:
        environment_id = await self._environment_id(request)
        self._tables.invalidate(environment_id)
        return (await self._tables.of(environment_id)).describe()

    async def list_operations(self, request: Request) -> Any:
        after = request.query_params.get("after", "")
        return await self._operations.page(await self._environment_id(request), after, _PAGE_MAX)

    async def register_operations(self, request: Request) -> Any:
        given = await _body(request, _Register, bytes_max=_REGISTER_BYTES_MAX)
        if not 1 <= len(given.operations) <= _REGISTER_MAX:
            raise InvalidBody(f"operations must hold 1 to {_REGISTER_MAX} documents.", field="operations")
        environment_id = await self._environment_id(request)
        for one in given.operations:
            for entry in await self._graph.check(one.document, environment_id):
                raise OperationRefused(f"{one.id}: {entry['message']}", field="document")
        return {"new": await self._operations.register(environment_id, given.operations, _correlation(request))}

    async def remove_operation(self, request: Request) -> Any:
        environment_id = await self._environment_id(request)
        await self._operations.remove(environment_id, request.path_params["operation"], _correlation(request))

    async def set_operation_policy(self, request: Request) -> Any:
        given = await _body(request, _OperationPolicy)
        environment_id = await self._environment_id(request)
        await self._operations.require(environment_id, given.registered_only, _correlation(request))

    async def list_subgraphs(self, request: Request) -> Any:
        environment_id = await self._environment_id(request)
        after = request.query_params.get("after", "")
        return await self._published.subgraphs.entries(environment_id, "", after, _PAGE_MAX)

    async def withdraw_subgraph(self, request: Request) -> Any:
        given = await _body(request, _Withdraw)
        environment_id, name = await self._environment_id(request), request.path_params["subgraph"]
        one = await self._published.subgraphs.entry(environment_id, name)
        if one is None:
            raise SubgraphNotFound(
                f"No partner has a subgraph {name[:80]!r}. `kokoa graph list` shows what there is."
            )
        tenant, environment = _where(request)
        order = Order(
            environment_id=environment_id,
            tenant=tenant,
            environment=environment,
            account_id=one.account_id,
            partner=one.partner,
            by="operator",
            name=name,
            if_version=given.if_version,
            allow_breaking=given.allow_breaking,
        )
        return await self._published.publishing.withdraw(order, _correlation(request))

    async def search_status(self, request: Request) -> Any:
        return await self._asked(request, _SEARCH_STATUS, {})

    async def rebuild_search(self, request: Request) -> Any:
        given = await _body(request, _Rebuild)
        return await self._asked(request, _REBUILD_SEARCH, {"language": given.language})

    async def list_overrides(self, request: Request) -> Any:
        return await self._overrides.rows(await self._environment_id(request))

    async def set_override(self, request: Request) -> Any:
        given = await _body(request, PolicyChange)
        return await self._overrides.set_policy(await self._environment_id(request), given, _correlation(request))

    async def unset_override(self, request: Request) -> Any:
        given = await _body(request, _Subject)
        environment_id = await self._environment_id(request)
        await self._overrides.unset_policy(environment_id, given.subject, _correlation(request))

    async def report_override(self, request: Request) -> Any:
        since = request.query_params.get("since_s", "86400")
        if not (since.isascii() and since.isdigit() and len(since) <= 9):
            raise InvalidBody("since_s must be a whole number of seconds.", field="since_s")
        subject = request.query_params.get("subject", "")
        return await self._overrides.report(await self._environment_id(request), subject, int(since))

    async def _asked(self, request: Request, document: str, variables: dict[str, Any]) -> Any:
        """The `answer` of an operation on the environment's graph. Raises GraphRefused."""
        caller = Caller("operator", scopes=frozenset({"storefront", "management"}))
        call = Call(
            await self._environment_id(request), caller, _correlation(request), now_ms() + DEADLINE_DEFAULT_MS
        )
        result = await self._graph.execute(document, variables, call)
        if result.errors or not isinstance(result.data, dict):
            raise GraphRefused("; ".join(str(error.get("message")) for error in result.errors[:3]))
        return result.data["answer"]

    async def _environment_id(self, request: Request) -> str:
        """Raises EnvironmentNotFound."""
        tenant, name = _where(request)
        environment = await self._directory.by_alias(tenant, name)
        if environment is None:
            raise EnvironmentNotFound(f"Tenant {tenant!r} has no environment {name!r}.")
        return environment.id


def _where(request: Request) -> tuple[str, str]:
    return request.path_params["tenant"], request.path_params["environment"]


def _correlation(request: Request) -> str:
    correlation_id: str = request.scope[CORRELATION_KEY]
    return correlation_id


async def _body(request: Request, kind: type[_Body], *, bytes_max: int = _BODY_BYTES_MAX) -> _Body:
    """Raises InvalidBody, which names what does not fit."""
    if int(request.headers.get("content-length", "0")) > bytes_max:
        raise InvalidBody(f"The body has at most {bytes_max} bytes.")
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.DecodeError as error:
        raise InvalidBody(f"The body does not fit: {error}") from error
