"""@provides: fields that a source answers beyond its own, on the way to some position only."""

from collections.abc import Iterator

from kokoa.gateway.fieldset import FieldSet, Part
from kokoa.gateway.plan.draft import Node
from kokoa.gateway.plan.graph import Graph, Source
from kokoa.gateway.plan.position import Position


def parts_provided(graph: Graph, source: Source, provided: FieldSet, member: str, name: str) -> Iterator[Part]:
    """The parts of a provided field set that promise this field to objects of one type."""
    for part in graph.parts_for(source, provided, member):
        if part.name == name:
            yield part


def host_of(graph: Graph, at: Position, source: Source) -> Node | None:
    """The selection set that is open for a source here; of objects of all types if there is none for this one."""
    known = at.hosts.get(source.name)
    if known is None and at.whole is not at:
        known = at.whole.hosts.get(source.name)
        if known is not None and not source.is_opaque and at.type_name not in graph.possible(known.source):
            return None
    return known


def provides(graph: Graph, at: Position, source: Source, name: str) -> bool:
    """Whether @provides on the way here promises this field."""
    node = host_of(graph, at, source)
    if node is None or not node.provided:
        return False
    return any(True for _ in parts_provided(graph, node.source, node.provided, at.type_name, name))


def provided_below(graph: Graph, at: Position, source: Source, name: str) -> FieldSet:
    """What is provided below a field that is about to be placed here."""
    join = source.join(name)
    found: FieldSet = join.provides if join is not None else ()
    node = host_of(graph, at, source)
    if node is not None and node.provided:
        for part in parts_provided(graph, node.source, node.provided, at.type_name, name):
            found += part.children
    return found
