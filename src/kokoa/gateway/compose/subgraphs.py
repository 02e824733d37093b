"""The subgraphs together: what rules and merge ask about all of them, worked out once.

Source       a field of the graph as one subgraph has it
Subgraphs    types, fields and members over all views
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from graphql import (
    GraphQLField,
    GraphQLNamedType,
    get_named_type,
    is_enum_type,
    is_input_object_type,
    is_interface_type,
    is_object_type,
    is_scalar_type,
    is_specified_scalar_type,
    is_union_type,
)

from kokoa.gateway.compose.cache_hints import APOLLO_SCOPE, serves_hints_only
from kokoa.gateway.supergraph import FieldJoin, SubgraphView
from kokoa.graphql.links import SCALARS
from kokoa.graphql.sdl import CACHE_CONTROL_SCOPE

ROOTS = ("Query", "Mutation", "Subscription")
_KINDS = (
    (is_object_type, "object"),
    (is_interface_type, "interface"),
    (is_union_type, "union"),
    (is_enum_type, "enum"),
    (is_input_object_type, "input object"),
    (is_scalar_type, "scalar"),
)

Version = tuple[SubgraphView, Any]
"""A type or input field as one subgraph has it."""


class Source(msgspec.Struct, frozen=True):
    """holder: the type that has the field in this subgraph: for an interface object the interface."""

    view: SubgraphView
    holder: str
    field: GraphQLField
    join: FieldJoin


def machinery_names(view: SubgraphView) -> frozenset[str]:
    """Types that federation brought into the view's schema."""
    found = frozenset(view.links.scalars) | {f"federation__{name}" for name in SCALARS} | {CACHE_CONTROL_SCOPE}
    return found | {APOLLO_SCOPE} if serves_hints_only(view.schema, APOLLO_SCOPE) else found


def kind_of(view: SubgraphView, named: GraphQLNamedType) -> str:
    """What a subgraph's type is in the graph."""
    if named.name in view.interface_objects:
        return "interface"
    return next(kind for test, kind in _KINDS if test(named))


def _own_types(view: SubgraphView) -> Iterator[tuple[str, GraphQLNamedType]]:
    hidden = machinery_names(view)
    for name, named in view.schema.type_map.items():
        if name.startswith("__") or name in hidden or is_specified_scalar_type(named):
            continue
        if not _is_forgotten(view, named):
            yield name, named


def _is_forgotten(view: SubgraphView, named: GraphQLNamedType) -> bool:
    """Whether a type of federation 1 is left without a field, as nothing uses what it mentions."""
    if not is_object_type(named) or named.name in ROOTS:
        return False
    return not any((named.name, field) in view.joins for field in named.fields)


class Subgraphs:
    """types: name → its versions, in the order in which names first occur.

    fields: (object or interface type, field) → its sources, those of interface objects last.
    input_fields: (input type, field) → its versions.
    interfaces: type → the interfaces it implements in any subgraph.  members: interface → its object types.
    outputs, inputs: names of the types used in results and in arguments.
    """

    def __init__(self, views: Sequence[SubgraphView]) -> None:
        self.views = tuple(views)
        self.types: dict[str, list[Version]] = {}
        self.fields: dict[tuple[str, str], list[Source]] = {}
        self.input_fields: dict[tuple[str, str], list[Version]] = {}
        self.interfaces: dict[str, dict[str, None]] = {}
        self.members: dict[str, dict[str, None]] = {}
        self.outputs: set[str] = set()
        self.inputs: set[str] = set()
        self._sub_types: set[tuple[str, str]] = set()
        for view in self.views:
            for name, named in _own_types(view):
                self.types.setdefault(name, []).append((view, named))
                self._read(view, name, named)
        for name, above in self.interfaces.items():
            for interface in above:
                self._sub_types.add((interface, name))
                if any(is_object_type(named) for _, named in self.types[name]):
                    self.members.setdefault(interface, {})[name] = None
        self._own_fields = {name: tuple(found) for name, found in self.fields.items()}
        self._add_interface_objects()

    def _read(self, view: SubgraphView, name: str, named: GraphQLNamedType) -> None:
        if is_object_type(named) or is_interface_type(named):
            self.interfaces.setdefault(name, {}).update(dict.fromkeys(one.name for one in named.interfaces))
            for field_name, field in named.fields.items():
                join = view.joins.get((name, field_name))
                if join is not None:
                    self.fields.setdefault((name, field_name), []).append(Source(view, name, field, join))
                    self._use(field)
        elif is_input_object_type(named):
            for field_name, value in named.fields.items():
                self.input_fields.setdefault((name, field_name), []).append((view, value))
                self.inputs.add(get_named_type(value.type).name)
        elif is_union_type(named):
            self._sub_types.update((name, member.name) for member in named.types)

    def _use(self, field: GraphQLField) -> None:
        self.outputs.add(get_named_type(field.type).name)
        self.inputs.update(get_named_type(one.type).name for one in field.args.values())

    def _add_interface_objects(self) -> None:
        """A field of an interface object is a field of every object type of the interface."""
        for interface, members in self.members.items():
            for view, named in self.types.get(interface, ()):
                if interface not in view.interface_objects:
                    continue
                for field_name, field in named.fields.items():
                    source = Source(view, interface, field, view.joins[interface, field_name])
                    for member in members:
                        self.fields.setdefault((member, field_name), []).append(source)

    def is_sub_type(self, abstract: str, member: str) -> bool:
        """Whether this holds in any subgraph."""
        return (abstract, member) in self._sub_types

    def versions(self, name: str, kind: str) -> list[Version]:
        """The versions of a type that are of one kind in the graph."""
        return [(view, named) for view, named in self.types.get(name, ()) if kind_of(view, named) == kind]

    def composite(self) -> Iterator[tuple[str, list[str]]]:
        """Each object and interface type with the names of all its fields."""
        found: dict[str, list[str]] = {}
        for type_name, field_name in self.fields:
            found.setdefault(type_name, []).append(field_name)
        yield from found.items()

    def own_sources(self, type_name: str, field_name: str) -> Sequence[Source]:
        """The sources of a field under its own type's name."""
        return self._own_fields.get((type_name, field_name), ())

    def interface_object_fields(self) -> Mapping[tuple[str, str], tuple[tuple[str, str], ...]]:
        """(object type, field) → (subgraph, interface) of each interface object that answers it."""
        found = {
            coordinate: tuple(
                (one.view.name, one.holder) for one in sources if one.holder != coordinate[0] and one.join.resolvable
            )
            for coordinate, sources in self.fields.items()
        }
        return {coordinate: holders for coordinate, holders in found.items() if holders}
