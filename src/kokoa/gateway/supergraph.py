"""The supergraph: what composition produces, planning reads and execution obeys. Immutable.

SubgraphDefinition   a subgraph as its author hands it in
CacheHint            what it says of how long an answer may be kept
SubgraphView         the same, read: its schema, keys and what it says of each field
FieldJoin            what one subgraph says of one field
Supergraph           the API schema and the views, with a hash of the content
"""

from collections.abc import Iterable, Mapping

import msgspec
from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    is_abstract_type,
    is_object_type,
)

from kokoa.gateway.fieldset import FieldSet
from kokoa.graphql.links import Links


class CacheHint(msgspec.Struct, frozen=True):
    """One `@cacheControl`. max_age_s: None where it says nothing.  private: likewise.

    inherits: what it stands on may be kept as long as what it is part of (`inheritMaxAge`).
    """

    max_age_s: int | None = None
    private: bool | None = None
    inherits: bool = False


class SubgraphDefinition(msgspec.Struct, frozen=True):
    """url: where it is served, empty for one that runs in this process."""

    name: str
    sdl: str
    url: str = ""


class Key(msgspec.Struct, frozen=True):
    """One `@key`. resolvable: whether this subgraph finds the entity by it."""

    fields: FieldSet
    text: str
    resolvable: bool = True


class FieldJoin(msgspec.Struct, frozen=True):
    """What one subgraph says of one field.

    external: it only mentions the field.  is_key: the field is part of a key here.
    overridden: another subgraph has taken the field over for good.
    override_label: it answers only while this label is on (`@override(label:)`); empty for always.
    overridden_label: it answers only while this label of another subgraph's override is off; empty for always.
    """

    external: bool = False
    shareable: bool = False
    requires: FieldSet = ()
    provides: FieldSet = ()
    override_from: str = ""
    override_label: str = ""
    inaccessible: bool = False
    overridden: bool = False
    overridden_label: str = ""
    is_key: bool = False

    @property
    def resolvable(self) -> bool:
        """Whether the subgraph answers this field when asked for it in the ordinary way."""
        return not self.overridden and not self.external


CompositeType = GraphQLObjectType | GraphQLInterfaceType


class SubgraphView(msgspec.Struct, frozen=True):
    """One subgraph, read.

    keys: type → its keys, interfaces included.  joins: (type, field) → what is said of it.
    extended: types that it extends without defining them.
    interface_objects: types that are objects in this schema (`@interfaceObject`) and interfaces in the graph: the
    subgraph answers their fields for every object of the interface, and does not know which object it is.
    composes: what it names in `@composeDirective`, as written.
    cache_hints: by `Type` and `Type.field`; they hold for what this subgraph answers, and for nothing else.
    """

    name: str
    schema: GraphQLSchema
    links: Links
    extended: frozenset[str]
    keys: Mapping[str, tuple[Key, ...]]
    joins: Mapping[tuple[str, str], FieldJoin]
    interface_objects: frozenset[str] = frozenset()
    composes: tuple[str, ...] = ()
    cache_hints: Mapping[str, CacheHint] = {}

    def resolves(self, type_name: str, field_name: str) -> bool:
        """Whether this subgraph answers the field, as far as it depends on this subgraph."""
        join = self.joins.get((type_name, field_name))
        return join is not None and join.resolvable

    def possible(self, type_name: str) -> frozenset[str]:
        """The object types that a value of this type may have in this subgraph.

        An interface object is an object here: its name is the interface's.
        """
        named = self.schema.get_type(type_name)
        if is_object_type(named):
            return frozenset((type_name,))
        if is_abstract_type(named):
            return frozenset(one.name for one in self.schema.get_possible_types(named))
        return frozenset()

    def resolvable_keys(self, type_name: str) -> tuple[Key, ...]:
        return tuple(key for key in self.keys.get(type_name, ()) if key.resolvable)


class Supergraph(msgspec.Struct, frozen=True):
    """schema: what clients see.  full: the same with what is `@inaccessible`.  hash: equal for equal content.

    interface_object_fields: (object type, field) → (subgraph, interface) of each interface object that answers the
    field for objects of this type; the subgraph has the field under the interface's name.
    override_labels: all labels of progressive overrides, sorted.
    """

    schema: GraphQLSchema
    full: GraphQLSchema
    subgraphs: Mapping[str, SubgraphView]
    definitions: tuple[SubgraphDefinition, ...]
    hash: str
    interface_object_fields: Mapping[tuple[str, str], tuple[tuple[str, str], ...]]
    override_labels: tuple[str, ...] = ()

    def resolvers_of(self, type_name: str, field_name: str) -> Iterable[SubgraphView]:
        """The subgraphs that answer a field under its own type's name, in the order they were given."""
        return (view for view in self.subgraphs.values() if view.resolves(type_name, field_name))
