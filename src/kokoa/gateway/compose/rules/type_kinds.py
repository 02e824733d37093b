"""TYPE_KIND_MISMATCH: a name means the same kind of type everywhere. An interface object counts as an interface."""

from collections.abc import Iterator

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.subgraphs import Subgraphs, kind_of


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    for name, versions in subgraphs.types.items():
        kinds: dict[str, list[str]] = {}
        for view, named in versions:
            kinds.setdefault(kind_of(view, named), []).append(view.name)
        if len(kinds) > 1:
            found = ", ".join(f"{kind} in {' and '.join(who)}" for kind, who in kinds.items())
            who = tuple(one for names in kinds.values() for one in names)
            message = f"{name} is not the same kind of type everywhere: {found}. Rename it, or make the kinds equal."
            yield Problem("TYPE_KIND_MISMATCH", message, who)
