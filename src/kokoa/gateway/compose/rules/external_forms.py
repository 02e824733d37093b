"""EXTERNAL_TYPE_MISMATCH, EXTERNAL_ARGUMENT_MISSING, EXTERNAL_ARGUMENT_TYPE_MISMATCH,
EXTERNAL_ARGUMENT_DEFAULT_MISMATCH: who mentions another subgraph's field mentions it as it is.
"""

from collections.abc import Iterator
from typing import Any

from graphql import get_named_type

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.merge import defining
from kokoa.gateway.compose.subgraphs import Source, Subgraphs
from kokoa.gateway.compose.unify import IsSubType, most_general, strictest
from kokoa.gateway.compose.values import default_text


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    for (type_name, field_name), sources in subgraphs.fields.items():
        external = [one for one in sources if one.join.external and one.holder == type_name]
        own = [one for one in defining(sources) if not one.join.external]
        if external and own:
            merged = most_general([one.field.type for one in own], subgraphs.is_sub_type)
            for one in external:
                yield from _check_type(subgraphs, one, field_name, merged)
                yield from _check_arguments(one, field_name, own)


def _check_type(subgraphs: Subgraphs, one: Source, field_name: str, merged: Any) -> Iterator[Problem]:
    if merged is None:
        return  # FIELD_TYPE_MISMATCH says so already
    if not _mentions(merged, one.field.type, subgraphs.is_sub_type):
        message = (
            f"[{one.view.name}] {one.holder}.{field_name} is @external with the type {one.field.type}, but the "
            f"subgraphs that answer it say {merged}. Write {merged}."
        )
        yield Problem("EXTERNAL_TYPE_MISMATCH", message, (one.view.name,))


def _check_arguments(one: Source, field_name: str, own: list[Source]) -> Iterator[Problem]:
    where = f"[{one.view.name}] The @external {one.holder}.{field_name}"
    merged = {
        name: [each.field.args[name] for each in own]
        for name in own[0].field.args
        if all(name in each.field.args for each in own)
    }
    for name, arguments in merged.items():
        wanted, found = strictest([each.type for each in arguments]), one.field.args.get(name)
        if found is None:
            message = f"{where} lacks the argument {name}, which the field has where it is answered. Add it."
            yield Problem("EXTERNAL_ARGUMENT_MISSING", message, (one.view.name,))
            continue
        if wanted is not None and not _accepts(wanted, found.type):
            message = (
                f"{where} gives {name} the type {found.type}; where it is answered it is {wanted}. Write {wanted}."
            )
            yield Problem("EXTERNAL_ARGUMENT_TYPE_MISMATCH", message, (one.view.name,))
        default = default_text(arguments[0])
        if default_text(found) != default:
            message = (
                f"{where} gives {name} the default {default_text(found) or 'none'}; where it is answered it is "
                f"{default or 'none'}. Make them equal."
            )
            yield Problem("EXTERNAL_ARGUMENT_DEFAULT_MISMATCH", message, (one.view.name,))


def _mentions(merged: Any, found: Any, is_sub_type: IsSubType) -> bool:
    """Whether two types are the same, lists and nullability included, give or take a subtype."""
    inner, other = get_named_type(merged).name, get_named_type(found).name
    same_form = str(merged).replace(inner, "") == str(found).replace(other, "")
    return same_form and (inner == other or is_sub_type(inner, other))


def _accepts(wanted: Any, found: Any) -> bool:
    """Whether the argument as mentioned is the real one, or takes more than that."""
    together = strictest([wanted, found])
    return together is not None and str(together) == str(wanted)
