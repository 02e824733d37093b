"""REQUIRES_INVALID_FIELDS, REQUIRES_INVALID_FIELDS_TYPE, REQUIRES_DIRECTIVE_IN_FIELDS_ARG,
REQUIRES_FIELDS_MISSING_EXTERNAL, REQUIRES_UNSUPPORTED_ON_INTERFACE: a field requires what other subgraphs know.
"""

from collections.abc import Iterator

from graphql import is_interface_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.selections import applied_to_fields, check_form, own_leaves
from kokoa.gateway.compose.subgraphs import Subgraphs


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    for view in subgraphs.views:
        for one, _ in applied_to_fields(view, "requires"):
            if is_interface_type(view.schema.get_type(one.selects_from)):
                if view.links.is_federation_2:
                    message = "is on a field of an interface. Move it to the fields of the object types."
                    yield one.problem("UNSUPPORTED_ON_INTERFACE", message)
                continue
            yield from check_form(one)
            for coordinate in (
                own_leaves(view, one.selects_from, one.parts or ()) if view.links.is_federation_2 else ()
            ):
                message = f"names {coordinate}, which this subgraph answers itself. Mark it @external, or remove it."
                yield one.problem("FIELDS_MISSING_EXTERNAL", message)
