"""A client's document: limits, parse, validate, once; then a program for each operation and condition.

Nothing here depends on who asks or on the values of arguments, so the result is kept and shared.
"""

from collections.abc import Callable, Mapping
from typing import Any

from graphql import (
    FragmentDefinitionNode,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    parse,
    validate,
)
from graphql.execution.values import VariableValues

from kokoa.graphql.collect import condition_variables
from kokoa.graphql.errors import (
    DocumentRefused,
    LimitExceeded,
    OperationNotFound,
    SubscriptionNotSupported,
    entry_of_graphql_error,
    entry_of_kokoa_error,
)
from kokoa.graphql.limits import DEFAULT_LIMITS, Limits, check_document, check_text
from kokoa.graphql.lru import Lru
from kokoa.graphql.program import Program, compile_program
from kokoa.graphql.schema import Executable
from kokoa.graphql.variables import Variables

VALIDATION_ERRORS_MAX = 20
PROGRAMS_MAX = 64
DOCUMENTS_MAX = 1_000
DOCUMENTS_CHARACTERS_MAX = 500_000


class Operation:
    """One operation of a document, with the variables that decide what it includes."""

    __slots__ = ("_variables", "conditions", "definition", "kind", "name")

    def __init__(
        self, definition: OperationDefinitionNode, conditions: tuple[str, ...], variables: Variables
    ) -> None:
        self.definition = definition
        self.name = definition.name.value if definition.name else ""
        self.kind = definition.operation
        self.conditions = conditions
        self._variables = variables

    def coerce(self, variables: Mapping[str, Any]) -> VariableValues:
        """The coerced variables. Raises DocumentRefused with one entry for each wrong value."""
        return self._variables.coerce(variables)

    def assignment(self, coerced: Mapping[str, Any]) -> tuple[bool, ...]:
        """The values of the conditions, in their order."""
        return tuple(coerced.get(name) is True for name in self.conditions)


class Document:
    """A valid document of one schema. Thread-bound: used from one event loop."""

    __slots__ = ("_executable", "_fragments", "_operations", "_programs", "text")

    def __init__(
        self,
        executable: Executable,
        text: str,
        operations: Mapping[str, Operation],
        fragments: Mapping[str, FragmentDefinitionNode],
    ) -> None:
        self.text = text
        self._executable = executable
        self._operations = operations
        self._fragments = fragments
        self._programs: Lru[tuple[str, tuple[bool, ...]], Program] = Lru(PROGRAMS_MAX)

    @property
    def fragments(self) -> Mapping[str, FragmentDefinitionNode]:
        return self._fragments

    def operation(self, name: str | None) -> Operation:
        """The operation of that name, or the only one. Raises OperationNotFound."""
        if not name:
            if len(self._operations) > 1:
                known = ", ".join(sorted(self._operations))
                raise OperationNotFound(
                    f"The document holds several operations: set operationName to one of {known}."
                )
            return next(iter(self._operations.values()))
        found = self._operations.get(name)
        if found is None:
            raise OperationNotFound(f"The document has no operation named {name!r}.")
        return found

    def program(self, operation: Operation, assignment: tuple[bool, ...]) -> Program:
        """The operation compiled for these values of its conditions."""
        return self._programs.get_or_make(
            (operation.name, assignment),
            lambda: compile_program(
                self._executable,
                operation.definition,
                self._fragments,
                dict(zip(operation.conditions, assignment, strict=True)),
            ),
        )


def read_document(executable: Executable, text: str, limits: Limits = DEFAULT_LIMITS) -> Document:
    """Parse and validate. Raises DocumentRefused, with an entry for each reason."""
    try:
        check_text(text, limits)
        parsed = parse(text)
        check_document(parsed, limits)
    except LimitExceeded as error:
        raise DocumentRefused([entry_of_kokoa_error(error)]) from None
    except GraphQLSyntaxError as error:
        raise DocumentRefused([entry_of_graphql_error(error, "GRAPHQL_PARSE_FAILED")]) from None
    errors = validate(executable.schema, parsed, max_errors=VALIDATION_ERRORS_MAX)
    if errors:
        raise DocumentRefused([entry_of_graphql_error(one, "GRAPHQL_VALIDATION_FAILED") for one in errors])
    fragments = {one.name.value: one for one in parsed.definitions if isinstance(one, FragmentDefinitionNode)}
    found = [one for one in parsed.definitions if isinstance(one, OperationDefinitionNode)]
    if not found:
        raise DocumentRefused([entry_of_kokoa_error(OperationNotFound("The document holds no operation."))])
    conditions = condition_variables(parsed.definitions)
    operations = {
        one.name.value if one.name else "": Operation(
            one, _conditions_of(one, conditions), Variables(executable.schema, one)
        )
        for one in found
    }
    for operation in operations.values():
        if operation.kind is OperationType.SUBSCRIPTION:
            refused = SubscriptionNotSupported("Subscriptions are not served here; send a query or a mutation.")
            raise DocumentRefused([entry_of_kokoa_error(refused)])
    return Document(executable, text, operations, fragments)


def _conditions_of(operation: OperationDefinitionNode, conditions: frozenset[str]) -> tuple[str, ...]:
    declared = (one.variable.name.value for one in operation.variable_definitions or ())
    return tuple(name for name in declared if name in conditions)


class DocumentCache:
    """Documents by their text. A refusal is kept too, so that repeating it costs nothing.

    Bounded in number and in text together: a parsed document takes some hundred times the room of its text.
    """

    def __init__(self, read: Callable[[str], Document]) -> None:
        self._read = read
        self._entries: Lru[str, Document | DocumentRefused] = Lru(DOCUMENTS_MAX, DOCUMENTS_CHARACTERS_MAX, len)

    def get(self, text: str) -> Document:
        """The document. Raises DocumentRefused."""
        found = self._entries.get_or_make(text, lambda: self._attempt(text))
        if isinstance(found, DocumentRefused):
            raise DocumentRefused(found.entries)
        return found

    def _attempt(self, text: str) -> Document | DocumentRefused:
        try:
            return self._read(text)
        except DocumentRefused as refused:
            return refused
