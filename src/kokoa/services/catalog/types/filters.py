"""Filters by attribute → conditions over the sorted values. Pure.

A filter does not know the attribute's type (product types may differ in it), so the value itself says what it is
compared with: a text with texts, dates, enums and references, a number with numbers, an amount with amounts of its
currency.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.services.catalog.errors import InvalidFilter
from kokoa.services.catalog.model import require_plain
from kokoa.services.catalog.types.model import KEY_MAX, TEXT_MAX
from kokoa.services.catalog.types.values import decimal_of, money_problem, sorted_money, sorted_number, sorted_text

VALUES_MAX = 100

Test = tuple[str, tuple[Any, ...]]
"""Name and values of a condition: in conditions.sql."""


def read_attribute(given: Mapping[str, Any], at: str) -> Test:
    """given: a ProductAttributeFilter. Raises InvalidFilter, InvalidText, each with the path of the field."""
    key = given["key"]
    require_plain(key, f"{at}.key")
    if len(key) > KEY_MAX:
        raise InvalidFilter(f"No attribute has a key of more than {KEY_MAX} characters.", field=f"{at}.key")
    equals, among, low, high = (given.get(name) for name in ("equals", "in", "min", "max"))
    ways = [equals is not None, among is not None, low is not None or high is not None]
    if sum(ways) != 1:
        raise InvalidFilter("Give equals, in, or min and max.", field=at)
    if equals is not None:
        return "attribute_values", (key, [_sorted(equals, f"{at}.equals")])
    if among is not None:
        if len(among) > VALUES_MAX:
            raise InvalidFilter(
                f"{at}.in has {len(among)} values; at most {VALUES_MAX} are allowed.", field=f"{at}.in"
            )
        return "attribute_values", (key, [_sorted(one, f"{at}.in.{index}") for index, one in enumerate(among)])
    return "attribute_range", (key, *_range(low, high, at))


def _range(low: Any, high: Any, at: str) -> Sequence[str]:
    """The first and the last text of the range, both included."""
    for name, bound in (("min", low), ("max", high)):
        if isinstance(bound, bool):
            raise InvalidFilter("true and false have no order.", field=f"{at}.{name}")
    first = None if low is None else _sorted(low, f"{at}.min")
    last = None if high is None else _sorted(high, f"{at}.max")
    kinds = {_kind(one) for one in (first, last) if one is not None}
    if len(kinds) > 1:
        raise InvalidFilter("min and max must be of one kind, amounts of one currency.", field=f"{at}.max")
    kind = kinds.pop()
    first, last = first or kind, last or _behind(kind)
    if first > last:
        raise InvalidFilter("min is above max.", field=f"{at}.min")
    return first, last


def _kind(text: str) -> str:
    """What the texts of all values of its kind begin with."""
    return text[:4] if text.startswith("$") else text[0]


def _behind(kind: str) -> str:
    """A text behind those of all values of a kind, and before those of the next."""
    return f"{kind}:" if kind.startswith("$") else chr(ord(kind) + 1)


def _sorted(value: Any, at: str) -> str:
    if isinstance(value, bool):
        return "=true" if value else "=false"
    if isinstance(value, str):
        require_plain(value, at)
        if len(value) > TEXT_MAX:
            raise InvalidFilter(f"No text has more than {TEXT_MAX} characters.", field=at)
        return sorted_text(value)
    if isinstance(value, int | float):
        number = decimal_of(value)
        if isinstance(number, str):
            raise InvalidFilter(f"This is no number that an attribute could have: {number}", field=at)
        return sorted_number(number)
    if isinstance(value, list):
        raise InvalidFilter("One value is compared with: give `in` for several.", field=at)
    if wrong := money_problem(value):
        raise InvalidFilter(f"This is no amount of money: {wrong}", field=at)
    return sorted_money(value)
