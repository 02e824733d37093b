"""Reach: from the subgraphs that hold an object, which others can be asked about it, by way of keys.

Satisfiability asks this for every path of the graph; it is the same question that planning answers with fetches.
"""

from collections.abc import Iterable, Iterator, Sequence

from graphql import get_named_type, is_abstract_type, is_interface_type, is_object_type

from kokoa.gateway.fieldset import Part
from kokoa.gateway.supergraph import SubgraphView, Supergraph

# A subgraph that holds an object, and the object's type there: its own, or the interface of an interface object.
Host = tuple[str, str]
Hosts = frozenset[Host]


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
        self._full = supergraph.full
        self._closures: dict[tuple[str, Hosts], Hosts] = {}
        self._entrances: dict[str, tuple[tuple[SubgraphView, str, Host], ...]] = {}

    def possible(self, view: SubgraphView, type_name: str) -> frozenset[str]:
        """The object types of the graph that a value of this type in this subgraph may have."""
        if type_name not in view.interface_objects:
            return view.possible(type_name)
        interface = self._full.get_type(type_name)
        assert is_interface_type(interface)
        return frozenset(one.name for one in self._full.get_possible_types(interface))

    def applies(self, condition: str, type_name: str) -> bool:
        """Whether `... on condition` holds for an object of this type."""
        named = self._full.get_type(condition)
        if is_abstract_type(named):
            return any(one.name == type_name for one in self._full.get_possible_types(named))
        return condition == type_name

    def entrances(self, type_name: str) -> tuple[tuple[SubgraphView, str, Host], ...]:
        """(subgraph, type whose key is used, host it makes) for each way to enter a subgraph with such an object."""
        if type_name not in self._entrances:
            self._entrances[type_name] = tuple(self._find_entrances(type_name))
        return self._entrances[type_name]

    def _find_entrances(self, type_name: str) -> Iterator[tuple[SubgraphView, str, Host]]:
        named = self._full.get_type(type_name)
        interfaces = [one.name for one in named.interfaces] if is_object_type(named) else []
        for view in self._views.values():
            for name in (type_name, *interfaces):
                if not view.resolvable_keys(name):
                    continue
                if name in view.interface_objects:
                    yield view, name, (view.name, name)
                elif type_name in view.possible(name):
                    yield view, name, (view.name, type_name)

    def closure(self, type_name: str, hosts: Hosts) -> Hosts:
        """The hosts, and every other that can find an object of this type by fields that they give."""
        known = self._closures.get((type_name, hosts))
        if known is not None:
            return known
        self._closures[type_name, hosts] = hosts  # what a cycle of nested keys may rely on
        found = set(hosts)
        grew = True
        while grew:
            grew = False
            for view, key_type, host in self.entrances(type_name):
                if host not in found and self._enters(view, type_name, key_type, frozenset(found)):
                    found.add(host)
                    grew = True
        self._closures[type_name, hosts] = frozenset(found)
        return self._closures[type_name, hosts]

    def _enters(self, view: SubgraphView, type_name: str, key_type: str, hosts: Hosts) -> bool:
        """Whether one of the keys can be given, by somebody who knows the type that the key is for."""
        if not any(held in (type_name, key_type) for _, held in hosts):
            return False
        return any(self.gives_all(type_name, key.fields, hosts) for key in view.resolvable_keys(key_type))

    def gives_all(self, type_name: str, parts: Sequence[Part], hosts: Hosts, busy: Hosts = frozenset()) -> bool:
        """Whether these hosts together give all fields of a field set.

        busy: (subgraph, field) whose requirements are being looked at; they cannot be what they require.
        """
        return all(self._gives(type_name, part, hosts, busy) for part in parts)

    def _gives(self, type_name: str, part: Part, hosts: Hosts, busy: Hosts) -> bool:
        if part.on:
            return not self.applies(part.on, type_name) or self.gives_all(type_name, part.children, hosts, busy)
        if part.name == "__typename":
            return True
        givers = [
            (self._views[name], held) for name, held in hosts if self._can(type_name, (name, held), part, hosts, busy)
        ]
        if not givers or not part.children:
            return bool(givers)
        return self._gives_below(part, givers)

    def _can(self, type_name: str, host: Host, part: Part, hosts: Hosts, busy: Hosts) -> bool:
        view, coordinate = self._views[host[0]], (host[1], part.name)
        if not view.resolves(*coordinate):
            return False
        requires = view.joins[coordinate].requires
        here = (view.name, ".".join(coordinate))
        return not requires or (here not in busy and self.gives_all(type_name, requires, hosts, busy | {here}))

    def _gives_below(self, part: Part, givers: Iterable[tuple[SubgraphView, str]]) -> bool:
        members: dict[str, set[Host]] = {}
        for view, held in givers:
            below = result_type(view, held, part.name)
            for member in self.possible(view, below) if below else ():
                members.setdefault(member, set()).add(self.host(view, below or "", member))
        return all(
            self.gives_all(member, part.children, self.closure(member, frozenset(hosts)))
            for member, hosts in members.items()
        )

    def host(self, view: SubgraphView, type_name: str, member: str) -> Host:
        """Who holds an object of type `member` that a field of type `type_name` returned."""
        return (view.name, type_name if type_name in view.interface_objects else member)
