"""SDL text → a document that GraphQL alone can read: links resolved, federation's names made canonical.

After this step `@share` imported from `@shareable` is `@shareable`, an `extend type` without a base is a
definition, and the directives that federation brings are defined. Everybody behind it (the engine, the composer)
knows one spelling only.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from graphql import (
    REMOVE,
    DirectiveDefinitionNode,
    DirectiveNode,
    DocumentNode,
    GraphQLError,
    InputObjectTypeExtensionNode,
    InterfaceTypeExtensionNode,
    NameNode,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    ScalarTypeDefinitionNode,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    TypeDefinitionNode,
    TypeExtensionNode,
    Visitor,
    parse,
    visit,
)
from graphql.language import (
    DefinitionNode,
    EnumTypeDefinitionNode,
    EnumTypeExtensionNode,
    InputObjectTypeDefinitionNode,
    InterfaceTypeDefinitionNode,
    ScalarTypeExtensionNode,
    UnionTypeDefinitionNode,
    UnionTypeExtensionNode,
)

from kokoa.graphql.links import DIRECTIVES, SCALARS, Links, read_links

SDL_TOKENS_MAX = 200_000

_DEFINITION_OF: dict[type[TypeExtensionNode], type[TypeDefinitionNode]] = {
    ObjectTypeExtensionNode: ObjectTypeDefinitionNode,
    InterfaceTypeExtensionNode: InterfaceTypeDefinitionNode,
    UnionTypeExtensionNode: UnionTypeDefinitionNode,
    EnumTypeExtensionNode: EnumTypeDefinitionNode,
    InputObjectTypeExtensionNode: InputObjectTypeDefinitionNode,
    ScalarTypeExtensionNode: ScalarTypeDefinitionNode,
}
# What a gateway adds to a subgraph; an SDL that spells it out itself loses it here.
MACHINERY_TYPES = frozenset({"_Any", "_Entity", "_Service", "_FieldSet", "_Scope", "link__Import", "link__Purpose"})
MACHINERY_FIELDS = frozenset({"_entities", "_service"})
ROOTS = {"query": "Query", "mutation": "Mutation", "subscription": "Subscription"}


class SubgraphDocument(msgspec.Struct, frozen=True):
    """ast: only definitions GraphQL itself knows.  links: what the SDL imported.

    extended: types that this SDL extends without defining them (federation 1 style, or `@extends`).
    """

    ast: DocumentNode
    links: Links
    extended: frozenset[str]


class _Canonical(Visitor):
    """Renames federation's directives to their own names and drops what `@link` brought."""

    def __init__(self, links: Links, own: frozenset[str]) -> None:
        super().__init__()
        self._links = links
        self._own = own

    def enter_directive(self, node: DirectiveNode, *_: Any) -> Any:
        name = node.name.value
        known = self._links.directives.get(name)
        if known is not None:
            return None if known == name else _replace(node, type(node), name=NameNode(value=known))
        if name == "link" or name.split("__")[0] in self._links.foreign:
            return REMOVE
        if name in DIRECTIVES and name not in self._own:
            raise GraphQLError(
                f'@{name} is used but not imported. Add "@{name}" to the import list of '
                '@link(url: "https://specs.apollo.dev/federation/v2.9").',
                node,
            )
        return None


def _is_machinery(definition: DefinitionNode, links: Links) -> bool:
    if isinstance(definition, DirectiveDefinitionNode):
        name = definition.name.value
        return name in links.directives or name in {"link", "core"} or name in links.foreign
    if isinstance(definition, TypeDefinitionNode):
        name = definition.name.value
        return name in MACHINERY_TYPES or name in links.scalars
    return False


def _without_machinery_fields(definition: DefinitionNode, query: str) -> DefinitionNode | None:
    if not isinstance(definition, ObjectTypeDefinitionNode | ObjectTypeExtensionNode):
        return definition
    if definition.name.value != query:
        return definition
    kept = tuple(one for one in definition.fields or () if one.name.value not in MACHINERY_FIELDS)
    if definition.fields and not kept:
        return None
    shortened: DefinitionNode = _replace(definition, type(definition), fields=kept)
    return shortened


