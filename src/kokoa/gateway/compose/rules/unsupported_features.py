"""UNSUPPORTED_FEATURE: what the composer understands but the planner cannot carry out yet is refused, not ignored."""

from collections.abc import Iterator, Sequence

from graphql import is_interface_type, is_object_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.read import directives_on
from kokoa.gateway.supergraph import SubgraphView

_ON_TYPES = ("interfaceObject", "context", "policy")
_ON_FIELDS = ("policy",)


def _refuse(view: SubgraphView, where: str, what: str) -> Problem:
    message = f"[{view.name}] {where} uses {what}, which this gateway does not carry out. Remove it."
    return Problem("UNSUPPORTED_FEATURE", message, (view.name,))


def check(views: Sequence[SubgraphView]) -> Iterator[Problem]:
    for view in views:
        for name, named in view.schema.type_map.items():
            for one in directives_on(named.ast_node, *named.extension_ast_nodes):
                if one.name.value in _ON_TYPES:
                    yield _refuse(view, name, f"@{one.name.value}")
            if is_interface_type(named) and name in view.keys:
                yield _refuse(view, name, "@key on an interface")
            if not (is_object_type(named) or is_interface_type(named)):
                continue
            for field_name, field in named.fields.items():
                for one in directives_on(field.ast_node, *(value.ast_node for value in field.args.values())):
                    if one.name.value in _ON_FIELDS or one.name.value == "fromContext":
                        yield _refuse(view, f"{name}.{field_name}", f"@{one.name.value}")
                join = view.joins.get((name, field_name))
                if join is not None and join.override_label:
                    yield _refuse(view, f"{name}.{field_name}", "@override(label:)")
