"""Path and query parameters of a native route → variables of its operation. Pure.

An unknown query parameter is refused: a typo such as `limt=5` must not silently mean the default.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from kokoa.edge.errors import InvalidParameter, UnknownParameter
from kokoa.edge.native.operations import NativeOperation, Parameter

PARAMETERS_MAX = 100
_INT = re.compile(r"[+-]?[0-9]{1,10}")
_FLOAT = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?")
_INT_MAX = 2**31 - 1  # GraphQL's Int (§3.5.1)


def variables_of(operation: NativeOperation, path_parameters: Mapping[str, str], query: str) -> dict[str, Any]:
    """The operation's variables. Raises InvalidParameter, UnknownParameter: both name the parameter."""
    given: dict[str, list[str]] = {name: [value] for name, value in path_parameters.items()}
    for name, value in query_pairs(query):
        parameter = operation.parameters.get(name)
        if parameter is None or parameter.in_path:
            known = ", ".join(p.name for p in operation.parameters.values() if not p.in_path) or "none"
            raise UnknownParameter(
                f"{operation.key.path} has no query parameter {name[:64]!r}. It takes: {known}.", field=name[:64]
            )
        given.setdefault(name, []).append(value)
    variables: dict[str, Any] = {}
    for parameter in operation.parameters.values():
        values = given.get(parameter.name)
        if values is not None:
            variables[parameter.name] = _coerced(parameter, values)
        elif parameter.required:
            raise InvalidParameter(f"The parameter {parameter.name} is missing.", field=parameter.name)
    return variables


def query_pairs(query: str) -> list[tuple[str, str]]:
    """Names and values in order, decoded. Raises InvalidParameter."""
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX)
    except ValueError:  # UnicodeDecodeError is one
        raise InvalidParameter(
            f"The query string is not UTF-8, or has more than {PARAMETERS_MAX} parameters."
        ) from None


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
    return InvalidParameter(f"The parameter {parameter.name} must be {expected}.", field=parameter.name)
