"""Leaf values, a column at a time: scalars and enums on their way into a response (GraphQL §6.4.3).

A codec looks at the *types* that occur in a column. If they are the ones that JSON takes as they are, the column
passes unchanged; only otherwise is each value converted on its own. `ready` and `fits` say the same of one value.
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


def _int_fits(value: Any) -> bool:
    return value is None or _INT_MIN <= value <= _INT_MAX


def _is_finite(value: Any) -> bool:
    return value is None or isfinite(value)


_PLAIN: dict[str, tuple[type, Callable[[Any], bool] | None]] = {
    "String": (str, None),
    "ID": (str, None),
    "Boolean": (bool, None),
    "Int": (int, _int_fits),
    "Float": (float, _is_finite),
}
_JSON = frozenset({str, int, float, bool, dict, list})


class LeafCodec:
    """convert: one value that is not None → JSON value, or raises.

    fits: whether a value that is None or of one of the `ready` types passes as it is; None if all of them do.
    """

    __slots__ = ("_accepts", "_exact", "_exact_or_none", "convert", "fits")

    def __init__(
        self,
        convert: Callable[[Any], Any],
        exact: frozenset[type] = frozenset(),
        fits: Callable[[Any], bool] | None = None,
        *,
        anything: bool = False,
    ) -> None:
        self.convert = convert
        self.fits = fits
        self._exact = exact
        self._exact_or_none = exact | {_NONE}
        self._accepts = anything

    def ready(self, *, nullable: bool) -> frozenset[type]:
        """The types of values that may pass as they are; one that takes anything names only the usual ones."""
        types = _JSON if self._accepts else self._exact
        return types | {_NONE} if nullable else types

    def takes(self, values: Sequence[Any], *, nullable: bool) -> bool:
        """Whether the whole column may pass as it is."""
        types = set(map(type, values))
        if self._accepts:
            return (nullable or _NONE not in types) and not any(issubclass(one, Exception) for one in types)
        if not types <= (self._exact_or_none if nullable else self._exact):
            return False
        return self.fits is None or all(map(self.fits, values))


def _enum_codec(enum: GraphQLEnumType) -> LeafCodec:
    names = frozenset(enum.values)
    known: Callable[[Any], bool] = (names | {None}).__contains__

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
