"""Serve a native route: parameters → variables → the environment's graph → JSON.

The answer is the value of the operation's root field. An error of the graph, also one deep inside, is a problem:
a REST client has no place to look for partial results. Null is 404.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson
from starlette.types import Receive

from kokoa.edge.caching import cache_headers
from kokoa.edge.errors import RouteNotFound
from kokoa.edge.graph import Graph
from kokoa.edge.native.operations import NO_CONTENT, NativeOperation
from kokoa.edge.native.parameters import variables_of, variables_of_body, variables_of_headers
from kokoa.edge.native.problems import problem_of
from kokoa.graphql import ExecutionResult
from kokoa.kernel.call import Call
from kokoa.kernel.errors import NotFound
from kokoa.web.body import read_body
from kokoa.web.http import Header, Request, Response

BODY_BYTES_MAX = 2_000_000  # as of GraphQL's
_VALUE = re.compile(r"\{([\w.]+)\}")


class NativeRoutes:
    """Answers the requests whose route is native.  operations: by name."""

    def __init__(self, operations: Mapping[str, NativeOperation], graph: Graph) -> None:
        self.operations = operations
        self._graph = graph

    async def serve(
        self, request: Request, receive: Receive, call: Call, name: str, path_parameters: Mapping[str, str]
    ) -> Response:
        """Raises InvalidParameter, UnknownParameter, UnsupportedMediaType, PayloadTooLarge, NotFound, and what the
        graph raises.
        """
        operation = self.operations.get(name)
        if operation is None:
            raise RouteNotFound(f"There is no route {request.method} {request.path[:200]}.")
        given = variables_of_headers(operation, request)
        if operation.has_body:
            body = await read_body(request, receive, limit_bytes=BODY_BYTES_MAX)
            given |= variables_of_body(operation, request.header("content-type") or "", body)
        variables = variables_of(operation, path_parameters, request.query, given)
        result = await self._graph.execute(operation.document, variables, call, operation.name)
        if result.errors:
            return problem_of(result.errors[0], call.correlation_id, operation)
        value = result.data.get(operation.root) if result.data else None
        if value is None:
            raise NotFound(f"{request.path[:200]} does not exist in this store.")
        return _answer(operation, value, result)


def _answer(operation: NativeOperation, value: Any, result: ExecutionResult) -> Response:
    if operation.key.method == "GET":
        headers = {"content-type": "application/json", **cache_headers(result)}
        return Response(operation.status, tuple(headers.items()), orjson.dumps(value))
    kept: tuple[Header, ...] = (("cache-control", "no-store"), *_location(operation, value))
    if operation.status == NO_CONTENT:
        return Response(NO_CONTENT, kept)
    return Response(operation.status, (("content-type", "application/json"), *kept), orjson.dumps(value))


def _location(operation: NativeOperation, value: Any) -> tuple[Header, ...]:
    """None where the operation has none, or the thing is not there yet."""
    found = {path: _at(value, path) for path in _VALUE.findall(operation.location)}
    if not operation.location or None in found.values():
        return ()
    return (("location", _VALUE.sub(lambda match: quote(str(found[match[1]]), safe=""), operation.location)),)


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value
