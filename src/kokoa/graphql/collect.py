"""Collecting fields: what selection sets ask of one concrete type (GraphQL §6.3.2, CollectFields).

Fragments are expanded; @skip and @include are decided by an assignment of the variables that occur in them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from graphql import (
    BooleanValueNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    VariableNode,
    is_abstract_type,
)
from graphql.language import Node, SelectionNode, SelectionSetNode, ValueNode

Assignment = Mapping[str, bool]
Collected = dict[str, list[FieldNode]]


def variables_in(value: ValueNode | Node) -> Iterator[str]:
    """Names of the variables that occur in a value."""
    if isinstance(value, VariableNode):
        yield value.name.value
    for part in (*(getattr(value, "values", None) or ()), *(getattr(value, "fields", None) or ())):
        yield from variables_in(part.value if hasattr(part, "value") and hasattr(part, "name") else part)


def condition_variables(nodes: Iterable[Node]) -> frozenset[str]:
    """Variables that decide a @skip or @include anywhere in these definitions."""
    found: set[str] = set()
    waiting: list[Any] = list(nodes)
    while waiting:
        node = waiting.pop()
        for directive in getattr(node, "directives", None) or ():
            if directive.name.value in {"skip", "include"}:
                for argument in directive.arguments:
                    found.update(variables_in(argument.value))
        selection_set = getattr(node, "selection_set", None)
        if selection_set is not None:
            waiting.extend(selection_set.selections)
    return frozenset(found)


def is_included(node: SelectionNode, assignment: Assignment) -> bool:
    """Whether @skip and @include let this selection in (GraphQL §3.13.1, §3.13.2)."""
    for directive in node.directives or ():
        if directive.name.value not in {"skip", "include"}:
            continue
        (condition,) = directive.arguments or ()
        value: Any = condition.value  # a literal or a variable: the argument is a Boolean!
        decided = value.value if isinstance(value, BooleanValueNode) else assignment[value.name.value]
        if decided is (directive.name.value == "skip"):
            return False
    return True


class Collector:
    """Collects the fields of one operation under one assignment."""

    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], assignment: Assignment
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._assignment = assignment

    def collect(
        self, concrete: GraphQLObjectType | GraphQLInterfaceType, sets: Iterable[SelectionSetNode]
    ) -> Collected:
        """Response key → the field nodes that ask for it, in the order of the document."""
        found: Collected = {}
        visited: set[str] = set()
        for one in sets:
            self._collect(concrete, one, found, visited)
        return found

    def _collect(
        self,
        concrete: GraphQLObjectType | GraphQLInterfaceType,
        selections: SelectionSetNode,
        found: Collected,
        visited: set[str],
    ) -> None:
        for node in selections.selections:
            if not is_included(node, self._assignment):
                continue
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                found.setdefault(key, []).append(node)
                continue
            inner: InlineFragmentNode | FragmentDefinitionNode
            if isinstance(node, InlineFragmentNode):
                inner = node
            else:
                name = node.name.value  # type: ignore[attr-defined]  # only a fragment spread is left
                if name in visited:
                    continue
                visited.add(name)
                inner = self._fragments[name]
            if self._applies(inner, concrete):
                self._collect(concrete, inner.selection_set, found, visited)

    def _applies(
        self,
        fragment: InlineFragmentNode | FragmentDefinitionNode,
        concrete: GraphQLObjectType | GraphQLInterfaceType,
    ) -> bool:
        if fragment.type_condition is None:
            return True
        condition = self._schema.get_type(fragment.type_condition.name.value)
        if is_abstract_type(condition):
            return self._schema.is_sub_type(condition, concrete)
        return condition is concrete
