"""`__schema` and `__type`, of the schema that this caller may see (GraphQL §4).

The fields are graphql-core's own; they run through this engine like all others, so a list of types costs one call
for each field and the limits on a response hold here too.
"""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from graphql import GraphQLField, GraphQLSchema, SchemaMetaFieldDef, TypeMetaFieldDef, introspection_types

from kokoa.graphql.lru import Lru
from kokoa.graphql.resolvers import FieldResolver
from kokoa.graphql.scopes import Requirement, hidden_from, without
from kokoa.kernel.call import Call, Caller

VIEWS_MAX = 8
ROOT_FIELDS: Mapping[str, GraphQLField] = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}


class Introspection:
    """The resolvers of one schema's introspection; views (who may see what) are kept."""

    def __init__(self, schema: GraphQLSchema, requirements: Mapping[str, Requirement]) -> None:
        self._schema = schema
        self._requirements = requirements
        self._views: Lru[frozenset[str], GraphQLSchema] = Lru(VIEWS_MAX)

    def definition(self, type_name: str, field_name: str) -> GraphQLField | None:
        """The field if it is one of introspection's, at the root or below."""
        if field_name in ROOT_FIELDS:
            return ROOT_FIELDS[field_name]
        named: Any = introspection_types.get(type_name)
        return named.fields[field_name] if named is not None else None

    def resolver(self, definition: GraphQLField) -> FieldResolver:
        """graphql-core's resolver of the field, for all parents of a level."""
        resolve: Any = definition.resolve

        def of_level(parents: Sequence[Any], args: Mapping[str, Any], call: Call) -> list[Any]:
            info = SimpleNamespace(schema=self._view(call.caller))
            return [resolve(parent, info, **args) for parent in parents]

        return of_level

    def _view(self, caller: Caller) -> GraphQLSchema:
        hidden = hidden_from(caller, self._requirements)
        if not hidden:
            return self._schema
        return self._views.get_or_make(hidden, lambda: without(self._schema, hidden))
