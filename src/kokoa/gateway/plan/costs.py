"""What it costs to ask a source at a position: nothing where it is open, 1 for one more selection on the way, 1000
for one more fetch, and whatever its key and its requirements cost.

A source is entered by key only with fields that others give. `Banned` are the entries that are being worked out:
what they need cannot come by way of themselves, so that no chain of entries has a cycle.
"""

from collections.abc import Iterator, Sequence

from kokoa.gateway.fieldset import FieldSet, Part, show
from kokoa.gateway.plan.bounds import Steps
from kokoa.gateway.plan.draft import DraftFetch, Node
from kokoa.gateway.plan.graph import Graph, Source
from kokoa.gateway.plan.position import Position
from kokoa.gateway.plan.provided import host_of, provided_below, provides
from kokoa.gateway.supergraph import Key

FETCH_COST = 1000
SELECTION_COST = 1
IMPOSSIBLE = 10**9
HOPS_MAX = 8

# (position, source, requirement) of entries that are being worked out
Banned = frozenset[tuple[int, str, str]]


def entry(at: Position, source: Source, requires: FieldSet = ()) -> tuple[int, str, str]:
    """The name of an entry, for `Banned`."""
    return (id(at.whole), source.name, show(requires))


class Costs:
    """enters_again: whether the root type can be asked for several times (not so for mutations)."""

    def __init__(self, graph: Graph, steps: Steps, *, enters_again: bool) -> None:
        self.graph = graph
        self.steps = steps
        self._enters_again = enters_again

    def cost(self, at: Position, source: Source, banned: Banned = frozenset()) -> int:
        """The cost of a selection set of this source at this position."""
        self.steps.step()
        if host_of(self.graph, at, source) is not None:
            return 0
        return min(self.path_cost(at, source, banned), self.key_cost(at, source, banned)[0])

    # By path

    def routes(self, at: Position, source: Source) -> Iterator[tuple[Source, Source]]:
        """(source of the object above, source of all objects here) of each way on which a path leads to a source."""
        above = at.whole.parent
        if above is None or (above.parent is None and not self._enters_again):
            return
        whole = at.whole
        for one in self._sources_at(above, source):
            join = one.join(whole.field)
            answered = join is not None and self.graph.is_on(join) and not join.requires
            if not answered and not provides(self.graph, above, one, whole.field):
                continue
            below = self.graph.source_below(one, whole.field)
            if below is None or below.name != source.name or at.type_name not in self._stand_for(at, below):
                continue
            # Subgraphs may know unlike members of an abstract type, so that their lists do not match item for item.
            if not whole.hosts or below.name in whole.hosts or not self.graph.is_abstract(whole.type_name):
                yield one, below

    def _stand_for(self, at: Position, below: Source) -> frozenset[str]:
        return frozenset((at.type_name,)) if at.whole is at else self.graph.possible(below)

    def _sources_at(self, above: Position, source: Source) -> Iterator[Source]:
        """The sources of the same subgraph at the position above."""
        if self.graph.is_abstract(above.type_name):
            for node in above.hosts.values():
                if node.source.view is source.view:
                    yield node.source
        else:
            for one in self.graph.sources(above.type_name):
                if one.view is source.view:
                    yield one

    def path_cost(self, at: Position, source: Source, banned: Banned) -> int:
        """The cost of going on where the source answers the field that leads here."""
        if at.parent is None:
            return FETCH_COST if source.view.schema.get_type(source.owner) is not None else IMPOSSIBLE
        best = IMPOSSIBLE
        for above, below in self.routes(at, source):
            if below.name in at.whole.hosts:
                return 0
            best = min(best, self.cost(at.parent, above, banned) + SELECTION_COST)
        return best

    # By key

    def key_cost(self, at: Position, source: Source, banned: Banned) -> tuple[int, Key | None]:
        """The cost of the cheapest key."""
        best: tuple[int, Key | None] = (IMPOSSIBLE, None)
        for cost, key in self.keys(at, source, banned):
            if cost < best[0]:
                best = (cost, key)
        return best

    def keys(self, at: Position, source: Source, banned: Banned) -> Iterator[tuple[int, Key]]:
        """Each key of a source with the cost of entering by it."""
        here = entry(at, source)
        if here in banned or len(banned) >= HOPS_MAX or at.parent is None:
            return
        barred = banned | {here}
        for key in self.graph.keys(source):
            yield FETCH_COST + self.needs_cost(at, source, key.fields, barred), key

    def needs_cost(self, at: Position, asking: Source, parts: Sequence[Part], banned: Banned) -> int:
        """The cost of having all fields of a field set of `asking` gathered at this position."""
        if self.graph.is_abstract(at.type_name) and not self.is_gathered_at_once(at, parts):
            members = sorted(self.members_here(at))
            return max((self.needs_cost(at.member(one), asking, parts, banned) for one in members), default=0)
        total = 0
        for part in self.graph.parts_for(asking, parts, at.type_name):
            total += self._need_cost(at, asking, part, banned)
            if total >= IMPOSSIBLE:
                return IMPOSSIBLE
        return total

    def is_gathered_at_once(self, at: Position, parts: Sequence[Part]) -> bool:
        """Whether a field set can be gathered for objects of several types alike."""
        return all(not part.on and self.givers(at, part.name) for part in parts)

    def members_here(self, at: Position) -> frozenset[str]:
        """The types that the objects here may have, by all that is known of them."""
        found: frozenset[str] = frozenset()
        for node in at.hosts.values():
            found |= self.graph.possible(node.source)
        return found or self.graph.members(at.type_name)

    def common_members(self, at: Position, source: Source) -> frozenset[str]:
        """The types of the objects here that every source knows which could have led here.

        What a member is that only some of them know must not depend on whom the gateway happens to ask.
        """
        found = self.graph.possible(source)
        if at.parent is None:
            return found
        for above in self.candidates(at.parent, at.field):
            below = self.graph.source_below(above, at.field)
            if below is not None and below is not source and self.field_cost(at.parent, above, at.field) < IMPOSSIBLE:
                found &= self.graph.possible(below)
        return found

    def _need_cost(self, at: Position, asking: Source, part: Part, banned: Banned) -> int:
        best = IMPOSSIBLE
        for source in self.givers(at, part.name):
            cost = self.giver_cost(at, source, asking, part, banned)
            if cost < best:
                best = cost
            if best == 0:
                break
        return best

    def givers(self, at: Position, name: str) -> list[Source]:
        """The sources that give a field here: those that are open first, and of these what is fetched first."""
        return sorted(self.candidates(at, name), key=lambda source: self._readiness(at, source))

    def _readiness(self, at: Position, source: Source) -> int:
        node = host_of(self.graph, at, source)
        return IMPOSSIBLE if node is None else node.fetch.depth()

    def candidates(self, at: Position, name: str) -> list[Source]:
        """The sources that answer a field here, at whatever cost."""
        graph = self.graph
        if not graph.is_abstract(at.type_name):
            found = [one for one in graph.sources(at.type_name) if provides(graph, at, one, name)]
            return [*graph.answering(at.type_name, name), *(one for one in found if not graph.answers(one, name))]
        found = [one.source for one in at.hosts.values() if graph.answers_all(one.source, name)]
        for source in graph.sources(at.type_name):
            if source not in found and graph.keys(source) and graph.answers_all(source, name):
                found.append(source)
        return found

    def giver_cost(self, at: Position, source: Source, asking: Source, part: Part, banned: Banned) -> int:
        """The cost of having a part of a field set from this source."""
        cost = self.field_cost(at, source, part.name, banned)
        below = self.graph.source_below(source, part.name)
        if below is None or not part.children or cost >= IMPOSSIBLE:
            return cost
        type_name = self.graph.type_below(at.type_name, part.name) or below.owner
        trial = Position(at, part.name, part.name, part.arguments, type_name, at.claims)
        trial.hosts[below.name] = Node(
            DraftFetch(source.view.name), below, provided_below(self.graph, at, source, part.name)
        )
        return cost + self.needs_cost(trial, self.asking_below(asking, source, part.name), part.children, banned)

    def asking_below(self, asking: Source, giver: Source, name: str) -> Source:
        """In whose terms a nested field set is written: the giver's if the asking subgraph lacks the field."""
        return self.graph.source_below(asking, name) or self.graph.source_below(giver, name) or giver

    def field_cost(self, at: Position, source: Source, name: str, banned: Banned = frozenset()) -> int:
        """The cost of asking a source for one field here."""
        join = source.join(name)
        if join is not None and join.requires and not provides(self.graph, at, source, name):
            return self.requires_cost(at, source, join.requires, banned)
        return self.cost(at, source, banned)

    def requires_cost(self, at: Position, source: Source, requires: FieldSet, banned: Banned) -> int:
        """The cost of a field with @requires: its requirement, a key, and a fetch of its own."""
        if (source.name, show(requires)) in at.required:
            return 0
        here = entry(at, source, requires)
        if here in banned or len(banned) >= HOPS_MAX:
            return IMPOSSIBLE
        barred = banned | {here}
        keys = [self.needs_cost(at, source, key.fields, barred) for key in self.graph.keys(source)]
        needs = self.needs_cost(at, source, requires, barred)
        return min(IMPOSSIBLE, FETCH_COST + min(keys, default=IMPOSSIBLE) + needs)
