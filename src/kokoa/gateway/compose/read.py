"""Reading one subgraph: SDL → SubgraphView, or the problems that keep it from being read."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from graphql import (
    BooleanValueNode,
    GraphQLError,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    ListValueNode,
    StringValueNode,
    build_ast_schema,
    get_named_type,
    is_interface_type,
    is_object_type,
    parse,
    validate_schema,
)
from graphql.language import ConstDirectiveNode, DocumentNode, TypeDefinitionNode

from kokoa.gateway.compose.cache_hints import cache_hints
from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.usage import used_fields
from kokoa.gateway.fieldset import FieldSet, InvalidFieldSet, parse_field_set, walk_fields
from kokoa.gateway.supergraph import FieldJoin, Key, SubgraphDefinition, SubgraphView
from kokoa.graphql.sdl import SubgraphDocument, read_subgraph

_FILLER = "type Query { _service: String }"
Joins = Mapping[tuple[str, str], FieldJoin]


def directives_on(*nodes: Any) -> Iterator[ConstDirectiveNode]:
    """The directives applied to these AST nodes; None among them is skipped."""
    for node in nodes:
        yield from getattr(node, "directives", None) or ()


def type_directives(named: GraphQLNamedType, name: str) -> list[ConstDirectiveNode]:
    """The applications of one directive to a type and its extensions."""
    return [one for one in directives_on(named.ast_node, *named.extension_ast_nodes) if one.name.value == name]


def argument(directive: ConstDirectiveNode, name: str, default: Any = None) -> Any:
    """The value of a text or boolean argument; a list of texts, as federation 1 allowed, is one text."""
    for one in directive.arguments or ():
        if one.name.value == name:
            if isinstance(one.value, StringValueNode | BooleanValueNode):
                return one.value.value
            if isinstance(one.value, ListValueNode):
                texts = [each.value for each in one.value.values if isinstance(each, StringValueNode)]
                return " ".join(texts) if len(texts) == len(one.value.values) else None
            return None
    return default


def _field_set(directive: ConstDirectiveNode | None) -> FieldSet:
    """The field set, empty where it cannot be read: a rule of its own reports that."""
    text = argument(directive, "fields") if directive is not None else None
    try:
        return parse_field_set(text) if isinstance(text, str) else ()
    except InvalidFieldSet:
        return ()


def _keys(named: GraphQLNamedType) -> tuple[Key, ...]:
    found = []
    for directive in type_directives(named, "key"):
        text = argument(directive, "fields")
        resolvable = argument(directive, "resolvable", True) is not False
        found.append(Key(_field_set(directive), text if isinstance(text, str) else "", resolvable))
    return tuple(found)


def _build(document: SubgraphDocument) -> GraphQLSchema:
    """Build the schema; a subgraph without a Query of its own is fine."""
    types = {one.name.value for one in document.ast.definitions if isinstance(one, TypeDefinitionNode)}
    if "Query" in types:
        return build_ast_schema(document.ast)
    filler = parse(_FILLER, no_location=True).definitions
    return build_ast_schema(DocumentNode(definitions=(*document.ast.definitions, *filler)))


def read_document(definition: SubgraphDefinition) -> SubgraphDocument | Problem:
    """The SDL with federation's names made canonical; INVALID_GRAPHQL or a more specific code if unreadable."""
    try:
        return read_subgraph(definition.sdl)
    except GraphQLError as error:
        code = getattr(error, "code", "INVALID_GRAPHQL")
        return Problem(code, f"[{definition.name}] {error}", (definition.name,))


def read_view(name: str, document: SubgraphDocument) -> SubgraphView | list[Problem]:
    """The subgraph as the composer sees it. INVALID_GRAPHQL for everything that is not valid in its schema."""
    try:
        schema = _build(document)
        errors = [error.message for error in validate_schema(schema)]
    except (GraphQLError, TypeError) as error:
        errors = [str(error)]
    if errors:
        return [Problem("INVALID_GRAPHQL", f"[{name}] {error}", (name,)) for error in errors]
    keys = {
        type_name: found
        for type_name, named in schema.type_map.items()
        if (is_object_type(named) or (is_interface_type(named) and document.links.is_federation_2))
        and (found := _keys(named))
    }
    joins = dict(_joins(schema, document, keys))
    if not document.links.is_federation_2:
        joins = _without_unused(schema, joins)
    return SubgraphView(
        name=name,
        schema=schema,
        links=document.links,
        extended=document.extended,
        keys=keys,
        joins=joins,
        interface_objects=frozenset(
            type_name for type_name, named in schema.type_map.items() if type_directives(named, "interfaceObject")
        ),
        composes=tuple(
            str(argument(one, "name")) for one in document.schema_directives if one.name.value == "composeDirective"
        ),
        cache_hints=cache_hints(schema),
    )


def _without_unused(schema: GraphQLSchema, joins: Joins) -> dict[tuple[str, str], FieldJoin]:
    """Federation 1 let subgraphs mention fields for nothing: they are forgotten."""
    used = used_fields(schema, joins)
    return {coordinate: join for coordinate, join in joins.items() if not join.external or coordinate in used}


def _joins(
    schema: GraphQLSchema, document: SubgraphDocument, keys: Mapping[str, tuple[Key, ...]]
) -> Iterator[tuple[tuple[str, str], FieldJoin]]:
    federation_2 = document.links.is_federation_2
    key_fields = frozenset(_key_fields(schema, keys))
    extended = {name: found for name, found in keys.items() if name in document.extended}
    known_by_key = frozenset(_key_fields(schema, extended)) if federation_2 else key_fields
    for name, named in schema.type_map.items():
        if name.startswith("__") or not (is_object_type(named) or is_interface_type(named)):
            continue
        on_type = {one.name.value for one in directives_on(named.ast_node, *named.extension_ast_nodes)}
        shared = not federation_2 or is_interface_type(named)
        for field_name, field in named.fields.items():
            if (name, field_name) == ("Query", "_service"):
                continue
            coordinate = (name, field_name)
            join = _join(field, on_type, shared=shared or coordinate in key_fields, is_key=coordinate in key_fields)
            if coordinate in known_by_key:
                # federation 1 marked the key of an extended type @external, though the subgraph gives it
                join = msgspec.structs.replace(join, external=False)
            yield coordinate, join


def _join(field: GraphQLField, on_type: set[str], *, shared: bool, is_key: bool) -> FieldJoin:
    applied = {one.name.value: one for one in directives_on(field.ast_node)}
    override = applied.get("override")
    return FieldJoin(
        external="external" in applied or "external" in on_type,
        shareable=shared or "shareable" in applied or "shareable" in on_type,
        requires=_field_set(applied.get("requires")),
        provides=_field_set(applied.get("provides")),
        override_from=argument(override, "from", "") or "" if override else "",
        override_label=argument(override, "label", "") or "" if override else "",
        inaccessible="inaccessible" in applied,
        is_key=is_key,
    )


def _key_fields(schema: GraphQLSchema, keys: Mapping[str, Iterable[Key]]) -> Iterator[tuple[str, str]]:
    """(type, field) of every field that occurs in a key, nested ones included."""
    for name, found in keys.items():
        for key in found:
            yield from walk_fields(schema, name, key.fields)


def returned_type(schema: GraphQLSchema, type_name: str, field_name: str) -> str:
    """The name of what a field returns; the schema must have it."""
    named = schema.get_type(type_name)
    assert is_object_type(named) or is_interface_type(named)
    return str(get_named_type(named.fields[field_name].type).name)
