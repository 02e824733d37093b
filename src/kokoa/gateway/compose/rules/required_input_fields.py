"""REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH, EMPTY_MERGED_INPUT_TYPE: inputs keep what all subgraphs know."""

from collections.abc import Iterator, Sequence

from graphql import is_input_object_type, is_required_input_field

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.merge import type_names, views_of
from kokoa.gateway.supergraph import SubgraphView


def check(views: Sequence[SubgraphView]) -> Iterator[Problem]:
    for name in type_names(views):
        found = [(view, one) for view, one in views_of(views, name) if is_input_object_type(one)]
        if not found:
            continue
        names = dict.fromkeys(field for _, named in found for field in named.fields)
        for field in names:
            required = [
                view.name
                for view, named in found
                if field in named.fields and is_required_input_field(named.fields[field])
            ]
            lacking = tuple(view.name for view, named in found if field not in named.fields)
            if required and lacking:
                message = (
                    f"{name}.{field} is required in {', '.join(required)} but missing in {', '.join(lacking)}. "
                    "Add it there, or make it optional."
                )
                yield Problem("REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH", message, lacking)
        if not any(all(field in named.fields for _, named in found) for field in names):
            who = tuple(view.name for view, _ in found)
            message = f"The subgraphs {', '.join(who)} have no field of the input {name} in common. Add one to all."
            yield Problem("EMPTY_MERGED_INPUT_TYPE", message, who)
