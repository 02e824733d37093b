"""From the merged definitions to schemas: the full one, and the one that clients see."""

from collections.abc import Iterable, Sequence
from typing import Any

from graphql import DocumentNode, GraphQLSchema, build_ast_schema, parse
from graphql.language import (
    DefinitionNode,
    DirectiveDefinitionNode,
    EnumTypeDefinitionNode,
    InputObjectTypeDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    TypeDefinitionNode,
    UnionTypeDefinitionNode,
)

from kokoa.gateway.compose.merge import is_inaccessible
from kokoa.graphql.links import DIRECTIVES

_BUILT_IN = frozenset({"deprecated", "specifiedBy", "oneOf"})
# The engine reads these from the schema that clients see, but clients do not see them.
_ENFORCED = frozenset({"requiresScopes", "authenticated", "policy", "cost", "listSize"})
_SCALARS = {name: f"federation__{name}" for name in ("FieldSet", "Scope", "Policy", "ContextFieldValue")}
_MACHINERY = ("tag", "inaccessible", *sorted(_ENFORCED))


def _with(node: Any, **changes: Any) -> Any:
    """A copy of an AST node with other values."""
    return type(node)(**{key: getattr(node, key) for key in node.keys if hasattr(node, key)} | changes)


def _public_directives(node: Any) -> Any:
    kept = tuple(one for one in node.directives or () if one.name.value in _BUILT_IN | _ENFORCED)
    return _with(node, directives=kept)


def _public(nodes: Iterable[Any] | None) -> tuple[Any, ...]:
    return tuple(_public_directives(node) for node in nodes or () if not is_inaccessible([node]))


def _public_field(node: Any) -> Any:
    return _with(_public_directives(node), arguments=_public(node.arguments))


def _public_definition(node: Any, hidden: frozenset[str]) -> Any | None:
    """The definition without what is inaccessible; None for one of which nothing is left."""
    shown = _public_directives(node)
    if isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
        fields = tuple(_public_field(one) for one in node.fields or () if not is_inaccessible([one]))
        interfaces = tuple(one for one in node.interfaces or () if one.name.value not in hidden)
        return _with(shown, fields=fields, interfaces=interfaces) if fields else None
    if isinstance(node, UnionTypeDefinitionNode):
        return _with(shown, types=tuple(one for one in node.types or () if one.name.value not in hidden))
    if isinstance(node, EnumTypeDefinitionNode):
        return _with(shown, values=_public(node.values))
    if isinstance(node, InputObjectTypeDefinitionNode):
        return _with(shown, fields=_public(node.fields))
    return shown  # a scalar


def _prelude(names: Iterable[str]) -> tuple[DefinitionNode, ...]:
    lines = [f"scalar {name}" for name in _SCALARS.values()]
    lines += [f"directive @{name}{DIRECTIVES[name].format(**_SCALARS)}" for name in names]
    return parse("\n".join(lines), no_location=True).definitions


def _build(definitions: Sequence[DefinitionNode], known: Iterable[DefinitionNode] = ()) -> GraphQLSchema:
    """known: definitions of directives that stand on elements and are no part of the schema."""
    document = DocumentNode(definitions=(*_prelude(_MACHINERY), *known, *definitions))
    schema = build_ast_schema(document, assume_valid_sdl=True)
    hidden = {*_MACHINERY, *(one.name.value for one in known if isinstance(one, DirectiveDefinitionNode))}
    schema.directives = tuple(one for one in schema.directives if one.name not in hidden)
    for name in _SCALARS.values():
        schema.type_map.pop(name, None)
    return schema


def full_schema(
    types: Sequence[TypeDefinitionNode],
    executable: Sequence[DirectiveDefinitionNode],
    composed: Sequence[DirectiveDefinitionNode],
) -> GraphQLSchema:
    """Everything. Raises TypeError or GraphQLError if the merged definitions are not a valid schema."""
    return _build((*executable, *types), composed)


def _hides_anything(node: Any) -> bool:
    parts = (getattr(node, name, None) or () for name in ("fields", "values", "arguments"))
    return is_inaccessible([node]) or any(_hides_anything(one) for some in parts for one in some)


def public_schema(
    full: GraphQLSchema, types: Sequence[TypeDefinitionNode], executable: Sequence[DirectiveDefinitionNode]
) -> GraphQLSchema:
    """What clients see: the full schema itself if nothing in it is hidden."""
    if not any(map(_hides_anything, types)):
        return full
    hidden = frozenset(one.name.value for one in types if is_inaccessible([one]))
    made = (_public_definition(one, hidden) for one in types if one.name.value not in hidden)
    return _build((*executable, *(one for one in made if one is not None)))
