"""What one graph lacks that another has, for clients: what must not happen to parts that nobody was granted, and
which operations are worth checking. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from graphql import (
    GraphQLNamedType,
    GraphQLSchema,
    is_enum_type,
    is_input_object_type,
    is_interface_type,
    is_object_type,
    is_required_argument,
    is_required_input_field,
    is_specified_scalar_type,
    is_union_type,
)

from kokoa.graphql.scopes import Alternatives, requirements_of


class Loss(msgspec.Struct, frozen=True):
    """coordinate: `Type` or `Type.part`.  names: one of them stands in each document that minds, if there are any."""

    coordinate: str
    what: str
    names: tuple[str, ...] = ()


def losses(before: GraphQLSchema, after: GraphQLSchema) -> Iterator[Loss]:
    """Everything that a document may have relied on, and that is another or no more. What is new is no loss."""
    for name, named in before.type_map.items():
        if name.startswith("__") or is_specified_scalar_type(named):
            continue
        other = after.type_map.get(name)
        if other is None:
            yield Loss(name, f"the type {name} would be gone", (name,))
        elif type(other) is not type(named):
            yield Loss(name, f"{name} would be another kind of type")
        else:
            yield from _of_type(named, other)


def _of_type(before: GraphQLNamedType, after: GraphQLNamedType) -> Iterator[Loss]:
    name = before.name
    if is_object_type(before) or is_interface_type(before):
        assert is_object_type(after) or is_interface_type(after)
        for interface in {one.name for one in before.interfaces} - {one.name for one in after.interfaces}:
            yield Loss(f"{name}.{interface}", f"{name} would not be {interface} any more", (name, interface))
        for field in before.fields:
            yield from _of_field(name, field, before.fields[field], after.fields.get(field))
    elif is_input_object_type(before):
        assert is_input_object_type(after)
        yield from _of_input(name, before.fields, after.fields)
    elif is_enum_type(before):
        assert is_enum_type(after)
        for value in before.values.keys() - after.values.keys():
            yield Loss(f"{name}.{value}", f"the value {name}.{value} would be gone", (value,))
    elif is_union_type(before):
        assert is_union_type(after)
        for member in {one.name for one in before.types} - {one.name for one in after.types}:
            yield Loss(f"{name}.{member}", f"{member} would not be {name} any more", (member, name))


def _of_field(type_name: str, field: str, before: Any, after: Any) -> Iterator[Loss]:
    coordinate = f"{type_name}.{field}"
    if after is None:
        yield Loss(coordinate, f"the field {coordinate} would be gone", (field,))
        return
    if str(before.type) != str(after.type):
        yield Loss(coordinate, f"{coordinate} would be {after.type} instead of {before.type}", (field,))
    for name, argument in before.args.items():
        other = after.args.get(name)
        if other is None:
            yield Loss(coordinate, f"the argument {coordinate}({name}:) would be gone", (field,))
        elif str(other.type) != str(argument.type):
            told = f"the argument {coordinate}({name}:) would be {other.type} instead of {argument.type}"
            yield Loss(coordinate, told, (field,))
    for name in after.args.keys() - before.args.keys():
        if is_required_argument(after.args[name]):
            yield Loss(coordinate, f"{coordinate} would need the argument {name}", (field,))


def _of_input(type_name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Loss]:
    for name, field in before.items():
        other = after.get(name)
        if other is None:
            yield Loss(f"{type_name}.{name}", f"the input field {type_name}.{name} would be gone", (name,))
        elif str(other.type) != str(field.type):
            told = f"the input field {type_name}.{name} would be {other.type} instead of {field.type}"
            yield Loss(f"{type_name}.{name}", told, (name,))
    for name in after.keys() - before.keys():
        if is_required_input_field(after[name]):
            yield Loss(f"{type_name}.{name}", f"{type_name} would need the field {name}")


def opened(before: GraphQLSchema, after: GraphQLSchema) -> Iterator[str]:
    """Coordinates that more callers might ask for than before."""
    now = requirements_of(after)
    for coordinate, requirement in requirements_of(before).items():
        type_name, _, field = coordinate.partition(".")
        holder = after.type_map.get(type_name)
        if field not in getattr(holder, "fields", ()):
            continue
        stays = now.get(coordinate, ())
        if not all(any(_implies(one, wanted) for one in stays) for wanted in requirement):
            yield coordinate


def closed(before: GraphQLSchema, after: GraphQLSchema) -> Iterator[str]:
    """Coordinates of before that fewer callers might ask for."""
    then = requirements_of(before)
    for coordinate, requirement in requirements_of(after).items():
        type_name, _, field = coordinate.partition(".")
        if field not in getattr(before.type_map.get(type_name), "fields", ()):
            continue
        was = then.get(coordinate, ())
        if not all(any(_implies(one, wanted) for one in was) for wanted in requirement):
            yield coordinate


def _implies(held: Alternatives, wanted: Alternatives) -> bool:
    """Whether whoever meets the one meets the other."""
    return all(any(option <= one for option in wanted) for one in held)


def may_mind(document: str, found: Sequence[Loss]) -> bool:
    """Whether a document may rely on one of these."""
    return any(not loss.names or any(name in document for name in loss.names) for loss in found)
