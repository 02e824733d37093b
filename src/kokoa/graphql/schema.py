"""A schema that can be executed: GraphQL's type system, a resolver for each field, a codec for each leaf.

`Executable` is all that compiling an operation needs to know. A subgraph fills it with resolvers that fetch; the
gateway fills it with resolvers that only read the keys of what its fetches brought.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

import msgspec
from graphql import (
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLLeafType,
    GraphQLNamedType,
    GraphQLScalarType,
    GraphQLSchema,
    is_input_object_type,
    is_interface_type,
    is_object_type,
    is_scalar_type,
    value_from_ast_untyped,
)

from kokoa.graphql.coercion import Readers
from kokoa.graphql.introspection import Introspection
from kokoa.graphql.leaves import LeafCodec, codec_of
from kokoa.graphql.names import snake_case
from kokoa.graphql.resolvers import FieldResolver
from kokoa.graphql.scalars import Scalar
from kokoa.graphql.scopes import Requirement, requirements_of

if TYPE_CHECKING:
    from graphql.language import ValueNode


class ResolverTable(Protocol):
    """Where a compiled operation finds its resolvers."""

    def field(self, type_name: str, field_name: str, response_key: str) -> FieldResolver:
        """The resolver of a field of an object type."""

    def typename(self, abstract: str) -> FieldResolver:
        """Says of each object of an abstract type which type it is."""

    def wants_arguments(self) -> bool:
        """Whether resolvers look at their arguments; if not they are not coerced."""


class Executable(msgspec.Struct, frozen=True):
    """requirements: `Type.field` → the scopes it needs.  readers: of input values; made when they are needed."""

    schema: GraphQLSchema
    resolvers: ResolverTable
    codecs: Mapping[str, LeafCodec]
    requirements: Mapping[str, Requirement]
    introspection: Introspection
    readers: Readers


def executable(
    schema: GraphQLSchema, resolvers: ResolverTable, scalars: Mapping[str, Scalar] | None = None
) -> Executable:
    """Join a schema with its resolvers. scalars: how the schema's own scalars are read and written."""
    custom = dict(scalars or {})
    codecs: dict[str, LeafCodec] = {}
    for name, named in schema.type_map.items():
        if isinstance(named, GraphQLLeafType):
            codecs[name] = codec_of(named, custom.get(name))
        if name in custom and is_scalar_type(named):
            _teach(named, custom[name])
    requirements = requirements_of(schema)
    return Executable(schema, resolvers, codecs, requirements, Introspection(schema, requirements), Readers())


def _teach(named: GraphQLScalarType, scalar: Scalar) -> None:
    """Make graphql-core coerce variables and literals of this scalar as the subgraph says."""

    def literal(node: "ValueNode") -> object:
        return scalar.parse(value_from_ast_untyped(node))

    named.coerce_input_value = _explained(named.name, scalar.parse)
    named.coerce_input_literal = _explained(named.name, literal)


def _explained(name: str, parse: Callable[..., object]) -> Callable[..., object]:
    def read(value: object) -> object:
        try:
            return parse(value)
        except ValueError as error:
            raise GraphQLError(f"{name}: {error}") from error

    return read


def use_snake_case(schema: GraphQLSchema) -> None:
    """Give every argument and input field its Python name, so that resolvers read `args["page_size"]`."""
    for name, named in schema.type_map.items():
        if name.startswith("__"):
            continue  # shared by all schemas of the process
        _rename_inputs(named)
        if is_object_type(named) or is_interface_type(named):
            for field in named.fields.values():
                for argument_name, argument in field.args.items():
                    argument.out_name = snake_case(argument_name)


def _rename_inputs(named: GraphQLNamedType) -> None:
    if is_input_object_type(named):
        assert isinstance(named, GraphQLInputObjectType)
        for name, field in named.fields.items():
            field.out_name = snake_case(name)
