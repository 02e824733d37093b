"""Looking ahead: how many more subgraphs would be needed below a field if a source answered it."""

from collections.abc import Sequence

from graphql import FieldNode, GraphQLSchema, is_object_type

from kokoa.gateway.fieldset import FieldSet
from kokoa.gateway.plan.asked import INTROSPECTION, Asked, Sets
from kokoa.gateway.plan.bounds import Steps
from kokoa.gateway.plan.graph import Graph, Source
from kokoa.gateway.plan.provided import parts_provided
from kokoa.graphql.collect import Collector


class Crossings:
    """An estimate, for one operation: each source and selection is looked at once."""

    def __init__(self, graph: Graph, schema: GraphQLSchema, collector: Collector, steps: Steps) -> None:
        self._graph = graph
        self._schema = schema
        self._collector = collector
        self._steps = steps
        self._known: dict[tuple[Source, tuple[int, ...], FieldSet], int] = {}

    def below(self, source: Source, asked: Asked, provided: FieldSet) -> int:
        """The crossings below a field of this source."""
        below = self._graph.source_below(source, asked.name)
        sets = asked.sets()
        return self._of(below, sets, provided) if below is not None and sets else 0

    def _of(self, source: Source, sets: Sets, provided: FieldSet) -> int:
        question = (source, tuple(map(id, sets)), provided)
        known = self._known.get(question)
        if known is None:
            known = self._known[question] = self._count(source, sets, provided)
        return known

    def _count(self, source: Source, sets: Sets, provided: FieldSet) -> int:
        others: list[frozenset[str]] = []
        deeper = 0
        types_differ = False
        for member in sorted(self._graph.possible(source)):
            self._steps.step()
            concrete = self._schema.get_type(member)
            if not is_object_type(concrete):
                continue
            mine = self._graph.source_for(source, member)
            for nodes in self._collector.collect(concrete, sets).values():
                name = nodes[0].name.value
                if name in INTROSPECTION:
                    types_differ = types_differ or name == "__typename"
                    continue
                found = self._field(mine, source, member, nodes, provided)
                if found is None:
                    others.append(frozenset(one.view.name for one in self._graph.answering(member, name)))
                else:
                    deeper += found
        return deeper + _covers(others) + (source.is_opaque and types_differ)

    def _field(
        self, mine: Source, whole: Source, member: str, nodes: Sequence[FieldNode], provided: FieldSet
    ) -> int | None:
        """The crossings below one field; None if the source does not answer it."""
        name = nodes[0].name.value
        promised = [*parts_provided(self._graph, whole, provided, member, name)] if provided else []
        if not promised and not self._graph.answers(mine, name):
            return None
        below = self._graph.source_below(mine, name)
        sets = [node.selection_set for node in nodes if node.selection_set is not None]
        if below is None or not sets:
            return 0
        join = mine.join(name)
        further: FieldSet = join.provides if join is not None else ()
        for part in promised:
            further += part.children
        return self._of(below, sets, further)


def _covers(groups: Sequence[frozenset[str]]) -> int:
    """About how many subgraphs are needed so that each group has one."""
    taken: set[str] = set()
    for group in sorted(groups, key=len):
        if not group & taken:
            taken.add(min(group, default=""))
    return len(taken)
