"""`@override(from:)`: the named subgraph loses the field. Applied before anything is merged."""

from collections.abc import Mapping, Sequence

import msgspec

from kokoa.gateway.supergraph import FieldJoin, SubgraphView


def apply_overrides(views: Sequence[SubgraphView]) -> list[SubgraphView]:
    """The views, with the joins of overridden fields marked so."""
    lost = {
        (join.override_from, key)
        for view in views
        for key, join in view.joins.items()
        if join.override_from and join.override_from != view.name
    }
    return [
        msgspec.structs.replace(view, joins=_without(view.name, view.joins, lost))
        if any(name == view.name for name, _ in lost)
        else view
        for view in views
    ]


def _without(
    name: str, joins: Mapping[tuple[str, str], FieldJoin], lost: set[tuple[str, tuple[str, str]]]
) -> dict[tuple[str, str], FieldJoin]:
    return {
        key: msgspec.structs.replace(join, overridden=True) if (name, key) in lost else join
        for key, join in joins.items()
    }
