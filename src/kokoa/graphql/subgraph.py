"""A subgraph: SDL and batch-first resolvers → something that executes GraphQL.

subgraph = build_subgraph(
    name="catalog",
    sdl=text,
    resolvers={
        "Query.products": products,         # (parents, args, call) -> one value or exception for each parent
        "Product.variants": variants,
        "Product": products_by_reference,   # (representations, call) -> one object, None or exception for each
        "Node.__typename": types_of_nodes,  # (objects, {}, call) -> one type name for each; only if needed
        "Subscription.changed": changes,    # (args, call) -> async iterator of the field's values
    },
)
result = await subgraph.execute("{ products { id } }", {}, call)
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from graphql import GraphQLError, GraphQLSchema, OperationType, is_abstract_type, is_object_type

from kokoa.graphql.document import Document
from kokoa.graphql.errors import Reporter, SchemaInvalid
from kokoa.graphql.federation import (
    ENTITY,
    EntitiesResolver,
    check_references,
    entity_typename,
    federated_schema,
    service_resolver,
)
from kokoa.graphql.lane import Lane
from kokoa.graphql.limits import DEFAULT_LIMITS, Limits
from kokoa.graphql.preparing import Preparation
from kokoa.graphql.resolvers import FieldResolver, default_resolver, default_typename
from kokoa.graphql.result import ExecutionResult, refusal
from kokoa.graphql.run import Run
from kokoa.graphql.scalars import Scalar
from kokoa.graphql.schema import Executable, executable, use_snake_case
from kokoa.graphql.sdl import read_subgraph
from kokoa.graphql.streaming import NEEDS_STREAM, Source, resolve_event, responses
from kokoa.kernel.call import Call
from kokoa.kernel.errors import KokoaError


class _Resolvers:
    """The registered resolvers, and the default one for all other fields."""

    def __init__(self, registered: Mapping[str, FieldResolver]) -> None:
        self._registered = registered

    def field(self, type_name: str, field_name: str, response_key: str) -> FieldResolver:
        coordinate = f"{type_name}.{field_name}"
        return self._registered.get(coordinate) or default_resolver(coordinate, field_name)

    def typename(self, abstract: str) -> FieldResolver:
        if abstract == ENTITY:
            return entity_typename
        return self._registered.get(f"{abstract}.__typename") or default_typename(abstract)

    def wants_arguments(self) -> bool:
        return True


class Subgraph:
    """name: as the supergraph knows it.  sdl: as its author wrote it.  reporter: says what failures look like."""

    def __init__(
        self,
        name: str,
        sdl: str,
        parts: Executable,
        sources: Mapping[str, Source],
        limits: Limits,
        reporter: Callable[[str], Reporter] = Reporter,
    ) -> None:
        self.name = name
        self.sdl = sdl
        self._executable = parts
        self._sources = sources
        self._limits = limits
        self._reporter = reporter
        self._preparation = Preparation(parts, limits, Lane())

    @property
    def schema(self) -> GraphQLSchema:
        return self._executable.schema

    def compile(self, text: str) -> Document:
        """Parse, validate and compile a document, once. Raises DocumentRefused, which holds every reason."""
        return self._preparation.document(text)

    async def execute(
        self,
        document: str,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        *,
        read_only: bool = False,
        trusted: bool = False,
    ) -> ExecutionResult:
        """Execute one operation. Raises nothing for a bad request.

        read_only: refuse mutations (for GET requests).  trusted: the document was written by a planner for this very
        schema, so it is not validated again.
        """
        try:
            ready = await self._preparation.prepare(
                document, operation_name, variables or {}, call, read_only=read_only, trusted=trusted
            )
        except KokoaError as error:
            return refusal(error)
        if ready.operation.kind is OperationType.SUBSCRIPTION:
            return refusal(NEEDS_STREAM)
        return await Run(ready.program, ready.variables, call, self._limits, self._reporter).execute()

    async def stream(
        self,
        document: str,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        *,
        read_only: bool = False,
    ) -> AsyncGenerator[ExecutionResult, None]:
        """Execute one operation of any kind: one result, or one for each event of a subscription."""
        try:
            ready = await self._preparation.prepare(
                document, operation_name, variables or {}, call, read_only=read_only
            )
        except KokoaError as error:
            yield refusal(error)
            return
        if ready.operation.kind is not OperationType.SUBSCRIPTION:
            yield await Run(ready.program, ready.variables, call, self._limits, self._reporter).execute()
            return
        async with aclosing(responses(ready, self._sources, call, self._limits)) as found:
            async for result in found:
                yield result


def build_subgraph(
    *,
    name: str,
    sdl: str,
    resolvers: Mapping[str, Any],
    scalars: Mapping[str, Scalar] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Subgraph:
    """Join SDL and resolvers (see the module's docstring for their shapes).

    Raises SchemaInvalid for SDL that is not valid, a resolver that fits nothing, and an entity without one.
    """
    try:
        document = read_subgraph(sdl)
        schema = federated_schema(document)
    except (GraphQLError, TypeError) as error:
        raise SchemaInvalid(f"The schema of {name} is not valid: {error}") from error
    use_snake_case(schema)
    references = {key: found for key, found in resolvers.items() if "." not in key}
    check_references(document, references, name)
    fields = {key: found for key, found in resolvers.items() if "." in key}
    _check_coordinates(schema, fields, name)
    sources = _take_sources(schema, fields, name)
    fields["Query._service"] = service_resolver(sdl)
    fields["Query._entities"] = EntitiesResolver(references)
    return Subgraph(name, sdl, executable(schema, _Resolvers(fields), scalars), sources, limits)


def _take_sources(schema: GraphQLSchema, fields: dict[str, Any], name: str) -> dict[str, Source]:
    """The sources of the subscription's root fields; each gets a resolver that hands its events on."""
    root = schema.subscription_type
    if root is None:
        return {}
    sources: dict[str, Source] = {}
    for field_name in root.fields:
        coordinate = f"{root.name}.{field_name}"
        if coordinate not in fields:
            raise SchemaInvalid(
                f"{name}: {coordinate} has no source. Register resolvers[{coordinate!r}]: an async function of "
                "(args, call) that yields the values of the field."
            )
        sources[coordinate] = fields[coordinate]
        fields[coordinate] = resolve_event
    return sources


def _check_coordinates(schema: GraphQLSchema, fields: Mapping[str, Any], name: str) -> None:
    for coordinate in fields:
        type_name, _, field_name = coordinate.partition(".")
        named = schema.get_type(type_name)
        if field_name == "__typename" and is_abstract_type(named):
            continue
        if not is_object_type(named) or field_name not in named.fields:
            raise SchemaInvalid(f"{name}: there is a resolver for {coordinate}, but the schema has no such field.")
