"""INTERFACE_OBJECT_USAGE_ERROR: an interface object stands for an interface that others define, and is an entity."""

from collections.abc import Iterator

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.subgraphs import Subgraphs


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    for view in subgraphs.views:
        for name in sorted(view.interface_objects):
            where = f"[{view.name}] {name} is an @interfaceObject"
            if name not in view.keys:
                message = f"{where} without a @key, so nobody can ask for one. Add the interface's key."
                yield Problem("INTERFACE_OBJECT_USAGE_ERROR", message, (view.name,))
            if all(name in other.interface_objects for other, _ in subgraphs.types[name]):
                message = f"{where} in every subgraph that has it. Define `interface {name}` in one of them."
                yield Problem("INTERFACE_OBJECT_USAGE_ERROR", message, (view.name,))
            known = [one for one in subgraphs.members.get(name, ()) if view.schema.get_type(one) is not None]
            if known:
                message = (
                    f"{where}, which stands for all objects of the interface, but the subgraph also has "
                    f"{', '.join(known)}. Remove these types, or @interfaceObject."
                )
                yield Problem("INTERFACE_OBJECT_USAGE_ERROR", message, (view.name,))
