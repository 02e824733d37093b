"""Path, query string, headers and JSON body of a native route → variables of its operation. Pure.

An unknown parameter is refused: a typo such as `limt=5` must not silently mean the default.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson

from kokoa.edge.errors import InvalidParameter, UnknownParameter
from kokoa.edge.native.operations import NativeOperation, Parameter
from kokoa.web.errors import UnsupportedMediaType
from kokoa.web.http import Request

PARAMETERS_MAX = 100
_INT = re.compile(r"[+-]?[0-9]{1,10}")
_FLOAT = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?")
_INT_MAX = 2**31 - 1  # GraphQL's Int (§3.5.1)
_ENTITY_TAG = re.compile(r'"([0-9]{1,10})"')
_JSON = "application/json"


def variables_of(
    operation: NativeOperation, path_parameters: Mapping[str, str], query: str, given: Mapping[str, Any] = {}
) -> dict[str, Any]:
    """The operation's variables.  given: those of headers and body.

    Raises InvalidParameter, UnknownParameter: both name the parameter.
    """
    texts: dict[str, list[str]] = {name: [value] for name, value in path_parameters.items()}
    for name, value in query_pairs(query):
        parameter = operation.parameters.get(name)
        if parameter is None or parameter.source != "query":
            raise _unknown(operation, name, "query")
        texts.setdefault(name, []).append(value)
    variables = dict(given)
    for parameter in operation.parameters.values():
        values = texts.get(parameter.name)
        if values is not None:
            variables[parameter.name] = _coerced(parameter, values)
        elif parameter.required and parameter.name not in given:
            where = "header" if parameter.source == "header" else "parameter"
            raise InvalidParameter(f"The {where} {parameter.shown} is missing.", field=parameter.shown)
    return variables


def query_pairs(query: str) -> list[tuple[str, str]]:
    """Names and values in order, decoded. Raises InvalidParameter."""
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX)
    except ValueError:  # UnicodeDecodeError is one
        raise InvalidParameter(
            f"The query string is not UTF-8, or has more than {PARAMETERS_MAX} parameters."
        ) from None


def variables_of_headers(operation: NativeOperation, request: Request) -> dict[str, Any]:
    """Those that came. Raises InvalidParameter, HeaderSentTwice.

    `If-Match` on a route that compares no version is refused: whoever sends it relies on it.
    """
    found: dict[str, Any] = {}
    for parameter in operation.parameters.values():
        text = request.only(parameter.shown) if parameter.source == "header" else None
        if text is not None:
            found[parameter.name] = _version(text) if parameter.name == "version" else _coerced_one(parameter, text)
    changes = operation.key.method != "GET"
    if changes and "version" not in operation.parameters and request.header("if-match") is not None:
        raise InvalidParameter("This route compares no version: leave If-Match out.", field="if-match")
    return found


def variables_of_body(operation: NativeOperation, content_type: str, body: bytes) -> dict[str, Any]:
    """The members of a JSON object; no body is an empty one, for a route that needs none of them.

    Raises UnsupportedMediaType, InvalidParameter, UnknownParameter.
    """
    if not body:
        return {}
    media, _, more = content_type.partition(";")
    charset = more.strip().lower().replace('"', "")
    if media.strip().lower() != _JSON or charset not in {"", "charset=utf-8", "charset=utf8"}:
        raise UnsupportedMediaType(f"Send the body as {_JSON}, in UTF-8.")
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidParameter(f"The body is not JSON: {error.msg} (line {error.lineno}).") from None
    if not isinstance(given, dict):
        raise InvalidParameter("The body must be a JSON object.")
    for name in given:
        parameter = operation.parameters.get(name)
        if parameter is None or parameter.source != "body":
            raise _unknown(operation, name, "body")
    return given


def _unknown(operation: NativeOperation, name: str, source: str) -> UnknownParameter:
    known = ", ".join(one.name for one in operation.parameters.values() if one.source == source) or "none"
    kind = "query parameter" if source == "query" else "member of its body"
    return UnknownParameter(f"{operation.key.path} has no {kind} {name[:64]!r}. It takes: {known}.", field=name[:64])


def _version(tag: str) -> int:
    found = _ENTITY_TAG.fullmatch(tag)
    if found is None or int(found[1]) > _INT_MAX:
        raise InvalidParameter('If-Match must be the version in quotes, such as "7".', field="if-match")
    return int(found[1])


def _coerced(parameter: Parameter, values: list[str]) -> Any:
    if parameter.is_list:
        return [_coerced_one(parameter, value) for value in values]
    if len(values) > 1:
        raise InvalidParameter(f"The parameter {parameter.name} was given more than once.", field=parameter.name)
    return _coerced_one(parameter, values[0])


def _coerced_one(parameter: Parameter, text: str) -> Any:
    """Int, Float and Boolean by their own forms; everything else is a string that the graph judges."""
    match parameter.type_name:
        case "Int":
            if _INT.fullmatch(text) and -_INT_MAX - 1 <= int(text) <= _INT_MAX:
                return int(text)
            raise _wrong(parameter, "a whole number")
        case "Float":
            if _FLOAT.fullmatch(text):
                return float(text)
            raise _wrong(parameter, "a number")
        case "Boolean":
            if text in {"true", "false"}:
                return text == "true"
            raise _wrong(parameter, "true or false")
        case _:
            if "\0" in text:
                raise _wrong(parameter, "text without NUL characters")
            return text


def _wrong(parameter: Parameter, expected: str) -> InvalidParameter:
    return InvalidParameter(f"The parameter {parameter.shown} must be {expected}.", field=parameter.shown)
