"""Merging: the subgraphs' types → one definition for each type (Federation v2, "Merging types").

The merge itself never fails: where subgraphs disagree it takes the first and leaves the report to the rules, which
have already run. What is `@inaccessible` stays in here; `api` takes it out.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from graphql import (
    NameNode,
    is_specified_directive,
    parse_type,
)
from graphql.language import (
    ConstDirectiveNode,
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
    TypeDefinitionNode,
    TypeNode,
    UnionTypeDefinitionNode,
)

from kokoa.gateway.compose.directives import merged_directives
from kokoa.gateway.compose.read import directives_on
from kokoa.gateway.compose.subgraphs import Source, Subgraphs, Version, kind_of
from kokoa.gateway.compose.unify import most_general, strictest
from kokoa.gateway.compose.values import default_text


class _Merger:
    """Builds one definition for each type name."""

    def __init__(self, subgraphs: Subgraphs) -> None:
        self._subgraphs = subgraphs
        self._fields = dict(subgraphs.composite())
        self._composed = frozenset(composed_directives(subgraphs))

    def definition(self, name: str) -> TypeDefinitionNode | None:
        """The type in the graph; None for one that has no field of its own."""
        versions = self._subgraphs.types[name]
        kind = kind_of(*versions[0])
        same = self._subgraphs.versions(name, kind)
        nodes = [node for _, named in same for node in (named.ast_node, *named.extension_ast_nodes) if node]
        head: dict[str, Any] = {
            "name": NameNode(value=name),
            "description": _description(nodes),
            "directives": self._directives(nodes),
        }
        match kind:
            case "object" | "interface":
                fields = tuple(self._field(name, field) for field in self._fields.get(name, ()))
                made = ObjectTypeDefinitionNode if kind == "object" else InterfaceTypeDefinitionNode
                interfaces = _names(self._subgraphs.interfaces.get(name, ()))
                return made(**head, interfaces=interfaces, fields=fields) if fields else None
            case "union":
                return UnionTypeDefinitionNode(**head, types=_names(_members(same)))
            case "enum":
                return EnumTypeDefinitionNode(**head, values=tuple(self._values(name, same)))
            case "input object":
                return InputObjectTypeDefinitionNode(**head, fields=tuple(self._input_fields(same)))
            case _:
                return ScalarTypeDefinitionNode(**head)

    def _directives(self, nodes: Iterable[Any]) -> tuple[ConstDirectiveNode, ...]:
        return merged_directives(nodes, self._composed)

    def _field(self, type_name: str, name: str) -> FieldDefinitionNode:
        sources = self._subgraphs.own_sources(type_name, name) or self._subgraphs.fields[type_name, name]
        own = defining(sources)
        nodes = [one.field.ast_node for one in sources if one.field.ast_node]
        types = [one.field.type for one in own]
        return FieldDefinitionNode(
            name=NameNode(value=name),
            description=_description(nodes),
            directives=self._directives(nodes),
            arguments=tuple(self._arguments([one.field for one in own])),
            type=_type_node(most_general(types, self._subgraphs.is_sub_type) or types[0]),
        )

    def _values(self, name: str, versions: Sequence[Version]) -> Iterable[EnumValueDefinitionNode]:
        for value in dict.fromkeys(value for _, named in versions for value in named.values):
            holders = [named.values[value] for _, named in versions if value in named.values]
            nodes = [one.ast_node for one in holders if one.ast_node]
            partial = len(holders) < len(versions) and not is_inaccessible(nodes)
            if partial and name in self._subgraphs.inputs:
                continue
            yield EnumValueDefinitionNode(
                name=NameNode(value=value), description=_description(nodes), directives=self._directives(nodes)
            )

    def _arguments(self, fields: Sequence[Any]) -> Iterable[InputValueDefinitionNode]:
        for name in fields[0].args:
            if all(name in field.args for field in fields):
                yield self._input_value(name, [field.args[name] for field in fields])

    def _input_fields(self, versions: Sequence[Version]) -> Iterable[InputValueDefinitionNode]:
        for name in versions[0][1].fields:
            if all(name in named.fields for _, named in versions):
                yield self._input_value(name, [named.fields[name] for _, named in versions])

    def _input_value(self, name: str, values: Sequence[Any]) -> InputValueDefinitionNode:
        nodes = [value.ast_node for value in values if value.ast_node]
        return InputValueDefinitionNode(
            name=NameNode(value=name),
            description=_description(nodes),
            directives=self._directives(nodes),
            type=_type_node(strictest([value.type for value in values]) or values[0].type),
            default_value=nodes[0].default_value if len(set(map(default_text, values))) == 1 else None,
        )


def defining(sources: Sequence[Source]) -> Sequence[Source]:
    """The sources that say what a field is; all of them if it is @external everywhere, which a rule reports.

    One that is overridden still counts: its clients must not see the field change.
    """
    return [one for one in sources if not one.join.external] or sources


def _members(versions: Sequence[Version]) -> list[str]:
    return list(dict.fromkeys(member.name for _, named in versions for member in named.types))


def is_inaccessible(nodes: Iterable[Any]) -> bool:
    """Whether any of these definitions is hidden from clients."""
    return any(one.name.value == "inaccessible" for one in directives_on(*nodes))


def _description(nodes: Iterable[Any]) -> StringValueNode | None:
    return next((node.description for node in nodes if getattr(node, "description", None)), None)


@lru_cache(maxsize=2_000)
def _parsed(text: str) -> TypeNode:
    return parse_type(text, no_location=True)


def _type_node(merged: Any) -> TypeNode:
    return _parsed(str(merged))


def _names(names: Iterable[str]) -> tuple[NamedTypeNode, ...]:
    return tuple(NamedTypeNode(name=NameNode(value=name)) for name in names)


OPERATION_LOCATIONS = frozenset({"QUERY", "MUTATION", "FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"})


def executable_directives(subgraphs: Subgraphs) -> list[DirectiveDefinitionNode]:
    """Directives for operations that every subgraph defines."""
    found: list[DirectiveDefinitionNode] = []
    for directive in subgraphs.views[0].schema.directives:
        node = directive.ast_node
        if node is None or is_specified_directive(directive):
            continue
        executable = [one for one in node.locations if one.value in OPERATION_LOCATIONS]
        if executable and all(view.schema.get_directive(directive.name) for view in subgraphs.views):
            found.append(node)
    return found


def composed_directives(subgraphs: Subgraphs) -> dict[str, tuple[str, DirectiveDefinitionNode]]:
    """Name → (URL of its specification, definition) of what `@composeDirective` keeps, in its newest version."""
    found: dict[str, tuple[str, DirectiveDefinitionNode]] = {}
    for view in subgraphs.views:
        for name in (text.removeprefix("@") for text in view.composes):
            directive, url = view.schema.get_directive(name), view.links.foreign.get(name)
            if directive is None or directive.ast_node is None or url is None:
                continue  # a rule has reported it
            if name not in found or _version(found[name][0]) < _version(url):
                found[name] = (url, directive.ast_node)
    return found


def _version(url: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", url.rpartition("/v")[2]))


def merge(subgraphs: Subgraphs) -> list[TypeDefinitionNode]:
    """One definition for each type of the graph."""
    merger = _Merger(subgraphs)
    made = [merger.definition(name) for name in subgraphs.types]
    return [one for one in made if one is not None]
