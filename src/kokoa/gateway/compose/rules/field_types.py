"""FIELD_TYPE_MISMATCH and EXTERNAL_TYPE_MISMATCH: a field has one type, give or take nullability and subtypes."""

from collections.abc import Iterator, Sequence
from typing import Any

from graphql import is_input_object_type, is_interface_type, is_object_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.merge import most_general, strictest, sub_type_test, type_names, views_of
from kokoa.gateway.supergraph import SubgraphView


def _message(coordinate: str, sources: Sequence[tuple[SubgraphView, Any]]) -> str:
    found = ", ".join(f"{field.type} in {view.name}" for view, field in sources)
    return f"{coordinate} has types that do not fit together: {found}. Use one type in all of them."


def check(views: Sequence[SubgraphView]) -> Iterator[Problem]:
    is_sub_type = sub_type_test(views)
    for name in type_names(views):
        found = views_of(views, name)
        composite = [(view, one) for view, one in found if is_object_type(one) or is_interface_type(one)]
        for field in dict.fromkeys(field for _, named in composite for field in named.fields):
            sources = [(view, named.fields[field]) for view, named in composite if field in named.fields]
            if most_general([one.type for _, one in sources], is_sub_type) is None:
                external = any(view.joins[name, field].external for view, _ in sources if (name, field) in view.joins)
                code = "EXTERNAL_TYPE_MISMATCH" if external else "FIELD_TYPE_MISMATCH"
                yield Problem(code, _message(f"{name}.{field}", sources), tuple(view.name for view, _ in sources))
        inputs = [(view, one) for view, one in found if is_input_object_type(one)]
        for field in dict.fromkeys(field for _, named in inputs for field in named.fields):
            values = [(view, named.fields[field]) for view, named in inputs if field in named.fields]
            if strictest([one.type for _, one in values]) is None:
                who = tuple(view.name for view, _ in values)
                yield Problem("FIELD_TYPE_MISMATCH", _message(f"{name}.{field}", values), who)
