"""EXTERNAL_MISSING_ON_BASE, EXTERNAL_UNUSED, EXTERNAL_ON_INTERFACE, TYPE_WITH_ONLY_UNUSED_EXTERNAL:
@external mentions another subgraph's field, and for a reason.
"""

from collections.abc import Iterator

from graphql import GraphQLField, get_named_type, is_interface_type, is_object_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.read import type_directives
from kokoa.gateway.compose.subgraphs import Subgraphs
from kokoa.gateway.compose.usage import used_fields
from kokoa.gateway.supergraph import SubgraphView


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    for view in subgraphs.views:
        used = used_fields(view.schema, view.joins)
        for (type_name, field_name), join in view.joins.items():
            if join.external:
                yield from _check_base(subgraphs, view, type_name, field_name)
                if view.links.is_federation_2:
                    yield from _check_use(view, type_name, field_name, used)
        if not view.links.is_federation_2:
            yield from _check_types(view)


def _check_base(subgraphs: Subgraphs, view: SubgraphView, type_name: str, field_name: str) -> Iterator[Problem]:
    sources = subgraphs.fields[type_name, field_name]
    if all(one.join.external for one in sources):
        message = (
            f"[{view.name}] {type_name}.{field_name} is @external, but no other subgraph answers it. "
            "Remove @external, or add the field to the subgraph that owns it."
        )
        yield Problem("EXTERNAL_MISSING_ON_BASE", message, (view.name,))


def _check_use(view: SubgraphView, type_name: str, field_name: str, used: set[tuple[str, str]]) -> Iterator[Problem]:
    named = view.schema.get_type(type_name)
    coordinate = f"{type_name}.{field_name}"
    if is_interface_type(named):
        message = (
            f"[{view.name}] {coordinate} is @external, but an interface answers nothing itself. "
            "Remove @external there, and mark the fields of the object types."
        )
        yield Problem("EXTERNAL_ON_INTERFACE", message, (view.name,))
    elif named is not None and not type_directives(named, "external") and (type_name, field_name) not in used:
        message = (
            f"[{view.name}] {coordinate} is @external, but no @key, @requires, @provides or interface "
            "of this subgraph uses it. Remove the field."
        )
        yield Problem("EXTERNAL_UNUSED", message, (view.name,))


def _answered(view: SubgraphView) -> Iterator[tuple[str, GraphQLField]]:
    for type_name, field_name in view.joins:
        named = view.schema.get_type(type_name)
        if is_object_type(named) or is_interface_type(named):
            yield type_name, named.fields[field_name]


def _check_types(view: SubgraphView) -> Iterator[Problem]:
    """Federation 1 forgets fields that are @external for nothing; something must be left."""
    returned = {get_named_type(field.type).name for _, field in _answered(view)}
    for name, named in view.schema.type_map.items():
        if not is_object_type(named) or name not in returned:
            continue
        if not any((name, field) in view.joins for field in named.fields):
            message = (
                f"[{view.name}] All fields of {name} are @external, and nothing in this subgraph uses them. "
                "Remove the type, or the @external of what the subgraph answers."
            )
            yield Problem("TYPE_WITH_ONLY_UNUSED_EXTERNAL", message, (view.name,))
