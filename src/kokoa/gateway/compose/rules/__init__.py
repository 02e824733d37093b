"""The rules of composition, one family a file. Each yields a Problem for everything wrong, never only the first.

`RULES` look at the subgraphs as they are; the composer runs satisfiability last, on the finished supergraph.
"""

from collections.abc import Callable, Iterator, Sequence

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.rules import (
    enum_values,
    extension_base,
    externals,
    field_arguments,
    field_sharing,
    field_types,
    interface_fields,
    keys,
    no_queries,
    overrides,
    provides,
    required_arguments,
    required_input_fields,
    requires,
    type_kinds,
    unsupported_features,
)
from kokoa.gateway.supergraph import SubgraphView

Rule = Callable[[Sequence[SubgraphView]], Iterator[Problem]]

RULES: tuple[Rule, ...] = (
    unsupported_features.check,
    no_queries.check,
    type_kinds.check,
    extension_base.check,
    keys.check,
    externals.check,
    requires.check,
    provides.check,
    overrides.check,
    field_types.check,
    field_arguments.check,
    required_arguments.check,
    required_input_fields.check,
    enum_values.check,
    field_sharing.check,
    interface_fields.check,
)
