"""INVALID_SHAREABLE_USAGE: @shareable is for what a subgraph answers, and is said once."""

from collections.abc import Iterator

from graphql import is_interface_type, is_object_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.read import directives_on
from kokoa.gateway.compose.subgraphs import Subgraphs


def _count(node: object) -> int:
    return sum(one.name.value == "shareable" for one in directives_on(node))


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    for view in subgraphs.views:
        for name, named in view.schema.type_map.items():
            if not (is_object_type(named) or is_interface_type(named)):
                continue
            twice = [name] if any(_count(one) > 1 for one in (named.ast_node, *named.extension_ast_nodes)) else []
            for field_name, field in named.fields.items():
                count = _count(field.ast_node)
                coordinate = f"{name}.{field_name}"
                if count and is_interface_type(named):
                    message = (
                        f"[{view.name}] {coordinate} is a field of an interface. Mark the objects' fields instead."
                    )
                    yield Problem("INVALID_SHAREABLE_USAGE", message, (view.name,))
                elif count > 1:
                    twice.append(coordinate)
            for coordinate in twice:
                message = f"[{view.name}] {coordinate} has @shareable more than once in one place. Keep one of them."
                yield Problem("INVALID_SHAREABLE_USAGE", message, (view.name,))
