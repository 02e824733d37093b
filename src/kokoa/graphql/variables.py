"""An operation's variables: a request's JSON → coerced values (GraphQL §6.1.2, CoerceVariableValues).

graphql-core works the types of variables out anew for every request. Nearly always all of them are scalars, or a
gateway's representations, whose JSON values are what coercion would give: those are only looked at, here; everything
else is left to graphql-core.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode, get_variable_values
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource

from kokoa.graphql.errors import DocumentRefused, entry_of_graphql_error

ERRORS_MAX = 20
_INT_MAX = 2**31 - 1


def _is_int(value: Any) -> bool:
    return type(value) is int and -_INT_MAX <= value <= _INT_MAX


def _is_list_without_null(value: Any) -> bool:
    return type(value) is list and None not in value


# Type, nullable or not → whether a value of it is what coercion would give. `_Any` is federation's: anything at all.
_PLAIN: dict[str, Callable[[Any], bool]] = {
    "String": lambda value: type(value) is str,
    "ID": lambda value: type(value) is str,
    "Boolean": lambda value: type(value) is bool,
    "Int": _is_int,
    "[_Any!]": _is_list_without_null,
}


class _PlainVariable(NamedTuple):
    name: str
    fits: Callable[[Any], bool]
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

    def are_plain(self, given: Mapping[str, Any]) -> bool:
        """Whether each has a value that needs no coercion."""
        return self._coerce_plain(given) is not None

    def _coerce_plain(self, given: Mapping[str, Any]) -> VariableValues | None:
        """The variables, if each has a value that needs no coercion."""
        if self._plain is None:
            return None
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for name, fits, signature in self._plain:
            value = given.get(name)
            if not fits(value):
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
            fits = _PLAIN.get(str(signature.type).removesuffix("!"))
            if fits is None:
                return None
            found.append(_PlainVariable(signature.name, fits, signature))
        return tuple(found)
