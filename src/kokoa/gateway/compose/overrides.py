"""`@override(from:)`: the named subgraph loses the field, for good or while a label is on. Applied before merging."""

from collections.abc import Mapping, Sequence

import msgspec

from kokoa.gateway.supergraph import FieldJoin, SubgraphView

# (subgraph that loses the field, type, field) → the label, empty for good
Losses = Mapping[tuple[str, str, str], str]


def apply_overrides(views: Sequence[SubgraphView]) -> list[SubgraphView]:
    """The views, with the joins of overridden fields marked so."""
    losses = {
        (join.override_from, *coordinate): join.override_label
        for view in views
        for coordinate, join in view.joins.items()
        if join.override_from and join.override_from != view.name
    }
    losers = {name for name, _, _ in losses}
    return [
        msgspec.structs.replace(view, joins=_marked(view.name, view.joins, losses)) if view.name in losers else view
        for view in views
    ]


def _marked(
    name: str, joins: Mapping[tuple[str, str], FieldJoin], losses: Losses
) -> dict[tuple[str, str], FieldJoin]:
    return {
        coordinate: _lose(join, losses[name, *coordinate]) if (name, *coordinate) in losses else join
        for coordinate, join in joins.items()
    }


def _lose(join: FieldJoin, label: str) -> FieldJoin:
    return msgspec.structs.replace(join, overridden=not label, overridden_label=label)


def override_labels(views: Sequence[SubgraphView]) -> tuple[str, ...]:
    """All labels of progressive overrides, sorted."""
    return tuple(sorted({join.override_label for view in views for join in view.joins.values()} - {""}))
