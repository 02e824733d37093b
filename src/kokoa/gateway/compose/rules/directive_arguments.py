"""INVALID_GRAPHQL: the arguments of a directive have the types that its definition gives them.

Field sets have codes of their own, so @key, @requires and @provides are left to their rules.
"""

from collections.abc import Iterator
from typing import Any

from graphql import GraphQLError
from graphql.execution import get_argument_values

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.read import directives_on
from kokoa.gateway.compose.subgraphs import Subgraphs
from kokoa.gateway.supergraph import SubgraphView

_ELSEWHERE = frozenset({"key", "requires", "provides"})


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    for view in subgraphs.views:
        for name, named in view.schema.type_map.items():
            for node in (named.ast_node, *named.extension_ast_nodes):
                if node is not None:
                    yield from _check(view, name, node)


def _check(view: SubgraphView, coordinate: str, node: Any) -> Iterator[Problem]:
    for applied in directives_on(node):
        directive = view.schema.get_directive(applied.name.value)
        if directive is None or applied.name.value in _ELSEWHERE or not directive.args:
            continue
        try:
            get_argument_values(directive, applied)
        except GraphQLError as error:
            message = f"[{view.name}] On {coordinate}, @{applied.name.value} is not valid: {error.message}"
            yield Problem("INVALID_GRAPHQL", message, (view.name,))
    for part in ("fields", "values", "arguments"):
        for child in getattr(node, part, None) or ():
            yield from _check(view, f"{coordinate}.{child.name.value}", child)
