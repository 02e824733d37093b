"""Field sets: the selections in `@key(fields:)`, `@requires(fields:)` and `@provides(fields:)`."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from graphql import (
    FieldNode,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    get_named_type,
    is_interface_type,
    is_object_type,
    parse,
    print_ast,
)
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


def walk_fields(schema: GraphQLSchema, type_name: str, parts: Iterable[Part]) -> Iterator[tuple[str, str]]:
    """(type, field) for each field of a field set that the schema knows."""
    named = schema.get_type(type_name)
    for part in parts:
        if part.on:
            yield from walk_fields(schema, part.on, part.children)
        elif (is_object_type(named) or is_interface_type(named)) and part.name in named.fields:
            yield type_name, part.name
            if part.children:
                below = get_named_type(named.fields[part.name].type)
                yield from walk_fields(schema, below.name, part.children)
