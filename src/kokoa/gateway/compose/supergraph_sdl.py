"""A supergraph as standard SDL (link v1.0, join v0.3 to v0.5), for Apollo Router, Hive Router and other gateways."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from graphql import OperationType, print_ast
from graphql.language import (
    DirectiveDefinitionNode,
    EnumTypeDefinitionNode,
    InputObjectTypeDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    TypeDefinitionNode,
    UnionTypeDefinitionNode,
)

from kokoa.gateway.compose.join_fields import JoinFields, directive, quoted
from kokoa.gateway.compose.merge import composed_directives, executable_directives
from kokoa.gateway.compose.read import directives_on, type_directives
from kokoa.gateway.compose.subgraphs import ROOTS, Subgraphs, Version
from kokoa.gateway.supergraph import SubgraphView, Supergraph
from kokoa.graphql.links import DIRECTIVES

_INDENT = "  "
# Directive → its specification and what the link is for. Those that clients must obey are named for security.
_SPECIFICATIONS: Mapping[str, tuple[str, str]] = {
    "inaccessible": ("inaccessible/v0.2", "SECURITY"),
    "tag": ("tag/v0.3", ""),
    "authenticated": ("authenticated/v0.1", "SECURITY"),
    "requiresScopes": ("requiresScopes/v0.1", "SECURITY"),
    "policy": ("policy/v0.1", "SECURITY"),
    "cost": ("cost/v0.1", ""),
    "listSize": ("cost/v0.1", ""),
}
_SCALARS = {
    "FieldSet": "join__FieldSet",
    "Scope": "requiresScopes__Scope",
    "Policy": "policy__Policy",
    "ContextFieldValue": "context__ContextFieldValue",
}
_LINK = """
directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA

scalar link__Import

enum link__Purpose {
  "What must be understood to answer safely."
  SECURITY

  "What must be understood to answer at all."
  EXECUTION
}
"""
_JOIN = """
directive @join__enumValue(graph: join__Graph!) repeatable on ENUM_VALUE

directive @join__field(%s) repeatable on FIELD_DEFINITION | INPUT_FIELD_DEFINITION

directive @join__graph(name: String!, url: String!) on ENUM_VALUE

directive @join__implements(graph: join__Graph!, interface: String!) repeatable on OBJECT | INTERFACE

directive @join__type(graph: join__Graph!, key: join__FieldSet, extension: Boolean! = false, resolvable: Boolean! = true, isInterfaceObject: Boolean! = false) repeatable on OBJECT | INTERFACE | UNION | ENUM | INPUT_OBJECT | SCALAR

directive @join__unionMember(graph: join__Graph!, member: String!) repeatable on UNION

scalar join__FieldSet
"""  # noqa: E501
_JOIN_FIELD = (
    "graph: join__Graph, requires: join__FieldSet, provides: join__FieldSet, type: String, external: Boolean, "
    "override: String, usedOverridden: Boolean"
)
_JOIN_4 = """
directive @join__directive(graphs: [join__Graph!], name: String!, args: join__DirectiveArguments) repeatable on SCHEMA | OBJECT | INTERFACE | FIELD_DEFINITION

scalar join__DirectiveArguments
"""  # noqa: E501
_JOIN_5 = """
input join__ContextArgument {
  name: String!
  type: String!
  context: String!
  selection: join__FieldValue!
}

