"""Errors of the graph → problem documents that speak of what the client has sent. Pure.

The graph names a wrong value by its place in the operation; the client knows the route's parameters only.
"""

import re
from collections.abc import Mapping
from typing import Any

from kokoa.edge.native.operations import NativeOperation
from kokoa.web.http import Header, Response
from kokoa.web.problem import problem_response, retry_after, status_of_code

# How graphql-core says that a variable is wrong: Variable '$lines' has invalid value at [0].quantity: …
_VARIABLE = re.compile(r"Variable '\$(\w+)' has invalid value(?: at ([^\s:]+))?: (.*)", re.DOTALL)
_WAIT_MAX_S = 86_400
_STEP = re.compile(r"\w+")


def problem_of(error: Mapping[str, Any], correlation_id: str, operation: NativeOperation | None = None) -> Response:
    """The problem document of an error of the graph.  operation: what was asked for, if it has parameters."""
    extensions = error.get("extensions") or {}
    code = str(extensions.get("code", "INTERNAL"))
    message, field = str(error["message"]), str(extensions.get("field", ""))
    if operation is not None:
        message, field = _in_words_of_the_route(operation, message, field)
    wait_s = extensions.get("retryAfterS")  # a partner may have written it
    headers: tuple[Header, ...] = ()
    if isinstance(wait_s, int | float) and 0 <= wait_s <= _WAIT_MAX_S:
        headers = (retry_after(wait_s),)
    return problem_response(status_of_code(code), code, message, correlation_id, field=field, headers=headers)


def _in_words_of_the_route(operation: NativeOperation, message: str, field: str) -> tuple[str, str]:
    found = _VARIABLE.fullmatch(message)
    if found is not None and found[1] in operation.parameters:
        path = ".".join((operation.parameters[found[1]].shown, *_STEP.findall(found[2] or "")))
        return f"{path}: {found[3]}", path
    return message, _parameter_at(operation, field)


def _parameter_at(operation: NativeOperation, field: str) -> str:
    """The field as a path that begins with a parameter, if one stands there or above."""
    steps = field.split(".")
    for length in range(len(steps), 0, -1):
        name = operation.places.get(".".join(steps[:length]))
        if name is not None:
            return ".".join((operation.parameters[name].shown, *steps[length:]))
    return field
