"""NO_QUERIES: a graph without a query cannot be asked anything."""

from collections.abc import Iterator

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.subgraphs import Subgraphs


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    if not any(type_name == "Query" for type_name, _ in subgraphs.fields):
        yield Problem("NO_QUERIES", "No subgraph has a field on Query. Add one to at least one subgraph.")
