"""Placing fields: the selection set in which a source answers a field at a position, which it enters if need be."""

from collections.abc import Sequence
from typing import NamedTuple

from kokoa.gateway.fieldset import FieldSet, Part, show
from kokoa.gateway.plan.bounds import NotPlannable
from kokoa.gateway.plan.choices import Choices
from kokoa.gateway.plan.costs import IMPOSSIBLE, Banned, Costs, entry
from kokoa.gateway.plan.draft import Draft, DraftEntities, DraftFetch, DraftGroup, Item, Node
from kokoa.gateway.plan.graph import Source
from kokoa.gateway.plan.model import Need
from kokoa.gateway.plan.position import Position
from kokoa.gateway.plan.provided import provided_below, provides
from kokoa.gateway.supergraph import Key


class _Way(NamedTuple):
    """A key, for `Choices`."""

    key: Key

    @property
    def label(self) -> str:
        return self.key.text


class Placing:
    """Grows a draft."""

    def __init__(self, costs: Costs, draft: Draft, choices: Choices) -> None:
        self.costs = costs
        self.graph = costs.graph
        self.draft = draft
        self.choices = choices

    # Entering

    def open(self, at: Position, source: Source, banned: Banned = frozenset()) -> Node:
        """The selection set of a source at a position, entering it the cheapest way if need be."""
        known = at.hosts.get(source.name)
        if known is not None:
            return known
        whole = at.whole.hosts.get(source.name)
        if whole is not None and (source.is_opaque or at.type_name in self.graph.possible(whole.source)):
            node = whole.on(source)
        elif self.costs.path_cost(at, source, banned) < self.costs.key_cost(at, source, banned)[0]:
            node = self._enter_by_path(at, source, banned)
        else:
            node = self._enter_by_key(at, source, (), banned)
        at.hosts[source.name] = node
        return node

    def _enter_by_path(self, at: Position, source: Source, banned: Banned) -> Node:
        if at.parent is None:
            return self._root_node(source)
        ways = [
            (self.costs.cost(at.parent, above, banned), (above, below))
            for above, below in self.costs.routes(at, source)
        ]
        above, below = min(ways, key=lambda way: way[0])[1]
        node = self.open(at.parent, above, banned)
        item = node.add(at.key, at.field, at.arguments, at.variables)
        whole = self.selection_below(
            at.whole, item, node, below, provided_below(self.graph, at.parent, above, at.field)
        )
        at.whole.hosts.setdefault(below.name, whole)
        return whole if at.whole is at else whole.on(source)

    def selection_below(self, at: Position, item: Item, node: Node, below: Source, provided: FieldSet) -> Node:
        """The selection set of a field; it asks for `__typename` where objects of several types may stand."""
        if item.child is None:
            item.child = Node(node.fetch, below, provided)
            self.mark_type(at, item.child)
        return item.child

    def mark_type(self, at: Position, node: Node) -> None:
        """Ask which types the objects have, where that is open and the source knows it."""
        if self.graph.is_abstract(at.type_name) and not node.source.is_opaque:
            node.add("__typename", "__typename")

    def _root_node(self, source: Source) -> Node:
        fetch = DraftFetch(source.view.name)
        fetch.root = Node(fetch, source)
        self.draft.add(fetch)
        return fetch.root

    def _enter_by_key(self, at: Position, source: Source, requires: FieldSet, banned: Banned) -> Node:
        barred = banned | {entry(at, source, requires)}
        key = self._key(at, source, requires, barred)
        fetch = DraftFetch(source.view.name)
        entities = DraftEntities(Node(fetch, source), at.types())
        fetch.groups.append(DraftGroup(at.path(), entities))
        for parts, is_key in ((key.fields, True), (requires, False)):
            needs, givers = self.gather(at, source, parts, barred, is_key)
            entities.need(needs)
            fetch.after |= givers
        fetch.after.update(at.bringers())
        self.draft.add(fetch)
        self.draft.complete = False
        return entities.node

    def _key(self, at: Position, source: Source, requires: FieldSet, barred: Banned) -> Key:
        scored = [(self.costs.needs_cost(at, source, key.fields, barred), key) for key in self.graph.keys(source)]
        possible = [(cost, _Way(key)) for cost, key in scored if cost < IMPOSSIBLE]
        if not possible:
            raise NotPlannable(f"No key leads to {source.owner} in {source.view.name} where it is needed.")
        return self.choices.pick(f"key {at.name} {source.name} {show(requires)}", possible).key

    def open_required(self, at: Position, source: Source, requires: FieldSet, banned: Banned = frozenset()) -> Node:
        """The selection set of a fetch whose representations carry what a field requires."""
        name = (source.name, show(requires))
        if name not in at.required:
            at.required[name] = self._enter_by_key(at, source, requires, banned)
        return at.required[name]

    def node_for_field(self, at: Position, source: Source, name: str, banned: Banned = frozenset()) -> Node:
        """The selection set in which this source answers a field here."""
        join = source.join(name)
        if join is not None and join.requires and not provides(self.graph, at, source, name):
            return self.open_required(at, source, join.requires, banned)
        return self.open(at, source, banned)

    # Gathering what representations need

    def gather(
        self, at: Position, asking: Source, parts: Sequence[Part], banned: Banned, is_key: bool
    ) -> tuple[list[Need], set[DraftFetch]]:
        """Ask for the fields of a field set here; what a representation reads, and the fetches that bring it."""
        if self.graph.is_abstract(at.type_name) and not self.costs.is_gathered_at_once(at, parts):
            return self._gather_by_type(at, asking, parts, banned, is_key)
        needs: list[Need] = []
        fetches: set[DraftFetch] = set()
        for part in self.graph.parts_for(asking, parts, at.type_name):
            need, brought = self._gather_one(at, asking, part, banned, is_key)
            needs.append(need)
            fetches |= brought
        return needs, fetches

    def _gather_by_type(
        self, at: Position, asking: Source, parts: Sequence[Part], banned: Banned, is_key: bool
    ) -> tuple[list[Need], set[DraftFetch]]:
        found: dict[Need, tuple[str, ...]] = {}
        fetches: set[DraftFetch] = set()
        for member in sorted(self.costs.members_here(at)):
            inner, brought = self.gather(at.member(member), asking, parts, banned, is_key)
            fetches |= brought
            for one in inner:
                found[one] = (*found.get(one, ()), member)
        needs = [Need(one.name, one.key, one.children, types, one.is_key) for one, types in found.items()]
        return needs, fetches

    def _gather_one(
        self, at: Position, asking: Source, part: Part, banned: Banned, is_key: bool
    ) -> tuple[Need, set[DraftFetch]]:
        source = self._giver(at, asking, part, banned)
        node = self.node_for_field(at, source, part.name, banned)
        key = at.claims.key_for(part.name, part.arguments, self.graph.type_text(at.type_name, part.name, source))
        if key not in node.items:
            self.draft.complete = False
        item = node.add(key, part.name, part.arguments)
        below = self.graph.source_below(source, part.name)
        if below is None:
            return Need(part.name, key, (), (), is_key), {node.fetch}
        child = self.child(at, source, item, node, key, part.name, part.arguments, below)
        deeper = self.costs.asking_below(asking, source, part.name)
        children, brought = self.gather(child, deeper, part.children, banned, is_key)
        return Need(part.name, key, tuple(children), (), is_key), {node.fetch, *brought}

    def _giver(self, at: Position, asking: Source, part: Part, banned: Banned) -> Source:
        scored = [
            (self.costs.giver_cost(at, source, asking, part, banned), source)
            for source in self.costs.givers(at, part.name)
        ]
        possible = [one for one in scored if one[0] < IMPOSSIBLE]
        if not possible:
            raise NotPlannable(f"No subgraph gives {at.type_name}.{part.name} where it is needed.")
        if possible[0][0] == 0:
            return possible[0][1]  # it is there first: whoever waited for another would fail with the other
        return self.choices.pick(f"need {at.name} {part.name}", possible)

    def child(
        self, at: Position, source: Source, item: Item, node: Node, key: str, name: str, arguments: str, below: Source
    ) -> Position:
        """The position below a field that has been placed, open for the source that answers the field."""
        child = at.child(key, name, arguments, self.graph.type_below(at.type_name, name) or below.owner)
        child.origin = child.origin or node.fetch
        child.variables = item.variables
        selection = self.selection_below(child, item, node, below, provided_below(self.graph, at, source, name))
        child.hosts.setdefault(below.name, selection)
        return child
