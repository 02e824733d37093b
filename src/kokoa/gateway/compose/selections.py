"""Field sets as they are applied to fields: @requires and @provides, with what is wrong with their text."""

from collections.abc import Iterator, Sequence

import msgspec
from graphql import GraphQLSchema, get_named_type, is_interface_type, is_object_type, is_union_type

from kokoa.gateway.compose.read import argument, directives_on
from kokoa.gateway.fieldset import FieldSet, InvalidFieldSet, Part, parse_field_set
from kokoa.gateway.supergraph import SubgraphView


class Applied(msgspec.Struct, frozen=True):
    """One application. unreadable: why the text is no field set, or empty."""

    type_name: str
    field_name: str
    text: str
    parts: FieldSet = ()
    unreadable: str = ""


def applied_field_sets(view: SubgraphView, directive_name: str) -> Iterator[Applied]:
    """Every application of @requires or @provides in a subgraph."""
    for type_name, field_name in view.joins:
        named = view.schema.get_type(type_name)
        assert is_object_type(named) or is_interface_type(named)
        for directive in directives_on(named.fields[field_name].ast_node):
            if directive.name.value != directive_name:
                continue
            text = argument(directive, "fields")
            if not isinstance(text, str):
                yield Applied(type_name, field_name, str(text), (), "`fields` must be text")
                continue
            try:
                yield Applied(type_name, field_name, text, parse_field_set(text))
            except InvalidFieldSet as error:
                yield Applied(type_name, field_name, text, (), str(error))


def missing_fields(schema: GraphQLSchema, type_name: str, parts: Sequence[Part]) -> Iterator[tuple[str, str]]:
    """(type, field) for each field of a field set that the schema does not have."""
    named = schema.get_type(type_name)
    for part in parts:
        if part.on:
            if schema.get_type(part.on) is None:
                yield type_name, f"... on {part.on}"
            else:
                yield from missing_fields(schema, part.on, part.children)
        elif part.name == "__typename" or is_union_type(named):
            continue
        elif not (is_object_type(named) or is_interface_type(named)) or part.name not in named.fields:
            yield type_name, part.name
        elif part.children:
            yield from missing_fields(schema, get_named_type(named.fields[part.name].type).name, part.children)
