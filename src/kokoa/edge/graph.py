"""The seam to the composed graph, and the `/graphql` endpoint in front of it."""

from collections.abc import Mapping
from typing import Any, Protocol

from starlette.types import Receive

from kokoa.graphql import ExecutionResult
from kokoa.graphql.http import BODY_BYTES_MAX, HttpAnswer, Refusal, encode, read_request
from kokoa.kernel.call import Call
from kokoa.web.body import read_body
from kokoa.web.http import Request, Response


class Graph(Protocol):
    """The composed graph of the call's environment. Failures of fields are in the result, not raised."""

    async def execute(
        self,
        document: str,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        *,
        read_only: bool = False,
    ) -> ExecutionResult: ...


class GraphqlEndpoint:
    """GraphQL over HTTP: reads the request, asks the graph, encodes the answer."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    async def serve(self, request: Request, receive: Receive, call: Call) -> Response:
        """Raises PayloadTooLarge; every other refusal is an answer in GraphQL's own form."""
        body = await read_body(request, receive, limit_bytes=BODY_BYTES_MAX)
        asked = read_request(request.method, dict(request.headers), request.query, body)
        if isinstance(asked, Refusal):
            return _response(asked.answer())
        result = await self._graph.execute(
            asked.query, asked.variables, call, asked.operation_name, read_only=asked.read_only
        )
        return _response(encode(result, asked.accept))


def _response(answer: HttpAnswer) -> Response:
    # The answer depends on who asks and in which form.
    headers = {"cache-control": "no-cache", "vary": "accept", **answer.headers}
    return Response(answer.status, tuple(headers.items()), answer.body)
