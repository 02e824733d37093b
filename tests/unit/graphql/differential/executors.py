"""One request, answered by graphql-core and by us, in a shape that can be compared.

Messages of public errors and of nulls are compared as they are. What a bug's message says is each executor's own
matter (ours shows none), so those compare as INTERNAL; path, locations and order always count.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

import orjson
from graph_fakes import make_call
from graphql import (
    ExecutionResult,
    GraphQLEnumType,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
    execute_sync,
    parse,
    value_from_ast_untyped,
)

from differential.data import Data, Even, origin_of, parse_even, serialize_even
from differential.operations import Request
from differential.schemas import SNAKE_CASE, SchemaPlan
from kokoa.graphql import Limits, Subgraph, build_subgraph
from kokoa.graphql.scalars import Scalar
from kokoa.kernel.errors import KokoaError

# No case is refused for its size, and none is late.
LIMITS = Limits(**{name: 10**9 for name in Limits.__struct_fields__ if name != "list_size"})
HOUR_MS = 3_600_000
NO_OPERATION = "OPERATION_NOT_FOUND"


class Answer(NamedTuple):
    """data: JSON, empty if nothing was executed.  errors: message, path and locations as text, in order."""

    data: bytes
    errors: list[tuple[str, str]]


def shown(arguments: Mapping[str, Any]) -> str:
    """Arguments as text, independent of their order."""
    return repr(_sorted(arguments)) if arguments else ""


def _sorted(value: Any) -> Any:
    if isinstance(value, Even):
        return value
    if isinstance(value, Mapping):
        return sorted((key, _sorted(one)) for key, one in value.items())
    return [_sorted(one) for one in value] if isinstance(value, list) else value


def _in_snake_case(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {SNAKE_CASE.get(key, key): _in_snake_case(one) for key, one in value.items()}
    return [_in_snake_case(one) for one in value] if isinstance(value, list) else value


# graphql-core


def reference_schema(sdl: str) -> GraphQLSchema:
    """The schema as graphql-core builds it, with the scalar that fails."""
    schema = build_schema(sdl, assume_valid=True)  # our own builder checks it
    even = schema.type_map["Even"]
    assert isinstance(even, GraphQLScalarType)

    def read(value: Any) -> Even:
        try:
            return parse_even(value)
        except ValueError as error:
            raise GraphQLError(f"Even: {error}") from error

    even.coerce_output_value = serialize_even
    even.coerce_input_value = read
    even.coerce_input_literal = lambda node: read(value_from_ast_untyped(node))
    for named in schema.type_map.values():
        if isinstance(named, GraphQLEnumType) and not named.name.startswith("__"):
            _take_members(named)
    return schema


def _take_members(enum: GraphQLEnumType) -> None:
    """A member of a Python Enum stands for its value with us; graphql-core takes names only."""
    coerce = enum.coerce_output_value
    enum.coerce_output_value = lambda value: coerce(value.value if isinstance(value, Enum) else value)


def reference(schema: GraphQLSchema, data: Data, request: Request) -> Answer:
    """graphql-core's answer."""

    def resolve(source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
        name = info.parent_type.name
        if name == "Mutation":
            data.ticks += 1
        origin = (name, f"root{data.ticks}") if source is None else origin_of(source)
        return data.value(origin, info.field_name, shown(_in_snake_case(arguments)))

    def type_of(value: Any, _info: Any, abstract: Any) -> Any:
        found = data.typename(abstract.name, value)
        if isinstance(found, Exception):
            raise found
        return found

    result = execute_sync(
        schema,
        parse(request.text),
        variable_values=request.variables,
        operation_name=request.operation_name,
        field_resolver=resolve,
        type_resolver=type_of,
    )
    return Answer(_json(result), [_reference_error(error) for error in result.errors or ()])


def _json(result: ExecutionResult) -> bytes:
    refused = result.data is None and result.errors and all(error.path is None for error in result.errors)
    return b"" if refused else orjson.dumps(result.data)


def _reference_error(error: GraphQLError) -> tuple[str, str]:
    message = error.message
    if "operation" in message and error.path is None and error.locations is None:
        return NO_OPERATION, "None None"
    public = isinstance(error.original_error, KokoaError) or error.path is None
    if not public and not message.startswith(("Cannot return null", "Argument '")):
        message = "INTERNAL"
    return message, f"{error.path} {error.formatted.get('locations')}"


# Ours


def our_subgraph(schema: SchemaPlan, sdl: str, data: Data) -> Subgraph:
    """A subgraph with batch-first resolvers over the same data."""
    resolvers: dict[str, Any] = {}
    for name in (*schema.objects, "Query", "Mutation"):
        for field in schema.fields[name]:
            if data.traits(name, field).mode != "default":
                resolvers[f"{name}.{field}"] = _resolver(data, name, field)
    for name in schema.members:
        if data.has_typename_resolver(name):
            resolvers[f"{name}.__typename"] = _typename_resolver(data, name)
    scalars = {"Even": Scalar(serialize_even, parse_even)}
    return build_subgraph(name="generated", sdl=sdl, resolvers=resolvers, scalars=scalars, limits=LIMITS)


def _resolver(data: Data, type_name: str, field: str) -> Callable[..., Any]:
    traits = data.traits(type_name, field)

    def answer(parents: Sequence[Any], arguments: Mapping[str, Any]) -> Any:
        if type_name == "Mutation":
            data.ticks += 1
        if traits.mode in ("raises", "breaks"):
            raise data.whole_failure(type_name, field)
        if traits.mode != "each":
            return "text" if traits.mode == "text" else [1] * (len(parents) + 1)
        text = shown(arguments)
        origins = [(type_name, f"root{data.ticks}") if one is None else origin_of(one) for one in parents]
        return [data.value(origin, field, text) for origin in origins]

    async def later(parents: Sequence[Any], arguments: Mapping[str, Any]) -> Any:
        for _ in range(traits.waits):
            await asyncio.sleep(0)
        return answer(parents, arguments)

    return lambda parents, arguments, _call: (later if traits.waits else answer)(parents, arguments)


def _typename_resolver(data: Data, abstract: str) -> Callable[..., Any]:
    return lambda objects, _arguments, _call: [data.typename(abstract, one) for one in objects]


def ours(subgraph: Subgraph, request: Request) -> Answer:
    """Our answer."""
    call = make_call(deadline_in_ms=HOUR_MS)
    result = asyncio.run(subgraph.execute(request.text, request.variables, call, request.operation_name))
    data = b"" if result.refused else orjson.dumps(result.data)
    return Answer(data, [_our_error(one) for one in result.errors])


def _our_error(entry: dict[str, Any]) -> tuple[str, str]:
    code, message = entry["extensions"]["code"], entry["message"]
    if code in (NO_OPERATION, "INTERNAL") and not message.startswith("Cannot return null"):
        message = code
    return message, f"{entry.get('path')} {entry.get('locations')}"
