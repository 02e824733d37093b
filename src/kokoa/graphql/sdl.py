"""SDL text → a document that GraphQL alone can read: links resolved, federation's names made canonical.

After this step `@share` imported from `@shareable` is `@shareable`, an `extend type` without a base is a
definition, and the directives that federation brings are defined. Everybody behind it (the engine, the composer)
knows one spelling only.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from graphql import (
    DirectiveDefinitionNode,
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
    StringValueNode,
    TypeDefinitionNode,
    TypeExtensionNode,
    Visitor,
    parse,
    visit,
)
from graphql.language import (
    ConstDirectiveNode,
    DefinitionNode,
    EnumTypeDefinitionNode,
    EnumTypeExtensionNode,
    InputObjectTypeDefinitionNode,
    InterfaceTypeDefinitionNode,
    ScalarTypeExtensionNode,
    UnionTypeDefinitionNode,
    UnionTypeExtensionNode,
)

from kokoa.graphql.links import DIRECTIVES, SCALARS, Links, SdlRefused, read_links

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
CACHE_CONTROL = "cacheControl"
CACHE_CONTROL_SCOPE = "federation__CacheControlScope"
ROOTS = {"query": "Query", "mutation": "Mutation", "subscription": "Subscription"}


class SubgraphDocument(msgspec.Struct, frozen=True):
    """ast: only definitions GraphQL itself knows.  links: what the SDL imported.

    extended: types that this SDL extends without defining them (federation 1 style, or `@extends`).
    schema_directives: what stands on its schema definition, `@link` excepted.
    spelled_out: definitions of federation's own names that the SDL repeats; they are not in `ast`.
    """

    ast: DocumentNode
    links: Links
    extended: frozenset[str]
    schema_directives: tuple[ConstDirectiveNode, ...] = ()
    spelled_out: tuple[DefinitionNode, ...] = ()


_PARTS = ("fields", "values", "arguments")  # of an element: what has directives of its own


class _Canonical:
    """Renames federation's directives to their own names and drops what `@link` brought."""

    def __init__(self, links: Links, own: frozenset[str], composed: frozenset[str]) -> None:
        self._links = links
        self._own = own
        self._composed = composed

    def definition(self, node: Any) -> Any:
        """An element with all that is in it; the same node if nothing changes, as almost always."""
        changes: dict[str, Any] = {}
        given = getattr(node, "directives", None) or ()
        applied = tuple(map(self._directive, given))
        if any(one is not other for one, other in zip(given, applied, strict=True)):
            changes["directives"] = tuple(one for one in applied if one is not None)
        for part in _PARTS:
            before = getattr(node, part, None)
            after = tuple(map(self.definition, before)) if before else ()
            if before and any(one is not other for one, other in zip(before, after, strict=True)):
                changes[part] = after
        return _replace(node, type(node), **changes) if changes else node

    def _directive(self, node: ConstDirectiveNode) -> ConstDirectiveNode | None:
        name = node.name.value
        known = self._links.directives.get(name)
        if known == name:
            return node
        if known is not None:
            renamed: ConstDirectiveNode = _replace(node, type(node), name=NameNode(value=known))
            return renamed
        if name in self._composed:
            return node
        if name == "link" or name.split("__")[0] in self._links.foreign:
            return None
        if name in DIRECTIVES and name not in self._own:
            raise GraphQLError(
                f'@{name} is used but not imported. Add "@{name}" to the import list of '
                '@link(url: "https://specs.apollo.dev/federation/v2.9").',
                node,
            )
        return node


def _composed(directives: Iterable[ConstDirectiveNode]) -> Iterator[str]:
    """Names, without @, of the directives that the SDL wants to keep in the graph (`@composeDirective`)."""
    for one in directives:
        if one.name.value == "composeDirective":
            for argument in one.arguments or ():
                if argument.name.value == "name" and isinstance(argument.value, StringValueNode):
                    yield argument.value.value.removeprefix("@")


def _schema_directives(definitions: Iterable[DefinitionNode], links: Links) -> tuple[ConstDirectiveNode, ...]:
    """The directives on the schema, by federation's own names."""
    return tuple(
        _replace(one, type(one), name=NameNode(value=links.directives.get(one.name.value, one.name.value)))
        for node in definitions
        if isinstance(node, SchemaDefinitionNode | SchemaExtensionNode)
        for one in node.directives or ()
        if one.name.value != "link"
    )


def _is_machinery(definition: DefinitionNode, links: Links, composed: frozenset[str]) -> bool:
    if isinstance(definition, DirectiveDefinitionNode):
        name = definition.name.value
        if name in composed:
            return False
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


def _cache_control(sdl: str, own: frozenset[str]) -> tuple[DefinitionNode, ...]:
    """Apollo's `@cacheControl`, for an SDL that uses it and does not define it."""
    if f"@{CACHE_CONTROL}" not in sdl or CACHE_CONTROL in own:
        return ()
    text = (
        f"enum {CACHE_CONTROL_SCOPE} {{ PUBLIC PRIVATE }} directive @{CACHE_CONTROL}(maxAge: Int, "
        f"scope: {CACHE_CONTROL_SCOPE}, inheritMaxAge: Boolean) on FIELD_DEFINITION | OBJECT | INTERFACE | UNION"
    )
    return parse(text, no_location=True).definitions


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
    names = {one.name.value: one for one in definitions if isinstance(one, TypeDefinitionNode)}
    for one in definitions:
        if isinstance(one, SchemaDefinitionNode | SchemaExtensionNode):
            for operation in one.operation_types or ():
                here, standard = operation.type.name.value, ROOTS[operation.operation.value]
                roots[here] = standard
                if here != standard and standard in names:
                    message = (
                        f"{here} is the root type, so no other type can be called {standard}. Rename one of them."
                    )
                    raise SdlRefused(f"ROOT_{standard.upper()}_USED", message, names[standard])
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
    on_schema = _schema_directives(parsed.definitions, links)
    composed = frozenset(_composed(on_schema)) - set(links.directives)
    own = frozenset(
        one.name.value
        for one in parsed.definitions
        if isinstance(one, DirectiveDefinitionNode) and not _is_machinery(one, links, composed)
    )
    canonical = _Canonical(links, own, composed)
    definitions, renames = _roots_by_standard_name([canonical.definition(one) for one in parsed.definitions])
    if renames:
        renamed: DocumentNode = visit(DocumentNode(definitions=tuple(definitions)), _Renamed(renames))
        definitions = list(renamed.definitions)
    spoken = [one for one in definitions if not _is_machinery(one, links, composed)]
    spelled_out = tuple(one for one in parsed.definitions if _is_machinery(one, links, composed))
    kept = [one for one in (_without_machinery_fields(one, "Query") for one in spoken) if one is not None]
    defined, bare = _define_bare_extensions(kept)
    marked = {one.name.value for one in defined if isinstance(one, TypeDefinitionNode) and _has_extends(one)}
    prelude = (*_prelude(links, own), *_cache_control(sdl, own | composed))
    ast = DocumentNode(definitions=(*prelude, *defined))
    return SubgraphDocument(ast, links, frozenset(bare | marked), on_schema, spelled_out)
