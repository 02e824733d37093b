"""Claims: which response keys the client uses where, so that what the gateway asks for itself never collides.

A key is claimed for a signature: field, arguments and type. The gateway may use a claimed key for the same signature
and must find another key for anything else. Worked out from the operation alone, on demand.
"""

from collections.abc import Sequence

from graphql import (
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_object_type,
    print_ast,
)
from graphql.language import FieldNode, SelectionSetNode

from kokoa.graphql.collect import Collector

AMBIGUOUS = ""

# One of the types that may stand at a position, and what the client selects from it there.
Source = tuple[str, Sequence[SelectionSetNode]]


def signature_of(field_name: str, arguments: str, type_text: str) -> str:
    """What makes two fields the same for a response key."""
    return f"{field_name}{arguments}: {type_text}"


def arguments_of(node: FieldNode) -> str:
    """A field's arguments as text, with parentheses; empty without any."""
    given = node.arguments or ()
    return f"({', '.join(print_ast(one) for one in given)})" if given else ""


class Claims:
    """The response keys of one position, over all types that may stand there."""

    __slots__ = ("_children", "_collector", "_keys", "_schema", "_sources")

    def __init__(self, schema: GraphQLSchema, collector: Collector, sources: Sequence[Source]) -> None:
        self._schema = schema
        self._collector = collector
        self._sources = sources
        self._keys: dict[str, str] | None = None
        self._children: dict[str, dict[tuple[str, tuple[int, ...]], Source]] = {}

    def keys(self) -> dict[str, str]:
        """Response key → signature; AMBIGUOUS where the client uses it for several."""
        if self._keys is None:
            self._keys = {}
            for type_name, sets in self._sources:
                for member in self._members(type_name):
                    self._collect(member, sets)
        return self._keys

    def below(self, key: str) -> "Claims":
        """The claims below a response key; none if the client does not ask for it."""
        self.keys()
        return Claims(self._schema, self._collector, tuple(self._children.get(key, {}).values()))

    def key_for(self, name: str, arguments: str, type_text: str) -> str:
        """The response key for a field of the gateway's own, claimed from now on."""
        keys = self.keys()
        signature = signature_of(name, arguments, type_text)
        key, count = name, 0
        while keys.get(key, signature) != signature:
            count += 1
            key = f"_{name}_{count}"
        keys[key] = signature
        return key

    def _members(self, type_name: str) -> list[str]:
        named = self._schema.get_type(type_name)
        if is_abstract_type(named):
            return [one.name for one in self._schema.get_possible_types(named)]
        return [type_name] if is_object_type(named) else []

    def _collect(self, member: str, sets: Sequence[SelectionSetNode]) -> None:
        assert self._keys is not None
        concrete = self._schema.get_type(member)
        assert is_object_type(concrete)
        for key, nodes in self._collector.collect(concrete, sets).items():
            field = concrete.fields.get(nodes[0].name.value)
            if field is None:
                continue
            signature = signature_of(nodes[0].name.value, arguments_of(nodes[0]), str(field.type))
            known = self._keys.setdefault(key, signature)
            if known != signature:
                self._keys[key] = AMBIGUOUS
            below = get_named_type(field.type)
            if is_composite_type(below):
                deeper = [node.selection_set for node in nodes if node.selection_set is not None]
                # Members that spread the same fragments ask for the same: once is enough.
                same = (below.name, tuple(map(id, deeper)))
                self._children.setdefault(key, {}).setdefault(same, (below.name, deeper))
