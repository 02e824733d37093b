"""Reading one subgraph: SDL → SubgraphView, or the problems that keep it from being read."""

from collections.abc import Iterable, Iterator
from typing import Any

from graphql import (
    BooleanValueNode,
    GraphQLError,
    GraphQLNamedType,
    GraphQLSchema,
    StringValueNode,
    build_ast_schema,
    get_named_type,
    is_interface_type,
    is_object_type,
    parse,
)
from graphql.language import ConstDirectiveNode, DocumentNode, TypeDefinitionNode

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.fieldset import FieldSet, InvalidFieldSet, Part, parse_field_set
from kokoa.gateway.supergraph import FieldJoin, Key, SubgraphDefinition, SubgraphView
from kokoa.graphql.sdl import SubgraphDocument, read_subgraph

_ROOTS = ("Query", "Mutation", "Subscription")


def directives_on(*nodes: Any) -> Iterator[ConstDirectiveNode]:
    """The directives applied to these AST nodes; None among them is skipped."""
    for node in nodes:
        yield from getattr(node, "directives", None) or ()


def type_directives(named: GraphQLNamedType, name: str) -> list[ConstDirectiveNode]:
    """The applications of one directive to a type and its extensions."""
    return [one for one in directives_on(named.ast_node, *named.extension_ast_nodes) if one.name.value == name]


def argument(directive: ConstDirectiveNode, name: str, default: Any = None) -> Any:
    """The value of a text or boolean argument."""
    for one in directive.arguments or ():
        if one.name.value == name:
            if isinstance(one.value, StringValueNode | BooleanValueNode):
                return one.value.value
            return None
    return default


def _field_set(text: Any) -> FieldSet:
    """The field set, empty where it cannot be read: a rule of its own reports that."""
    try:
        return parse_field_set(text) if isinstance(text, str) else ()
    except InvalidFieldSet:
        return ()


def _keys(named: GraphQLNamedType) -> tuple[Key, ...]:
    found = []
    for directive in type_directives(named, "key"):
        text = argument(directive, "fields")
        resolvable = argument(directive, "resolvable", True) is not False
        found.append(Key(_field_set(text), text if isinstance(text, str) else "", resolvable))
    return tuple(found)


def _build(document: SubgraphDocument) -> GraphQLSchema:
    """Build the schema; a subgraph without a Query of its own is fine."""
    types = {one.name.value for one in document.ast.definitions if isinstance(one, TypeDefinitionNode)}
    if "Query" in types:
        return build_ast_schema(document.ast)
    filler = parse("type Query { _service: String }", no_location=True).definitions
    return build_ast_schema(DocumentNode(definitions=(*document.ast.definitions, *filler)))


def read_view(definition: SubgraphDefinition) -> SubgraphView | Problem:
    """The subgraph as the composer sees it. INVALID_GRAPHQL for SDL that is not valid."""
    try:
        document = read_subgraph(definition.sdl)
        schema = _build(document)
    except (GraphQLError, TypeError) as error:
        return Problem("INVALID_GRAPHQL", f"[{definition.name}] {error}", (definition.name,))
    keys = {
        name: found
        for name, named in schema.type_map.items()
        if (is_object_type(named) or is_interface_type(named)) and (found := _keys(named))
    }
    joins = dict(_joins(schema, document, keys))
    return SubgraphView(definition.name, schema, document.links, document.extended, keys, joins)


def _joins(
    schema: GraphQLSchema, document: SubgraphDocument, keys: dict[str, tuple[Key, ...]]
) -> Iterator[tuple[tuple[str, str], FieldJoin]]:
    key_fields = set(_key_fields(schema, keys))
    for name, named in schema.type_map.items():
        if name.startswith("__") or not (is_object_type(named) or is_interface_type(named)):
            continue
        whole_type_external = bool(type_directives(named, "external"))
        whole_type_shared = bool(type_directives(named, "shareable"))
        for field_name, field in named.fields.items():
            if name == "Query" and field_name == "_service":
                continue
            applied = {one.name.value: one for one in directives_on(field.ast_node)}
            override = applied.get("override")
            is_key = (name, field_name) in key_fields
            yield (
                (name, field_name),
                FieldJoin(
                    external="external" in applied or whole_type_external,
                    shareable="shareable" in applied
                    or whole_type_shared
                    or is_key
                    or not document.links.is_federation_2
                    or is_interface_type(named),
                    requires=_field_set(argument(applied["requires"], "fields")) if "requires" in applied else (),
                    provides=_field_set(argument(applied["provides"], "fields")) if "provides" in applied else (),
                    override_from=argument(override, "from", "") or "" if override else "",
                    override_label=argument(override, "label", "") or "" if override else "",
                    inaccessible="inaccessible" in applied,
                    is_key=is_key,
                ),
            )


def _key_fields(schema: GraphQLSchema, keys: dict[str, tuple[Key, ...]]) -> Iterator[tuple[str, str]]:
    """(type, field) of every field that occurs in a key, nested ones included."""
    for name, found in keys.items():
        for key in found:
            yield from walk_fields(schema, name, key.fields)


def walk_fields(schema: GraphQLSchema, type_name: str, parts: Iterable[Part]) -> Iterator[tuple[str, str]]:
    """(type, field) for each field of a field set that the schema knows."""
    named = schema.get_type(type_name)
    for part in parts:
        if part.on:
            yield from walk_fields(schema, part.on, part.children)
        elif (is_object_type(named) or is_interface_type(named)) and part.name in named.fields:
            yield type_name, part.name
            below = get_named_type(named.fields[part.name].type)
            yield from walk_fields(schema, below.name, part.children)
