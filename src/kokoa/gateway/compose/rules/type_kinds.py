"""TYPE_KIND_MISMATCH: a name means the same kind of type everywhere."""

from collections.abc import Iterator, Sequence

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.merge import type_names, views_of
from kokoa.gateway.supergraph import SubgraphView


def check(views: Sequence[SubgraphView]) -> Iterator[Problem]:
    for name in type_names(views):
        kinds: dict[str, list[str]] = {}
        for view, named in views_of(views, name):
            node = named.ast_node
            kinds.setdefault(node.kind.removesuffix("_type_definition") if node else "type", []).append(view.name)
        if len(kinds) > 1:
            found = ", ".join(f"{kind.replace('_', ' ')} in {' and '.join(who)}" for kind, who in kinds.items())
            who = tuple(one for names in kinds.values() for one in names)
            message = f"{name} is not the same kind of type everywhere: {found}. Rename it, or make the kinds equal."
            yield Problem("TYPE_KIND_MISMATCH", message, who)
