"""Unifying types: the one type that a field or an argument has in the graph, out of those it has in the subgraphs."""

from collections.abc import Callable, Sequence
from typing import Any

from graphql import is_list_type, is_non_null_type

IsSubType = Callable[[str, str], bool]


def most_general(types: Sequence[Any], is_sub_type: IsSubType) -> Any | None:
    """The output type that all of these fit into, or None: nullable wins, an abstract type wins over its members."""
    first, *others = types
    for other in others:
        first = _general_of_two(first, other, is_sub_type)
        if first is None:
            return None
    return first


def _general_of_two(one: Any, other: Any, is_sub_type: IsSubType) -> Any | None:
    if is_non_null_type(one) and is_non_null_type(other):
        inner = _general_of_two(one.of_type, other.of_type, is_sub_type)
        return None if inner is None else type(one)(inner)
    if is_non_null_type(one) or is_non_null_type(other):
        bare = [each.of_type if is_non_null_type(each) else each for each in (one, other)]
        return _general_of_two(bare[0], bare[1], is_sub_type)
    if is_list_type(one) and is_list_type(other):
        inner = _general_of_two(one.of_type, other.of_type, is_sub_type)
        return None if inner is None else type(one)(inner)
    if is_list_type(one) or is_list_type(other):
        return None
    if one.name == other.name or is_sub_type(one.name, other.name):
        return one
    return other if is_sub_type(other.name, one.name) else None


def strictest(types: Sequence[Any]) -> Any | None:
    """The input type that fits into all of these, or None: non-null wins."""
    found = types[0]
    for other in types[1:]:
        found = _strict_of_two(found, other)
        if found is None:
            return None
    return found


def _strict_of_two(one: Any, other: Any) -> Any | None:
    bare = [each.of_type if is_non_null_type(each) else each for each in (one, other)]
    if is_list_type(bare[0]) and is_list_type(bare[1]):
        inner = _strict_of_two(bare[0].of_type, bare[1].of_type)
        merged = None if inner is None else type(bare[0])(inner)
    elif is_list_type(bare[0]) or is_list_type(bare[1]) or bare[0].name != bare[1].name:
        merged = None
    else:
        merged = bare[0]
    if merged is None:
        return None
    wrapper = next((type(each) for each in (one, other) if is_non_null_type(each)), None)
    return wrapper(merged) if wrapper else merged
