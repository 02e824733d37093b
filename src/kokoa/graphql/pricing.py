"""What one field of a schema costs, and which of its arguments say how long its list is: `@cost` and `@listSize`.

Source: IBM's cost directives specification, as Federation v2.9 reads it. The sum over an operation is in `cost`.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLNamedType,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
    value_from_ast_untyped,
)
from graphql.language import Node

SLICING_ARGUMENTS = ("first", "last", "limit")
SIZED_FIELDS = ("edges", "nodes", "items")


class SlicingArgument(msgspec.Struct, frozen=True):
    """An argument that says how long a list will be. default: its value if the operation gives none."""

    name: str
    default: int | None


class Price(msgspec.Struct, frozen=True):
    """weight: of each object.  sized: the fields below that take this field's size, if it is no list itself.

    assumed_size: of a list that no argument slices; None lets the limits say.  arguments: name → weight if given.
    """

    weight: int
    is_list: bool
    assumed_size: int | None
    slicing: tuple[SlicingArgument, ...]
    sized: frozenset[str]
    arguments: tuple[tuple[str, int], ...]


def price_of(field: GraphQLField) -> Price:
    """The price of a field, from its own directives and its type's."""
    named = get_named_type(field.type)
    sizes = _arguments_of(field.ast_node, "listSize") or {}
    names = sizes.get("slicingArguments")
    slicing = SLICING_ARGUMENTS if names is None else tuple(names)
    sized = sizes.get("sizedFields")
    return Price(
        weight=_weight(field, named),
        is_list=is_list_type(get_nullable_type(field.type)),
        assumed_size=sizes.get("assumedSize"),
        slicing=tuple(
            SlicingArgument(name, _default(argument)) for name, argument in field.args.items() if name in slicing
        ),
        sized=frozenset(SIZED_FIELDS if sized is None else sized),
        arguments=tuple(_weights(field.args.items())),
    )


def _weight(field: GraphQLField, named: GraphQLNamedType) -> int:
    for node in (field.ast_node, named.ast_node, *named.extension_ast_nodes):
        cost = _arguments_of(node, "cost")
        if cost is not None:
            return int(cost["weight"])
    return 1 if is_composite_type(named) else 0


def _weights(arguments: Iterable[tuple[str, GraphQLArgument]]) -> Iterable[tuple[str, int]]:
    for name, argument in arguments:
        cost = _arguments_of(argument.ast_node, "cost")
        if cost is not None:
            yield name, int(cost["weight"])


def _default(argument: GraphQLArgument) -> int | None:
    node = argument.ast_node
    value = value_from_ast_untyped(node.default_value) if node and node.default_value else None
    return value if isinstance(value, int) else None


def _arguments_of(node: Node | None, directive: str) -> dict[str, Any] | None:
    for one in getattr(node, "directives", None) or ():
        if one.name.value == directive:
            return {argument.name.value: value_from_ast_untyped(argument.value) for argument in one.arguments or ()}
    return None
