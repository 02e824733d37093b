"""EXTENSION_WITH_NO_BASE: what one subgraph extends, another defines."""

from collections.abc import Iterator, Sequence

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.merge import type_names, views_of
from kokoa.gateway.supergraph import SubgraphView

_ROOTS = frozenset({"Query", "Mutation", "Subscription"})


def check(views: Sequence[SubgraphView]) -> Iterator[Problem]:
    for name in type_names(views):
        holders = [view for view, _ in views_of(views, name)]
        if name in _ROOTS or not all(name in view.extended for view in holders):
            continue
        if any(view.links.is_federation_2 and name in view.keys for view in holders):
            continue  # federation 2 makes no difference between a type and its extension
        who = tuple(view.name for view in holders)
        message = f"{', '.join(who)} extends {name}, but no subgraph defines it. Write `type {name}` in one of them."
        yield Problem("EXTENSION_WITH_NO_BASE", message, who)
