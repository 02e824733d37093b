"""Which fields of a subgraph something in it refers to: keys, requirements, what is provided, interfaces."""

from collections.abc import Mapping

from graphql import GraphQLSchema, get_named_type, is_interface_type, is_object_type

from kokoa.gateway.fieldset import walk_fields
from kokoa.gateway.supergraph import FieldJoin


def provided_fields(schema: GraphQLSchema, joins: Mapping[tuple[str, str], FieldJoin]) -> set[tuple[str, str]]:
    """(type, field) of each field that some path in the subgraph provides."""
    found: set[tuple[str, str]] = set()
    for (type_name, field_name), join in joins.items():
        named = schema.get_type(type_name)
        if join.provides and (is_object_type(named) or is_interface_type(named)):
            below = get_named_type(named.fields[field_name].type)
            found.update(walk_fields(schema, below.name, join.provides))
    return found


def used_fields(schema: GraphQLSchema, joins: Mapping[tuple[str, str], FieldJoin]) -> set[tuple[str, str]]:
    """(type, field) of each field that is @external for a reason, if it is."""
    found: set[tuple[str, str]] = {coordinate for coordinate, join in joins.items() if join.is_key}
    found |= provided_fields(schema, joins)
    for (type_name, _), join in joins.items():
        if join.requires:
            found.update(walk_fields(schema, type_name, join.requires))
    for name, named in schema.type_map.items():
        if is_object_type(named):
            found.update((name, field) for one in named.interfaces for field in one.fields)
    for type_name, field_name in list(found):
        holder = schema.get_type(type_name)
        if is_interface_type(holder):
            found.update((one.name, field_name) for one in schema.get_possible_types(holder))
    return found
