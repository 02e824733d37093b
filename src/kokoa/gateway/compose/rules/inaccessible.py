"""QUERY_ROOT_TYPE_INACCESSIBLE, ONLY_INACCESSIBLE_CHILDREN, REFERENCED_INACCESSIBLE, IMPLEMENTED_BY_INACCESSIBLE,
REQUIRED_INACCESSIBLE, DEFAULT_VALUE_USES_INACCESSIBLE, DISALLOWED_INACCESSIBLE: what clients see stays whole when
everything @inaccessible is taken out.

These rules look at the merged graph; the messages name the subgraphs that hide something.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from graphql import (
    GraphQLNamedType,
    GraphQLSchema,
    get_named_type,
    is_enum_type,
    is_input_object_type,
    is_interface_type,
    is_object_type,
    is_required_argument,
)
from graphql.language import EnumValueNode, ListValueNode, ObjectValueNode, ValueNode

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.merge import OPERATION_LOCATIONS, is_inaccessible
from kokoa.gateway.compose.subgraphs import Subgraphs


def _hidden(element: Any) -> bool:
    return is_inaccessible([element.ast_node])


def _values(element: Any) -> Mapping[str, Any]:
    """Arguments, input fields or nothing: what below this element takes a value."""
    return getattr(element, "args", {})


def _children(named: GraphQLNamedType) -> Mapping[str, Any]:
    return getattr(named, "fields", None) or getattr(named, "values", None) or {}


class _Check:
    def __init__(self, subgraphs: Subgraphs, full: GraphQLSchema) -> None:
        self._subgraphs = subgraphs
        self._full = full

    def types(self) -> Iterator[GraphQLNamedType]:
        """The types that clients see."""
        for name in self._subgraphs.types:
            named = self._full.get_type(name)
            if named is not None and not _hidden(named):
                yield named

    def problem(self, code: str, message: str, hidden: str) -> Problem:
        """hidden: the coordinate that is @inaccessible."""
        who = tuple(self._who_hides(hidden))
        return Problem(code, f"{message} ({hidden} is @inaccessible in {', '.join(who) or 'no subgraph'}.)", who)

    def _who_hides(self, coordinate: str) -> Iterator[str]:
        type_name, _, rest = coordinate.partition(".")
        field_name, _, argument = rest.removesuffix(":)").partition("(")
        for view, named in self._subgraphs.types.get(type_name, ()):
            child = _children(named).get(field_name) if field_name else named
            element = _values(child).get(argument) if argument and child is not None else child
            nodes = (element.ast_node, *getattr(element, "extension_ast_nodes", ())) if element is not None else ()
            if is_inaccessible(nodes):
                yield view.name

    def children(self, named: GraphQLNamedType) -> Iterator[Problem]:
        found = _children(named)
        if found and all(_hidden(one) for one in found.values()):
            first = next(iter(found))
            message = f"{named.name} is visible, but nothing in it is. Mark {named.name} @inaccessible too."
            yield self.problem("ONLY_INACCESSIBLE_CHILDREN", message, f"{named.name}.{first}")
        for name, child in found.items():
            if is_enum_type(named) or _hidden(child):
                continue
            coordinate = f"{named.name}.{name}"
            yield from self.reference(coordinate, child)
            if is_input_object_type(named):
                yield from self.default(coordinate, child)
            for argument_name, argument in _values(child).items():
                if not _hidden(argument):
                    where = f"{coordinate}({argument_name}:)"
                    yield from self.reference(where, argument)
                    yield from self.default(where, argument)

    def reference(self, coordinate: str, element: Any) -> Iterator[Problem]:
        below = get_named_type(element.type)
        if _hidden(below):
            message = (
                f"{coordinate} is visible, but its type {below.name} is not. Mark {coordinate} @inaccessible too."
            )
            yield self.problem("REFERENCED_INACCESSIBLE", message, below.name)

    def default(self, coordinate: str, element: Any) -> Iterator[Problem]:
        node = element.ast_node.default_value if element.ast_node is not None else None
        for hidden in self._hidden_in(node, get_named_type(element.type)) if node is not None else ():
            message = f"The default of {coordinate} uses {hidden}, which clients cannot see. Choose another default."
            yield self.problem("DEFAULT_VALUE_USES_INACCESSIBLE", message, hidden)

    def _hidden_in(self, node: ValueNode, named: GraphQLNamedType) -> Iterator[str]:
        if isinstance(node, ListValueNode):
            for one in node.values:
                yield from self._hidden_in(one, named)
        elif isinstance(node, EnumValueNode) and is_enum_type(named):
            value = named.values.get(node.value)
            if value is not None and _hidden(value):
                yield f"{named.name}.{node.value}"
        elif isinstance(node, ObjectValueNode) and is_input_object_type(named):
            for given in node.fields:
                field = named.fields.get(given.name.value)
                if field is not None and _hidden(field):
                    yield f"{named.name}.{given.name.value}"
                elif field is not None:
                    yield from self._hidden_in(given.value, get_named_type(field.type))

    def required(self, named: GraphQLNamedType) -> Iterator[Problem]:
        """A value that clients must give is one that they can see."""
        values = {}
        if is_input_object_type(named):
            values = {f"{named.name}.{name}": one for name, one in named.fields.items()}
        elif is_object_type(named) or is_interface_type(named):
            values = {
                f"{named.name}.{name}({key}:)": one
                for name, field in named.fields.items()
                if not _hidden(field)
                for key, one in field.args.items()
            }
        for coordinate, one in values.items():
            if _hidden(one) and is_required_argument(one):
                message = f"{coordinate} is required, so clients must see it. Give it a default, or make it optional."
                yield self.problem("REQUIRED_INACCESSIBLE", message, coordinate)

    def implementations(self, named: GraphQLNamedType) -> Iterator[Problem]:
        """What an interface shows, its implementations show."""
        if not (is_object_type(named) or is_interface_type(named)):
            return
        for interface in named.interfaces:
            for name, field in interface.fields.items():
                own = named.fields.get(name)
                if _hidden(interface) or _hidden(field) or own is None:
                    continue
                pairs = [(f"{named.name}.{name}", own, f"{interface.name}.{name}")]
                pairs += [
                    (f"{named.name}.{name}({key}:)", own.args[key], f"{interface.name}.{name}({key}:)")
                    for key, argument in field.args.items()
                    if key in own.args and not _hidden(argument)
                ]
                for hidden, element, visible in pairs:
                    if _hidden(element):
                        message = (
                            f"{visible} is visible, but {hidden}, which implements it, is not. Hide both or none."
                        )
                        yield self.problem("IMPLEMENTED_BY_INACCESSIBLE", message, hidden)

    def query(self) -> Iterator[Problem]:
        root = self._full.query_type
        if root is not None and _hidden(root):
            message = "Query is where every client begins. Hide its fields, not the type."
            yield self.problem("QUERY_ROOT_TYPE_INACCESSIBLE", message, root.name)


def _definitions(subgraphs: Subgraphs) -> Iterable[Problem]:
    """The arguments of a directive for schemas cannot be hidden: clients never see them anyway."""
    for view in subgraphs.views:
        for directive in view.schema.directives:
            locations = {one.name for one in directive.locations}
            for name, argument in directive.args.items():
                if locations - OPERATION_LOCATIONS and is_inaccessible([argument.ast_node]):
                    message = (
                        f"[{view.name}] The argument {name} of the directive @{directive.name} is @inaccessible, but "
                        "the directive is for schemas, which clients never write. Remove @inaccessible."
                    )
                    yield Problem("DISALLOWED_INACCESSIBLE", message, (view.name,))


def check(subgraphs: Subgraphs, full: GraphQLSchema) -> Iterator[Problem]:
    found = _Check(subgraphs, full)
    yield from found.query()
    yield from _definitions(subgraphs)
    for named in found.types():
        yield from found.children(named)
        yield from found.required(named)
        yield from found.implementations(named)
