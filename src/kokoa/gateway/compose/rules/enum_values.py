"""ENUM_VALUE_MISMATCH, EMPTY_MERGED_ENUM_TYPE: an enum that goes both in and out is equal everywhere."""

from collections.abc import Iterator, Sequence

from kokoa.gateway.compose.errors import Problem
from kokoa.gateway.compose.merge import is_inaccessible
from kokoa.gateway.compose.subgraphs import Subgraphs, Version


def check(subgraphs: Subgraphs) -> Iterator[Problem]:
    for name in subgraphs.types:
        versions = subgraphs.versions(name, "enum")
        if len(versions) < 2 or name not in subgraphs.inputs:
            continue
        values = list(dict.fromkeys(value for _, named in versions for value in named.values))
        if name in subgraphs.outputs:
            yield from _check_equal(name, values, versions)
        elif not any(all(value in named.values for _, named in versions) for value in values):
            who = tuple(view.name for view, _ in versions)
            message = f"The subgraphs {', '.join(who)} have no value of the enum {name} in common. Add one to all."
            yield Problem("EMPTY_MERGED_ENUM_TYPE", message, who)


def _check_equal(name: str, values: Sequence[str], versions: Sequence[Version]) -> Iterator[Problem]:
    for value in values:
        lacking = tuple(view.name for view, named in versions if value not in named.values)
        hidden = is_inaccessible(named.values[value].ast_node for _, named in versions if value in named.values)
        if lacking and not hidden:
            message = (
                f"The enum {name} is both argument and result, so it must be equal everywhere, but "
                f"{', '.join(lacking)} lacks {value}. Add it there, or mark it @inaccessible where it is."
            )
            yield Problem("ENUM_VALUE_MISMATCH", message, lacking)
