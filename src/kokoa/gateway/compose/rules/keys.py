"""KEY_INVALID_FIELDS, KEY_FIELDS_HAS_ARGS, KEY_FIELDS_SELECT_INVALID_TYPE: a key is made of plain own fields."""

from collections.abc import Iterator, Sequence
from typing import Any

from graphql import get_named_type, is_interface_type, is_list_type, is_object_type, is_union_type
from graphql.type import get_nullable_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.read import argument, type_directives
from kokoa.gateway.fieldset import InvalidFieldSet, Part, parse_field_set
from kokoa.gateway.supergraph import SubgraphView


def check(views: Sequence[SubgraphView]) -> Iterator[Problem]:
    for view in views:
        for name, named in view.schema.type_map.items():
            for directive in type_directives(named, "key"):
                text = argument(directive, "fields")
                where = f'[{view.name}] On {name}, @key(fields: "{text}")'
                yield from _check_key(view, name, text, where)


def _check_key(view: SubgraphView, name: str, text: Any, where: str) -> Iterator[Problem]:
    if not isinstance(text, str):
        yield Problem("KEY_INVALID_FIELDS_TYPE", f"{where}: `fields` must be text.", (view.name,))
        return
    try:
        parts = parse_field_set(text)
    except InvalidFieldSet as error:
        message = f'{where} cannot be read: {error}. Write field names, such as "id" or "sku brand {{ id }}".'
        yield Problem("KEY_INVALID_FIELDS", message.replace("{{", "{").replace("}}", "}"), (view.name,))
        return
    yield from _check_parts(view, name, parts, where)


def _check_parts(view: SubgraphView, type_name: str, parts: Sequence[Part], where: str) -> Iterator[Problem]:
    named = view.schema.get_type(type_name)
    for part in parts:
        if part.on or not (is_object_type(named) or is_interface_type(named)):
            continue
        field = named.fields.get(part.name)
        if field is None:
            message = (
                f"{where} names {part.name}, which {type_name} does not have here. Add the field, or fix the key."
            )
            yield Problem("KEY_INVALID_FIELDS", message, (view.name,))
            continue
        if field.args:
            message = f"{where} names {part.name}, which takes arguments. A key's fields take none."
            yield Problem("KEY_FIELDS_HAS_ARGS", message, (view.name,))
        if part.directives:
            message = f"{where} has a directive on {part.name}. Remove it."
            yield Problem("KEY_DIRECTIVE_IN_FIELDS_ARG", message, (view.name,))
        below = get_named_type(field.type)
        if is_list_type(get_nullable_type(field.type)) or is_interface_type(below) or is_union_type(below):
            message = f"{where} names {part.name}, which is {field.type}: lists, interfaces and unions make no key."
            yield Problem("KEY_FIELDS_SELECT_INVALID_TYPE", message, (view.name,))
        elif is_object_type(below) and not part.children:
            message = f"{where} names {part.name}, which is an object. Say which of its fields: {part.name} {{ id }}."
            yield Problem("KEY_INVALID_FIELDS", message, (view.name,))
        else:
            yield from _check_parts(view, below.name, part.children, where)
