"""A client's document: read once; then a program for each operation and condition.

Nothing here depends on who asks or on the values of arguments, so the result is kept and shared.
"""

from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    OperationDefinitionNode,
    strip_ignored_characters,
)
from graphql.execution.values import VariableValues

from kokoa.graphql.collect import condition_variables
from kokoa.graphql.errors import (
    DocumentRefused,
    OperationNotFound,
    entry_of_kokoa_error,
)
from kokoa.graphql.limits import DEFAULT_LIMITS, Limits
from kokoa.graphql.lru import Lru
from kokoa.graphql.program import Program, compile_program
from kokoa.graphql.reading import read
from kokoa.graphql.schema import Executable
from kokoa.graphql.variables import Variables

PROGRAMS_MAX = 64
DOCUMENTS_MAX = 1_000
DOCUMENTS_CHARACTERS_MAX = 500_000
SHORT_CHARACTERS = 300
SEEN_ONCE_MAX = 10_000


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

    def takes_as_they_are(self, variables: Mapping[str, Any]) -> bool:
        """Whether coercion only looks at the values, however many they are."""
        return self._variables.are_plain(variables)

    def assignment(self, coerced: Mapping[str, Any]) -> tuple[bool, ...]:
        """The values of the conditions, in their order."""
        return tuple([coerced.get(name) is True for name in self.conditions])


class Document:
    """A valid document of one schema. `compile` may run in any thread; the rest is for one event loop."""

    __slots__ = ("_executable", "_fragments", "_normal", "_operations", "_programs", "text")

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
        self._normal = ""
        self._programs: Lru[tuple[str, tuple[bool, ...]], Program] = Lru(PROGRAMS_MAX)

    @property
    def normal(self) -> str:
        """The text without what GraphQL ignores: comments, commas, blanks. Worked out once; takes its time."""
        if not self._normal:
            self._normal = strip_ignored_characters(self.text)
        return self._normal

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

    def known_program(self, operation: Operation, assignment: tuple[bool, ...]) -> Program | None:
        """The operation compiled for these values of its conditions, if that was done before."""
        return self._programs.get((operation.name, assignment))

    def keep_program(self, operation: Operation, assignment: tuple[bool, ...], program: Program) -> None:
        self._programs.put((operation.name, assignment), program)

    def compile(self, operation: Operation, assignment: tuple[bool, ...]) -> Program:
        """Compile the operation for these values of its conditions."""
        conditions = dict(zip(operation.conditions, assignment, strict=True))
        return compile_program(self._executable, operation.definition, self._fragments, conditions)


def make_document(executable: Executable, text: str, parsed: DocumentNode) -> Document:
    """The document of a valid AST. Raises DocumentRefused if it holds no operation."""
    fragments = {one.name.value: one for one in parsed.definitions if isinstance(one, FragmentDefinitionNode)}
    found = [one for one in parsed.definitions if isinstance(one, OperationDefinitionNode)]
    if not found:
        raise DocumentRefused([entry_of_kokoa_error(OperationNotFound("The document holds no operation."))])
    conditions = condition_variables(parsed.definitions)
    operations = {
        one.name.value if one.name else "": Operation(
            one, _conditions_of(one, conditions), Variables(executable.schema, one, executable.readers)
        )
        for one in found
    }
    return Document(executable, text, operations, fragments)


def read_document(executable: Executable, text: str, limits: Limits = DEFAULT_LIMITS) -> Document:
    """Parse and validate. Raises DocumentRefused, with an entry for each reason."""
    return make_document(executable, text, read(executable.schema, text, limits))


def _conditions_of(operation: OperationDefinitionNode, conditions: frozenset[str]) -> tuple[str, ...]:
    declared = (one.variable.name.value for one in operation.variable_definitions or ())
    return tuple(name for name in declared if name in conditions)


class DocumentCache:
    """Documents by their text. A refusal is kept too, so that repeating it costs nothing.

    Bounded in number and in text together: a parsed document takes some hundred times the room of its text. A long
    one is kept only when it comes for the second time, so that a flood of documents that never come again pushes
    nothing out, and leaves no heap behind for the garbage collector to walk.
    """

    def __init__(self) -> None:
        self._entries: Lru[str, Document | DocumentRefused] = Lru(DOCUMENTS_MAX, DOCUMENTS_CHARACTERS_MAX, len)
        self._seen_once: Lru[int, bool] = Lru(SEEN_ONCE_MAX)

    def __contains__(self, text: str) -> bool:
        return self._entries.get(text) is not None

    def get(self, text: str) -> Document | None:
        """The document, if it was kept. Raises DocumentRefused if it was refused before."""
        found = self._entries.get(text)
        if isinstance(found, DocumentRefused):
            raise DocumentRefused(found.entries)
        return found

    def keep(self, text: str, read: Document | DocumentRefused) -> None:
        """Keep what was read, unless it is long and came for the first time."""
        if len(text) > SHORT_CHARACTERS and self._seen_once.get(hash(text)) is None:
            self._seen_once.put(hash(text), True)
        else:
            self._entries.put(text, read)
