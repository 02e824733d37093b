"""KEY_INVALID_FIELDS, KEY_INVALID_FIELDS_TYPE, KEY_FIELDS_HAS_ARGS, KEY_FIELDS_SELECT_INVALID_TYPE,
KEY_DIRECTIVE_IN_FIELDS_ARG, KEY_UNSUPPORTED_ON_INTERFACE: a key is made of plain fields of its type.
"""

from collections.abc import Iterator

from graphql import get_named_type, is_interface_type, is_object_type, is_union_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.read import type_directives
from kokoa.gateway.compose.selections import Applied, applied, check_form, fields_in
from kokoa.gateway.compose.subgraphs import Subgraphs
from kokoa.graphql.links import SINCE


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    for view in subgraphs.views:
        for name, named in view.schema.type_map.items():
            for directive in type_directives(named, "key"):
                one = applied(view, directive, name, name)
                if not is_interface_type(named) or view.links.version >= SINCE["interfaceObject"]:
                    yield from _check_key(one)
                elif view.links.is_federation_2:
                    message = "is on an interface, which federation has since v2.3. Link to v2.3, or remove it."
                    yield one.problem("UNSUPPORTED_ON_INTERFACE", message)


def _check_key(one: Applied) -> Iterator[Problem]:
    yield from check_form(one)
    for type_name, part in fields_in(one.view, one.selects_from, one.parts or ()):
        holder = one.view.schema.get_type(type_name)
        assert is_object_type(holder) or is_interface_type(holder)
        field = holder.fields[part.name]
        if field.args:
            message = f"names {part.name}, which takes arguments. A key's fields take none: choose another field."
            yield one.problem("FIELDS_HAS_ARGS", message)
        below = get_named_type(field.type)
        if is_interface_type(below) or is_union_type(below):
            message = f"names {part.name}, which is {field.type}: interfaces and unions make no key. Use others."
            yield one.problem("FIELDS_SELECT_INVALID_TYPE", message)