def _replace(node: Any, kind: Any, **changes: Any) -> Any:
    """The node with other values, perhaps as the definition of an extension (they have the same parts)."""
    values = {key: getattr(node, key) for key in node.keys if hasattr(node, key)}
    return kind(**{**values, "loc": node.loc, **changes})


def _define_bare_extensions(definitions: Iterable[DefinitionNode]) -> tuple[list[DefinitionNode], set[str]]:
    """Make the first extension of a type that nobody defines its definition; say which types these were."""
    found = list(definitions)
    defined = {one.name.value for one in found if isinstance(one, TypeDefinitionNode)}
    bare: set[str] = set()
    result: list[DefinitionNode] = []
    for one in found:
        if isinstance(one, TypeExtensionNode) and one.name.value not in defined:
            defined.add(one.name.value)
            bare.add(one.name.value)
            result.append(_replace(one, _DEFINITION_OF[type(one)]))
        else:
            result.append(one)
    return result, bare


def _has_extends(definition: DefinitionNode) -> bool:
    return isinstance(definition, TypeDefinitionNode) and any(
        one.name.value == "extends" for one in definition.directives or ()
    )


def _prelude(links: Links, own: frozenset[str]) -> tuple[DefinitionNode, ...]:
    names = {known: here for here, known in links.scalars.items()}
    scalars = {scalar: names.get(scalar, f"federation__{scalar}") for scalar in SCALARS}
    lines = [f"scalar {here}" for here in scalars.values()]
    used = [name for name in dict.fromkeys(links.directives.values()) if name not in own]
    lines += [f"directive @{name}{DIRECTIVES[name].format(**scalars)}" for name in used]
    return parse("\n".join(lines), no_location=True).definitions


def _roots_by_standard_name(definitions: list[DefinitionNode]) -> tuple[list[DefinitionNode], dict[str, str]]:
    """Drop schema definitions; say which type plays which root (`schema { query: MyQuery }`)."""
    roots: dict[str, str] = {}
    kept: list[DefinitionNode] = []
    for one in definitions:
        if isinstance(one, SchemaDefinitionNode | SchemaExtensionNode):
            for operation in one.operation_types or ():
                roots[operation.type.name.value] = ROOTS[operation.operation.value]
        else:
            kept.append(one)
    return kept, {old: new for old, new in roots.items() if old != new}


class _Renamed(Visitor):
    def __init__(self, names: dict[str, str]) -> None:
        super().__init__()
        self._names = names

    def enter_named_type(self, node: Any, *_: Any) -> Any:
        new = self._names.get(node.name.value)
        return None if new is None else _replace(node, type(node), name=NameNode(value=new, loc=node.name.loc))

    def enter_object_type_definition(self, node: Any, *_: Any) -> Any:
        return self.enter_named_type(node)

    def enter_object_type_extension(self, node: Any, *_: Any) -> Any:
        return self.enter_named_type(node)


def read_subgraph(sdl: str) -> SubgraphDocument:
    """Parse one subgraph's SDL. Raises GraphQLError (syntax, unknown imports) with a location in the text."""
    parsed = parse(sdl, max_tokens=SDL_TOKENS_MAX)
    links = read_links(parsed)
    own = frozenset(
        one.name.value
        for one in parsed.definitions
        if isinstance(one, DirectiveDefinitionNode) and not _is_machinery(one, links)
    )
    canonical: DocumentNode = visit(parsed, _Canonical(links, own))
    definitions, renames = _roots_by_standard_name(list(canonical.definitions))
    if renames:
        renamed: DocumentNode = visit(DocumentNode(definitions=tuple(definitions)), _Renamed(renames))
        definitions = list(renamed.definitions)
    spoken = [one for one in definitions if not _is_machinery(one, links)]
    kept = [one for one in (_without_machinery_fields(one, "Query") for one in spoken) if one is not None]
    defined, bare = _define_bare_extensions(kept)
    marked = {one.name.value for one in defined if isinstance(one, TypeDefinitionNode) and _has_extends(one)}
    ast = DocumentNode(definitions=(*_prelude(links, own), *defined))
    return SubgraphDocument(ast, links, frozenset(bare | marked))
