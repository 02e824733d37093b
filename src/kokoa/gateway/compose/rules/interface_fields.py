"""INTERFACE_FIELD_NO_IMPLEM: every object of an interface has the interface's fields, over all subgraphs."""

from collections.abc import Iterator

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.subgraphs import Subgraphs


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    fields: dict[str, set[str]] = {name: set(found) for name, found in subgraphs.composite()}
    for interface, members in subgraphs.members.items():
        for member in members:
            for field in sorted(fields.get(interface, set()) - fields[member]):
                who = next(
                    view.name
                    for view, named in subgraphs.versions(member, "object")
                    if any(one.name == interface for one in named.interfaces)
                )
                message = (
                    f"{member} implements {interface} in {who}, and {interface}.{field} exists, but no subgraph has "
                    f"{member}.{field}. Add it where {member} is answered."
                )
                yield Problem("INTERFACE_FIELD_NO_IMPLEM", message, (who,))
