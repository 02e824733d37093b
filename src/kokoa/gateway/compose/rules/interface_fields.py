"""INTERFACE_FIELD_NO_IMPLEM: every object of an interface has the interface's fields, over all subgraphs."""

from collections.abc import Iterator, Sequence

from graphql import is_interface_type, is_object_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.merge import type_names, views_of
from kokoa.gateway.supergraph import SubgraphView


def check(views: Sequence[SubgraphView]) -> Iterator[Problem]:
    fields: dict[str, set[str]] = {}
    for name in type_names(views):
        for _, named in views_of(views, name):
            if is_object_type(named) or is_interface_type(named):
                fields.setdefault(name, set()).update(named.fields)
    for name in type_names(views):
        interfaces = {
            one.name: view.name
            for view, named in views_of(views, name)
            if is_object_type(named)
            for one in named.interfaces
        }
        for interface, who in interfaces.items():
            for field in sorted(fields.get(interface, set()) - fields[name]):
                message = (
                    f"{name} implements {interface} in {who}, and {interface}.{field} exists, but no subgraph has "
                    f"{name}.{field}. Add it where {name} is answered."
                )
                yield Problem("INTERFACE_FIELD_NO_IMPLEM", message, (who,))
