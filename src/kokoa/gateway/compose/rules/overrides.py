"""OVERRIDE_FROM_SELF_ERROR, OVERRIDE_SOURCE_HAS_OVERRIDE, OVERRIDE_ON_INTERFACE,
OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE: an override takes a plain field from another subgraph, once.
"""

from collections.abc import Iterator, Sequence

from graphql import is_interface_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.supergraph import SubgraphView


def check(views: Sequence[SubgraphView]) -> Iterator[Problem]:
    by_name = {view.name: view for view in views}
    for view in views:
        for (type_name, field_name), join in view.joins.items():
            if not join.override_from:
                continue
            where = f'[{view.name}] {type_name}.{field_name} has @override(from: "{join.override_from}")'
            if join.override_from == view.name:
                message = f"{where}, which is itself. Name the subgraph that answers the field now."
                yield Problem("OVERRIDE_FROM_SELF_ERROR", message, (view.name,))
            if is_interface_type(view.schema.get_type(type_name)):
                message = f"{where}, but {type_name} is an interface. Override the field of each object type."
                yield Problem("OVERRIDE_ON_INTERFACE", message, (view.name,))
            if join.external or join.requires or join.provides:
                message = f"{where} beside @external, @requires or @provides. An overriding field has none of them."
                yield Problem("OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE", message, (view.name,))
            source = by_name.get(join.override_from)
            found = source.joins.get((type_name, field_name)) if source else None
            if found is not None and found.override_from and join.override_from != view.name:
                message = f"{where}, which itself overrides {found.override_from}. Keep one of the two."
                yield Problem("OVERRIDE_SOURCE_HAS_OVERRIDE", message, (view.name, join.override_from))
