"""FIELD_ARGUMENT_TYPE_MISMATCH, FIELD_ARGUMENT_DEFAULT_MISMATCH: an argument means the same wherever it occurs."""

from collections.abc import Iterator, Sequence
from typing import Any

from graphql import is_interface_type, is_object_type, print_ast

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.merge import strictest, type_names, views_of
from kokoa.gateway.supergraph import SubgraphView


def _default(argument: Any) -> str:
    node = argument.ast_node
    return print_ast(node.default_value) if node is not None and node.default_value else ""


def check(views: Sequence[SubgraphView]) -> Iterator[Problem]:
    for name in type_names(views):
        found = [(view, one) for view, one in views_of(views, name) if is_object_type(one) or is_interface_type(one)]
        for field in dict.fromkeys(field for _, named in found for field in named.fields):
            sources = [(view, named.fields[field]) for view, named in found if field in named.fields]
            for argument in dict.fromkeys(one for _, source in sources for one in source.args):
                holders = [(view, source.args[argument]) for view, source in sources if argument in source.args]
                yield from _check_argument(f"{name}.{field}({argument}:)", holders)


def _check_argument(coordinate: str, holders: Sequence[tuple[SubgraphView, Any]]) -> Iterator[Problem]:
    who = tuple(view.name for view, _ in holders)
    if strictest([one.type for _, one in holders]) is None:
        found = ", ".join(f"{one.type} in {view.name}" for view, one in holders)
        message = f"{coordinate} has types that do not fit together: {found}. Use one type in all of them."
        yield Problem("FIELD_ARGUMENT_TYPE_MISMATCH", message, who)
    if len({_default(one) for _, one in holders}) > 1:
        found = ", ".join(f"{_default(one) or 'none'} in {view.name}" for view, one in holders)
        message = f"{coordinate} has different defaults: {found}. Use one default in all of them."
        yield Problem("FIELD_ARGUMENT_DEFAULT_MISMATCH", message, who)
