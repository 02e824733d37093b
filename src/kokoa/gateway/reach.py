"""Reach: from the subgraphs that hold an object, which others can be asked about it, by way of keys.

Satisfiability asks this for every path of the graph; it is the same question that planning answers with fetches.
"""

from collections.abc import Iterable, Sequence

from graphql import get_named_type, is_interface_type, is_object_type

from kokoa.gateway.fieldset import Part
from kokoa.gateway.supergraph import SubgraphView, Supergraph

Hosts = frozenset[str]


def result_type(view: SubgraphView, type_name: str, field_name: str) -> str | None:
    """The name of what a field returns in this subgraph."""
    named = view.schema.get_type(type_name)
    if (is_object_type(named) or is_interface_type(named)) and field_name in named.fields:
        return str(get_named_type(named.fields[field_name].type).name)
    return None


class Reach:
    """Answers for one supergraph; each is worked out once."""

    def __init__(self, supergraph: Supergraph) -> None:
        self._views = supergraph.subgraphs
        self._closures: dict[tuple[str, Hosts], Hosts] = {}

    def closure(self, type_name: str, hosts: Hosts) -> Hosts:
        """The hosts, and every subgraph that can find an object of this type by fields that they give."""
        known = self._closures.get((type_name, hosts))
        if known is not None:
            return known
        self._closures[type_name, hosts] = hosts  # what a cycle of nested keys may rely on
        found = set(hosts)
        waiting = [view for view in self._views.values() if view.resolvable_keys(type_name)]
        grew = True
        while grew:
            grew = False
            for view in waiting:
                if view.name not in found and self._enters(view, type_name, frozenset(found)):
                    found.add(view.name)
                    grew = True
        self._closures[type_name, hosts] = frozenset(found)
        return self._closures[type_name, hosts]

    def _enters(self, view: SubgraphView, type_name: str, hosts: Hosts) -> bool:
        return any(self.gives_all(type_name, key.fields, hosts) for key in view.resolvable_keys(type_name))

    def gives_all(self, type_name: str, parts: Sequence[Part], hosts: Hosts) -> bool:
        """Whether these subgraphs together give all fields of a field set."""
        return all(self._gives(type_name, part, hosts) for part in parts)

    def _gives(self, type_name: str, part: Part, hosts: Hosts) -> bool:
        if part.on:
            return self.gives_all(part.on, part.children, hosts)
        if part.name == "__typename":
            return True
        givers = [self._views[name] for name in hosts if self._views[name].gives(type_name, part.name)]
        if not givers or not part.children:
            return bool(givers)
        below = {result_type(view, type_name, part.name) for view in givers}
        return all(self._gives_below(name, part.children, givers) for name in below if name is not None)

    def _gives_below(self, type_name: str, parts: Sequence[Part], givers: Iterable[SubgraphView]) -> bool:
        return self.gives_all(type_name, parts, self.closure(type_name, frozenset(view.name for view in givers)))