scalar join__FieldValue
"""


def graph_names(names: Iterable[str]) -> dict[str, str]:
    """Subgraph → its value of the enum `join__Graph`."""
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^A-Z0-9_]", "_", name.upper())
        plain = f"_{plain}" if plain[0].isdigit() else plain
        unique, count = plain, 0
        while unique in found.values():
            count += 1
            unique = f"{plain}_{count}"
        found[name] = unique
    return found


def print_supergraph(supergraph: Supergraph) -> str:
    """The SDL, with types and subgraphs in alphabetical order."""
    return "\n\n".join(_Printer(supergraph).blocks()) + "\n"


class _Printer:
    def __init__(self, supergraph: Supergraph) -> None:
        views = sorted(supergraph.subgraphs.values(), key=lambda one: one.name)
        self._full = supergraph.full
        self._urls = {one.name: one.url for one in supergraph.definitions}
        self._subgraphs = Subgraphs(views)
        self._graphs = graph_names(view.name for view in views)
        self._join_fields = JoinFields(self._subgraphs, self._graphs)
        self._newest = max(view.links.version for view in views)
        self._composed = composed_directives(self._subgraphs)
        self._types = {
            name: named.ast_node
            for name in sorted(self._subgraphs.types)
            if (named := self._full.get_type(name)) is not None and named.ast_node is not None
        }
        self._applied = frozenset(_applied(self._types.values()))

    def blocks(self) -> Iterator[str]:
        """Everything in the document, one definition after the other."""
        yield self._schema()
        yield _LINK.strip()
        yield from self._join()
        yield from self._directives()
        for name, node in self._types.items():
            yield self._type(name, node)

    # The head

    def _join_version(self) -> str:
        return "v0.5" if self._newest >= (2, 8) else "v0.4" if self._newest >= (2, 7) else "v0.3"

    def _schema(self) -> str:
        url = "https://specs.apollo.dev/"
        links = [
            {"url": quoted(f"{url}link/v1.0")},
            {"url": quoted(f"{url}join/{self._join_version()}"), "for": "EXECUTION"},
        ]
        specifications = {_SPECIFICATIONS[name] for name in _SPECIFICATIONS if name in self._applied}
        for specification, purpose in sorted(specifications):
            imports = ", ".join(
                quoted(f"@{name}")
                for name, (of, _) in _SPECIFICATIONS.items()
                if of == specification and name in self._applied and not specification.startswith(f"{name}/")
            )
            imported = f"[{imports}]" if imports else ""
            links.append({"url": quoted(url + specification), "import": imported, "for": purpose})
        for name, (where, _) in self._composed.items():
            links.append({"url": quoted(where), "import": f"[{quoted(f'@{name}')}]"})
        lines = [_INDENT + directive("link", one) for one in links]
        roots = [
            f"{_INDENT}{operation.value}: {root.name}"
            for operation in OperationType
            if (root := self._full.get_root_type(operation)) is not None
        ]
        return "\n".join(("schema", *lines, "{", *roots, "}"))

    def _join(self) -> Iterator[str]:
        arguments = _JOIN_FIELD
        if self._newest >= (2, 7):
            arguments += ", overrideLabel: String"
        if self._newest >= (2, 8):
            arguments += ", contextArguments: [join__ContextArgument!]"
        yield _JOIN.strip() % arguments
        if self._newest >= (2, 7):
            yield _JOIN_4.strip()
        if self._newest >= (2, 8):
            yield _JOIN_5.strip()
        lines = [
            f"{_INDENT}{graph} "
            + directive("join__graph", {"name": quoted(name), "url": quoted(self._urls.get(name, ""))})
            for name, graph in self._graphs.items()
        ]
        yield "\n".join(("enum join__Graph {", *lines, "}"))

    def _directives(self) -> Iterator[str]:
        """Definitions of the directives that stand on elements, and of those for operations."""
        for name in sorted(set(_SPECIFICATIONS) & self._applied):
            yield f"directive @{name}{DIRECTIVES[name].format(**_SCALARS)}"
        for name, scalar in (("requiresScopes", "Scope"), ("policy", "Policy")):
            if name in self._applied:
                yield f"scalar {_SCALARS[scalar]}"
        own: list[DirectiveDefinitionNode] = [node for _, node in self._composed.values()]
        for node in (*own, *executable_directives(self._subgraphs)):
            yield print_ast(node)

    # The types

    def _type(self, name: str, node: TypeDefinitionNode) -> str:
        head = _described(node, f"{_KEYWORDS.get(type(node), 'scalar')} {name}")
        interfaces = [one.name.value for one in getattr(node, "interfaces", None) or ()]
        if interfaces:
            head += f" implements {' & '.join(interfaces)}"
        lines = [*self._join_type(name), *map(print_ast, node.directives or ())]
        head = "\n".join((head, *(_INDENT + line for line in lines)))
        if isinstance(node, UnionTypeDefinitionNode):
            return f"{head}\n{_INDENT}= {' | '.join(one.name.value for one in node.types or ())}"
        body = [line for child in self._children(name, node) for line in child.split("\n")]
        return "\n".join((head, "{", *(_INDENT + line if line else line for line in body), "}")) if body else head

    def _join_type(self, name: str) -> Iterator[str]:
        versions = self._subgraphs.types[name]
        graphs = list(self._subgraphs.views) if name == "Query" else [view for view, _ in versions]
        for view, named in versions:
            for interface in getattr(named, "interfaces", ()):
                found = {"graph": self._graphs[view.name], "interface": quoted(interface.name)}
                yield directive("join__implements", found)
        for view in graphs:
            extension = "true" if _is_extension(view, name) else ""
            interface_object = "true" if name in view.interface_objects else ""
            for key in view.keys.get(name, (None,)):
                yield directive(
                    "join__type",
                    {
                        "graph": self._graphs[view.name],
                        "key": quoted(key.text.strip()) if key is not None else "",
                        "extension": extension if key is not None and name not in ROOTS else "",
                        "resolvable": "false" if key is not None and not key.resolvable else "",
                        "isInterfaceObject": interface_object,
                    },
                )
        yield from self._join_members(versions)

    def _join_members(self, versions: Sequence[Version]) -> Iterator[str]:
        for view, named in versions:
            for member in getattr(named, "types", ()):
                found = {"graph": self._graphs[view.name], "member": quoted(member.name)}
                yield directive("join__unionMember", found)

    def _children(self, name: str, node: TypeDefinitionNode) -> Iterator[str]:
        if isinstance(node, EnumTypeDefinitionNode):
            for value in node.values or ():
                yield _joined(value, value.name.value, self._join_value(name, value.name.value))
        elif isinstance(node, InputObjectTypeDefinitionNode):
            for field in node.fields or ():
                join = self._join_fields.of_input_field(name, field.name.value, print_ast(field.type))
                yield _joined(field, _value_text(field), join)
        elif isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
            for one in node.fields or ():
                join_field = self._join_fields.of_field(name, one.name.value, print_ast(one.type))
                yield _joined(one, f"{one.name.value}{_arguments(one.arguments)}: {print_ast(one.type)}", join_field)

    def _join_value(self, type_name: str, value: str) -> Iterator[str]:
        for view, named in self._subgraphs.types[type_name]:
            if value in getattr(named, "values", {}):
                yield directive("join__enumValue", {"graph": self._graphs[view.name]})


def _is_extension(view: SubgraphView, name: str) -> bool:
    """Whether the subgraph calls the type an extension; federation 1 did so for what every subgraph does today."""
    named = view.schema.get_type(name)
    marked = named is not None and bool(type_directives(named, "extends"))
    return name in view.extended and (marked or view.links.is_federation_2)


_KEYWORDS: Mapping[type[Any], str] = {
    ObjectTypeDefinitionNode: "type",
    InterfaceTypeDefinitionNode: "interface",
    UnionTypeDefinitionNode: "union",
    EnumTypeDefinitionNode: "enum",
    InputObjectTypeDefinitionNode: "input",
}


def _applied(nodes: Iterable[Any]) -> Iterator[str]:
    """Names of the directives on these elements and everything in them."""
    for node in nodes:
        yield from (one.name.value for one in directives_on(node))
        for part in ("fields", "values", "arguments"):
            yield from _applied(getattr(node, part, None) or ())


def _described(node: Any, text: str) -> str:
    return f"{print_ast(node.description)}\n{text}" if node.description else text


def _joined(node: Any, text: str, joins: Iterable[str]) -> str:
    """An element with its description, its `join` directives and its own."""
    return _described(node, " ".join((text, *joins, *map(print_ast, node.directives or ()))))


def _value_text(node: Any) -> str:
    """An argument or input field without its directives."""
    default = f" = {print_ast(node.default_value)}" if node.default_value else ""
    return f"{node.name.value}: {print_ast(node.type)}{default}"


def _arguments(nodes: Sequence[Any] | None) -> str:
    """A field's arguments; one a line if any has a description."""
    if not nodes:
        return ""
    texts = [_joined(node, _value_text(node), ()) for node in nodes]
    if not any(node.description for node in nodes):
        return f"({', '.join(texts)})"
    lines = [line for text in texts for line in text.split("\n")]
    return "\n".join(("(", *(_INDENT + line for line in lines), ")"))
