"""The rules of composition, one family a file. Each yields a Problem for everything wrong, never only the first.

`RULES` look at the subgraphs as they are, `MERGED_RULES` at the merged graph as well. Two run apart from them: the
definitions of each subgraph before everything, satisfiability on the finished supergraph.
"""

from collections.abc import Callable, Iterator

from graphql import GraphQLSchema

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.rules import (
    composed_directives,
    directive_arguments,
    enum_values,
    extension_base,
    external_directives,
    external_forms,
    externals,
    field_arguments,
    field_sharing,
    field_types,
    import_names,
    inaccessible,
    input_fields,
    interface_fields,
    interface_keys,
    interface_objects,
    keys,
    no_queries,
    overrides,
    provides,
    requires,
    shareable_usage,
    type_kinds,
    unsupported_features,
)
from kokoa.gateway.compose.subgraphs import Subgraphs

Rule = Callable[[Subgraphs], Iterator[Problem]]
MergedRule = Callable[[Subgraphs, GraphQLSchema], Iterator[Problem]]

RULES: tuple[Rule, ...] = (
    unsupported_features.check,
    directive_arguments.check,
    import_names.check,
    composed_directives.check,
    no_queries.check,
    type_kinds.check,
    extension_base.check,
    keys.check,
    externals.check,
    external_forms.check,
    external_directives.check,
    shareable_usage.check,
    requires.check,
    provides.check,
    overrides.check,
    field_types.check,
    field_arguments.check,
    input_fields.check,
    enum_values.check,
    field_sharing.check,
    interface_fields.check,
    interface_keys.check,
    interface_objects.check,
)
MERGED_RULES: tuple[MergedRule, ...] = (inaccessible.check,)
