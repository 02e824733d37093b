"""`@requiresScopes`, `@authenticated`: who may ask for a field, and the schema that the others see.

A requirement is a list of alternatives; an alternative is a set of scopes that the caller must hold together.
A field's own directive and its type's directive must both be met.
"""

from collections.abc import Iterable, Mapping, Sequence

from graphql import (
    DocumentNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    TypeDefinitionNode,
    build_ast_schema,
    get_named_type,
    is_interface_type,
    is_object_type,
    parse,
    print_schema,
)
from graphql.language import ConstDirectiveNode, DefinitionNode, ListValueNode, Node, StringValueNode

from kokoa.graphql.lru import Lru
from kokoa.kernel.call import Caller
from kokoa.kernel.errors import Forbidden

Alternatives = tuple[frozenset[str], ...]
Requirement = tuple[Alternatives, ...]

_SETS_MAX = 256

# A storefront caller is anonymous until a customer token names a subject.
AUTHENTICATED: Alternatives = (frozenset({"@authenticated"}),)


def _alternatives(directive: ConstDirectiveNode) -> Alternatives:
    (argument,) = directive.arguments or ()
    outer = argument.value.values if isinstance(argument.value, ListValueNode) else (argument.value,)
    return tuple(
        frozenset(
            scope.value
            for scope in (one.values if isinstance(one, ListValueNode) else (one,))
            if isinstance(scope, StringValueNode)
        )
        for one in outer
    )


def _of_nodes(nodes: Iterable[Node | None]) -> Requirement:
    found: list[Alternatives] = []
    for node in nodes:
        for directive in getattr(node, "directives", None) or ():
            if directive.name.value == "requiresScopes":
                found.append(_alternatives(directive))
            elif directive.name.value == "authenticated":
                found.append(AUTHENTICATED)
    return tuple(found)


def _of_type(named: GraphQLNamedType) -> Requirement:
    return _of_nodes((named.ast_node, *named.extension_ast_nodes))


def requirement_of(named: GraphQLNamedType, field: GraphQLField) -> Requirement:
    """What a caller needs for one field of a type: by its own directives, its type's and those of what it returns."""
    needs = (*_of_nodes((field.ast_node,)), *_of_type(named), *_of_type(get_named_type(field.type)))
    return tuple(dict.fromkeys(needs))


def requirements_of(schema: GraphQLSchema) -> dict[str, Requirement]:
    """`Type.field` → what the caller needs, for the fields that need anything."""
    found: dict[str, Requirement] = {}
    for named in schema.type_map.values():
        if named.name.startswith("__") or not (is_object_type(named) or is_interface_type(named)):
            continue
        for name, field in named.fields.items():
            needs = requirement_of(named, field)
            if needs:
                found[f"{named.name}.{name}"] = needs
    return found


def meets(caller: Caller, requirement: Requirement) -> bool:
    """Whether the caller holds one alternative of every part."""
    held = _held_by(caller)
    return all(any(option <= held for option in alternatives) for alternatives in requirement)


def _held_by(caller: Caller) -> frozenset[str]:
    return caller.scopes | {"@authenticated"} if _is_somebody(caller) else caller.scopes


def _is_somebody(caller: Caller) -> bool:
    return caller.kind != "storefront" or bool(caller.subject)


def missing_scope(coordinate: str, requirement: Requirement) -> Forbidden:
    """The error for a caller that does not meet the requirement."""
    wanted = " and ".join(
        " or ".join("+".join(sorted(option)) for option in alternatives) for alternatives in requirement
    )
    return Forbidden(f"{coordinate} is not for this caller: it needs the scope {wanted}.")


def hidden_from(caller: Caller, requirements: Mapping[str, Requirement]) -> frozenset[str]:
    """The coordinates that the caller may not see."""
    return frozenset(name for name, needs in requirements.items() if not meets(caller, needs))


class HiddenParts:
    """What callers may not see of one schema, worked out once for each set of scopes: there are few."""

    def __init__(self, requirements: Mapping[str, Requirement]) -> None:
        self._requirements = requirements
        # By whether the caller is somebody, and its scopes.
        self._known: Lru[tuple[bool, frozenset[str]], frozenset[str]] = Lru(_SETS_MAX)

    def from_caller(self, caller: Caller) -> frozenset[str]:
        """The coordinates."""
        key = (_is_somebody(caller), caller.scopes)
        hidden = self._known.get(key)
        if hidden is None:
            hidden = hidden_from(caller, self._requirements)
            self._known.put(key, hidden)
        return hidden


def _reachable(types: Mapping[str, TypeDefinitionNode], roots: Sequence[str]) -> set[str]:
    implementers: dict[str, list[str]] = {}
    for name, node in types.items():
        for interface in getattr(node, "interfaces", None) or ():
            implementers.setdefault(interface.name.value, []).append(name)
    seen: set[str] = set()
    waiting = [name for name in roots if name in types]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in types:
            continue
        seen.add(name)
        waiting += _mentioned(types[name]) + implementers.get(name, [])
    return seen


def _named(node: Node) -> str:
    while not hasattr(node, "name"):
        node = node.type  # type: ignore[attr-defined]  # a list or non-null type wraps another type
    return str(node.name.value)


def _mentioned(node: TypeDefinitionNode) -> list[str]:
    found = [
        _named(one) for one in (*(getattr(node, "interfaces", None) or ()), *(getattr(node, "types", None) or ()))
    ]
    for field in getattr(node, "fields", None) or ():
        found.append(_named(field.type))
        found += [_named(argument.type) for argument in getattr(field, "arguments", None) or ()]
    return found


def without(schema: GraphQLSchema, hidden: frozenset[str]) -> GraphQLSchema:
    """The schema that introspection shows to somebody from whom these coordinates are hidden."""
    definitions: list[DefinitionNode] = []
    types: dict[str, TypeDefinitionNode] = {}
    roots = ["Query", "Mutation", "Subscription"]
    for node in parse(print_schema(schema)).definitions:
        if isinstance(node, TypeDefinitionNode):
            types[node.name.value] = _shown(node, hidden)
        else:
            definitions.append(node)
            roots += [_named(argument.type) for argument in getattr(node, "arguments", None) or ()]
    kept = _reachable(types, roots)
    definitions += [node for name, node in types.items() if name in kept]
    return build_ast_schema(DocumentNode(definitions=tuple(definitions)), assume_valid=True, assume_valid_sdl=True)


def _shown(node: TypeDefinitionNode, hidden: frozenset[str]) -> TypeDefinitionNode:
    """The type without the fields that are hidden."""
    if not isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
        return node
    fields = tuple(one for one in node.fields or () if f"{node.name.value}.{one.name.value}" not in hidden)
    values = {key: getattr(node, key) for key in node.keys if hasattr(node, key)}
    return type(node)(**{**values, "fields": fields})
