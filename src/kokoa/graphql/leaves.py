"""Leaf values, a column at a time: scalars and enums on their way into a response (GraphQL §6.4.3).

A codec looks at the *types* that occur in a column. If they are the ones that JSON takes as they are, the column
passes unchanged; only otherwise is each value converted on its own.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from math import isfinite
from typing import Any

from graphql import GraphQLEnumType, GraphQLLeafType

from kokoa.graphql.scalars import Scalar

_NONE = type(None)
_INT_MAX = 2**31 - 1
_INT_MIN = -(2**31)


def _ints_fit(values: Sequence[Any]) -> bool:
    known = [value for value in values if value is not None]
    return not known or (min(known) >= _INT_MIN and max(known) <= _INT_MAX)


def _floats_are_finite(values: Sequence[Any]) -> bool:
    return all(isfinite(value) for value in values if value is not None)


_PLAIN: dict[str, tuple[type, Callable[[Sequence[Any]], bool] | None]] = {
    "String": (str, None),
    "ID": (str, None),
    "Boolean": (bool, None),
    "Int": (int, _ints_fit),
    "Float": (float, _floats_are_finite),
}


class LeafCodec:
    """convert: one value that is not None → JSON value, or raises."""

    __slots__ = ("_accepts", "_check", "_exact", "_exact_or_none", "convert")

    def __init__(
        self,
        convert: Callable[[Any], Any],
        exact: frozenset[type] = frozenset(),
        check: Callable[[Sequence[Any]], bool] | None = None,
        *,
        anything: bool = False,
    ) -> None:
        self.convert = convert
        self._exact = exact
        self._exact_or_none = exact | {_NONE}
        self._check = check
        self._accepts = anything

    def takes(self, values: Sequence[Any], *, nullable: bool) -> bool:
        """Whether the whole column may pass as it is."""
        types = set(map(type, values))
        if self._accepts:
            return (nullable or _NONE not in types) and not any(issubclass(one, Exception) for one in types)
        if not types <= (self._exact_or_none if nullable else self._exact):
            return False
        return self._check is None or self._check(values)


def _enum_codec(enum: GraphQLEnumType) -> LeafCodec:
    names = frozenset(enum.values)
    names_or_none = names | {None}

    def known(values: Sequence[Any]) -> bool:
        return names_or_none.issuperset(values)

    def convert(value: Any) -> str:
        name = value.value if isinstance(value, Enum) else value
        if not isinstance(name, str) or name not in names:
            raise ValueError(f"{value!r} is not a value of the enum {enum.name}")
        return name

    return LeafCodec(convert, frozenset({str}), known)


def codec_of(leaf: GraphQLLeafType, custom: Scalar | None) -> LeafCodec:
    """The codec of a leaf type. custom: what the subgraph registered for a scalar of its own."""
    if isinstance(leaf, GraphQLEnumType):
        # Introspection's own enums have values that are not their names.
        return LeafCodec(leaf.coerce_output_value) if leaf.name.startswith("__") else _enum_codec(leaf)
    if custom is not None:
        untouched = custom.serialize is Scalar().serialize
        return LeafCodec(custom.serialize, anything=untouched)
    plain = _PLAIN.get(leaf.name)
    if plain is None:
        return LeafCodec(lambda value: value, anything=True)
    return LeafCodec(leaf.coerce_output_value, frozenset({plain[0]}), plain[1])
