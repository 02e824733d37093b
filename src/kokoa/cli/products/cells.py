r"""Cells of CSV whose columns a store defines: `attribute.<key>`, `option.<key>`, `options`, `custom.<key>`. Pure.

A cell of an attribute is text of its type: `40.5`, `true`, `2026-01-31`, an enum's key, `19.90 EUR`, a product's id.
One of a custom field may also be a number as `1e-3`, a moment as `2026-01-31T12:00:00Z`, or any JSON.
Values of a list stand between `|`; within one, `\|` is a `|` and `\\` a backslash. `options` says what variants
differ by: `size=Size:S|M|L;color=Colour:red|blue`; a `=`, `:`, `;` or `|` of a text has a backslash before it.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
import orjson

from kokoa.cli.products.prices import read_price, write_price
from kokoa.kernel.money import CURRENCIES

ATTRIBUTE = "attribute."
OPTION = "option."
CUSTOM = "custom."

_ESCAPED = re.compile(r"\\(.)|([|;=:])", re.DOTALL)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_INTEGER = re.compile(r"-?[0-9]{1,10}", re.ASCII)
_FLOAT = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MONEY = re.compile(r"(-?)(\S+) +([A-Z]{3})")
_SHOWN_CHARACTERS = 40
_WHOLE_CHARACTERS = 18  # so many fit 64 bits, which JSON's writer takes as they are


class Definition(msgspec.Struct, frozen=True):
    """How an attribute or a custom field is read.  level: PRODUCT or VARIANT."""

    key: str
    type: str
    level: str
    list: bool


Types = Mapping[str, Mapping[str, Definition]]
"""Definitions by the type's key and the attribute's."""


class BadCell(Exception):
    """code, message: as a Problem has them."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def read_cell(definition: Definition, text: str) -> Any:
    """The value, None for an empty cell. Raises BadCell; bounds and keys of enums are for the store."""
    if not text:
        return None
    read = _READERS.get(definition.type, str)
    return [read(one) for one in split(text, "|")] if definition.list else read(text)


def write_cell(kind: str, value: Any) -> str:
    """What `read_cell` reads.  kind: the attribute's type."""
    if isinstance(value, list | tuple):
        return "|".join(escape(_written(kind, one), "|") for one in value)
    return _written(kind, value)


def write_custom(definition: Definition, value: Any) -> str:
    """What `read_cell` reads. Any JSON may be a list, too."""
    if definition.list:
        return "|".join(escape(_written(definition.type, one), "|") for one in value)
    return _written(definition.type, value)


def _number(text: str) -> str:
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        raise BadCell("BAD_NUMBER", f"{text[:_SHOWN_CHARACTERS]!r} is no number such as 12.5.")
    return text


def _integer(text: str) -> int:
    text = text.strip()
    if not _INTEGER.fullmatch(text):
        raise BadCell("BAD_NUMBER", f"{text[:_SHOWN_CHARACTERS]!r} is no whole number such as 12.")
    return int(text)


def read_boolean(text: str) -> bool:
    said = text.strip().lower()
    if said not in ("true", "false"):
        raise BadCell("BAD_VALUE", f"{text[:_SHOWN_CHARACTERS]!r} is neither true nor false.")
    return said == "true"


def _date(text: str) -> str:
    text = text.strip()
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise BadCell("BAD_VALUE", f"{text[:_SHOWN_CHARACTERS]!r} is no date such as 2026-01-31.")


def _float(text: str) -> int | float:
    text = text.strip()
    found = _FLOAT.fullmatch(text)
    number = float(text) if found else math.inf
    if found is None or not math.isfinite(number):
        raise BadCell("BAD_NUMBER", f"{text[:_SHOWN_CHARACTERS]!r} is no number such as 12.5 or 1e-3.")
    return number if found[1] or found[2] or len(text) > _WHOLE_CHARACTERS else int(text)


def _date_time(text: str) -> str:
    text = text.strip()
    try:
        if datetime.fromisoformat(text).tzinfo is not None:
            return text
    except ValueError:
        pass
    raise BadCell("BAD_VALUE", f"{text[:_SHOWN_CHARACTERS]!r} is no moment such as 2026-01-31T12:00:00Z.")


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError as error:
        raise BadCell("BAD_VALUE", f"{text[:_SHOWN_CHARACTERS]!r} is not JSON: {error}.") from None


def _money(text: str) -> dict[str, Any]:
    found = _MONEY.fullmatch(text.strip())
    if found is None:
        raise BadCell("BAD_NUMBER", f"{text[:_SHOWN_CHARACTERS]!r} is no amount such as 19.90 EUR.")
    sign, amount, currency = found.groups()
    if currency not in CURRENCIES:
        raise BadCell("UNKNOWN_CURRENCY", f"{currency!r} is no currency of ISO 4217, such as EUR.")
    minor = read_price(amount, currency)
    if isinstance(minor, str):
        raise BadCell("MONEY_OVERFLOW" if minor.startswith("More") else "BAD_NUMBER", minor)
    return {"amountMinor": -minor if sign else minor, "currency": currency}


_READERS: Mapping[str, Callable[[str], Any]] = {
    "NUMBER": _number,
    "INTEGER": _integer,
    "BOOLEAN": read_boolean,
    "DATE": _date,
    "MONEY": _money,
    "INT": _integer,
    "FLOAT": _float,
    "DATE_TIME": _date_time,
    "JSON": _json,
}


def _written(kind: str, value: Any) -> str:
    if kind == "BOOLEAN":
        return "true" if value else "false"
    if kind == "MONEY":
        minor, currency = value["amountMinor"], value["currency"]
        return f"{'-' if minor < 0 else ''}{write_price(abs(minor), currency)} {currency}"
    if kind == "JSON":
        return orjson.dumps(value).decode()
    return str(value)


def split(text: str, separator: str) -> list[str]:
    """At each separator without a backslash before it; without the backslashes."""
    return [unescape(one) for one in _pieces(text, separator)]


def _pieces(text: str, separator: str) -> list[str]:
    """As they are written, with their backslashes."""
    pieces, begun = [], 0
    for match in _ESCAPED.finditer(text):
        if match[2] == separator:
            pieces.append(text[begun : match.start()])
            begun = match.end()
    return [*pieces, text[begun:]]


def escape(text: str, separators: str) -> str:
    """With a backslash before each separator and each backslash."""
    return re.sub(f"([\\\\{re.escape(separators)}])", r"\\\1", text)


def unescape(text: str) -> str:
    """Without what `escape` added."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def read_options(text: str) -> list[dict[str, Any]]:
    """The options that a cell of `options` says, as the API takes them. Raises BadCell."""
    found = []
    for one in _pieces(text, ";"):
        named, values = _pieces(one, ":"), []
        key = _pieces(named[0], "=")
        if len(named) == 2 and len(key) == 2:
            values = split(named[1], "|")
        if not values:
            message = f"{one[:_SHOWN_CHARACTERS]!r} is no option such as size=Size:S|M|L, with ; between options."
            raise BadCell("BAD_VALUE", message)
        found.append({"key": unescape(key[0]).strip(), "name": unescape(key[1]).strip(), "values": values})
    return found


def write_options(options: Sequence[Mapping[str, Any]]) -> str:
    """What `read_options` reads."""
    return ";".join(
        f"{escape(one['key'], '|;=:')}={escape(one['name'], '|;=:')}:"
        + "|".join(escape(value, "|;=:") for value in one["values"])
        for one in options
    )
