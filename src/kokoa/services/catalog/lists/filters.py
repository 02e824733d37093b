"""A GraphQL filter → conditions, within bounds. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from kokoa.kernel.ids import require_id
from kokoa.kernel.money import is_currency
from kokoa.services.catalog.errors import InvalidFilter
from kokoa.services.catalog.lists.model import AllOf, AnyOf, Condition, Filter, Not, Sort
from kokoa.services.catalog.model import NAME_MAX, REFERENCE_MAX, SKU_MAX, require_plain
from kokoa.services.catalog.types.filters import read_attribute
from kokoa.services.catalog.types.model import KEY_MAX

DEPTH_MAX = 5
CONDITIONS_MAX = 64
VALUES_MAX = 100
# Shorter parts have no trigram, so no index could find them.
PART_MIN = 3
# Each asks the trigrams first, for which many names may be a match.
PARTS_MAX = 3
PATH_MAX = 1_000
# Each is a look into another table.
ATTRIBUTES_MAX = 20

_Given = Mapping[str, Any]


def read_sort(given: _Given | None) -> Sort:
    """given: the arguments of a ProductSort, or None."""
    if given is None:
        return Sort()
    return Sort(given["field"], given["direction"] == "DESC")


def read_filter(given: _Given | None) -> Filter:
    """given: the arguments of a ProductFilter, in snake case, or None.

    Raises InvalidFilter, InvalidId, InvalidText, each with the path of the field.
    """
    return AllOf() if given is None else _Reader().read(given, "filter", 1)


class _Reader:
    """Reads one filter, and counts."""

    def __init__(self) -> None:
        self._counted = 0
        self._parts = 0
        self._attributes = 0

    def read(self, given: _Given, at: str, depth: int) -> Filter:
        if depth > DEPTH_MAX:
            raise InvalidFilter(f"A filter has at most {DEPTH_MAX} levels of and, or and not.", field=at)
        self._count(at)
        if given.get("name_contains") is not None:
            self._parts += 1
            if self._parts > PARTS_MAX:
                raise InvalidFilter(f"nameContains may stand {PARTS_MAX} times in a filter.", field=at)
        parts: list[Filter] = []
        for name, read in _READERS.items():
            value = given.get(name)
            if value is not None:
                self._count(at)
                parts.append(read(value, f"{at}.{_camel(name)}"))
        parts += self._attribute_tests(given, at)
        parts += _category(given, at)
        parts += _price(given, at)
        _require_order(given, "created_from", "created_to", at)
        _require_order(given, "updated_from", "updated_to", at)
        if given.get("and") is not None:
            parts.append(AllOf(self._several(given["and"], f"{at}.and", depth)))
        if given.get("or") is not None:
            parts.append(AnyOf(self._several(given["or"], f"{at}.or", depth)))
        if given.get("not") is not None:
            parts.append(Not(self.read(given["not"], f"{at}.not", depth + 1)))
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _attribute_tests(self, given: _Given, at: str) -> list[Filter]:
        tests = given.get("attributes") or ()
        self._attributes += len(tests)
        if self._attributes > ATTRIBUTES_MAX:
            raise InvalidFilter(f"A filter names at most {ATTRIBUTES_MAX} attributes.", field=f"{at}.attributes")
        read = (read_attribute(one, f"{at}.attributes.{index}") for index, one in enumerate(tests))
        return [Condition(name, values) for name, values in read]

    def _several(self, given: Sequence[_Given], at: str, depth: int) -> tuple[Filter, ...]:
        if not given:
            raise InvalidFilter(f"{at} must hold at least one filter.", field=at)
        return tuple(self.read(one, f"{at}.{index}", depth + 1) for index, one in enumerate(given))

    def _count(self, at: str) -> None:
        self._counted += 1
        if self._counted > CONDITIONS_MAX:
            raise InvalidFilter(f"The filter has more than {CONDITIONS_MAX} conditions and groups in all.", field=at)


def _ids(values: Sequence[str], at: str) -> Filter:
    _require_few(values, at)
    return Condition("ids", ([require_id(value, field=at) for value in values],))


def _statuses(values: Sequence[str], at: str) -> Filter:
    _require_few(values, at)
    return Condition("statuses", (list(values),))


def _texts(name: str, most: int) -> Callable[[Any, str], Filter]:
    def read(values: Sequence[str], at: str) -> Filter:
        _require_few(values, at)
        for value in values:
            _require_text(value, at, 1, most)
        return Condition(name, (list(values),))

    return read


def _prefix(value: str, at: str) -> Filter:
    _require_text(value, at, 1, NAME_MAX)
    return Condition("name_prefix", (value,))


def _part(value: str, at: str) -> Filter:
    _require_text(value, at, PART_MIN, NAME_MAX)
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return Condition("name_contains", (f"%{escaped}%",))


def _channel(value: str, at: str) -> Filter:
    require_plain(value, at)
    return Condition("channel", (value,))


def _moment(name: str) -> Callable[[Any, str], Filter]:
    return lambda value, _: Condition(name, (value,))


_READERS: Mapping[str, Callable[[Any, str], Filter]] = {
    "ids": _ids,
    "status": _statuses,
    "name_prefix": _prefix,
    "name_contains": _part,
    "skus": _texts("skus", SKU_MAX),
    "channel": _channel,
    "external_references": _texts("external_references", REFERENCE_MAX),
    "product_type": _texts("product_type", KEY_MAX),
    "created_from": _moment("created_from"),
    "created_to": _moment("created_to"),
    "updated_from": _moment("updated_from"),
    "updated_to": _moment("updated_to"),
}


def _category(given: _Given, at: str) -> list[Filter]:
    path, category_id, deep = given.get("category"), given.get("category_id"), given.get("include_subcategories")
    if path is not None and category_id is not None:
        raise InvalidFilter("Give category or categoryId, not both.", field=f"{at}.categoryId")
    if path is not None:
        _require_text(path, f"{at}.category", 1, PATH_MAX)
        return [Condition("subtree" if deep else "category", (path,))]
    if category_id is not None:
        category_id = require_id(category_id, field=f"{at}.categoryId")
        return [Condition("subtree_id" if deep else "category_id", (category_id,))]
    if deep:
        raise InvalidFilter("includeSubcategories needs category or categoryId.", field=f"{at}.includeSubcategories")
    return []


def _price(given: _Given, at: str) -> list[Filter]:
    currency, lowest, highest = (given.get(name) for name in ("currency", "min_price_minor", "max_price_minor"))
    if currency is None:
        if lowest is not None or highest is not None:
            raise InvalidFilter("A price is compared within one currency: give currency too.", field=f"{at}.currency")
        return []
    if not is_currency(currency):
        raise InvalidFilter(
            f"{currency[:10]!r} is not an ISO 4217 currency code such as EUR.", field=f"{at}.currency"
        )
    if lowest is not None and highest is not None and lowest > highest:
        raise InvalidFilter("minPriceMinor is above maxPriceMinor.", field=f"{at}.minPriceMinor")
    parts: list[Filter] = [Condition("currency", (currency,))]
    if lowest is not None:
        parts.append(Condition("price_from", (lowest,)))
    if highest is not None:
        parts.append(Condition("price_to", (highest,)))
    return parts


def _require_order(given: _Given, first: str, then: str, at: str) -> None:
    begin, end = given.get(first), given.get(then)
    if isinstance(begin, datetime) and isinstance(end, datetime) and begin > end:
        raise InvalidFilter(f"{_camel(first)} is after {_camel(then)}.", field=f"{at}.{_camel(first)}")


def _require_few(values: Sequence[Any], at: str) -> None:
    if len(values) > VALUES_MAX:
        raise InvalidFilter(f"{at} has {len(values)} values; at most {VALUES_MAX} are allowed.", field=at)


def _require_text(text: str, at: str, least: int, most: int) -> None:
    require_plain(text, at)
    if not least <= len(text) <= most:
        raise InvalidFilter(f"{at} must have {least} to {most} characters, not {len(text)}.", field=at)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)
