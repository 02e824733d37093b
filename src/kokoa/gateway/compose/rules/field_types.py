"""FIELD_TYPE_MISMATCH: a field has one type, give or take nullability and subtypes."""

from collections.abc import Iterator, Sequence

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.merge import defining
from kokoa.gateway.compose.subgraphs import Subgraphs
from kokoa.gateway.compose.unify import most_general, strictest
from kokoa.gateway.supergraph import SubgraphView


def _problem(coordinate: str, found: Sequence[tuple[SubgraphView, object]]) -> Problem:
    listed = ", ".join(f"{one} in {view.name}" for view, one in found)
    message = f"{coordinate} has types that do not fit together: {listed}. Use one type in all of them."
    return Problem("FIELD_TYPE_MISMATCH", message, tuple(view.name for view, _ in found))


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    for (type_name, name), sources in subgraphs.fields.items():
        own = defining(subgraphs.own_sources(type_name, name) or sources)
        if most_general([one.field.type for one in own], subgraphs.is_sub_type) is None:
            yield _problem(f"{type_name}.{name}", [(one.view, one.field.type) for one in own])
    for (type_name, name), versions in subgraphs.input_fields.items():
        if strictest([one.type for _, one in versions]) is None:
            yield _problem(f"{type_name}.{name}", [(view, one.type) for view, one in versions])
