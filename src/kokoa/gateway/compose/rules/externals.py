"""EXTERNAL_MISSING_ON_BASE, EXTERNAL_UNUSED: @external mentions another subgraph's field, and for a reason."""

from collections.abc import Iterator, Sequence

from graphql import get_named_type, is_interface_type, is_object_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.read import type_directives, walk_fields
from kokoa.gateway.supergraph import SubgraphView


def _used(view: SubgraphView) -> set[tuple[str, str]]:
    """(type, field) mentioned by a key, a @requires, a @provides, or needed by an interface."""
    found: set[tuple[str, str]] = {key for key, join in view.joins.items() if join.is_key}
    for (type_name, field_name), join in view.joins.items():
        named = view.schema.get_type(type_name)
        if not (is_object_type(named) or is_interface_type(named)):
            continue
        found.update(walk_fields(view.schema, type_name, join.requires))
        below = get_named_type(named.fields[field_name].type)
        found.update(walk_fields(view.schema, below.name, join.provides))
    for name, named in view.schema.type_map.items():
        if is_object_type(named):
            found.update((name, field) for one in named.interfaces for field in one.fields)
    for type_name, field_name in list(found):
        named = view.schema.get_type(type_name)
        if is_interface_type(named):
            found.update((one.name, field_name) for one in view.schema.get_possible_types(named))
    return found


def check(views: Sequence[SubgraphView]) -> Iterator[Problem]:
    for view in views:
        used = _used(view)
        for (type_name, field_name), join in view.joins.items():
            if not join.external:
                continue
            coordinate = f"{type_name}.{field_name}"
            others = [one for one in views if one is not view and (type_name, field_name) in one.joins]
            if not any(not one.joins[type_name, field_name].external for one in others):
                message = (
                    f"[{view.name}] {coordinate} is @external, but no other subgraph answers it. "
                    "Remove @external, or add the field to the subgraph that owns it."
                )
                yield Problem("EXTERNAL_MISSING_ON_BASE", message, (view.name,))
            named = view.schema.get_type(type_name)
            whole_type = named is not None and bool(type_directives(named, "external"))
            if view.links.is_federation_2 and not whole_type and (type_name, field_name) not in used:
                message = (
                    f"[{view.name}] {coordinate} is @external, but no @key, @requires, @provides or interface "
                    "of this subgraph uses it. Remove the field."
                )
                yield Problem("EXTERNAL_UNUSED", message, (view.name,))
