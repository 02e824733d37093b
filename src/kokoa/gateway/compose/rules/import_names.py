"""LINK_IMPORT_NAME_MISMATCH: a directive that is kept in the graph has one name in all subgraphs that import it."""

from collections.abc import Iterator

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.subgraphs import Subgraphs

_KEPT = ("tag", "inaccessible", "authenticated", "requiresScopes", "policy", "cost", "listSize")


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    names: dict[str, dict[str, str]] = {}
    for view in subgraphs.views:
        for here in sorted(view.links.imported):
            known = view.links.directives[here]
            if known in _KEPT:
                names.setdefault(known, {})[view.name] = here
        for here in view.composes:
            foreign = view.links.foreign_names.get(here.removeprefix("@"))
            if foreign is not None:
                names.setdefault(foreign, {})[view.name] = here.removeprefix("@")
    for known, by_view in names.items():
        if len(set(by_view.values())) > 1:
            found = ", ".join(f"@{here} in {view}" for view, here in by_view.items())
            message = f"@{known} is imported under different names: {found}. Import it as one name everywhere."
            yield Problem("LINK_IMPORT_NAME_MISMATCH", message, tuple(by_view))
