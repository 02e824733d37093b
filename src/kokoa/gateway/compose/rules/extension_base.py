"""EXTENSION_WITH_NO_BASE: what one subgraph extends, another defines."""

from collections.abc import Iterator

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.subgraphs import ROOTS, Subgraphs


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    for name, versions in subgraphs.types.items():
        views = [view for view, _ in versions]
        if name in ROOTS or not all(name in view.extended for view in views):
            continue
        who = tuple(view.name for view in views)
        message = f"{', '.join(who)} extends {name}, but no subgraph defines it. Write `type {name}` in one of them."
        yield Problem("EXTENSION_WITH_NO_BASE", message, who)
