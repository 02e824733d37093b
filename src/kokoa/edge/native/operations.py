"""Reads `.graphql` files into native operations.

A file holds one query. Its first comment line is the route (`# GET /api/products/{id}`), the comment lines after it
say what the route is for. Variables named as in the path come from there, all others from the query string.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from graphql import (
    FieldNode,
    ListTypeNode,
    NamedTypeNode,
    NonNullTypeNode,
    OperationDefinitionNode,
    TypeNode,
    VariableDefinitionNode,
    parse,
    value_from_ast_untyped,
)

from kokoa.edge.model import NativeRoute
from kokoa.edge.routes import RouteKey, parse_route_key
from kokoa.kernel.errors import Invalid

OPERATIONS = Path(__file__).with_name("operations")


class InvalidOperationFile(Invalid):
    """A `.graphql` file of a native route is not of the form that is asked for."""


class Parameter(msgspec.Struct, frozen=True):
    """type_name: of the value, or of a list's items.  default: JSON value, None when there is none."""

    name: str
    in_path: bool
    type_name: str
    is_list: bool
    required: bool
    default: Any = None


class NativeOperation(msgspec.Struct, frozen=True):
    """root: the response key of the operation's only root field, whose value is the route's answer."""

    name: str
    key: RouteKey
    summary: str
    document: str
    root: str
    parameters: Mapping[str, Parameter]

    @property
    def route(self) -> NativeRoute:
        return NativeRoute(self.key.method, self.key.path, self.name)


def load_operations(folder: Path = OPERATIONS) -> dict[str, NativeOperation]:
    """Every operation of a folder, by name. Raises InvalidOperationFile, which names the file."""
    operations: dict[str, NativeOperation] = {}
    for file in sorted(folder.glob("*.graphql")):
        operation = parse_operation(file.read_text(), file.name)
        if operation.name in operations:
            raise InvalidOperationFile(f"{file.name}: another file has an operation {operation.name} already.")
        operations[operation.name] = operation
    return operations


def parse_operation(text: str, file_name: str) -> NativeOperation:
    """One file's operation. Raises InvalidOperationFile, InvalidRouteKey."""
    comments = _leading_comments(text)
    definitions = parse(text).definitions
    definition = definitions[0]
    if not comments or len(definitions) != 1 or not isinstance(definition, OperationDefinitionNode):
        raise InvalidOperationFile(f"{file_name}: write a comment such as `# GET /api/things`, then one operation.")
    roots = definition.selection_set.selections
    if definition.name is None or len(roots) != 1 or not isinstance(roots[0], FieldNode):
        raise InvalidOperationFile(f"{file_name}: the operation must have a name and exactly one root field.")
    key = parse_route_key(comments[0])
    in_path = {segment.text for segment in key.segments if segment.kind != "literal"}
    parameters = {
        parameter.name: parameter
        for parameter in (_parameter(variable, in_path) for variable in definition.variable_definitions or ())
    }
    if in_path - parameters.keys():
        raise InvalidOperationFile(f"{file_name}: the path's {sorted(in_path - parameters.keys())} are no variables.")
    root = roots[0].alias or roots[0].name
    return NativeOperation(definition.name.value, key, " ".join(comments[1:]), text, root.value, parameters)


def _leading_comments(text: str) -> list[str]:
    comments = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        comments.append(line.lstrip("#").strip())
    return comments


def _parameter(variable: VariableDefinitionNode, in_path: Iterable[str]) -> Parameter:
    node: TypeNode = variable.type
    non_null = isinstance(node, NonNullTypeNode)
    if isinstance(node, NonNullTypeNode):
        node = node.type
    is_list = isinstance(node, ListTypeNode)
    while isinstance(node, ListTypeNode | NonNullTypeNode):
        node = node.type
    name = variable.variable.name.value
    default = variable.default_value
    return Parameter(
        name=name,
        in_path=name in in_path,
        type_name=node.name.value if isinstance(node, NamedTypeNode) else "",
        is_list=is_list,
        required=non_null and default is None,
        default=None if default is None else value_from_ast_untyped(default),
    )
