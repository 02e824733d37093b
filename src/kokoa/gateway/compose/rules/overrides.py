"""OVERRIDE_FROM_SELF_ERROR, OVERRIDE_SOURCE_HAS_OVERRIDE, OVERRIDE_ON_INTERFACE, OVERRIDE_LABEL_INVALID,
OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE: an override takes a plain field from another subgraph, once.
"""

import re
from collections.abc import Iterator

from graphql import is_interface_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.subgraphs import Subgraphs
from kokoa.gateway.supergraph import FieldJoin, SubgraphView

LABEL = re.compile(r"^[a-zA-Z][a-zA-Z0-9_\-:./]*$")
PERCENT = re.compile(r"^percent\((\d{1,3}(?:\.\d{1,8})?)\)$")


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    by_name = {view.name: view for view in subgraphs.views}
    for view in subgraphs.views:
        for (type_name, field_name), join in view.joins.items():
            if join.override_from:
                where = f'[{view.name}] {type_name}.{field_name} has @override(from: "{join.override_from}")'
                yield from _check_place(view, type_name, join, where)
                yield from _check_label(view, join, where)
                yield from _check_others(by_name, view, (type_name, field_name), where)


def _check_place(view: SubgraphView, type_name: str, join: FieldJoin, where: str) -> Iterator[Problem]:
    if join.override_from == view.name:
        message = f"{where}, which is itself. Name the subgraph that answers the field now."
        yield Problem("OVERRIDE_FROM_SELF_ERROR", message, (view.name,))
    if is_interface_type(view.schema.get_type(type_name)) or type_name in view.interface_objects:
        message = f"{where}, but {type_name} is an interface. Override the field of each object type."
        yield Problem("OVERRIDE_ON_INTERFACE", message, (view.name,))
    if join.external:
        message = f"{where} beside @external. A field is taken over or mentioned, not both: remove one of them."
        yield Problem("OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE", message, (view.name,))


def _check_label(view: SubgraphView, join: FieldJoin, where: str) -> Iterator[Problem]:
    percent = PERCENT.match(join.override_label)
    fits = float(percent[1]) <= 100 if percent else LABEL.match(join.override_label)
    if join.override_label and not fits:
        message = (
            f'{where} with the label "{join.override_label}". Write percent(0) to percent(100), or a name of '
            "letters, digits and _ - : . / that begins with a letter."
        )
        yield Problem("OVERRIDE_LABEL_INVALID", message, (view.name,))
    if join.override_label and view.links.version < (2, 7):
        message = f"{where} with a label, which federation has since v2.7. Link to v2.7, or remove the label."
        yield Problem("OVERRIDE_LABEL_INVALID", message, (view.name,))


def _check_others(
    by_name: dict[str, SubgraphView], view: SubgraphView, coordinate: tuple[str, str], where: str
) -> Iterator[Problem]:
    join = view.joins[coordinate]
    for other in by_name.values():
        found = other.joins.get(coordinate)
        if found is not None and other is not view and found.override_from and view.name < other.name:
            message = f"{where}, and {other.name} overrides it too, from {found.override_from}. Keep one of the two."
            yield Problem("OVERRIDE_SOURCE_HAS_OVERRIDE", message, (view.name, other.name))
    source = by_name.get(join.override_from)
    lost = source.joins.get(coordinate) if source is not None and source is not view else None
    if lost is not None and (lost.requires or lost.provides):
        what = "@requires" if lost.requires else "@provides"
        message = (
            f"{where}, where the field has {what}. Remove {what} there: a field that is taken over is a plain one."
        )
        yield Problem("OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE", message, (view.name, join.override_from))
