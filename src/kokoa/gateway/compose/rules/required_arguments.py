"""REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH: who answers a field must know its required arguments."""

from collections.abc import Iterator, Sequence

from graphql import is_interface_type, is_object_type, is_required_argument

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.merge import type_names, views_of
from kokoa.gateway.supergraph import SubgraphView


def check(views: Sequence[SubgraphView]) -> Iterator[Problem]:
    for name in type_names(views):
        found = [(view, one) for view, one in views_of(views, name) if is_object_type(one) or is_interface_type(one)]
        for field in dict.fromkeys(field for _, named in found for field in named.fields):
            own = [
                (view, named.fields[field])
                for view, named in found
                if field in named.fields and view.resolves(name, field)
            ]
            required = dict.fromkeys(
                key for _, one in own for key, value in one.args.items() if is_required_argument(value)
            )
            for argument in required:
                lacking = tuple(view.name for view, one in own if argument not in one.args)
                if lacking:
                    message = (
                        f"{name}.{field}({argument}:) is required in some subgraphs but missing in "
                        f"{', '.join(lacking)}. Add it there, or make it optional."
                    )
                    yield Problem("REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH", message, lacking)
