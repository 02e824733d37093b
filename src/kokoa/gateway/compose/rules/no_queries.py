"""NO_QUERIES: a graph without a query cannot be asked anything."""

from collections.abc import Iterator, Sequence

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.supergraph import SubgraphView


def check(views: Sequence[SubgraphView]) -> Iterator[Problem]:
    if not any(type_name == "Query" for view in views for type_name, _ in view.joins):
        yield Problem("NO_QUERIES", "No subgraph has a field on Query. Add one to at least one subgraph.")
