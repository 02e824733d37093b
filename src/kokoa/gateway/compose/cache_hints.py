"""`@cacheControl`: what a subgraph says of how long its answers may be kept.

Source: https://www.apollographql.com/docs/apollo-server/performance/caching. An SDL may define the directive itself,
as Apollo's documentation wants it, or only use it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from graphql import (
    BooleanValueNode,
    EnumValueNode,
    GraphQLNamedType,
    GraphQLSchema,
    IntValueNode,
    get_named_type,
    is_enum_type,
    is_input_object_type,
    is_interface_type,
    is_object_type,
    is_union_type,
)

from kokoa.gateway.supergraph import CacheHint
from kokoa.graphql.sdl import CACHE_CONTROL

APOLLO_SCOPE = "CacheControlScope"
AGE_MAX_S = 2**31 - 1


def cache_hints(schema: GraphQLSchema) -> dict[str, CacheHint]:
    """By `Type` and `Type.field`, for those with a hint."""
    found: dict[str, CacheHint] = {}
    if schema.get_directive(CACHE_CONTROL) is None:
        return found
    for name, named in schema.type_map.items():
        if not (is_object_type(named) or is_interface_type(named) or is_union_type(named)):
            continue
        found.update((name, one) for one in _hints((named.ast_node, *named.extension_ast_nodes)))
        for field_name, field in getattr(named, "fields", {}).items():
            found.update((f"{name}.{field_name}", one) for one in _hints((field.ast_node,)))
    return found


def _hints(nodes: Iterable[Any]) -> Iterator[CacheHint]:
    """That of the element which these nodes make up; one at most."""
    applied = (one for node in nodes for one in getattr(node, "directives", None) or ())
    for directive in applied:
        if directive.name.value == CACHE_CONTROL:
            said = {one.name.value: one.value for one in directive.arguments or ()}
            inherits = _is_true(said.get("inheritMaxAge"))
            yield CacheHint(_age_s(said.get("maxAge")), _is_private(said.get("scope")), inherits)


def _age_s(value: Any) -> int | None:
    return min(max(int(value.value), 0), AGE_MAX_S) if isinstance(value, IntValueNode) else None


def _is_private(value: Any) -> bool | None:
    return value.value == "PRIVATE" if isinstance(value, EnumValueNode) else None


def _is_true(value: Any) -> bool:
    return isinstance(value, BooleanValueNode) and value.value


def serves_hints_only(schema: GraphQLSchema, name: str) -> bool:
    """Whether a type is an enum that only the directive uses, so that it is no part of the graph."""
    directive = schema.get_directive(CACHE_CONTROL)
    if directive is None or not is_enum_type(schema.get_type(name)):
        return False
    of_directive = {get_named_type(one.type).name for one in directive.args.values()}
    return name in of_directive and name not in {used for each in schema.type_map.values() for used in _used(each)}


def _used(named: GraphQLNamedType) -> Iterator[str]:
    if is_input_object_type(named):
        yield from (get_named_type(one.type).name for one in named.fields.values())
    elif is_object_type(named) or is_interface_type(named):
        for field in named.fields.values():
            yield get_named_type(field.type).name
            yield from (get_named_type(one.type).name for one in field.args.values())
