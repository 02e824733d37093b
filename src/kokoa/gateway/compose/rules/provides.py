"""PROVIDES_INVALID_FIELDS, PROVIDES_INVALID_FIELDS_TYPE, PROVIDES_DIRECTIVE_IN_FIELDS_ARG, PROVIDES_FIELDS_HAS_ARGS,
PROVIDES_FIELDS_MISSING_EXTERNAL, PROVIDES_ON_NON_OBJECT_FIELD, PROVIDES_UNSUPPORTED_ON_INTERFACE: a path on which a
subgraph answers what others own.
"""

from collections.abc import Iterator

from graphql import is_interface_type, is_leaf_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.selections import Applied, applied_to_fields, check_form, fields_in, own_leaves
from kokoa.gateway.compose.subgraphs import Subgraphs


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    for view in subgraphs.views:
        for one, below in applied_to_fields(view, "provides"):
            if is_leaf_type(view.schema.get_type(below)):
                if view.links.is_federation_2:
                    message = f"needs a field that returns objects, not {below}. Remove @provides."
                    yield one.problem("ON_NON_OBJECT_FIELD", message)
            elif is_interface_type(view.schema.get_type(one.coordinate.partition(".")[0])):
                if view.links.is_federation_2:
                    message = "is on a field of an interface. Move it to the fields of the object types."
                    yield one.problem("UNSUPPORTED_ON_INTERFACE", message)
            else:
                yield from _check_fields(one)


def _check_fields(one: Applied) -> Iterator[Problem]:
    yield from check_form(one)
    parts = one.parts or ()
    for type_name, part in fields_in(one.view, one.selects_from, parts):
        holder = one.view.schema.get_type(type_name)
        if getattr(holder, "fields", {})[part.name].args:
            message = f"names {part.name}, which takes arguments. Nobody can know which: remove it."
            yield one.problem("FIELDS_HAS_ARGS", message)
    for coordinate in own_leaves(one.view, one.selects_from, parts) if one.view.links.is_federation_2 else ():
        message = f"names {coordinate}, which this subgraph answers anyway. Remove it, or mark it @external."
        yield one.problem("FIELDS_MISSING_EXTERNAL", message)
