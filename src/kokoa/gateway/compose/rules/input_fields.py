"""REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH, INPUT_FIELD_DEFAULT_MISMATCH, EMPTY_MERGED_INPUT_TYPE:
an input object keeps the fields that all subgraphs know.
"""

from collections.abc import Iterator, Sequence

from graphql import is_required_input_field

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.subgraphs import Subgraphs, Version
from kokoa.gateway.compose.values import default_text


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    for name in subgraphs.types:
        versions = subgraphs.versions(name, "input object")
        fields = dict.fromkeys(field for _, named in versions for field in named.fields)
        for field in fields:
            yield from _check_field(name, field, versions)
        if versions and not any(all(field in named.fields for _, named in versions) for field in fields):
            who = tuple(view.name for view, _ in versions)
            message = f"The subgraphs {', '.join(who)} have no field of the input {name} in common. Add one to all."
            yield Problem("EMPTY_MERGED_INPUT_TYPE", message, who)


def _check_field(name: str, field: str, versions: Sequence[Version]) -> Iterator[Problem]:
    holders = [(view.name, named.fields[field]) for view, named in versions if field in named.fields]
    required = [who for who, one in holders if is_required_input_field(one)]
    lacking = tuple(view.name for view, named in versions if field not in named.fields)
    if required and lacking:
        message = (
            f"{name}.{field} is required in {', '.join(required)} but missing in {', '.join(lacking)}. "
            "Add it there, or make it optional."
        )
        yield Problem("REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH", message, lacking)
    if not lacking and len({default_text(one) for _, one in holders} - {""}) > 1:
        found = ", ".join(f"{default_text(one) or 'none'} in {who}" for who, one in holders)
        message = f"{name}.{field} has different defaults: {found}. Use one default in all of them."
        yield Problem("INPUT_FIELD_DEFAULT_MISMATCH", message, tuple(who for who, _ in holders))
