"""Placing fields: for each field the subgraph that costs least, with the fetches that this opens.

A field in a subgraph that is open at its position costs nothing, one more selection on the way costs 1, one more
fetch 1000. A subgraph is entered by key only with fields that others give, so the chain of entries has no cycle.
"""

from collections.abc import Iterable, Sequence

from graphql import is_abstract_type, is_interface_type, is_object_type

from kokoa.gateway.fieldset import FieldSet, Part, fields_of, show
from kokoa.gateway.plan.draft import Draft, DraftEntities, DraftFetch, Node
from kokoa.gateway.plan.model import Need
from kokoa.gateway.plan.position import Position
from kokoa.gateway.reach import result_type
from kokoa.gateway.supergraph import Key, SubgraphView, Supergraph
from kokoa.graphql.errors import LimitExceeded

FETCH_COST = 1000
SELECTION_COST = 1
IMPOSSIBLE = 10**9
STEPS_MAX = 50_000
HOPS_MAX = 5

Banned = frozenset[tuple[int, str]]


class PlanTooComplex(LimitExceeded):
    """The operation would take too long to plan."""


class NotPlannable(Exception):
    """A bug: no subgraph can be asked for a field, in a graph that composition has found satisfiable."""


class Placing:
    """The cost of entering subgraphs at positions, and the entering itself."""

    def __init__(self, supergraph: Supergraph, draft: Draft, root_type: str) -> None:
        self.views = supergraph.subgraphs
        self._api = supergraph.schema
        self.draft = draft
        self.root_type = root_type
        self._steps = 0

    def step(self) -> None:
        """Count one step of planning. Raises PlanTooComplex over the bound."""
        self._steps += 1
        if self._steps > STEPS_MAX:
            raise PlanTooComplex(f"The operation takes more than {STEPS_MAX} steps to plan. Ask for less at once.")

    # What it costs

    def cost(self, at: Position, view: SubgraphView, banned: Banned = frozenset()) -> int:
        """The cost of a selection set of this subgraph at this position."""
        self.step()
        if view.name in at.hosts:
            return 0
        return min(self._path_cost(at, view, banned), self._key_cost(at, view, banned)[0])

    def _path_cost(self, at: Position, view: SubgraphView, banned: Banned) -> int:
        if at.whole is not at:
            whole = at.whole
            if at.type_name not in view.possible(self._type_here(whole, view)):
                return IMPOSSIBLE
            return 0 if view.name in whole.hosts else self._path_cost(whole, view, banned)
        if at.parent is None:
            return FETCH_COST if view.schema.get_type(at.type_name) is not None else IMPOSSIBLE
        join = view.joins.get((at.parent.type_name, at.field))
        if join is None or not join.resolvable or join.requires or at.parent.type_name == "Mutation":
            return IMPOSSIBLE
        return self.cost(at.parent, view, banned) + SELECTION_COST

    def _type_here(self, at: Position, view: SubgraphView) -> str:
        """What this subgraph says stands at a position."""
        if at.parent is None:
            return at.type_name
        return result_type(view, at.parent.type_name, at.field) or at.type_name

    def _key_cost(self, at: Position, view: SubgraphView, banned: Banned) -> tuple[int, Key | None]:
        here = (id(at.whole), view.name)
        if here in banned or len(banned) >= HOPS_MAX or at.parent is None:
            return IMPOSSIBLE, None
        best: tuple[int, Key | None] = (IMPOSSIBLE, None)
        for key in view.resolvable_keys(at.type_name):
            cost = FETCH_COST + self.needs_cost(at, key.fields, banned | {here})
            if cost < best[0]:
                best = (cost, key)
        return best

    def needs_cost(self, at: Position, parts: Sequence[Part], banned: Banned) -> int:
        """The cost of having all fields of a field set gathered at this position."""
        total = 0
        for part in parts:
            if part.on:
                total += self.needs_cost(at.member(part.on), part.children, banned)
            elif part.name != "__typename":
                total += self._need_cost(at, part, banned)
            if total >= IMPOSSIBLE:
                return IMPOSSIBLE
        return total

    def _need_cost(self, at: Position, part: Part, banned: Banned) -> int:
        best = IMPOSSIBLE
        for view in self._givers(at, part.name):
            cost = self._giver_cost(at, view, part, banned)
            if cost < best:
                best = cost
            if best == 0:
                break
        return best

    def _givers(self, at: Position, name: str) -> list[SubgraphView]:
        """The subgraphs that give a field here: those that are open first, and of these what is fetched first."""
        found = [view for view in self.views.values() if view.gives(at.type_name, name) or provides(at, view, name)]
        return sorted(found, key=lambda view: _readiness(at, view))

    def _giver_cost(self, at: Position, view: SubgraphView, part: Part, banned: Banned) -> int:
        join = view.joins.get((at.type_name, part.name))
        if join is not None and join.requires and not provides(at, view, part.name):
            cost = self.requires_cost(at, view, join.requires, banned)
        else:
            cost = self.cost(at, view, banned)
        if part.children and cost < IMPOSSIBLE:
            below = result_type(view, at.type_name, part.name) or at.type_name
            trial = Position(at, part.name, part.name, part.arguments, below, at.claims)
            trial.hosts[view.name] = Node(DraftFetch(view.name), below, provided_below(at, view, part.name))
            cost += self.needs_cost(trial, part.children, banned)
        return cost

    def requires_cost(self, at: Position, view: SubgraphView, requires: FieldSet, banned: Banned) -> int:
        """The cost of a field with @requires: its requirement, a key, and a fetch of its own."""
        here = (id(at.whole), view.name)
        if (view.name, show(requires)) in at.required:
            return 0
        if here in banned or len(banned) >= HOPS_MAX:
            return IMPOSSIBLE
        barred = banned | {here}
        keys = [self.needs_cost(at, key.fields, barred) for key in view.resolvable_keys(at.type_name)]
        return FETCH_COST + min(keys, default=IMPOSSIBLE) + self.needs_cost(at, requires, barred)

    def _type_text(self, type_name: str, field_name: str, view: SubgraphView) -> str:
        """The type of a field as the API has it; as the subgraph has it if the API has no such field."""
        for schema in (self._api, view.schema):
            named = schema.get_type(type_name)
            if (is_object_type(named) or is_interface_type(named)) and field_name in named.fields:
                return str(named.fields[field_name].type)
        return ""

    # Doing it

    def open(self, at: Position, view: SubgraphView, banned: Banned = frozenset()) -> Node:
        """The selection set of a subgraph at a position, entering it the cheapest way if need be."""
        known = at.hosts.get(view.name)
        if known is not None:
            return known
        cost, key = self._key_cost(at, view, banned)
        if key is not None and cost <= self._path_cost(at, view, banned):
            node = self._enter_by_key(at, view, key, (), banned)
        else:
            node = self._enter_by_path(at, view, banned)
        at.hosts[view.name] = node
        return node

    def _enter_by_path(self, at: Position, view: SubgraphView, banned: Banned) -> Node:
        if at.whole is not at:
            return self.open_whole(at.whole, view, banned).on(at.type_name)
        if at.parent is None:
            return self._root_node(at, view)
        above = self.open(at.parent, view, banned)
        item = above.add(at.key, at.field, at.arguments)
        if item.child is None:
            below = self._type_here(at, view)
            item.child = Node(above.fetch, below, view.joins[at.parent.type_name, at.field].provides)
            self.mark_type(item.child, view)
        return item.child

    def open_whole(self, at: Position, view: SubgraphView, banned: Banned) -> Node:
        """The selection set at a position of an abstract type: only the path leads there."""
        if view.name not in at.hosts:
            at.hosts[view.name] = self._enter_by_path(at, view, banned)
        return at.hosts[view.name]

    def mark_type(self, node: Node, view: SubgraphView) -> None:
        """Ask for `__typename` where objects of several types may stand."""
        if is_abstract_type(view.schema.get_type(node.type_name)):
            node.add("__typename", "__typename")

    def _root_node(self, at: Position, view: SubgraphView) -> Node:
        fetch = DraftFetch(view.name)
        fetch.root = Node(fetch, self.root_type)
        self.draft.fetches.append(fetch)
        return fetch.root

    def _enter_by_key(self, at: Position, view: SubgraphView, key: Key, requires: FieldSet, banned: Banned) -> Node:
        barred = banned | {(id(at.whole), view.name)}
        fetch = DraftFetch(view.name, at.path())
        entities = DraftEntities(Node(fetch, at.type_name), at.types())
        fetch.entities[at.type_name] = entities
        for parts, is_key in ((key.fields, True), (requires, False)):
            needs, givers = self.gather(at, parts, barred, is_key)
            entities.need(needs)
            fetch.after |= givers
        if at.whole.origin is not None:
            fetch.after.add(at.whole.origin)
        self.draft.fetches.append(fetch)
        self.draft.complete = False
        return entities.node

    def open_required(
        self, at: Position, view: SubgraphView, requires: FieldSet, banned: Banned = frozenset()
    ) -> Node:
        """The selection set of a fetch whose representations carry what a field requires."""
        name = (view.name, show(requires))
        if name not in at.required:
            barred = banned | {(id(at.whole), view.name)}
            keys = view.resolvable_keys(at.type_name)
            if not keys:
                raise NotPlannable(f"{at.type_name} has no @key in {view.name} to bring @requires by.")
            key = min(keys, key=lambda one: self.needs_cost(at, one.fields, barred))
            at.required[name] = self._enter_by_key(at, view, key, requires, banned)
        return at.required[name]

    def gather(
        self, at: Position, parts: Sequence[Part], banned: Banned, is_key: bool
    ) -> tuple[list[Need], set[DraftFetch]]:
        """Ask for the fields of a field set here; what a representation reads, and the fetches that bring it."""
        needs: list[Need] = []
        fetches: set[DraftFetch] = set()
        for part in parts:
            if part.name == "__typename":
                continue
            if part.on:
                narrowed = at.member(part.on)
                inner, brought = self.gather(narrowed, part.children, banned, is_key)
                needs += [Need(one.name, one.key, one.children, (part.on,), False) for one in inner]
                fetches |= brought
            else:
                need, brought = self._gather_one(at, part, banned, is_key)
                needs.append(need)
                fetches |= brought
        return needs, fetches

    def _gather_one(self, at: Position, part: Part, banned: Banned, is_key: bool) -> tuple[Need, set[DraftFetch]]:
        views = self._givers(at, part.name)
        costs = [self._giver_cost(at, view, part, banned) for view in views]
        if not costs or min(costs) >= IMPOSSIBLE:
            raise NotPlannable(f"No subgraph gives {at.type_name}.{part.name} where it is needed.")
        view = views[costs.index(min(costs))]
        node = self.host_of_field(at, view, part.name, banned)
        key = at.claims.key_for(part.name, part.arguments, self._type_text(at.type_name, part.name, view))
        if key not in node.items:
            self.draft.complete = False
        item = node.add(key, part.name, part.arguments)
        fetches = {node.fetch}
        children: list[Need] = []
        if part.children:
            below = result_type(view, at.type_name, part.name) or at.type_name
            child = at.child(key, part.name, part.arguments, below)
            child.origin = child.origin or node.fetch
            if item.child is None:
                item.child = Node(node.fetch, below, provided_below(at, view, part.name))
                self.mark_type(item.child, view)
            child.hosts.setdefault(view.name, item.child)
            children, brought = self.gather(child, part.children, banned, is_key)
            fetches |= brought
        return Need(part.name, key, tuple(children), (), is_key), fetches

    def host_of_field(self, at: Position, view: SubgraphView, name: str, banned: Banned = frozenset()) -> Node:
        """The selection set in which this subgraph answers a field here."""
        join = view.joins.get((at.type_name, name))
        if join is not None and join.requires and not provides(at, view, name):
            return self.open_required(at, view, join.requires, banned)
        return self.open(at, view, banned)


