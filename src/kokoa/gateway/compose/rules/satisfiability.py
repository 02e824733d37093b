"""SATISFIABILITY_ERROR: whatever way a query takes through the graph, each field on it can be answered.

The walk goes from the root through every field, and remembers at each step which subgraphs hold the object. A state
(type, holders) is visited once; the first path to it is the one that the message shows.
"""

from collections import deque
from collections.abc import Iterator, Mapping

from graphql import GraphQLObjectType, get_named_type, is_leaf_type, is_object_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.fieldset import FieldSet, fields_of
from kokoa.gateway.reach import Hosts, Reach, result_type
from kokoa.gateway.supergraph import Supergraph

STATES_MAX = 200_000
PROBLEMS_MAX = 50

# Which subgraphs hold the object, and what each of them provides beyond what it answers anyway.
Holders = frozenset[tuple[str, FieldSet]]
State = tuple[str, Holders]


class _Walk:
    def __init__(self, supergraph: Supergraph) -> None:
        self._supergraph = supergraph
        self._reach = Reach(supergraph)
        self._seen: dict[State, tuple[str, ...]] = {}
        self._waiting: deque[State] = deque()
        self._reported: set[str] = set()

    def problems(self) -> Iterator[Problem]:
        for root in ("Query", "Mutation", "Subscription"):
            if self._supergraph.schema.get_type(root) is not None:
                everyone = frozenset((name, ()) for name in self._supergraph.subgraphs)
                self._visit((root, everyone), (root.lower(),))
        while self._waiting and len(self._seen) < STATES_MAX and len(self._reported) < PROBLEMS_MAX:
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
        names = frozenset(name for name, _ in holders)
        reachable = self._reach.closure(type_name, names)
        for field_name, field in named.fields.items():
            answers = self._answers(type_name, field_name, holders, reachable)
            if not answers:
                yield from self._report(named, field_name, state, names)
            elif not is_leaf_type(get_named_type(field.type)):
                self._descend(state, field_name, answers)

    def _answers(self, type_name: str, field_name: str, holders: Holders, reachable: Hosts) -> Mapping[str, FieldSet]:
        """Subgraph → what it provides below the field, for those that can answer it here."""
        found: dict[str, FieldSet] = {}
        for name in reachable:
            view = self._supergraph.subgraphs[name]
            join = view.joins.get((type_name, field_name))
            if join is not None and join.resolvable and self._reach.gives_all(type_name, join.requires, reachable):
                found[name] = join.provides
        for name, provided in holders:
            for part in fields_of(provided):
                if part.name == field_name:
                    found[name] = found.get(name, ()) + part.children
        return found

    def _descend(self, state: State, field_name: str, answers: Mapping[str, FieldSet]) -> None:
        type_name, _ = state
        members: dict[str, set[tuple[str, FieldSet]]] = {}
        for name, provided in answers.items():
            view = self._supergraph.subgraphs[name]
            below = result_type(view, type_name, field_name)
            for member in view.possible(below) if below else ():
                members.setdefault(member, set()).add((name, provided))
        for member, held in members.items():
            self._visit((member, frozenset(held)), (*self._seen[state], field_name))

    def _report(self, named: GraphQLObjectType, field_name: str, state: State, holders: Hosts) -> Iterator[Problem]:
        coordinate = f"{named.name}.{field_name}"
        if coordinate in self._reported:
            return
        self._reported.add(coordinate)
        owners = [view.name for view in self._supergraph.resolvers_of(named.name, field_name)]
        shown = " { ".join((*self._seen[state], field_name)) + " }" * len(self._seen[state])
        yield Problem(
            "SATISFIABILITY_ERROR",
            f"{coordinate} cannot be answered in `{shown}`: there {named.name} comes from "
            f"{', '.join(sorted(holders))}, the field from {', '.join(owners) or 'nowhere'}, and no key leads from "
            f"one to the other. Give {named.name} a @key in {', '.join(owners) or 'that subgraph'} whose fields "
            f"{', '.join(sorted(holders))} can give, or mark the field @shareable and answer it there too.",
            tuple(owners),
        )


def check(supergraph: Supergraph) -> Iterator[Problem]:
    yield from _Walk(supergraph).problems()
