"""Walking the operation: each field of each position placed, level by level.

An object's fields are placed before anything below them, so that the subgraphs which are open at a position are
known when its children choose. Abstract types stay abstract where one subgraph answers a field for all their members
and are taken apart only where it does not.
"""

from collections.abc import Mapping, Sequence

from graphql import (
    FieldNode,
    GraphQLObjectType,
    GraphQLSchema,
    is_leaf_type,
    is_object_type,
)
from graphql.language import SelectionSetNode

from kokoa.gateway.plan.claims import arguments_of
from kokoa.gateway.plan.draft import Node
from kokoa.gateway.plan.placing import (
    FETCH_COST,
    IMPOSSIBLE,
    NotPlannable,
    Placing,
    has_field,
    provided_below,
    provides,
)
from kokoa.gateway.plan.position import Position
from kokoa.gateway.reach import result_type
from kokoa.gateway.supergraph import SubgraphView
from kokoa.graphql.collect import Collected, Collector, variables_in

INTROSPECTION = frozenset({"__schema", "__type", "__typename"})


class Asked:
    """One field as the client asks for it."""

    __slots__ = ("arguments", "key", "name", "nodes", "variables")

    def __init__(self, key: str, nodes: Sequence[FieldNode]) -> None:
        self.key = key
        self.nodes = nodes
        self.name = nodes[0].name.value
        given = nodes[0].arguments or ()
        self.arguments = arguments_of(nodes[0])
        self.variables = tuple(name for one in given for name in variables_in(one.value))

    def sets(self) -> list[SelectionSetNode]:
        return [node.selection_set for node in self.nodes if node.selection_set is not None]


