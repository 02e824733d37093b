"""The supergraph as planning asks about it: who answers which field of which type, and by which keys one gets there.

A *source* is one subgraph under one of its types. Mostly that is the type of the object itself; a subgraph that knows
an interface as an object (`@interfaceObject`) answers for the interface's objects under the interface's name.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    get_named_type,
    is_abstract_type,
    is_interface_type,
    is_leaf_type,
    is_object_type,
)

from kokoa.gateway.fieldset import Part
from kokoa.gateway.supergraph import FieldJoin, Key, SubgraphView, Supergraph


class Source(msgspec.Struct, frozen=True, eq=False):
    """owner: the type under which this subgraph knows the object.  name: unlike for any two sources of an object.

    is_opaque: whether the subgraph does not know which type the object really has.
    """

    view: SubgraphView
    owner: str
    name: str
    is_opaque: bool

    @property
    def label(self) -> str:
        """The name, for `Choices`."""
        return self.name

    def join(self, field_name: str) -> FieldJoin | None:
        return self.view.joins.get((self.owner, field_name))


class Graph:
    """Questions to one supergraph while some labels of progressive overrides are on; each is worked out once."""

    def __init__(self, supergraph: Supergraph, labels: frozenset[str]) -> None:
        self.supergraph = supergraph
        self._labels = labels
        self._sources: dict[tuple[str, str], Source] = {}
        self._knowing: dict[str, tuple[Source, ...]] = {}
        self._answering: dict[tuple[str, str], tuple[Source, ...]] = {}
        self._possible: dict[str, frozenset[str]] = {}
        self._answers_all: dict[tuple[Source, str], bool] = {}

    # Types

    def is_abstract(self, type_name: str) -> bool:
        """Whether objects of several types may stand where the graph has this type."""
        return is_abstract_type(self.supergraph.full.get_type(type_name))

    def members(self, type_name: str) -> frozenset[str]:
        """The object types that this type may be in the whole graph."""
        known = self._possible.get(type_name)
        if known is None:
            named = self.supergraph.full.get_type(type_name)
            known = self._possible[type_name] = (
                frozenset(one.name for one in self.supergraph.full.get_possible_types(named))
                if is_abstract_type(named)
                else frozenset((type_name,))
            )
        return known

    def possible(self, source: Source) -> frozenset[str]:
        """The object types that an object of this source may have."""
        return self.members(source.owner) if source.is_opaque else source.view.possible(source.owner)

    def type_below(self, type_name: str, field_name: str) -> str | None:
        """The name of the type of a field in the graph; None where the graph does not have the field."""
        field = _field_of(self.supergraph.full.get_type(type_name), field_name)
        return None if field is None else str(get_named_type(field.type).name)

    def type_text(self, type_name: str, field_name: str, source: Source) -> str:
        """The type of a field as the graph has it; as the source has it if the graph does not have the field."""
        field = _field_of(self.supergraph.full.get_type(type_name), field_name) or self.field(source, field_name)
        return "" if field is None else str(field.type)

    def field(self, source: Source, field_name: str) -> GraphQLField | None:
        """The field as the source's subgraph defines it."""
        return _field_of(source.view.schema.get_type(source.owner), field_name)

    # Sources

    def source(self, view: SubgraphView, owner: str) -> Source:
        """The one source of that subgraph and type."""
        known = self._sources.get((view.name, owner))
        if known is None:
            is_opaque = owner in view.interface_objects
            name = f"{view.name} as {owner}" if is_opaque else view.name
            known = self._sources[view.name, owner] = Source(view, owner, name, is_opaque)
        return known

    def source_below(self, source: Source, field_name: str) -> Source | None:
        """What a field of this source leads to; None for a leaf."""
        field = self.field(source, field_name)
        if field is None:
            return None
        named = get_named_type(field.type)
        return None if is_leaf_type(named) else self.source(source.view, named.name)

    def source_for(self, source: Source, member: str) -> Source:
        """The source of the same subgraph for those objects that are of one type."""
        return source if source.is_opaque else self.source(source.view, member)

    def sources(self, type_name: str) -> tuple[Source, ...]:
        """Every source that may know objects of this type."""
        known = self._knowing.get(type_name)
        if known is None:
            known = self._knowing[type_name] = tuple(self._sources_of(type_name))
        return known

    def _sources_of(self, type_name: str) -> Iterator[Source]:
        named = self.supergraph.full.get_type(type_name)
        interfaces = named.interfaces if isinstance(named, GraphQLObjectType | GraphQLInterfaceType) else ()
        for view in self.supergraph.subgraphs.values():
            if view.schema.get_type(type_name) is not None:
                yield self.source(view, type_name)
                continue
            for interface in interfaces:
                if interface.name in view.interface_objects:
                    yield self.source(view, interface.name)

    # Fields

    def is_on(self, join: FieldJoin) -> bool:
        """Whether the subgraph answers the field, given the labels that are on."""
        return (
            join.resolvable
            and (not join.override_label or join.override_label in self._labels)
            and (not join.overridden_label or join.overridden_label not in self._labels)
        )

    def answers(self, source: Source, field_name: str) -> bool:
        """Whether this source answers a field of an object."""
        join = source.join(field_name)
        return join is not None and self.is_on(join)

    def answering(self, type_name: str, field_name: str) -> tuple[Source, ...]:
        """The sources that answer a field of an object type."""
        known = self._answering.get((type_name, field_name))
        if known is None:
            known = tuple(one for one in self.sources(type_name) if self.answers(one, field_name))
            self._answering[type_name, field_name] = known
        return known

    def answers_all(self, source: Source, field_name: str) -> bool:
        """Whether a source answers the field in one and the same way for all objects that it may stand for."""
        known = self._answers_all.get((source, field_name))
        if known is None:
            known = self._answers_all[source, field_name] = self._do_all_answer(source, field_name)
        return known

    def _do_all_answer(self, source: Source, field_name: str) -> bool:
        named = source.view.schema.get_type(source.owner)
        if is_object_type(named):
            return self.answers(source, field_name)
        if _field_of(named, field_name) is None:
            return False
        joins = [source.view.joins.get((member, field_name)) for member in source.view.possible(source.owner)]
        return all(join is not None and self.is_on(join) and not join.requires for join in joins)

    def keys(self, source: Source) -> tuple[Key, ...]:
        """The keys by which this source finds its objects."""
        return source.view.resolvable_keys(source.owner)

    # Field sets

    def parts_for(self, source: Source, parts: Sequence[Part], member: str) -> Iterator[Part]:
        """The fields of a field set, written in terms of this source, that are meant for objects of one type."""
        for part in parts:
            if not part.on:
                if part.name != "__typename":
                    yield part
            elif part.on in (member, source.owner) or member in source.view.possible(part.on):
                yield from self.parts_for(source, part.children, member)


def _field_of(named: object, field_name: str) -> GraphQLField | None:
    if is_object_type(named) or is_interface_type(named):
        fields: Mapping[str, GraphQLField] = named.fields
        return fields.get(field_name)
    return None
