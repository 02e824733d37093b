"""The seam to the composed graph, and the `/graphql` endpoint in front of it."""

from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Protocol

import msgspec
from starlette.types import Receive

from kokoa.edge.caching import cache_headers
from kokoa.graphql import ExecutionResult
from kokoa.graphql.http import BODY_BYTES_MAX, EVENT_STREAM, GraphQLRequest, HttpAnswer, Refusal, encode, read_request
from kokoa.graphql.persisted import PersistedOperations, RegisteredOperations
from kokoa.graphql.result import refusal
from kokoa.graphql.sse import events
from kokoa.kernel.call import Call
from kokoa.kernel.errors import KokoaError, Throttled
from kokoa.web.body import read_body
from kokoa.web.http import Request, Response, StreamedResponse

STREAMS_MAX = 5_000
STREAMS_OF_ENVIRONMENT_MAX = 1_000


class TooManyStreams(Throttled):
    """As many event streams are open in this process as it is willing to hold."""


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

    def stream(
        self,
        document: str,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        *,
        read_only: bool = False,
    ) -> AsyncGenerator[ExecutionResult, None]: ...


class Plans(Protocol):
    """How a graph would run operations."""

    async def explain(
        self, document: str, variables: Mapping[str, Any] | None, call: Call, operation_name: str | None = None
    ) -> str:
        """The plan as text. Raises KokoaError."""


# Plans name subgraphs; storefronts see one graph.
_MAY_SEE_PLANS = frozenset({"account", "server", "operator"})


class GraphqlEndpoint:
    """GraphQL over HTTP: reads the request, finds its document, asks the graph, encodes the answer or the answers.

    plans: what is shown to those who ask for `queryPlan` in the request's `extensions`; without it nothing is.
    """

    def __init__(self, graph: Graph, registered: RegisteredOperations, plans: Plans | None = None) -> None:
        self._graph = graph
        self._plans = plans
        self._persisted = PersistedOperations(registered)
        self._streams: Counter[str] = Counter()

    async def serve(self, request: Request, receive: Receive, call: Call) -> Response | StreamedResponse:
        """Raises PayloadTooLarge, TooManyStreams; every other refusal is an answer in GraphQL's own form."""
        body = await read_body(request, receive, limit_bytes=BODY_BYTES_MAX)
        asked = read_request(request.method, dict(request.headers), request.query, body)
        if isinstance(asked, Refusal):
            return _response(asked.answer())
        if asked.accept == EVENT_STREAM:
            return self._stream(asked, call)
        result = await self._execute(asked, call)
        return _response(encode(result, asked.accept), result)

    async def _execute(self, asked: GraphQLRequest, call: Call) -> ExecutionResult:
        try:
            text = await self._persisted.text_of(asked, call)
        except KokoaError as error:
            return refusal(error)
        result = await self._graph.execute(
            text, asked.variables, call, asked.operation_name, read_only=asked.read_only
        )
        if not result.refused:
            self._persisted.keep(asked, call)
        if asked.extensions.get("queryPlan") is True and not result.refused:
            return await self._with_plan(result, text, asked, call)
        return result

    async def _with_plan(
        self, result: ExecutionResult, text: str, asked: GraphQLRequest, call: Call
    ) -> ExecutionResult:
        if self._plans is None or call.caller.kind not in _MAY_SEE_PLANS:
            return result
        try:
            plan = await self._plans.explain(text, asked.variables, call, asked.operation_name)
        except KokoaError:
            return result  # the operation was answered; its plan is not worth an error
        return msgspec.structs.replace(result, extensions={**(result.extensions or {}), "queryPlan": plan})

    def _stream(self, asked: GraphQLRequest, call: Call) -> StreamedResponse:
        key = call.environment_id
        if self._streams[key] >= STREAMS_OF_ENVIRONMENT_MAX or self._streams.total() >= STREAMS_MAX:
            raise TooManyStreams(
                f"{self._streams[key]} event streams of this store are open. Close some, or try again in a minute.",
                retry_after_s=60,
            )
        headers = (
            ("content-type", f"{EVENT_STREAM}; charset=utf-8"),
            *cache_headers(None, _VARY).items(),
            ("x-accel-buffering", "no"),
        )
        return StreamedResponse(200, headers, self._counted(key, events(self._results(asked, call))))

    async def _counted(self, key: str, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        self._streams[key] += 1
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk
        finally:
            self._streams[key] -= 1
            if not self._streams[key]:
                del self._streams[key]

    async def _results(self, asked: GraphQLRequest, call: Call) -> AsyncGenerator[ExecutionResult, None]:
        try:
            text = await self._persisted.text_of(asked, call)
        except KokoaError as error:
            yield refusal(error)
            return
        found = self._graph.stream(text, asked.variables, call, asked.operation_name, read_only=asked.read_only)
        async with aclosing(found):
            async for result in found:
                if not result.refused:
                    self._persisted.keep(asked, call)
                yield result


# The answer depends on the form in which it is asked for.
_VARY = "accept"


def _response(answer: HttpAnswer, result: ExecutionResult | None = None) -> Response:
    headers = {**cache_headers(result, _VARY), **answer.headers}
    return Response(answer.status, tuple(headers.items()), answer.body)
