"""A subgraph's side of Federation v2: `_service { sdl }` and `_entities(representations:)`."""

import asyncio
from collections.abc import Mapping, Sequence
from inspect import isawaitable
from typing import Any

from graphql import DocumentNode, GraphQLSchema, build_ast_schema, parse
from graphql.language import BooleanValueNode, ConstDirectiveNode, TypeDefinitionNode, TypeExtensionNode

from kokoa.graphql.errors import ResolverContractBroken, SchemaInvalid
from kokoa.graphql.resolvers import Entity, FieldResolver, ReferenceResolver, check_values
from kokoa.graphql.sdl import SubgraphDocument
from kokoa.kernel.call import Call
from kokoa.kernel.errors import Invalid

ENTITY = "_Entity"
REPRESENTATIONS_MAX = 10_000


class UnknownRepresentation(Invalid):
    """A representation names no entity of this subgraph."""


def _is_resolvable(directive: ConstDirectiveNode) -> bool:
    for argument in directive.arguments or ():
        if argument.name.value == "resolvable" and isinstance(argument.value, BooleanValueNode):
            return argument.value.value
    return True


def entities_of(document: SubgraphDocument) -> list[str]:
    """Names of the types with a key by which this subgraph can find them, in the order of the SDL."""
    found: dict[str, None] = {}
    for node in document.ast.definitions:
        if not isinstance(node, TypeDefinitionNode | TypeExtensionNode):
            continue
        for directive in node.directives or ():
            if directive.name.value == "key" and _is_resolvable(directive):
                found[node.name.value] = None
    return list(found)


def federated_schema(document: SubgraphDocument) -> GraphQLSchema:
    """The subgraph's schema with federation's root fields. Raises TypeError or GraphQLError if it is not valid."""
    types = {one.name.value: one for one in document.ast.definitions if isinstance(one, TypeDefinitionNode)}
    entities = [name for name in entities_of(document) if types[name].kind == "object_type_definition"]
    lines = ["type _Service { sdl: String! }", "scalar _Any"]
    fields = ["_service: _Service!"]
    if entities:
        lines.append(f"union {ENTITY} = {' | '.join(entities)}")
        fields.append(f"_entities(representations: [_Any!]!): [{ENTITY}]!")
    lines.append(f"{'extend ' if 'Query' in types else ''}type Query {{ {' '.join(fields)} }}")
    added = parse("\n".join(lines), no_location=True).definitions
    return build_ast_schema(DocumentNode(definitions=(*document.ast.definitions, *added)))


def service_resolver(sdl: str) -> FieldResolver:
    """`Query._service`: the SDL as its author wrote it."""
    service = {"sdl": sdl}
    return lambda parents, _args, _call: [service] * len(parents)


class EntitiesResolver:
    """`Query._entities`: representations grouped by type, each group found by one call of its reference resolver."""

    def __init__(self, references: Mapping[str, ReferenceResolver]) -> None:
        self._references = references

    async def __call__(self, _parents: Sequence[Any], args: Mapping[str, Any], call: Call) -> list[list[Any]]:
        """representations: at most REPRESENTATIONS_MAX mappings with a `__typename`."""
        representations = args["representations"]
        if len(representations) > REPRESENTATIONS_MAX:
            raise UnknownRepresentation(
                f"_entities got {len(representations)} representations; at most {REPRESENTATIONS_MAX} are allowed."
            )
        found: list[Any] = [None] * len(representations)
        groups: dict[str, list[int]] = {}
        for index, one in enumerate(representations):
            name = one.get("__typename") if isinstance(one, Mapping) else None
            if name in self._references:
                groups.setdefault(str(name), []).append(index)
            else:
                found[index] = UnknownRepresentation(
                    f"{name!r} is no entity of this subgraph. It knows {', '.join(sorted(self._references))}."
                )
        for (name, indexes), values in zip(
            groups.items(), await self._find(groups, representations, call), strict=True
        ):
            for index, value in zip(indexes, values, strict=True):
                regular = value is None or isinstance(value, Exception)
                found[index] = value if regular else Entity(name, value)
        return [found]

    async def _find(
        self, groups: Mapping[str, list[int]], representations: Sequence[Any], call: Call
    ) -> list[Sequence[Any]]:
        finders = [
            self._of_type(name, [representations[index] for index in indexes], call)
            for name, indexes in groups.items()
        ]
        if len(finders) == 1:
            return [await finders[0]]
        return list(await asyncio.gather(*finders))

    async def _of_type(self, name: str, representations: Sequence[Any], call: Call) -> Sequence[Any]:
        try:
            values: Any = self._references[name](representations, call)
            if isawaitable(values):
                values = await values
            return check_values(values, len(representations), f"{name} (by reference)")
        except Exception as error:
            return [error] * len(representations)


def entity_typename(parents: Sequence[Any], _args: Mapping[str, Any], _call: Call) -> list[Any]:
    """`_Entity.__typename`: the type that the representation named."""
    return [
        one.type_name if type(one) is Entity else ResolverContractBroken(f"{ENTITY} holds {type(one).__name__}")
        for one in parents
    ]


def check_references(document: SubgraphDocument, references: Mapping[str, Any], name: str) -> None:
    """Raises SchemaInvalid for an entity that nobody can find, and for a reference resolver without an entity."""
    entities = entities_of(document)
    for one in entities:
        if one not in references:
            raise SchemaInvalid(
                f"{name}: {one} has a @key but no reference resolver. Register resolvers[{one!r}], or write "
                "@key(fields: ..., resolvable: false) if other subgraphs alone can find it."
            )
    for one in references:
        if one not in entities:
            raise SchemaInvalid(f"{name}: resolvers[{one!r}] finds an entity, but {one} has no resolvable @key.")
