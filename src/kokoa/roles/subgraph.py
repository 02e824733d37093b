"""A service's subgraph over HTTP, for a gateway in another process (GraphQL over HTTP, with a call token)."""

from starlette.requests import Request
from starlette.responses import Response

from kokoa.graphql import Subgraph
from kokoa.graphql.http import BODY_BYTES_MAX, Refusal, encode, read_request
from kokoa.kernel.errors import Forbidden
from kokoa.web.errors import PayloadTooLarge
from kokoa.web.rpc import TOKEN_HEADER
from kokoa.web.tokens import CallTokens


class CallTokenMissing(Forbidden):
    """A subgraph answers Kokoa's own gateway only."""


class SubgraphEndpoint:
    """POST /graphql of a service."""

    def __init__(self, subgraph: Subgraph, tokens: CallTokens) -> None:
        self._subgraph = subgraph
        self._tokens = tokens

    async def handle(self, request: Request) -> Response:
        """Raises CallTokenMissing, CallTokenInvalid, CallTokenExpired, PayloadTooLarge."""
        token = request.headers.get(TOKEN_HEADER)
        if not token:
            raise CallTokenMissing("This address answers Kokoa's own gateway only; ask the store's /graphql.")
        call = self._tokens.verify(token)
        if int(request.headers.get("content-length", "0")) > BODY_BYTES_MAX:
            raise PayloadTooLarge(f"A request has at most {BODY_BYTES_MAX} bytes.")
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = read_request(request.method, headers, request.url.query, await request.body())
        if isinstance(asked, Refusal):
            answer = asked.answer()
        else:
            result = await self._subgraph.execute(asked.query, asked.variables, call, asked.operation_name)
            answer = encode(result, asked.accept)
        return Response(answer.body, answer.status, answer.headers)
