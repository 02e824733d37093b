"""UNSUPPORTED_FEATURE: what the composer understands but the planner cannot carry out is refused, not ignored."""

from collections.abc import Iterator

from graphql import is_interface_type, is_object_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.read import directives_on
from kokoa.gateway.compose.subgraphs import Subgraphs
from kokoa.gateway.supergraph import SubgraphView

_REFUSED = frozenset({"context", "fromContext", "policy"})


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    for view in subgraphs.views:
        for name, named in view.schema.type_map.items():
            yield from _refuse(view, name, (named.ast_node, *named.extension_ast_nodes))
            if is_object_type(named) or is_interface_type(named):
                for field_name, field in named.fields.items():
                    nodes = (field.ast_node, *(value.ast_node for value in field.args.values()))
                    yield from _refuse(view, f"{name}.{field_name}", nodes)


def _refuse(view: SubgraphView, where: str, nodes: tuple[object, ...]) -> Iterator[Problem]:
    for one in directives_on(*nodes):
        if one.name.value in _REFUSED:
            message = (
                f"[{view.name}] {where} uses @{one.name.value}, which this gateway does not carry out. Remove it."
            )
            yield Problem("UNSUPPORTED_FEATURE", message, (view.name,))
