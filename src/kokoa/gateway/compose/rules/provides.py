"""PROVIDES_INVALID_FIELDS, PROVIDES_FIELDS_MISSING_EXTERNAL, PROVIDES_ON_NON_OBJECT_FIELD."""

from collections.abc import Iterator, Sequence

from graphql import get_named_type, is_interface_type, is_leaf_type, is_object_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.selections import applied_field_sets, missing_fields
from kokoa.gateway.fieldset import Part, fields_of
from kokoa.gateway.supergraph import SubgraphView


def check(views: Sequence[SubgraphView]) -> Iterator[Problem]:
    for view in views:
        for one in applied_field_sets(view, "provides"):
            where = f'[{view.name}] On {one.type_name}.{one.field_name}, @provides(fields: "{one.text}")'
            holder = view.schema.get_type(one.type_name)
            assert is_object_type(holder) or is_interface_type(holder)
            below = get_named_type(holder.fields[one.field_name].type)
            if is_leaf_type(below):
                message = f"{where} needs a field that returns objects, not {below.name}. Remove @provides."
                yield Problem("PROVIDES_ON_NON_OBJECT_FIELD", message, (view.name,))
                continue
            if one.unreadable:
                yield Problem("PROVIDES_INVALID_FIELDS", f"{where} cannot be read: {one.unreadable}.", (view.name,))
                continue
            for type_name, name in missing_fields(view.schema, below.name, one.parts):
                message = f"{where} names {name}, which {type_name} does not have here. Add it as @external."
                yield Problem("PROVIDES_INVALID_FIELDS", message, (view.name,))
            if is_object_type(below) and not any(_external(view, below.name, part) for part in fields_of(one.parts)):
                message = (
                    f"{where} names only fields that this subgraph answers anyway. Remove it, or mark them @external."
                )
                yield Problem("PROVIDES_FIELDS_MISSING_EXTERNAL", message, (view.name,))


def _external(view: SubgraphView, type_name: str, part: Part) -> bool:
    join = view.joins.get((type_name, part.name))
    return join is None or join.external or join.is_key or bool(part.children)
