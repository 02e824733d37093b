"""FIELD_ARGUMENT_TYPE_MISMATCH, FIELD_ARGUMENT_DEFAULT_MISMATCH, REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH:
an argument means the same wherever its field is answered.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from graphql import is_required_argument

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.merge import defining
from kokoa.gateway.compose.subgraphs import Source, Subgraphs
from kokoa.gateway.compose.unify import strictest
from kokoa.gateway.compose.values import default_text


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    for (type_name, name), sources in subgraphs.fields.items():
        own = defining(subgraphs.own_sources(type_name, name) or sources)
        for argument in dict.fromkeys(one for source in own for one in source.field.args):
            coordinate = f"{type_name}.{name}({argument}:)"
            holders = [(one.view.name, one.field.args[argument]) for one in own if argument in one.field.args]
            yield from _check_argument(coordinate, holders)
            yield from _check_presence(coordinate, argument, own)


def _check_argument(coordinate: str, holders: Sequence[tuple[str, Any]]) -> Iterator[Problem]:
    who = tuple(name for name, _ in holders)
    if strictest([one.type for _, one in holders]) is None:
        found = ", ".join(f"{one.type} in {name}" for name, one in holders)
        message = f"{coordinate} has types that do not fit together: {found}. Use one type in all of them."
        yield Problem("FIELD_ARGUMENT_TYPE_MISMATCH", message, who)
    if len({default_text(one) for _, one in holders} - {""}) > 1:
        found = ", ".join(f"{default_text(one) or 'none'} in {name}" for name, one in holders)
        message = f"{coordinate} has different defaults: {found}. Use one default in all of them."
        yield Problem("FIELD_ARGUMENT_DEFAULT_MISMATCH", message, who)


def _check_presence(coordinate: str, argument: str, own: Sequence[Source]) -> Iterator[Problem]:
    lacking = tuple(one.view.name for one in own if argument not in one.field.args)
    required = any(argument in one.field.args and is_required_argument(one.field.args[argument]) for one in own)
    if required and lacking:
        message = (
            f"{coordinate} is required in some subgraphs but missing in {', '.join(lacking)}. "
            "Add it there, or make it optional."
        )
        yield Problem("REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH", message, lacking)
