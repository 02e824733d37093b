"""SATISFIABILITY_ERROR: whatever way a query takes through the graph, each field on it can be answered.

The walk goes from the root through every field, and remembers at each step which subgraphs hold the object. A state
(type, holders) is visited once; the first path to it is the one that the message shows.
"""

from collections import deque
from collections.abc import Iterator, Mapping

from graphql import GraphQLObjectType, get_named_type, is_leaf_type, is_object_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.fieldset import FieldSet, Part
from kokoa.gateway.reach import Host, Hosts, Reach, result_type
from kokoa.gateway.supergraph import Supergraph

STATES_MAX = 10_000
PROBLEMS_MAX = 50

# Who holds the object, and what each of them provides beyond what it answers anyway.
Holders = frozenset[tuple[Host, FieldSet]]
State = tuple[str, Holders]
Answers = Mapping[Host, FieldSet]


class _Walk:
    def __init__(self, supergraph: Supergraph, states_max: int) -> None:
        self._states_max = states_max
        self._supergraph = supergraph
        self._reach = Reach(supergraph)
        self._seen: dict[State, tuple[str, ...]] = {}
        self._waiting: deque[State] = deque()
        self._reported: set[str] = set()

    def problems(self) -> Iterator[Problem]:
        for root in ("Query", "Mutation", "Subscription"):
            if self._supergraph.schema.get_type(root) is not None:
                everyone = frozenset(((name, root), ()) for name in self._supergraph.subgraphs)
                self._visit((root, everyone), (root.lower(),))
        while self._waiting and len(self._reported) < PROBLEMS_MAX:
            if len(self._seen) > self._states_max:
                message = (
                    f"The graph has more than {self._states_max} ways in which subgraphs hold objects together, too "
                    "many to check. Let fewer subgraphs share the same fields (@shareable) and keys."
                )
                yield Problem("MAX_VALIDATION_SUBGRAPH_PATHS_EXCEEDED", message)
                return
            yield from self._step(self._waiting.popleft())

    def _visit(self, state: State, path: tuple[str, ...]) -> None:
        if state not in self._seen:
            self._seen[state] = path
            self._waiting.append(state)

    def _step(self, state: State) -> Iterator[Problem]:
        type_name, holders = state
        named = self._supergraph.schema.get_type(type_name)
        if not is_object_type(named):
            return
        hosts = frozenset(host for host, _ in holders)
        reachable = self._reach.closure(type_name, hosts)
        for field_name, field in named.fields.items():
            answers = self._answers(type_name, field_name, holders, reachable)
            if not answers:
                yield from self._report(named, field_name, state, hosts)
            elif not is_leaf_type(get_named_type(field.type)):
                self._descend(state, field_name, answers)

    def _answers(
        self, type_name: str, field_name: str, holders: Holders, reachable: Hosts
    ) -> Mapping[Host, FieldSet]:
        """Host → what it provides below the field, for those that can answer it here."""
        found: dict[Host, FieldSet] = {}
        for host in reachable:
            join = self._supergraph.subgraphs[host[0]].joins.get((host[1], field_name))
            if join is None or not join.resolvable:
                continue
            busy = frozenset({(host[0], f"{host[1]}.{field_name}")})
            if self._reach.gives_all(type_name, join.requires, reachable, busy):
                found[host] = join.provides
        for host, provided in holders:
            for part in self._provided(provided, type_name, field_name):
                found[host] = found.get(host, ()) + part.children
        return found

    def _provided(self, parts: FieldSet, type_name: str, field_name: str) -> Iterator[Part]:
        """What a field set says of a field, when the object has this type."""
        for part in parts:
            if part.on and self._reach.applies(part.on, type_name):
                yield from self._provided(part.children, type_name, field_name)
            elif part.name == field_name and not part.on:
                yield part

    def _descend(self, state: State, field_name: str, answers: Answers) -> None:
        members: dict[str, set[tuple[Host, FieldSet]]] = {}
        for (name, held), provided in answers.items():
            view = self._supergraph.subgraphs[name]
            below = result_type(view, held, field_name)
            for member in self._reach.possible(view, below) if below else ():
                members.setdefault(member, set()).add((self._reach.host(view, below or "", member), provided))
        for member, holders in members.items():
            self._visit((member, frozenset(holders)), (*self._seen[state], field_name))

    def _report(self, named: GraphQLObjectType, field_name: str, state: State, hosts: Hosts) -> Iterator[Problem]:
        coordinate = f"{named.name}.{field_name}"
        if coordinate in self._reported:
            return
        self._reported.add(coordinate)
        owners = sorted(
            {view.name for view in self._supergraph.resolvers_of(named.name, field_name)}
            | {name for name, _ in self._supergraph.interface_object_fields.get((named.name, field_name), ())}
        )
        shown = " { ".join((*self._seen[state], field_name)) + " }" * len(self._seen[state])
        here = ", ".join(sorted({name for name, _ in hosts}))
        yield Problem(
            "SATISFIABILITY_ERROR",
            f"{coordinate} cannot be answered in `{shown}`: there {named.name} comes from "
            f"{here}, the field from {', '.join(owners) or 'nowhere'}, and no key leads from "
            f"one to the other. Give {named.name} a @key in {', '.join(owners) or 'that subgraph'} whose fields "
            f"{here} can give, or mark the field @shareable and answer it there too.",
            tuple(owners),
        )


def check(supergraph: Supergraph, states_max: int = STATES_MAX) -> Iterator[Problem]:
    """states_max: a bound on the work; MAX_VALIDATION_SUBGRAPH_PATHS_EXCEEDED beyond it."""
    yield from _Walk(supergraph, states_max).problems()
