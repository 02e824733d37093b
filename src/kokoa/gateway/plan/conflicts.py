"""Response keys that a subgraph would refuse: one key for fields of unlike types in members of an abstract type.

The API may allow what the subgraph's own schema does not (`id: ID!` here, `id: ID` there). Such a field is asked for
under another key, and what it brings is renamed when it arrives (GraphQL §5.3.2, SameResponseShape).
"""

from collections.abc import Iterable, Iterator, Sequence

from graphql import (
    GraphQLList,
    GraphQLNonNull,
    GraphQLOutputType,
    get_named_type,
    is_leaf_type,
)

from kokoa.gateway.plan.draft import Item, Node
from kokoa.gateway.plan.graph import Graph
from kokoa.gateway.plan.model import Path, Rename, Step


class Aliases:
    """The keys under which items are asked for where these are not their own."""

    def __init__(self) -> None:
        self._aliases: dict[int, str] = {}

    def of(self, item: Item, key: str) -> str:
        return self._aliases.get(id(item), key)

    def settle(self, nodes: Sequence[Node], graph: Graph) -> tuple[Rename, ...]:
        """Find another key for each item that would conflict in selection sets for the same place."""
        return tuple(self._settle(nodes, (), graph))

    def _settle(self, nodes: Sequence[Node], path: Path, graph: Graph) -> Iterator[Rename]:
        by_key: dict[str, dict[str, list[Item]]] = {}
        for node in _flat(nodes):
            for key, item in node.items.items():
                field = graph.field(node.source, item.name)
                shape = "" if field is None else _shape(field.type)
                by_key.setdefault(key, {}).setdefault(shape, []).append(item)
        taken = set(by_key)
        for key, shapes in by_key.items():
            for index, items in enumerate(shapes.values()):
                alias = _free(key, taken) if index else key
                if index:
                    self._aliases.update((id(item), alias) for item in items)
                    yield Rename(path, alias, key)
                below = [item.child for item in items if item.child is not None]
                if below:
                    yield from self._settle(below, (*path, Step(alias)), graph)


def _flat(nodes: Iterable[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from _flat(node.members.values())


def _free(key: str, taken: set[str]) -> str:
    count = 1
    while f"_{key}_{count}" in taken:
        count += 1
    taken.add(f"_{key}_{count}")
    return f"_{key}_{count}"


def _shape(of: GraphQLOutputType) -> str:
    """What must be the same for fields of one response key: lists, nulls and leaf types."""
    if isinstance(of, GraphQLNonNull):
        return f"{_shape(of.of_type)}!"
    if isinstance(of, GraphQLList):
        return f"[{_shape(of.of_type)}]"
    named = get_named_type(of)
    return named.name if is_leaf_type(named) else "{}"
