"""Reads `.graphql` files into native operations.

A file holds one operation: a query for GET, a mutation for the other methods. Its first comment line is the route
(`# GET /api/products/{id}`). A second one may say by which status it answers, and where the thing is then
(`# 201 /api/carts/{cart.id}`: values of the answer; no Location while one of them is null). The comment lines after
it say what the route is for. Files that begin with `fragment` hold what several operations ask for.

Variables named as in the path come from there, those of `HEADERS` from a header, all others from the query string
(GET, DELETE) or the members of the JSON body.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    ListTypeNode,
    ListValueNode,
    NamedTypeNode,
    NonNullTypeNode,
    ObjectValueNode,
    OperationDefinitionNode,
    TypeNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    parse,
    print_ast,
    value_from_ast_untyped,
)

from kokoa.edge.model import NativeRoute
from kokoa.edge.routes import RouteKey, parse_route_key
from kokoa.kernel.errors import Invalid

OPERATIONS = Path(__file__).with_name("operations")

HEADERS: Mapping[str, str] = {"idempotencyKey": "idempotency-key", "version": "if-match", "cartToken": "x-cart-token"}
"""Variables that come in a header."""

METHODS_WITH_BODY = frozenset({"PATCH", "POST", "PUT"})
NO_CONTENT = 204

_STATUS = re.compile(r"(20[014])(?: (/\S+))?")
_MENTIONED = re.compile(r"\.\.\.\s*(?!on\b)([A-Za-z_]\w*)")
_INPUT = "input"

Source = Literal["path", "query", "header", "body"]


class InvalidOperationFile(Invalid):
    """A `.graphql` file of a native route is not of the form that is asked for."""


class Parameter(msgspec.Struct, frozen=True):
    """type_text: as in the operation.  type_name: of the value, or of a list's items.  default: JSON value, None when
    there is none.
    """

    name: str
    source: Source
    type_text: str
    type_name: str
    is_list: bool
    required: bool
    default: Any = None

    @property
    def shown(self) -> str:
        """What clients call it."""
        return HEADERS[self.name] if self.source == "header" else self.name


class NativeOperation(msgspec.Struct, frozen=True):
    """root: the response key of the operation's only root field, whose value is the route's answer.

    location: the template of where the thing is, or empty.  places: where each parameter stands in the root field's
    arguments, such as `lines.0.quantity`.
    """

    name: str
    key: RouteKey
    summary: str
    document: str
    root: str
    parameters: Mapping[str, Parameter]
    status: int = 200
    location: str = ""
    places: Mapping[str, str] = {}

    @property
    def route(self) -> NativeRoute:
        return NativeRoute(self.key.method, self.key.path, self.name)

    @property
    def has_body(self) -> bool:
        """Whether parameters come in a JSON body."""
        return self.key.method in METHODS_WITH_BODY


def load_operations(folder: Path = OPERATIONS) -> dict[str, NativeOperation]:
    """Every operation of a folder and those in it, by name. Raises InvalidOperationFile, which names the file."""
    texts = {str(file.relative_to(folder)): file.read_text() for file in sorted(folder.rglob("*.graphql"))}
    fragments = {name: text for text in texts.values() if text.startswith("fragment ") for name in [text.split()[1]]}
    operations: dict[str, NativeOperation] = {}
    for file_name, text in texts.items():
        if text.startswith("fragment "):
            continue
        operation = parse_operation(text + "".join(_mentioned(text, fragments)), file_name)
        if operation.name in operations:
            raise InvalidOperationFile(f"{file_name}: another file has an operation {operation.name} already.")
        operations[operation.name] = operation
    return operations


def _mentioned(text: str, fragments: Mapping[str, str]) -> list[str]:
    """The fragments that a text asks for, and those that they ask for, each once."""
    found: dict[str, str] = {}
    pending = [text]
    while pending:
        names = set(_MENTIONED.findall(pending.pop())) & fragments.keys() - found.keys()
        for name in sorted(names):
            found[name] = fragments[name]
            pending.append(fragments[name])
    return list(found.values())


def parse_operation(text: str, file_name: str) -> NativeOperation:
    """One file's operation, with the fragments that it needs. Raises InvalidOperationFile, InvalidRouteKey."""
    comments = _leading_comments(text)
    definition, *others = parse(text).definitions
    only_fragments = all(isinstance(other, FragmentDefinitionNode) for other in others)
    if not comments or not only_fragments or not isinstance(definition, OperationDefinitionNode):
        raise InvalidOperationFile(f"{file_name}: write a comment such as `# GET /api/things`, then one operation.")
    roots = definition.selection_set.selections
    if definition.name is None or len(roots) != 1 or not isinstance(roots[0], FieldNode):
        raise InvalidOperationFile(f"{file_name}: the operation must have a name and exactly one root field.")
    key = parse_route_key(comments[0])
    if (key.method == "GET") != (definition.operation.value == "query"):
        raise InvalidOperationFile(f"{file_name}: GET is for a query, each other method for a mutation.")
    in_path = {segment.text for segment in key.segments if segment.kind != "literal"}
    elsewhere: Source = "body" if key.method in METHODS_WITH_BODY else "query"
    parameters = {
        parameter.name: parameter
        for parameter in (_parameter(one, in_path, elsewhere) for one in definition.variable_definitions or ())
    }
    if in_path - parameters.keys():
        raise InvalidOperationFile(f"{file_name}: the path's {sorted(in_path - parameters.keys())} are no variables.")
    answered = _STATUS.fullmatch(comments[1]) if len(comments) > 1 else None
    return NativeOperation(
        definition.name.value,
        key,
        " ".join(comments[2 if answered else 1 :]),
        text,
        (roots[0].alias or roots[0].name).value,
        parameters,
        status=int(answered[1]) if answered else 200,
        location=(answered[2] or "") if answered else "",
        places=dict(_places(roots[0])),
    )


def _leading_comments(text: str) -> list[str]:
    comments = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        comments.append(line.lstrip("#").strip())
    return comments


def _parameter(variable: VariableDefinitionNode, in_path: Iterable[str], elsewhere: Source) -> Parameter:
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
        source="path" if name in in_path else "header" if name in HEADERS else elsewhere,
        type_text=print_ast(variable.type),
        type_name=node.name.value if isinstance(node, NamedTypeNode) else "",
        is_list=is_list,
        required=non_null and default is None,
        default=None if default is None else value_from_ast_untyped(default),
    )


def _places(root: FieldNode) -> Iterator[tuple[str, str]]:
    """Services name what is wrong by its place in `input`, or by the argument."""
    for argument in root.arguments or ():
        name = argument.name.value
        for path, variable in _variables(argument.value):
            yield ".".join((name, *path)), variable
            if name == _INPUT and path:
                yield ".".join(path), variable


def _variables(node: ValueNode) -> Iterator[tuple[tuple[str, ...], str]]:
    match node:
        case VariableNode():
            yield (), node.name.value
        case ObjectValueNode():
            for field in node.fields or ():
                yield from (((field.name.value, *path), name) for path, name in _variables(field.value))
        case ListValueNode():
            for index, item in enumerate(node.values or ()):
                yield from (((str(index), *path), name) for path, name in _variables(item))
