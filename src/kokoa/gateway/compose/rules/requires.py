"""REQUIRES_INVALID_FIELDS, REQUIRES_FIELDS_MISSING_EXTERNAL: a field requires what other subgraphs know."""

from collections.abc import Iterator, Sequence

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.selections import applied_field_sets, missing_fields
from kokoa.gateway.fieldset import fields_of
from kokoa.gateway.supergraph import SubgraphView


def check(views: Sequence[SubgraphView]) -> Iterator[Problem]:
    for view in views:
        for one in applied_field_sets(view, "requires"):
            where = f'[{view.name}] On {one.type_name}.{one.field_name}, @requires(fields: "{one.text}")'
            if one.unreadable:
                yield Problem("REQUIRES_INVALID_FIELDS", f"{where} cannot be read: {one.unreadable}.", (view.name,))
                continue
            for type_name, name in missing_fields(view.schema, one.type_name, one.parts):
                message = f"{where} names {name}, which {type_name} does not have here. Add it as @external."
                yield Problem("REQUIRES_INVALID_FIELDS", message, (view.name,))
            for part in fields_of(one.parts):
                join = view.joins.get((one.type_name, part.name))
                if join is not None and not join.external and not part.children:
                    message = f"{where} names {part.name}, which this subgraph answers itself. Mark it @external."
                    yield Problem("REQUIRES_FIELDS_MISSING_EXTERNAL", message, (view.name,))
