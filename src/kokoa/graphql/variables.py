"""An operation's variables: a request's JSON → coerced values (GraphQL §6.1.2, CoerceVariableValues).

graphql-core works the types of variables out anew for every request. Nearly all values are right in one of the usual
ways: those are read here, by readers that are made once; everything else is left to graphql-core.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from graphql import GraphQLError, GraphQLNonNull, GraphQLSchema, OperationDefinitionNode, get_variable_values
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource

from kokoa.graphql.coercion import Read, Readers, Unusual
from kokoa.graphql.errors import DocumentRefused, entry_of_graphql_error

ERRORS_MAX = 20
# Types, nullable or not, whose values are only looked at. `_Any` is federation's.
_PLAIN = frozenset({"String", "ID", "Boolean", "Int", "[_Any!]"})


class _Variable(NamedTuple):
    """default: what it is when it is not given, by the name; empty when it is left out then.  required: it is not."""

    name: str
    read: Read
    signature: GraphQLVariableSignature
    default: Mapping[str, Any]
    required: bool


class Variables:
    """The variables of one operation of one schema.  readers: of that schema, shared by its operations."""

    __slots__ = ("_definitions", "_plain", "_schema", "_usual")

    def __init__(
        self, schema: GraphQLSchema, operation: OperationDefinitionNode, readers: Readers | None = None
    ) -> None:
        self._schema = schema
        self._definitions = operation.variable_definitions or ()
        self._usual = self._all_usual(readers or Readers())
        self._plain = self._usual is not None and all(
            str(one.signature.type).removesuffix("!") in _PLAIN for one in self._usual
        )

    def coerce(self, given: Mapping[str, Any]) -> VariableValues:
        """given: as the request has them. Raises DocumentRefused with one entry for each wrong value."""
        usual = self._coerce_usual(given)
        if usual is not None:
            return usual
        coerced = get_variable_values(self._schema, self._definitions, dict(given), ERRORS_MAX)
        if isinstance(coerced, list):
            raise DocumentRefused([entry_of_graphql_error(error, "BAD_USER_INPUT") for error in coerced])
        return coerced

    def are_plain(self, given: Mapping[str, Any]) -> bool:
        """Whether coercion only looks at the values, however many there are in them."""
        return self._plain and self._coerce_usual(given) is not None

    def _coerce_usual(self, given: Mapping[str, Any]) -> VariableValues | None:
        """The variables, if each is right in a usual way."""
        if self._usual is None:
            return None
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        try:
            for name, read, signature, default, required in self._usual:
                if name in given:
                    value = given[name]
                    coerced[name] = read(value)
                    sources[name] = VariableValueSource(signature, value)
                elif required:
                    return None
                else:
                    coerced.update(default)
                    sources[name] = VariableValueSource(signature)
        except (Unusual, RecursionError):
            return None
        return VariableValues(sources, coerced)

    def _all_usual(self, readers: Readers) -> tuple[_Variable, ...] | None:
        found = []
        for definition in self._definitions:
            signature = get_variable_signature(self._schema, definition)
            if isinstance(signature, GraphQLError):
                return None
            default: Mapping[str, Any] = {}
            if definition.default_value:
                alone = get_variable_values(self._schema, (definition,), {}, ERRORS_MAX)
                if isinstance(alone, list):
                    return None
                default = alone.coerced
            required = isinstance(signature.type, GraphQLNonNull) and not definition.default_value
            found.append(_Variable(signature.name, readers.of(signature.type), signature, default, required))
        return tuple(found)