def provides(at: Position, view: SubgraphView, name: str) -> bool:
    """Whether @provides on the way here promises this field."""
    node = at.hosts.get(view.name)
    if node is None and at.whole is not at:
        node = at.whole.hosts.get(view.name)
    return node is not None and any(True for _ in _provided_parts(node.provided, at.type_name, name))


def _provided_parts(provided: FieldSet, type_name: str, name: str) -> Iterable[Part]:
    for part in provided:
        if part.on:
            if part.on == type_name:
                yield from (one for one in fields_of(part.children) if one.name == name)
        elif part.name == name:
            yield part


def provided_below(at: Position, view: SubgraphView, name: str) -> FieldSet:
    """What is provided below a field that is about to be placed here."""
    join = view.joins.get((at.type_name, name))
    found: FieldSet = join.provides if join is not None else ()
    node = at.hosts.get(view.name) or at.whole.hosts.get(view.name)
    if node is not None:
        for part in _provided_parts(node.provided, at.type_name, name):
            found += part.children
    return found


def has_field(view: SubgraphView, type_name: str, field_name: str) -> bool:
    """Whether the subgraph's own schema has the field."""
    named = view.schema.get_type(type_name)
    return (is_object_type(named) or is_interface_type(named)) and field_name in named.fields


def _readiness(at: Position, view: SubgraphView) -> int:
    node = at.hosts.get(view.name)
    return STEPS_MAX if node is None else node.fetch.depth()
