"""Walking the operation: each field of each position placed, level by level.

An object's fields are placed before anything below them, so that the sources which are open at a position are known
when its children choose. Abstract types stay abstract where one source answers a field for all their members, and are
taken apart only where it does not. Where objects come from a source that does not know their types, these are asked
for only if the answer depends on them.
"""

from collections.abc import Mapping, Sequence

from graphql import GraphQLSchema, is_interface_type, is_object_type

from kokoa.gateway.plan.asked import INTROSPECTION, TYPENAME, Asked, Sets, Wanted
from kokoa.gateway.plan.bounds import NotPlannable
from kokoa.gateway.plan.costs import FETCH_COST, IMPOSSIBLE
from kokoa.gateway.plan.crossings import Crossings
from kokoa.gateway.plan.draft import Node
from kokoa.gateway.plan.graph import Source
from kokoa.gateway.plan.placing import Placing
from kokoa.gateway.plan.position import Position
from kokoa.gateway.plan.provided import provided_below
from kokoa.graphql.collect import Collector

# A field that has been placed: its source, the position below it and what leads on from there.
Below = tuple[Position, Source, Asked]


class Walk:
    """hidden: coordinates that this caller may not have; they are not fetched."""

    def __init__(
        self,
        schema: GraphQLSchema,
        collector: Collector,
        placing: Placing,
        crossings: Crossings,
        hidden: frozenset[str],
    ) -> None:
        self._schema = schema
        self._collector = collector
        self._placing = placing
        self._crossings = crossings
        self._graph = placing.graph
        self._costs = placing.costs
        self._draft = placing.draft
        self._hidden = hidden

    def wanted(self, type_name: str, sets: Sets) -> Wanted:
        """What selection sets ask of an object type, without what needs no fetch."""
        concrete = self._schema.get_type(type_name)
        if not is_object_type(concrete) and not is_interface_type(concrete):
            return Wanted([], typename=False)
        collected = self._collector.collect(concrete, sets)
        fields = [
            Asked(key, nodes)
            for key, nodes in collected.items()
            if nodes[0].name.value not in INTROSPECTION
            and f"{concrete.name}.{nodes[0].name.value}" not in self._hidden
        ]
        if len(fields) < len(collected):
            self._draft.complete = False
        return Wanted(fields, typename=any(nodes[0].name.value == TYPENAME for nodes in collected.values()))

    # Objects of one type

    def place(self, at: Position, fields: Sequence[Asked]) -> None:
        """Place fields and everything below them."""
        if not fields:
            self._draft.complete = False  # `__typename` will stand in for the empty selection
        below: list[Below] = []
        for asked in sorted(fields, key=lambda one: self._urgency(at, one)):
            self._costs.steps.step()
            source = self._choose(at, asked, fields)
            node = self._placing.node_for_field(at, source, asked.name)
            child = self._put(at, node, source, asked)
            if child is not None:
                below.append(child)
        for node in at.hosts.values():
            node.arrange(at.claims.keys())
        for child_at, child_source, asked in below:
            self._descend(child_at, child_source, asked.sets())

    def _urgency(self, at: Position, asked: Asked) -> tuple[bool, int]:
        """Fields that cost nothing first, then those that leave the least choice."""
        sources = self._costs.candidates(at, asked.name)
        free = any(source.name in at.hosts or source.name in at.whole.hosts for source in sources)
        return (not free, 0 if free else len(sources))

    def _choose(self, at: Position, asked: Asked, fields: Sequence[Asked]) -> Source:
        """The source for a field: cheapest to enter, fewest crossings below, most of its siblings."""
        scored: list[tuple[tuple[int, int], Source]] = []
        for source in self._costs.candidates(at, asked.name):
            cost = self._costs.field_cost(at, source, asked.name)
            if cost >= IMPOSSIBLE:
                continue
            provided = provided_below(self._graph, at, source, asked.name)
            cost += FETCH_COST * self._crossings.below(source, asked, provided)
            shared = sum(self._graph.answers(source, one.name) for one in fields)
            scored.append(((cost, -shared), source))
        if not scored:
            raise NotPlannable(f"No subgraph can be asked for {at.type_name}.{asked.name} here.")
        return self._placing.choices.pick(f"field {at.name} {asked.key}", scored)

    def _put(self, at: Position, node: Node, source: Source, asked: Asked) -> Below | None:
        """Ask for the field in the node; the position below it if it has one."""
        item = node.add(asked.key, asked.name, asked.arguments, asked.variables)
        below = self._graph.source_below(source, asked.name)
        if below is None:
            return None
        child = self._placing.child(at, source, item, node, asked.key, asked.name, asked.arguments, below)
        return child, below, asked

    # Objects of several types

    def _descend(self, at: Position, source: Source, sets: Sets) -> None:
        if not self._graph.is_abstract(at.type_name):
            self.place(at, self.wanted(at.type_name, sets).fields)
            return
        self._draft.complete = False
        members = {name: self.wanted(name, sets) for name in self._members(at, source)}
        shared = self._shared(at, members)
        alike = {one.key for one in shared}
        self._place_shared(at, shared)
        rest = {name: [one for one in wanted.fields if one.key not in alike] for name, wanted in members.items()}
        if source.is_opaque and at.typer is None:
            self._find_types(at, source, members, rest)
        self._place_members(at, rest)

    def _members(self, at: Position, source: Source) -> list[str]:
        """The types to place fields for; the interface itself where nobody implements it."""
        return sorted(self._costs.common_members(at, source)) if self._graph.members(at.type_name) else [at.type_name]

    def _place_shared(self, at: Position, fields: Sequence[Asked]) -> None:
        if fields:
            self.place(at, fields)

    def _place_members(self, at: Position, rest: Mapping[str, Sequence[Asked]]) -> None:
        for name, fields in rest.items():
            if fields:
                self.place(at.member(name), fields)

    def _find_types(
        self, at: Position, source: Source, members: Mapping[str, Wanted], rest: Mapping[str, Sequence[Asked]]
    ) -> None:
        """Ask somebody who knows which types the objects of an interface object have, if the answer depends on it."""
        if not any(rest.values()) and not any(wanted.typename for wanted in members.values()):
            if members:
                self._draft.assumed.append((at.path(), next(iter(members))))
            return
        scored = []
        for one in self._graph.sources(at.type_name):
            if not one.is_opaque and self._graph.keys(one):
                cost = self._costs.cost(at, one)
                if cost < IMPOSSIBLE:
                    scored.append((cost, one))
        if not scored:
            raise NotPlannable(f"No subgraph says which type the {at.type_name} of {source.view.name} has.")
        knowing = self._placing.choices.pick(f"types {at.name}", scored)
        node = self._placing.open(at, knowing)
        self._placing.mark_type(at, node)
        at.typer = node.fetch
        for narrowed in at.members.values():
            narrowed.origin = at.origin

    def _shared(self, at: Position, members: Mapping[str, Wanted]) -> list[Asked]:
        """Fields that every member is asked for alike and that one source answers for all of them."""
        if not members:
            return []
        first, *others = (wanted.fields for wanted in members.values())
        by_key = [{one.key: one.nodes for one in fields} for fields in others]
        return [
            one
            for one in first
            if all(fields.get(one.key) == one.nodes for fields in by_key) and self._is_answered_at_once(at, one.name)
        ]

    def _is_answered_at_once(self, at: Position, name: str) -> bool:
        """Whether a source that is open, or else only one that does not tell the members apart, answers the field."""
        sources = self._costs.candidates(at, name)
        if any(source.name in at.hosts for source in sources):
            return True
        return any(source.is_opaque and self._costs.field_cost(at, source, name) < IMPOSSIBLE for source in sources)
