"""Field sets: the selections in `@key(fields:)`, `@requires(fields:)` and `@provides(fields:)`."""

from collections.abc import Iterator, Sequence

import msgspec
from graphql import FieldNode, GraphQLSyntaxError, InlineFragmentNode, OperationDefinitionNode, parse, print_ast
from graphql.language import SelectionSetNode


class InvalidFieldSet(ValueError):
    """The text is no field set; the message says why."""


class Part(msgspec.Struct, frozen=True):
    """A field (name, arguments as SDL text) or, with `on`, an inline fragment; and what is selected below it."""

    name: str = ""
    children: tuple["Part", ...] = ()
    on: str = ""
    arguments: str = ""
    directives: str = ""

    def __str__(self) -> str:
        head = f"... on {self.on}" if self.on else f"{self.name}{self.arguments}"
        return f"{head} {{ {show(self.children)} }}" if self.children else head


FieldSet = tuple[Part, ...]


def show(parts: Sequence[Part]) -> str:
    """The field set as text."""
    return " ".join(str(part) for part in parts)


def _convert(selections: SelectionSetNode) -> Iterator[Part]:
    for node in selections.selections:
        children = getattr(node, "selection_set", None)
        below = tuple(_convert(children)) if children is not None else ()
        directives = " ".join(print_ast(one) for one in node.directives or ())
        if isinstance(node, FieldNode):
            if node.alias is not None:
                raise InvalidFieldSet(f"it has an alias, {node.alias.value}")
            arguments = ", ".join(print_ast(one) for one in node.arguments or ())
            yield Part(node.name.value, below, "", f"({arguments})" if arguments else "", directives)
        elif isinstance(node, InlineFragmentNode) and node.type_condition is not None:
            yield Part("", below, node.type_condition.name.value, "", directives)
        elif isinstance(node, InlineFragmentNode):
            yield from below
        else:
            raise InvalidFieldSet("it spreads a named fragment")


def parse_field_set(text: str) -> FieldSet:
    """Raises InvalidFieldSet for text that is not one selection set's inside."""
    braced = text if text.strip().startswith("{") else f"{{ {text} }}"
    try:
        document = parse(braced, no_location=True, max_tokens=1_000)
    except GraphQLSyntaxError as error:
        raise InvalidFieldSet(error.message) from None
    operation = document.definitions[0]
    if len(document.definitions) != 1 or not isinstance(operation, OperationDefinitionNode):
        raise InvalidFieldSet("it is more than one selection set")
    return tuple(_convert(operation.selection_set))


def fields_of(parts: Sequence[Part]) -> Iterator[Part]:
    """The fields of one level, those inside inline fragments included."""
    for part in parts:
        if part.on:
            yield from fields_of(part.children)
        else:
            yield part
