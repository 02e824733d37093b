"""Serve a native route: parameters → variables → the environment's graph → JSON.

The answer is the value of the operation's root field. An error of the graph, also one deep inside, is a problem:
a REST client has no place to look for partial results. Null is 404.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from kokoa.edge.caching import cache_headers
from kokoa.edge.errors import RouteNotFound
from kokoa.edge.graph import Graph
from kokoa.edge.native.operations import NativeOperation
from kokoa.edge.native.parameters import variables_of
from kokoa.kernel.call import Call
from kokoa.kernel.errors import NotFound
from kokoa.web.http import Request, Response
from kokoa.web.problem import problem_response, status_of_code


class NativeRoutes:
    """Answers the requests whose route is native.  operations: by name."""

    def __init__(self, operations: Mapping[str, NativeOperation], graph: Graph) -> None:
        self.operations = operations
        self._graph = graph

    async def serve(self, request: Request, call: Call, name: str, path_parameters: Mapping[str, str]) -> Response:
        """Raises InvalidParameter, UnknownParameter, NotFound, and what the graph raises."""
        operation = self.operations.get(name)
        if operation is None:
            raise RouteNotFound(f"There is no route {request.method} {request.path[:200]}.")
        variables = variables_of(operation, path_parameters, request.query)
        result = await self._graph.execute(operation.document, variables, call, operation.name)
        if result.errors:
            return problem_of(result.errors[0], call.correlation_id)
        value = result.data.get(operation.root) if result.data else None
        if value is None:
            raise NotFound(f"{request.path[:200]} does not exist in this store.")
        headers = {"content-type": "application/json", **cache_headers(result)}
        return Response(200, tuple(headers.items()), orjson.dumps(value))


def problem_of(error: Mapping[str, Any], correlation_id: str) -> Response:
    """The problem document of an error of the graph."""
    extensions = error.get("extensions") or {}
    code = str(extensions.get("code", "INTERNAL"))
    return problem_response(
        status_of_code(code), code, str(error["message"]), correlation_id, field=str(extensions.get("field", ""))
    )
