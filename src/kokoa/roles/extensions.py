"""Who answers for partners' subgraphs: functions of their accounts, or servers where the environment lets them be."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

import aiohttp

from kokoa.edge.cache import FreshCache
from kokoa.edge.events import v2
from kokoa.edge.events.requests import EventRoute, Occasion, new_request_id
from kokoa.edge.extensions import FunctionAnswer
from kokoa.edge.model import Environment
from kokoa.functions.control.names import function_arn
from kokoa.gateway.execute.clients import SubgraphClient
from kokoa.gateway.extension import Extension
from kokoa.gateway.extensions.client import ExtensionParts, extension_client
from kokoa.gateway.supergraph import Supergraph
from kokoa.kernel.call import Call
from kokoa.kernel.clock import now_ms
from kokoa.kernel.overrides import OverrideReports
from kokoa.roles.seams import Functions
from kokoa.web.http import Request

TTL_S = 1.0
ENVIRONMENTS_MAX = 10_000

_PATH = "/graphql"


class EgressDirectory(Protocol):
    """What an environment is called, and what it allows."""

    async def by_id(self, environment_id: str) -> Environment | None: ...
    async def egress(self, environment_id: str) -> tuple[str, ...]:
        """Where its extensions may be, as host:port."""
        ...


class Allowlists:
    """The environments' allowlists, at most a second old."""

    def __init__(self, directory: EgressDirectory) -> None:
        self._directory = directory
        self._known: FreshCache[frozenset[str]] = FreshCache(ttl_s=TTL_S, entries_max=ENVIRONMENTS_MAX)

    async def has(self, environment_id: str, host: str, port: int) -> bool:
        allowed = self._known.peek(environment_id)
        if allowed is None:
            allowed = await self._known.get(environment_id, lambda: self._load(environment_id))
        return f"{host.lower()}:{port}" in allowed

    async def _load(self, environment_id: str) -> frozenset[str]:
        return frozenset(await self._directory.egress(environment_id))


class AccountFunctions:
    """Implements the gateway's FunctionInvoker by the functions' seam. region: as in their ARNs."""

    def __init__(self, functions: Functions, region: str) -> None:
        self._functions = functions
        self._region = region

    async def invoke(self, call: Call, account_id: str, function: str, payload: bytes) -> FunctionAnswer:
        return await self._functions.invoke(call, function_arn(self._region, account_id, function), payload)


class ApiGatewayEvents:
    """Implements the gateway's HttpEvents: a function with a GraphQL server in it is asked at POST /graphql."""

    def event_of(self, extension: Extension, headers: Sequence[tuple[str, str]], body: bytes, call: Call) -> bytes:
        request = Request(
            method="POST",
            path=_PATH,
            segments=(_PATH[1:],),
            query="",
            headers=(("host", f"{extension.name}.extensions.internal"), *headers),
            http_version="1.1",
            scheme="https",
            client="",
            correlation_id=call.correlation_id,
        )
        route = EventRoute(
            route_key=f"POST {_PATH}",
            resource=_PATH,
            api_id=extension.name,
            account_id=extension.account_id,
            path=_PATH,
            path_parameters={},
        )
        return v2.event_of(request, body, route, Occasion(new_request_id(), now_ms()))

    def response_of(self, payload: bytes) -> tuple[int, bytes]:
        response = v2.response_of(payload)
        return response.status, response.body


class ExtensionClients:
    """Makes what asks an extension of a graph.  session: keeps no cookies; kept open."""

    def __init__(
        self,
        functions: Functions,
        region: str,
        session: aiohttp.ClientSession,
        directory: EgressDirectory,
        reports: OverrideReports,
    ) -> None:
        self._invoker = AccountFunctions(functions, region)
        self._events = ApiGatewayEvents()
        self._session = session
        self._directory = directory
        self._allowlists = Allowlists(directory)
        self._reports = reports

    async def client(
        self,
        environment_id: str,
        extension: Extension,
        supergraph: Supergraph,
        natives: Mapping[str, SubgraphClient],
    ) -> SubgraphClient:
        """natives: what asks the subgraphs that it may override, by name."""
        environment = await self._directory.by_id(environment_id)
        parts = ExtensionParts(
            invoker=self._invoker,
            events=self._events,
            session=self._session,
            allowed=partial(self._allowlists.has, environment_id),
            reports=self._reports,
            environment=f"{environment.tenant_alias}/{environment.name}" if environment else "",
        )
        # It reads the whole graph: beside the event loop, as composing is.
        return await asyncio.to_thread(extension_client, extension, supergraph, natives, parts)
