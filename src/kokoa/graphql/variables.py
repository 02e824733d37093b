"""An operation's variables: a request's JSON → coerced values (GraphQL §6.1.2, CoerceVariableValues).

graphql-core works the types of variables out anew for every request. Nearly always all of them are scalars whose JSON
values are what coercion would give: those are only looked at, here; everything else is left to graphql-core.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode, get_variable_values, is_non_null_type
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource

from kokoa.graphql.errors import DocumentRefused, entry_of_graphql_error

ERRORS_MAX = 20
_INT_MAX = 2**31 - 1
# Scalars that a JSON value of exactly this type already is (GraphQL §3.5).
_PLAIN: dict[str, type] = {"String": str, "ID": str, "Boolean": bool, "Int": int}


class _PlainVariable(NamedTuple):
    """takes: the type of the values that need no coercion."""

    name: str
    takes: type
    signature: GraphQLVariableSignature


class Variables:
    """The variables of one operation of one schema."""

    __slots__ = ("_definitions", "_plain", "_schema")

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._definitions = operation.variable_definitions or ()
        self._plain = self._all_plain()

    def coerce(self, given: Mapping[str, Any]) -> VariableValues:
        """given: as the request has them. Raises DocumentRefused with one entry for each wrong value."""
        plain = self._coerce_plain(given)
        if plain is not None:
            return plain
        coerced = get_variable_values(self._schema, self._definitions, dict(given), ERRORS_MAX)
        if isinstance(coerced, list):
            raise DocumentRefused([entry_of_graphql_error(error, "BAD_USER_INPUT") for error in coerced])
        return coerced

    def _coerce_plain(self, given: Mapping[str, Any]) -> VariableValues | None:
        """The variables, if each has a value that needs no coercion."""
        if self._plain is None:
            return None
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for name, takes, signature in self._plain:
            value = given.get(name)
            if type(value) is not takes or not _is_int32(value):
                return None
            sources[name] = VariableValueSource(signature, value)
            coerced[name] = value
        return VariableValues(sources, coerced)

    def _all_plain(self) -> tuple[_PlainVariable, ...] | None:
        found = []
        for definition in self._definitions:
            signature = get_variable_signature(self._schema, definition)
            if isinstance(signature, GraphQLError):
                return None
            of: Any = signature.type.of_type if is_non_null_type(signature.type) else signature.type
            takes = _PLAIN.get(getattr(of, "name", ""))
            if takes is None:
                return None
            found.append(_PlainVariable(signature.name, takes, signature))
        return tuple(found)


def _is_int32(value: object) -> bool:
    """Whether the value is none that GraphQL's Int refuses."""
    return not isinstance(value, int) or -_INT_MAX <= value <= _INT_MAX
