"""A subgraph: SDL and batch-first resolvers → something that executes GraphQL.

subgraph = build_subgraph(
    name="catalog",
    sdl=text,
    resolvers={
        "Query.products": products,         # (parents, args, call) -> one value or exception for each parent
        "Product.variants": variants,
        "Product": products_by_reference,   # (representations, call) -> one object, None or exception for each
        "Node.__typename": types_of_nodes,  # (objects, {}, call) -> one type name for each; only if needed
    },
)
result = await subgraph.execute("{ products { id } }", {}, call)
"""

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLError, GraphQLSchema, OperationType, is_abstract_type, is_object_type

from kokoa.graphql.document import Document, DocumentCache, Operation, read_document
from kokoa.graphql.errors import DocumentRefused, MutationNeedsPost, OperationNotFound, SchemaInvalid
from kokoa.graphql.federation import (
    ENTITY,
    EntitiesResolver,
    check_references,
    entity_typename,
    federated_schema,
    service_resolver,
)
from kokoa.graphql.introspection import Introspection
from kokoa.graphql.limits import DEFAULT_LIMITS, Limits
from kokoa.graphql.resolvers import FieldResolver, default_resolver, default_typename
from kokoa.graphql.result import ExecutionResult, refusal
from kokoa.graphql.run import Run
from kokoa.graphql.scalars import Scalar
from kokoa.graphql.schema import Executable, executable, use_snake_case
from kokoa.graphql.sdl import read_subgraph
from kokoa.kernel.call import Call


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
    """name: as the supergraph knows it.  sdl: as its author wrote it."""

    def __init__(self, name: str, sdl: str, parts: Executable, limits: Limits) -> None:
        self.name = name
        self.sdl = sdl
        self._executable = parts
        self._limits = limits
        self._introspection = Introspection(parts)
        self._documents = DocumentCache(lambda text: read_document(parts, text, limits))

    @property
    def schema(self) -> GraphQLSchema:
        return self._executable.schema

    def compile(self, text: str) -> Document:
        """Parse, validate and compile a document, once. Raises DocumentRefused, which holds every reason."""
        return self._documents.get(text)

    async def execute(
        self,
        document: Document | str,
        variables: Mapping[str, Any] | None,
        call: Call,
        operation_name: str | None = None,
        *,
        read_only: bool = False,
    ) -> ExecutionResult:
        """Execute one operation. read_only: refuse mutations (for GET requests). Raises nothing for a bad request."""
        try:
            compiled = self.compile(document) if isinstance(document, str) else document
            operation = compiled.operation(operation_name)
            if read_only:
                refuse_mutation(operation)
            coerced = operation.coerce(variables or {})
            program = compiled.program(operation, operation.assignment(coerced.coerced))
        except DocumentRefused as refused:
            return ExecutionResult(errors=refused.entries)
        except (OperationNotFound, MutationNeedsPost) as error:
            return refusal(error)
        result = await Run(program, coerced, call, self._limits.errors).execute()
        if program.introspection and isinstance(result.data, dict):
            result.data.update(self._introspection.answer(program, compiled.fragments, variables or {}, call.caller))
        return result


def refuse_mutation(operation: Operation) -> None:
    """Raises MutationNeedsPost for a mutation (GraphQL over HTTP: GET must not change anything)."""
    if operation.kind is OperationType.MUTATION:
        raise MutationNeedsPost("A mutation needs a POST request.")


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
    fields["Query._service"] = service_resolver(sdl)
    fields["Query._entities"] = EntitiesResolver(references)
    return Subgraph(name, sdl, executable(schema, _Resolvers(fields), scalars), limits)


def _check_coordinates(schema: GraphQLSchema, fields: Mapping[str, Any], name: str) -> None:
    for coordinate in fields:
        type_name, _, field_name = coordinate.partition(".")
        named = schema.get_type(type_name)
        if field_name == "__typename" and is_abstract_type(named):
            continue
        if not is_object_type(named) or field_name not in named.fields:
            raise SchemaInvalid(f"{name}: there is a resolver for {coordinate}, but the schema has no such field.")
