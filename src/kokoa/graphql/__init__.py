"""GraphQL: schema-first SDL → an executable subgraph, run breadth-first with batch-first resolvers.

graphql-core gives the language, validation and introspection; execution is ours (docs/explanation/graph-engine.md).
Start reading at `subgraph`.
"""

from kokoa.graphql.errors import DocumentRefused, SchemaInvalid
from kokoa.graphql.limits import BEHIND_GATEWAY, DEFAULT_LIMITS, Limits
from kokoa.graphql.result import ExecutionResult
from kokoa.graphql.scalars import DATE, DATE_TIME, JSON, Scalar
from kokoa.graphql.subgraph import Subgraph, build_subgraph

__all__ = [
    "BEHIND_GATEWAY",
    "DATE",
    "DATE_TIME",
    "DEFAULT_LIMITS",
    "JSON",
    "DocumentRefused",
    "ExecutionResult",
    "Limits",
    "Scalar",
    "SchemaInvalid",
    "Subgraph",
    "build_subgraph",
]
