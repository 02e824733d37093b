"""Other names for everything: an answer that knows the suite instead of the graph would be wrong under them.

Types, fields (of inputs too) and subgraphs get names made from a hash, so that their order by name is another too.
Root types, arguments, enum values and what the language and federation define keep theirs.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldDefinitionNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InputObjectTypeDefinitionNode,
    InputObjectTypeExtensionNode,
    NamedTypeNode,
    NameNode,
    ObjectFieldNode,
    OperationDefinitionNode,
    StringValueNode,
    TypeDefinitionNode,
    TypeExtensionNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

from kokoa.gateway.supergraph import SubgraphDefinition

KEPT = frozenset({"Query", "Mutation", "Subscription"})
FIELD_SETS = frozenset({"key", "requires", "provides"})

# Response key → its other name, whether it is a `__typename`, and what is below.
Keys = dict[str, tuple[str, bool, "Keys"]]


def _other(name: str, prefix: str) -> str:
    return f"{prefix}{zlib.crc32(name.encode()):08x}"


class Names:
    """The names that a suite's subgraphs define, each with its other name, and the way back."""

    def __init__(self, definitions: Iterable[SubgraphDefinition]) -> None:
        self.types: dict[str, str] = {}
        self.fields: dict[str, str] = {}
        self.subgraphs: dict[str, str] = {}
        for one in definitions:
            self.subgraphs[one.name] = _other(one.name, "s")
            for node in parse(one.sdl).definitions:
                if isinstance(node, TypeDefinitionNode | TypeExtensionNode):
                    self._define(node)

    def _define(self, node: Any) -> None:
        name = node.name.value
        if name not in KEPT:
            self.types[name] = _other(name, "T")
        for field in getattr(node, "fields", None) or ():
            self.fields[field.name.value] = _other(field.name.value, "f")

    def back(self) -> "Names":
        """The same, from the other names to these."""
        found = Names(())
        found.types = {new: old for old, new in self.types.items()}
        found.fields = {new: old for old, new in self.fields.items()}
        found.subgraphs = {new: old for old, new in self.subgraphs.items()}
        return found

    def sdl(self, text: str) -> str:
        return print_ast(visit(parse(text), _Renaming(self)))

    def query(self, text: str, *, keep_keys: bool = False) -> str:
        """keep_keys: whether the response keeps the keys that it has now."""
        return print_ast(visit(parse(text), _Renaming(self, keep_keys=keep_keys)))

    def value(self, value: Any) -> Any:
        """A variable: keys of objects, and the types that representations name."""
        if isinstance(value, list):
            return [self.value(one) for one in value]
        if isinstance(value, Mapping):
            return {
                self.fields.get(key, key): self.types.get(one, one) if key == "__typename" else self.value(one)
                for key, one in value.items()
            }
        return value


def _name(value: str) -> NameNode:
    return NameNode(value=value)


class _Renaming(Visitor):
    """Nodes are immutable: each that changes is returned anew."""

    def __init__(self, names: Names, *, keep_keys: bool = False) -> None:
        super().__init__()
        self._names = names
        self._keep_keys = keep_keys

    def enter_directive(self, node: Any, *_: Any) -> Any:
        return False if node.name.value == "link" else None  # what it imports is federation's

    def leave(self, node: Any, *_: Any) -> Any:
        if isinstance(node, FieldNode):
            return self._field(node)
        if isinstance(node, InputObjectTypeDefinitionNode | InputObjectTypeExtensionNode):
            fields = tuple(self._renamed(one, self._names.fields) for one in node.fields or ())
            return self._renamed(replace(node, fields=fields), self._names.types)
        if isinstance(node, NamedTypeNode | TypeDefinitionNode | TypeExtensionNode):
            return self._renamed(node, self._names.types)
        if isinstance(node, FieldDefinitionNode | ObjectFieldNode):
            return self._renamed(node, self._names.fields)
        if isinstance(node, DirectiveNode):
            return replace(
                node, arguments=tuple(self._argument(node.name.value, one) for one in node.arguments or ())
            )
        return None

    def _renamed(self, node: Any, names: Mapping[str, str]) -> Any:
        return replace(node, name=_name(names.get(node.name.value, node.name.value)))

    def _field(self, node: FieldNode) -> FieldNode:
        renamed: FieldNode = self._renamed(node, self._names.fields)
        if self._keep_keys and node.alias is None and renamed.name.value != node.name.value:
            return replace(renamed, alias=node.name)
        return renamed

    def _argument(self, directive: str, node: Any) -> Any:
        """Federation's own arguments have names as text."""
        if not isinstance(node.value, StringValueNode):
            return node
        text = node.value.value
        if directive in FIELD_SETS and node.name.value == "fields":
            inner = print_ast(visit(parse(f"{{ {text} }}"), self))
            text = " ".join(inner.strip()[1:-1].split())
        elif directive == "override" and node.name.value == "from":
            text = self._names.subgraphs.get(text, text)
        return replace(node, value=StringValueNode(value=text))


def keys_of(document: DocumentNode, names: Names) -> Keys:
    """What the response to a document has at each key. names: from the document's names to the others."""
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    found: Keys = {}
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            _collect(operation.selection_set, fragments, names, found)
    return found


def _collect(selection_set: Any, fragments: Mapping[str, FragmentDefinitionNode], names: Names, found: Keys) -> None:
    for node in selection_set.selections:
        if isinstance(node, FieldNode):
            name = node.name.value
            key = node.alias.value if node.alias else name
            shown = key if node.alias else names.fields.get(name, name)
            below = found.setdefault(key, (shown, name == "__typename", {}))[2]
            if node.selection_set is not None:
                _collect(node.selection_set, fragments, names, below)
        elif isinstance(node, FragmentSpreadNode):
            _collect(fragments[node.name.value].selection_set, fragments, names, found)
        else:
            _collect(node.selection_set, fragments, names, found)


def response(data: Any, keys: Keys, types: Mapping[str, str]) -> Any:
    """The data of a response with its keys and the types that it names in other names."""
    if isinstance(data, list):
        return [response(one, keys, types) for one in data]
    if not isinstance(data, Mapping):
        return data
    found = {}
    for key, value in data.items():
        shown, is_type, below = keys[key]
        found[shown] = types.get(value, value) if is_type else response(value, below, types)
    return found
