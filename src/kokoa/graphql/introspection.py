"""`__schema` and `__type`: graphql-core answers them, from the schema that this caller may see."""

from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    execute_sync,
)
from graphql.language import SelectionSetNode

from kokoa.graphql.lru import Lru
from kokoa.graphql.program import Program
from kokoa.graphql.schema import Executable
from kokoa.graphql.scopes import hidden_from, without
from kokoa.kernel.call import Caller

VIEWS_MAX = 8
ANSWERS_MAX = 32


class Introspection:
    """Answers for one schema; views (who may see what) and answers are kept."""

    def __init__(self, executable: Executable) -> None:
        self._executable = executable
        self._views: Lru[frozenset[str], GraphQLSchema] = Lru(VIEWS_MAX)
        self._answers: Lru[tuple[int, frozenset[str]], tuple[Program, dict[str, Any]]] = Lru(ANSWERS_MAX)

    def answer(
        self,
        program: Program,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        caller: Caller,
    ) -> dict[str, Any]:
        """Response key → value, for the introspection fields of the program."""
        hidden = hidden_from(caller, self._executable.requirements)
        if program.operation.variable_definitions:
            return self._ask(program, fragments, variables, hidden)
        # The program is kept beside its answer, so that its id cannot be reused while the answer is here.
        key = (id(program), hidden)
        _, answer = self._answers.get_or_make(
            key, lambda: (program, self._ask(program, fragments, variables, hidden))
        )
        return answer

    def _view(self, hidden: frozenset[str]) -> GraphQLSchema:
        if not hidden:
            return self._executable.schema
        return self._views.get_or_make(hidden, lambda: without(self._executable.schema, hidden))

    def _ask(
        self,
        program: Program,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        hidden: frozenset[str],
    ) -> dict[str, Any]:
        operation = OperationDefinitionNode(
            operation=OperationType.QUERY,
            variable_definitions=program.operation.variable_definitions,
            selection_set=SelectionSetNode(selections=tuple(program.introspection)),
        )
        document = DocumentNode(definitions=(operation, *fragments.values()))
        result = execute_sync(self._view(hidden), document, variable_values=dict(variables))
        if result.errors:
            raise result.errors[0]
        return result.data or {}
