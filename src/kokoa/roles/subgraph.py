"""GraphQL for our own processes: a service's subgraph for the gateway, or the gateway's graph for an edge."""

from starlette.types import Receive, Scope, Send

from kokoa.edge.graph import Graph, GraphqlEndpoint
from kokoa.kernel.errors import Forbidden
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
        request = request_of(scope)
        token = request.only(TOKEN_HEADER.lower())
        if not token:
            raise CallTokenMissing("This address answers Kokoa's own processes only; ask the store's /graphql.")
        response = await self._endpoint.serve(request, receive, self._tokens.verify(token))
        await send_answer(send, receive, response)
