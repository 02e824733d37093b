"""What the client asks for: one field with all nodes that ask for it, or nothing but the objects' types."""

from collections.abc import Sequence

from graphql import FieldNode
from graphql.language import SelectionSetNode

from kokoa.gateway.plan.claims import arguments_of
from kokoa.graphql.collect import variables_in

TYPENAME = "__typename"
INTROSPECTION = frozenset({"__schema", "__type", TYPENAME})

Sets = Sequence[SelectionSetNode]


class Asked:
    """One field as the client asks for it."""

    __slots__ = ("arguments", "key", "name", "nodes", "variables")

    def __init__(self, key: str, nodes: Sequence[FieldNode]) -> None:
        self.key = key
        self.nodes = nodes
        self.name = nodes[0].name.value
        self.arguments = arguments_of(nodes[0])
        self.variables = tuple(name for one in nodes[0].arguments or () for name in variables_in(one.value))

    def sets(self) -> list[SelectionSetNode]:
        return [node.selection_set for node in self.nodes if node.selection_set is not None]


class Wanted:
    """What is asked of one object type. typename: whether the client wants to see the type itself."""

    __slots__ = ("fields", "typename")

    def __init__(self, fields: list[Asked], *, typename: bool) -> None:
        self.fields = fields
        self.typename = typename
