"""ENUM_VALUE_MISMATCH, EMPTY_MERGED_ENUM_TYPE: an enum that goes both in and out is equal everywhere."""

from collections.abc import Iterator, Sequence

from graphql import is_enum_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.merge import type_names, used_enums, views_of
from kokoa.gateway.supergraph import SubgraphView


def check(views: Sequence[SubgraphView]) -> Iterator[Problem]:
    outputs, inputs = used_enums(views)
    for name in type_names(views):
        found = [(view, one) for view, one in views_of(views, name) if is_enum_type(one)]
        if len(found) < 2 or name not in inputs:
            continue
        values = dict.fromkeys(value for _, named in found for value in named.values)
        shared = [value for value in values if all(value in named.values for _, named in found)]
        who = tuple(view.name for view, _ in found)
        if not shared:
            message = f"The subgraphs {', '.join(who)} have no value of the enum {name} in common. Add one to all."
            yield Problem("EMPTY_MERGED_ENUM_TYPE", message, who)
        if name not in outputs:
            continue
        for value in values:
            lacking = tuple(view.name for view, named in found if value not in named.values)
            if lacking:
                message = (
                    f"The enum {name} is both argument and result, so it must be equal everywhere, but "
                    f"{', '.join(lacking)} lacks {value}. Add it there."
                )
                yield Problem("ENUM_VALUE_MISMATCH", message, lacking)