class Walk:
    """hidden: coordinates that this caller may not have; they are not fetched."""

    def __init__(self, schema: GraphQLSchema, collector: Collector, placing: Placing, hidden: frozenset[str]) -> None:
        self._schema = schema
        self._collector = collector
        self._placing = placing
        self._hidden = hidden
        self._known_crossings: dict[tuple[str, str, tuple[int, ...], frozenset[str]], int] = {}

    def root_fields(self, root: GraphQLObjectType, sets: Sequence[SelectionSetNode]) -> list[Asked]:
        """The root fields that need a fetch."""
        return self._asked(root.name, self._collector.collect(root, sets))

    def _asked(self, type_name: str, collected: Collected) -> list[Asked]:
        wanted = [
            Asked(key, nodes)
            for key, nodes in collected.items()
            if nodes[0].name.value not in INTROSPECTION and f"{type_name}.{nodes[0].name.value}" not in self._hidden
        ]
        if len(wanted) < len(collected):
            self._placing.draft.complete = False
        return wanted

    # Objects

    def place(self, at: Position, fields: Sequence[Asked]) -> None:
        """Place fields of an object and everything below them."""
        if not fields:
            self._placing.draft.complete = False  # `__typename` will stand in for the empty selection
        below: list[tuple[Position, SubgraphView, Asked]] = []
        for asked in sorted(fields, key=lambda one: self._urgency(at, one)):
            view = self._choose(at, asked, fields)
            node = self._placing.host_of_field(at, view, asked.name)
            child = self._put(at, node, view, asked)
            if child is not None:
                below.append((child, view, asked))
        for node in at.hosts.values():
            node.arrange(at.claims.keys())
        for child, view, asked in below:
            self._descend(child, view, asked.sets())

    def _urgency(self, at: Position, asked: Asked) -> tuple[bool, int]:
        """Fields that cost nothing first, then those that leave the least choice."""
        views = self._candidates(at, asked.name)
        free = any(view.name in at.hosts for view in views)
        return (not free, 0 if free else len(views))

    def _candidates(self, at: Position, name: str) -> list[SubgraphView]:
        return [
            view
            for view in self._placing.views.values()
            if view.resolves(at.type_name, name) or provides(at, view, name)
        ]

    def candidates(self, type_name: str, name: str) -> list[SubgraphView]:
        """The subgraphs that answer a field of a root type."""
        return [view for view in self._placing.views.values() if view.resolves(type_name, name)]

    def _choose(self, at: Position, asked: Asked, fields: Sequence[Asked]) -> SubgraphView:
        """The subgraph for a field: cheapest to enter, fewest crossings below, most of its siblings."""
        best: tuple[tuple[int, int], SubgraphView] | None = None
        for view in self._candidates(at, asked.name):
            cost = self._entry_cost(at, view, asked.name)
            if cost >= IMPOSSIBLE:
                continue
            cost += FETCH_COST * self._crossings_of(at, view, asked)
            shared = sum(view.resolves(at.type_name, one.name) for one in fields)
            score = (cost, -shared)
            if best is None or score < best[0]:
                best = (score, view)
        if best is None:
            raise NotPlannable(f"No subgraph can be asked for {at.type_name}.{asked.name} here.")
        return best[1]

    def _entry_cost(self, at: Position, view: SubgraphView, name: str) -> int:
        join = view.joins.get((at.type_name, name))
        if join is not None and join.requires and not provides(at, view, name):
            return self._placing.requires_cost(at, view, join.requires, frozenset())
        return self._placing.cost(at, view)

    def _crossings_of(self, at: Position, view: SubgraphView, asked: Asked) -> int:
        below = result_type(view, at.type_name, asked.name)
        if below is None or not asked.sets():
            return 0
        provided = frozenset(part.name for part in provided_below(at, view, asked.name))
        return self._crossings(view, below, asked.sets(), provided)

    def _crossings(
        self, view: SubgraphView, type_name: str, sets: Sequence[SelectionSetNode], provided: frozenset[str]
    ) -> int:
        """How many positions below would need another subgraph as well."""
        question = (view.name, type_name, tuple(map(id, sets)), provided)
        known = self._known_crossings.get(question)
        if known is None:
            known = sum(
                self._crossings_of_member(view, member, sets, provided) for member in view.possible(type_name)
            )
            self._known_crossings[question] = known
        return known

    def _crossings_of_member(
        self, view: SubgraphView, member: str, sets: Sequence[SelectionSetNode], provided: frozenset[str]
    ) -> int:
        self._placing.step()
        concrete = self._schema.get_type(member)
        if not is_object_type(concrete):
            return 0
        total, missing = 0, False
        for nodes in self._collector.collect(concrete, sets).values():
            name = nodes[0].name.value
            if name in INTROSPECTION:
                continue
            if not view.resolves(member, name) and name not in provided:
                missing = True
                continue
            below = result_type(view, member, name)
            deeper = [node.selection_set for node in nodes if node.selection_set is not None]
            if below is not None and deeper:
                total += self._crossings(view, below, deeper, frozenset())
        return total + missing

    def _put(self, at: Position, node: Node, view: SubgraphView, asked: Asked) -> Position | None:
        """Ask for the field in the node; the position below it if it has one."""
        item = node.add(asked.key, asked.name, asked.arguments, asked.variables)
        below = result_type(view, at.type_name, asked.name)
        if below is None or is_leaf_type(view.schema.get_type(below)):
            return None
        child = at.child(asked.key, asked.name, asked.arguments, below)
        child.origin = child.origin or node.fetch
        if item.child is None:
            item.child = Node(node.fetch, below, provided_below(at, view, asked.name))
            self._placing.mark_type(item.child, view)
        child.hosts.setdefault(view.name, item.child)
        return child

    # Abstract types

    def _descend(self, at: Position, view: SubgraphView, sets: Sequence[SelectionSetNode]) -> None:
        if is_object_type(self._schema.get_type(at.type_name)):
            self.place(at, self._of_object(at.type_name, sets))
            return
        self._placing.draft.complete = False
        members = {name: self._of_object(name, sets) for name in sorted(view.possible(at.type_name))}
        shared = self._shared(at, view, members)
        self.place_abstract(at, view, shared)
        for name, fields in members.items():
            rest = [one for one in fields if one.key not in {each.key for each in shared}]
            if rest:
                narrowed = at.member(name)
                narrowed.hosts.setdefault(view.name, at.hosts[view.name].on(name))
                self.place(narrowed, rest)

    def _of_object(self, type_name: str, sets: Sequence[SelectionSetNode]) -> list[Asked]:
        concrete = self._schema.get_type(type_name)
        return self._asked(type_name, self._collector.collect(concrete, sets)) if is_object_type(concrete) else []

    def _shared(self, at: Position, view: SubgraphView, members: Mapping[str, Sequence[Asked]]) -> list[Asked]:
        """Fields that every member is asked for alike and that this subgraph answers for all of them."""
        if not members:
            return []
        first, *others = members.values()
        by_key = [{one.key: one.nodes for one in fields} for fields in others]
        return [
            one
            for one in first
            if has_field(view, at.type_name, one.name)
            and all(fields.get(one.key) == one.nodes for fields in by_key)
            and all(self._plain(view, name, one.name) for name in members)
        ]

    def _plain(self, view: SubgraphView, type_name: str, field_name: str) -> bool:
        join = view.joins.get((type_name, field_name))
        return join is not None and join.resolvable and not join.requires

    def place_abstract(self, at: Position, view: SubgraphView, fields: Sequence[Asked]) -> None:
        """Place fields of an interface in the one subgraph that answers them for every member."""
        node = at.hosts[view.name]
        for asked in fields:
            child = self._put(at, node, view, asked)
            if child is not None:
                self._descend(child, view, asked.sets())
