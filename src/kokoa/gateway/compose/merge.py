"""Merging: the views' types → the API schema, as clients see it (Federation v2, "Merging types").

The merge itself never fails: where subgraphs disagree it takes the first and leaves the report to the rules, which
have already run. What is `@inaccessible` is left out at the end.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLNamedType,
    GraphQLSchema,
    GraphQLUnionType,
    NameNode,
    build_ast_schema,
    get_named_type,
    is_abstract_type,
    is_enum_type,
    is_input_object_type,
    is_interface_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    is_scalar_type,
    is_specified_directive,
    is_specified_scalar_type,
    is_union_type,
    parse,
    parse_type,
    print_ast,
)
from graphql.language import (
    ConstDirectiveNode,
    DefinitionNode,
    DirectiveDefinitionNode,
    EnumTypeDefinitionNode,
    EnumValueDefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    NamedTypeNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    StringValueNode,
    UnionTypeDefinitionNode,
)

from kokoa.gateway.compose.read import directives_on
from kokoa.gateway.supergraph import SubgraphView

_KEPT_DIRECTIVES = frozenset({"deprecated", "specifiedBy", "oneOf", "requiresScopes", "authenticated"})
_SECURITY = """
scalar federation__Scope
directive @requiresScopes(scopes: [[federation__Scope!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM
directive @authenticated on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM
"""
_FILLER = frozenset({("Query", "_service")})


def machinery_names(view: SubgraphView) -> frozenset[str]:
    """Types that federation brought into the view's schema."""
    scalars = {f"federation__{name}" for name in ("FieldSet", "Scope", "Policy", "ContextFieldValue")}
    return frozenset(view.links.scalars) | scalars


def type_names(views: Iterable[SubgraphView]) -> list[str]:
    """The subgraphs' own types, in the order in which they first occur."""
    found: dict[str, None] = {}
    for view in views:
        hidden = machinery_names(view)
        for name, named in view.schema.type_map.items():
            if name.startswith("__") or name in hidden or is_specified_scalar_type(named):
                continue
            found[name] = None
    return list(found)


def views_of(views: Iterable[SubgraphView], type_name: str) -> list[tuple[SubgraphView, GraphQLNamedType]]:
    """The views that know a type, each with its own version of it."""
    return [
        (view, named)
        for view in views
        if (named := view.schema.get_type(type_name)) is not None and type_name not in machinery_names(view)
    ]


def most_general(types: Sequence[Any], is_sub_type: Callable[[str, str], bool]) -> Any | None:
    """The output type that all of these fit into, or None: nullable wins, an abstract type wins over its members."""
    first, *others = types
    for other in others:
        first = _general_of_two(first, other, is_sub_type)
        if first is None:
            return None
    return first


def _general_of_two(one: Any, other: Any, is_sub_type: Callable[[str, str], bool]) -> Any | None:
    if is_non_null_type(one) and is_non_null_type(other):
        inner = _general_of_two(one.of_type, other.of_type, is_sub_type)
        return None if inner is None else type(one)(inner)
    if is_non_null_type(one) or is_non_null_type(other):
        bare = [each.of_type if is_non_null_type(each) else each for each in (one, other)]
        return _general_of_two(bare[0], bare[1], is_sub_type)
    if is_list_type(one) and is_list_type(other):
        inner = _general_of_two(one.of_type, other.of_type, is_sub_type)
        return None if inner is None else type(one)(inner)
    if is_list_type(one) or is_list_type(other):
        return None
    if one.name == other.name or is_sub_type(one.name, other.name):
        return one
    return other if is_sub_type(other.name, one.name) else None


def strictest(types: Sequence[Any]) -> Any | None:
    """The input type that fits into all of these, or None: non-null wins."""
    found = types[0]
    for other in types[1:]:
        found = _strict_of_two(found, other)
        if found is None:
            return None
    return found


def _strict_of_two(one: Any, other: Any) -> Any | None:
    bare = [each.of_type if is_non_null_type(each) else each for each in (one, other)]
    if is_list_type(bare[0]) and is_list_type(bare[1]):
        inner = _strict_of_two(bare[0].of_type, bare[1].of_type)
        merged = None if inner is None else type(bare[0])(inner)
    elif is_list_type(bare[0]) or is_list_type(bare[1]) or bare[0].name != bare[1].name:
        merged = None
    else:
        merged = bare[0]
    if merged is None:
        return None
    wrapper = next((type(each) for each in (one, other) if is_non_null_type(each)), None)
    return wrapper(merged) if wrapper else merged


def sub_type_test(views: Sequence[SubgraphView]) -> Callable[[str, str], bool]:
    """Whether (abstract, member) holds in any subgraph."""

    def is_sub_type(abstract: str, member: str) -> bool:
        for view in views:
            above, below = view.schema.get_type(abstract), view.schema.get_type(member)
            if not is_abstract_type(above) or not (is_object_type(below) or is_interface_type(below)):
                continue
            if view.schema.is_sub_type(above, below):
                return True
        return False

    return is_sub_type


def used_enums(views: Iterable[SubgraphView]) -> tuple[set[str], set[str]]:
    """Names of the types used in output and in input positions, over all subgraphs."""
    outputs: set[str] = set()
    inputs: set[str] = set()
    for view in views:
        for named in view.schema.type_map.values():
            if is_object_type(named) or is_interface_type(named):
                for field in named.fields.values():
                    outputs.add(get_named_type(field.type).name)
                    inputs.update(get_named_type(one.type).name for one in field.args.values())
            elif is_input_object_type(named):
                inputs.update(get_named_type(field.type).name for field in named.fields.values())
    return outputs, inputs


class _Merger:
    """Builds one definition for each type name."""

    def __init__(self, views: Sequence[SubgraphView]) -> None:
        self._views = views
        self._is_sub_type = sub_type_test(views)
        self._outputs, self._inputs = used_enums(views)

    def definition(self, name: str) -> DefinitionNode | None:
        found = views_of(self._views, name)
        nodes = [node for _, named in found for node in (named.ast_node, *named.extension_ast_nodes) if node]
        if _inaccessible(nodes):
            return None
        first = found[0][1]
        same: list[tuple[SubgraphView, Any]] = [(view, one) for view, one in found if type(one) is type(first)]
        head: dict[str, Any] = {
            "name": NameNode(value=name),
            "description": _description(nodes),
            "directives": _kept(nodes),
        }
        if is_object_type(first) or is_interface_type(first):
            kind = ObjectTypeDefinitionNode if is_object_type(first) else InterfaceTypeDefinitionNode
            fields = self._fields(name, same)
            return kind(**head, interfaces=_names(self._interfaces(same)), fields=fields) if fields else None
        if is_union_type(first):
            return UnionTypeDefinitionNode(**head, types=_names(self._members(same)))
        if is_enum_type(first):
            return EnumTypeDefinitionNode(**head, values=tuple(self._values(name, same)))
        if is_input_object_type(first):
            return InputObjectTypeDefinitionNode(**head, fields=tuple(self._input_fields(same)))
        assert is_scalar_type(first)
        return ScalarTypeDefinitionNode(**head)

    def _hidden(self, name: str) -> bool:
        nodes = [
            node for _, named in views_of(self._views, name) for node in (named.ast_node, *named.extension_ast_nodes)
        ]
        return _inaccessible(nodes)

    def _interfaces(self, found: Sequence[tuple[SubgraphView, Any]]) -> list[str]:
        names = dict.fromkeys(one.name for _, named in found for one in named.interfaces)
        return [name for name in names if not self._hidden(name)]

    def _members(self, found: Sequence[tuple[SubgraphView, GraphQLUnionType]]) -> list[str]:
        names = dict.fromkeys(one.name for _, named in found for one in named.types)
        return [name for name in names if not self._hidden(name)]

    def _fields(self, type_name: str, found: Sequence[tuple[SubgraphView, Any]]) -> tuple[FieldDefinitionNode, ...]:
        names = dict.fromkeys(name for _, named in found for name in named.fields)
        made = []
        for name in names:
            if (type_name, name) in _FILLER:
                continue
            sources = [(view, named.fields[name]) for view, named in found if name in named.fields]
            if any(view.joins[type_name, name].inaccessible for view, _ in sources):
                continue
            made.append(self._field(type_name, name, sources))
        return tuple(made)

    def _field(self, type_name: str, name: str, sources: Sequence[tuple[SubgraphView, Any]]) -> FieldDefinitionNode:
        own = [(view, field) for view, field in sources if view.joins[type_name, name].resolvable] or sources
        nodes = [field.ast_node for _, field in sources if field.ast_node]
        merged = most_general([field.type for _, field in own], self._is_sub_type) or own[0][1].type
        return FieldDefinitionNode(
            name=NameNode(value=name),
            description=_description(nodes),
            directives=_kept(nodes),
            arguments=tuple(self._arguments([field for _, field in own])),
            type=parse_type(str(merged), no_location=True),
        )

    def _arguments(self, fields: Sequence[Any]) -> Iterable[InputValueDefinitionNode]:
        for name in fields[0].args:
            if all(name in field.args for field in fields):
                yield from self._input_value(name, [field.args[name] for field in fields])

    def _input_fields(
        self, found: Sequence[tuple[SubgraphView, GraphQLInputObjectType]]
    ) -> Iterable[InputValueDefinitionNode]:
        for name in found[0][1].fields:
            if all(name in named.fields for _, named in found):
                yield from self._input_value(name, [named.fields[name] for _, named in found])

    def _input_value(self, name: str, values: Sequence[Any]) -> Iterable[InputValueDefinitionNode]:
        nodes = [value.ast_node for value in values if value.ast_node]
        if _inaccessible(nodes):
            return
        merged = strictest([value.type for value in values]) or values[0].type
        yield InputValueDefinitionNode(
            name=NameNode(value=name),
            description=_description(nodes),
            directives=_kept(nodes),
            type=parse_type(str(merged), no_location=True),
            default_value=next((node.default_value for node in nodes if node.default_value), None),
        )

    def _values(
        self, name: str, found: Sequence[tuple[SubgraphView, GraphQLEnumType]]
    ) -> Iterable[EnumValueDefinitionNode]:
        names = dict.fromkeys(value for _, named in found for value in named.values)
        for value in names:
            holders = [named.values[value] for _, named in found if value in named.values]
            if name in self._inputs and len(holders) < len(found):
                continue
            nodes = [one.ast_node for one in holders if one.ast_node]
            if not _inaccessible(nodes):
                yield EnumValueDefinitionNode(
                    name=NameNode(value=value), description=_description(nodes), directives=_kept(nodes)
                )


def _inaccessible(nodes: Iterable[Any]) -> bool:
    return any(one.name.value == "inaccessible" for one in directives_on(*nodes))


def _description(nodes: Iterable[Any]) -> StringValueNode | None:
    return next((node.description for node in nodes if getattr(node, "description", None)), None)


def _kept(nodes: Iterable[Any]) -> tuple[ConstDirectiveNode, ...]:
    found: dict[str, ConstDirectiveNode] = {}
    for one in directives_on(*nodes):
        if one.name.value in _KEPT_DIRECTIVES:
            text = one.name.value if one.name.value == "deprecated" else print_ast(one)
            found.setdefault(text, one)
    return tuple(found.values())


def _names(names: Iterable[str]) -> tuple[NamedTypeNode, ...]:
    return tuple(NamedTypeNode(name=NameNode(value=name)) for name in names)


def _executable_directives(views: Sequence[SubgraphView]) -> list[DirectiveDefinitionNode]:
    """Directives for operations that every subgraph defines."""
    found: list[DirectiveDefinitionNode] = []
    for directive in views[0].schema.directives:
        node = directive.ast_node
        if node is None or is_specified_directive(directive):
            continue
        executable = [one for one in node.locations if one.value in _OPERATION_LOCATIONS]
        if executable and all(view.schema.get_directive(directive.name) for view in views):
            found.append(node)
    return found


_OPERATION_LOCATIONS = frozenset({"QUERY", "MUTATION", "FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"})


def merge(views: Sequence[SubgraphView]) -> GraphQLSchema:
    """The API schema. Raises TypeError or GraphQLError if the merged definitions are not a valid schema."""
    merger = _Merger(views)
    made = [merger.definition(name) for name in type_names(views)]
    security = parse(_SECURITY, no_location=True).definitions
    document = DocumentNode(
        definitions=(*security, *_executable_directives(views), *(one for one in made if one is not None))
    )
    schema = build_ast_schema(document)
    hidden = {"requiresScopes", "authenticated"}
    schema.directives = tuple(one for one in schema.directives if one.name not in hidden)
    schema.type_map.pop("federation__Scope", None)
    return schema
