"""GraphQL for our own processes: a service's subgraph for the gateway, or the gateway's graph for an edge."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from starlette.types import Receive, Scope, Send

from kokoa.edge.graph import Graph, GraphqlEndpoint
from kokoa.graphql import ExecutionResult
from kokoa.graphql.lru import Lru
from kokoa.graphql.result import refusal
from kokoa.kernel.call import Call
from kokoa.kernel.errors import Forbidden, KokoaError
from kokoa.services.catalog.custom_fields.schemas import SUBGRAPHS_MAX, EnvironmentSchemas
from kokoa.web.http import request_of, send_answer
from kokoa.web.rpc import TOKEN_HEADER
from kokoa.web.tokens import CallTokens


class CallTokenMissing(Forbidden):
    """This address answers Kokoa's own processes only."""


class NothingRegistered:
    """Persisted operations are the edge's business."""

    async def find(self, environment_id: str, document_id: str) -> str | None:
        return None

    async def are_required(self, environment_id: str) -> bool:
        return False


class InnerGraphql:
    """An ASGI application for `/graphql`. Each request carries a signed call."""

    def __init__(self, graph: Graph, tokens: CallTokens) -> None:
        self._endpoint = GraphqlEndpoint(graph, NothingRegistered())
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises CallTokenMissing, CallTokenInvalid, CallTokenExpired, PayloadTooLarge."""
        await _serve(self._endpoint, self._tokens, scope, receive, send)


class SchemasGraphql:
    """An ASGI application for `/graphql/{digest}`: catalog, by the schema that the asking gateway composed."""

    def __init__(self, schemas: EnvironmentSchemas, tokens: CallTokens) -> None:
        self._schemas = schemas
        self._tokens = tokens
        self._endpoints: Lru[str, GraphqlEndpoint] = Lru(SUBGRAPHS_MAX)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises CallTokenMissing, CallTokenInvalid, CallTokenExpired, PayloadTooLarge."""
        digest: str = scope["path_params"]["digest"]
        endpoint = self._endpoints.get_or_make(
            digest, lambda: GraphqlEndpoint(_OfDigest(self._schemas, digest), NothingRegistered())
        )
        await _serve(endpoint, self._tokens, scope, receive, send)


class _OfDigest:
    """A Graph: the subgraph of this digest, which the call's environment must have, or have had not long ago."""

    def __init__(self, schemas: EnvironmentSchemas, digest: str) -> None:
        self._schemas = schemas
        self._digest = digest

    async def execute(
        self,
        document: str,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        *,
        read_only: bool = False,
    ) -> ExecutionResult:
        try:
            subgraph = await self._schemas.subgraph(call.environment_id, self._digest)
        except KokoaError as error:
            return refusal(error)
        return await subgraph.execute(document, variables, call, operation_name, read_only=read_only)

    async def stream(
        self,
        document: str,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        *,
        read_only: bool = False,
    ) -> AsyncGenerator[ExecutionResult, None]:
        try:
            subgraph = await self._schemas.subgraph(call.environment_id, self._digest)
        except KokoaError as error:
            yield refusal(error)
            return
        found = subgraph.stream(document, variables, call, operation_name, read_only=read_only)
        async with aclosing(found):
            async for result in found:
                yield result


async def _serve(endpoint: GraphqlEndpoint, tokens: CallTokens, scope: Scope, receive: Receive, send: Send) -> None:
    request = request_of(scope)
    token = request.only(TOKEN_HEADER.lower())
    if not token:
        raise CallTokenMissing("This address answers Kokoa's own processes only; ask the store's /graphql.")
    response = await endpoint.serve(request, receive, tokens.verify(token))
    await send_answer(send, receive, response)
