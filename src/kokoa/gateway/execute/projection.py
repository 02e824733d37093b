"""Projecting the response: the gathered data, run through the client's own operation on the API schema.

It is the same engine that runs subgraphs, with resolvers that only read keys: null propagation, error paths, abstract
types and scopes therefore work in one way only, and what the gateway fetched for itself is left behind.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import GraphQLNonNull, GraphQLObjectType, GraphQLSchema
from graphql.execution.values import VariableValues

from kokoa.gateway.execute.executor import Gathered
from kokoa.gateway.execute.gathering import GONE
from kokoa.graphql.errors import ErrorEntry, UpstreamError
from kokoa.graphql.limits import Limits
from kokoa.graphql.program import Program
from kokoa.graphql.resolvers import FieldResolver, Reading, key_resolver
from kokoa.graphql.result import ExecutionResult
from kokoa.graphql.run import Run
from kokoa.graphql.schema import Executable, executable
from kokoa.kernel.call import Call
from kokoa.kernel.errors import NotFound


class EntityNotFound(NotFound):
    """One subgraph names an object that the subgraph it belongs to does not have, or has no more."""


class _Keys:
    """Every field is the key of the response that it stands for."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema

    def field(self, type_name: str, field_name: str, response_key: str) -> FieldResolver:
        parent = self._schema.type_map.get(type_name)
        field = parent.fields.get(field_name) if isinstance(parent, GraphQLObjectType) else None
        if field is not None and isinstance(field.type, GraphQLNonNull):
            return _promised(type_name, response_key)
        return key_resolver(response_key)

    def typename(self, abstract: str) -> FieldResolver:
        return _typename

    def wants_arguments(self) -> bool:
        return False


def _promised(type_name: str, key: str) -> Reading:
    """Of a field that is never null: where it is, for want of the object, say that and not that it is a bug."""
    read = key_resolver(key).resolve

    def resolve(parents: Sequence[Any], args: Mapping[str, Any], call: Call) -> Any:
        values: list[Any] = read(parents, args, call)  # type: ignore[assignment]  # key_resolver's own list
        if None not in values:
            return values
        return [
            EntityNotFound(f"This {type_name} is not there any more; ask again.")
            if value is None and GONE in parent
            else value
            for parent, value in zip(parents, values, strict=True)
        ]

    return Reading(resolve, key)


def _typename(parents: Sequence[Any], _args: Mapping[str, Any], _call: Call) -> list[Any]:
    return [parent.get("__typename") for parent in parents]


def projecting(schema: GraphQLSchema) -> Executable:
    """The API schema, executable over gathered data."""
    return executable(schema, _Keys(schema))


def project(
    program: Program, gathered: Gathered, variables: VariableValues, call: Call, limits: Limits
) -> ExecutionResult:
    """The response for the client. An error that fell on no field of the client's is reported all the same.

    variables: for introspection's arguments; all others are the subgraphs' business.
    """
    result = Run(program, variables, call, limits).execute_at_once(gathered.data)
    if not gathered.errors:
        return result
    lost = [entry for error in gathered.errors if not error.reported for entry in [_entry(error)]]
    return ExecutionResult(result.data, [*result.errors, *lost[: max(limits.errors - len(result.errors), 0)]])


def _entry(error: UpstreamError) -> ErrorEntry:
    entry: ErrorEntry = {"message": error.message}
    if error.path is not None:
        entry["path"] = list(error.path)
    entry["extensions"] = dict(error.extensions)
    return entry
