"""Merging the directives on one element of the graph: which of them are kept, and how several become one."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from graphql import IntValueNode, ListValueNode, NameNode, StringValueNode, parse_const_value, print_ast
from graphql.language import ConstArgumentNode, ConstDirectiveNode

from kokoa.gateway.compose.read import directives_on

Merge = Callable[[Sequence[ConstDirectiveNode]], Iterable[ConstDirectiveNode]]
ALTERNATIVES_MAX = 64


def _first(applied: Sequence[ConstDirectiveNode]) -> Iterable[ConstDirectiveNode]:
    return applied[:1]


def _each_once(applied: Sequence[ConstDirectiveNode]) -> Iterable[ConstDirectiveNode]:
    return {print_ast(one): one for one in applied}.values()


def _texts(value: Any) -> frozenset[str]:
    inner = value.values if isinstance(value, ListValueNode) else (value,)
    return frozenset(one.value for one in inner if isinstance(one, StringValueNode))


def _list_text(texts: Iterable[str]) -> str:
    return f"[{', '.join(print_ast(StringValueNode(value=text)) for text in texts)}]"


def _argument(name: str, text: str) -> ConstArgumentNode:
    return ConstArgumentNode(name=NameNode(value=name), value=parse_const_value(text, no_location=True))


def _alternatives(directive: ConstDirectiveNode) -> list[frozenset[str]]:
    value = directive.arguments[0].value if directive.arguments else None
    return [_texts(one) for one in (value.values if isinstance(value, ListValueNode) else (value,))]


def all_demands(applied: Sequence[ConstDirectiveNode]) -> Iterator[ConstDirectiveNode]:
    """Several demands for alternatives of scopes: the alternatives that meet all of them.

    Beyond ALTERNATIVES_MAX the rest are dropped, which never lets anybody in who should stay out.
    """
    if len(applied) == 1:
        yield applied[0]
        return
    met: list[frozenset[str]] = [frozenset()]
    for one in applied:
        met = list(dict.fromkeys(held | option for held, option in product(met, _alternatives(one))))
        met = [option for option in met if not any(other < option for other in met)][:ALTERNATIVES_MAX]
    name = "policies" if applied[0].name.value == "policy" else "scopes"
    text = f"[{', '.join(_list_text(sorted(option)) for option in met)}]"
    yield ConstDirectiveNode(name=applied[0].name, arguments=(_argument(name, text),))


def _weight(directive: ConstDirectiveNode) -> int:
    found = {one.name.value: one.value for one in directive.arguments or ()}
    return int(getattr(found.get("weight"), "value", 0))


def _heaviest(applied: Sequence[ConstDirectiveNode]) -> Iterable[ConstDirectiveNode]:
    return (max(applied, key=_weight),)


def _largest(applied: Sequence[ConstDirectiveNode]) -> Iterator[ConstDirectiveNode]:
    """@listSize of several subgraphs: the largest size, and every argument and field that any of them names."""
    if len(applied) == 1:
        yield applied[0]
        return
    given = [{one.name.value: one.value for one in each.arguments or ()} for each in applied]
    sizes = [one.value for found in given if isinstance(one := found.get("assumedSize"), IntValueNode)]
    arguments = [_argument("assumedSize", max(sizes, key=int))] if sizes else []
    for name in ("slicingArguments", "sizedFields"):
        texts = sorted({text for found in given if name in found for text in _texts(found[name])})
        arguments += [_argument(name, _list_text(texts))] if texts else []
    if any(getattr(found.get("requireOneSlicingArgument"), "value", True) is False for found in given):
        arguments.append(_argument("requireOneSlicingArgument", "false"))
    yield ConstDirectiveNode(name=applied[0].name, arguments=tuple(arguments))


# How the applications of a directive in several subgraphs become those in the graph.
MERGES: Mapping[str, Merge] = {
    "deprecated": _first,
    "specifiedBy": _first,
    "oneOf": _first,
    "inaccessible": _first,
    "tag": _each_once,
    "authenticated": _first,
    "requiresScopes": all_demands,
    "policy": all_demands,
    "cost": _heaviest,
    "listSize": _largest,
}


def merged_directives(nodes: Iterable[Any], composed: Iterable[str] = ()) -> tuple[ConstDirectiveNode, ...]:
    """The directives of an element, given its definitions in the subgraphs.

    composed: the names of directives of the subgraphs' own that `@composeDirective` keeps.
    """
    found: dict[str, list[ConstDirectiveNode]] = {}
    for one in directives_on(*nodes):
        if one.name.value in MERGES or one.name.value in composed:
            found.setdefault(one.name.value, []).append(one)
    return tuple(one for name, applied in found.items() for one in MERGES.get(name, _each_once)(applied))
