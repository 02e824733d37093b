"""INTERFACE_KEY_MISSING_IMPLEMENTATION_TYPE, INTERFACE_KEY_NOT_ON_IMPLEMENTATION: a subgraph that finds objects by
the key of an interface knows all of its object types, each with that key.
"""

from collections.abc import Iterator

from graphql import is_interface_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.subgraphs import Subgraphs
from kokoa.gateway.fieldset import FieldSet
from kokoa.gateway.supergraph import Key, SubgraphView


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    for view in subgraphs.views:
        for name, keys in view.keys.items():
            if not is_interface_type(view.schema.get_type(name)):
                continue
            known = view.possible(name)
            lacking = sorted(set(subgraphs.members.get(name, ())) - known)
            if lacking and any(key.resolvable for key in keys):
                message = (
                    f"[{view.name}] The interface {name} has a @key, so this subgraph must know all of its object "
                    f"types, but lacks {', '.join(lacking)}. Add them with that key, or write resolvable: false."
                )
                yield Problem("INTERFACE_KEY_MISSING_IMPLEMENTATION_TYPE", message, (view.name,))
            for key in keys:
                yield from _check_members(view, name, key, sorted(known))


def _check_members(view: SubgraphView, interface: str, key: Key, members: list[str]) -> Iterator[Problem]:
    for member in members:
        same = [one for one in view.keys.get(member, ()) if _set(one.fields) == _set(key.fields)]
        if not any(one.resolvable or not key.resolvable for one in same):
            message = (
                f'[{view.name}] The interface {interface} has @key(fields: "{key.text}"), but {member}, which '
                f"implements it, does not{' with resolvable: true' if same else ''}. Add the key to {member}."
            )
            yield Problem("INTERFACE_KEY_NOT_ON_IMPLEMENTATION", message, (view.name,))


def _set(parts: FieldSet) -> frozenset[object]:
    """A field set without the order of its fields."""
    return frozenset((one.name, one.on, one.arguments, _set(one.children)) for one in parts)
