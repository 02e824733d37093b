"""INVALID_SUBGRAPH_NAME: each subgraph has a name of its own that can stand in a supergraph."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.supergraph import SubgraphDefinition

_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_-]{0,62}$")


def check(definitions: Sequence[SubgraphDefinition]) -> Iterator[Problem]:
    for name, count in Counter(one.name for one in definitions).items():
        if count > 1:
            message = f"[{name}] {count} subgraphs have this name. Give each a name of its own."
            yield Problem("INVALID_SUBGRAPH_NAME", message, (name,))
        if not _NAME.match(name):
            message = f"[{name}] A subgraph's name starts with a letter and has letters, digits, - and _ only."
            yield Problem("INVALID_SUBGRAPH_NAME", message, (name,))
