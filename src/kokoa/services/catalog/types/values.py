"""Values of attributes: from what a caller gives to what is kept, and to text that an index sorts. Pure.

kept as JSON   TEXT, DATE, ENUM, REFERENCE text · NUMBER the decimal as text · INTEGER a number · BOOLEAN
               · MONEY {"amountMinor", "currency"} · a list of these
written to be sorted
               =text, =true · #digits of the number · $CURdigits of the amount; the first character keeps kinds apart
"""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import Any

import re2

from kokoa.kernel.ids import InvalidId, require_id
from kokoa.kernel.money import CURRENCIES, exponent_of
from kokoa.kernel.text import is_plain
from kokoa.services.catalog.types.errors import (
    AttributeGivenTwice,
    AttributeOutOfRange,
    InvalidProductType,
    PatternNotMatched,
    UnknownEnumValue,
    UnknownReference,
    WrongAttributeValue,
)
from kokoa.services.catalog.types.model import LIST_MAX, TEXT_MAX, AttributeDefinition

DIGITS_MAX = 15
DECIMALS_MAX = 9
INTEGER_MAX = 2**31 - 1  # GraphQL's Int
# Longer texts are sorted by their beginning and told apart by a digest.
SORTED_CHARACTERS = 200
PATTERN_MEMORY_BYTES = 1 << 20

_DECIMAL = re.compile(rf"-?[0-9]{{1,{DIGITS_MAX}}}(\.[0-9]{{1,{DECIMALS_MAX}}})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_OFFSET = 10 ** (DIGITS_MAX + DECIMALS_MAX)


def checked(definition: AttributeDefinition, given: Any, at: str, references: Collection[str] | None = None) -> Any:
    """The value as it is kept.  references: ids of products that there are, or None not to ask.

    Raises WrongAttributeValue, AttributeOutOfRange, PatternNotMatched, UnknownEnumValue, UnknownReference,
    AttributeGivenTwice, each with the path of the value.
    """
    if not definition.list:
        return _checked(definition, given, at, references)
    if not isinstance(given, list | tuple):
        raise WrongAttributeValue(f"{definition.key} is a list of {definition.type}.", field=at)
    most = definition.max_values or LIST_MAX
    if len(given) > most:
        raise AttributeOutOfRange(f"{definition.key} has at most {most} values, not {len(given)}.", field=at)
    found: list[Any] = []
    for index, one in enumerate(given):
        value = _checked(definition, one, f"{at}.{index}", references)
        if value in found:
            raise AttributeGivenTwice(f"{definition.key} has this value already.", field=f"{at}.{index}")
        found.append(value)
    return found


def _checked(definition: AttributeDefinition, given: Any, at: str, references: Collection[str] | None) -> Any:
    value = _READERS[definition.type](definition, given, at)
    low, high = definition.min, definition.max
    if low is not None or high is not None:
        place = comparable(definition.type, value)
        if low is not None and place < comparable(definition.type, low):
            raise AttributeOutOfRange(f"{definition.key} must be at least {low}.", field=at)
        if high is not None and place > comparable(definition.type, high):
            raise AttributeOutOfRange(f"{definition.key} must be at most {high}.", field=at)
    if definition.type == "REFERENCE" and references is not None and value not in references:
        raise UnknownReference(f"{definition.key} refers to a product that is not there: {value}.", field=at)
    return value


def comparable(kind: str, value: Any) -> Any:
    """A value or a bound, to be compared with others of its kind."""
    if kind == "NUMBER":
        return Decimal(value)
    return value["amountMinor"] if kind == "MONEY" and isinstance(value, Mapping) else value


def _text(definition: AttributeDefinition, given: Any, at: str) -> str:
    if not isinstance(given, str):
        raise WrongAttributeValue(f"{definition.key} is a text.", field=at)
    if not is_plain(given):
        raise WrongAttributeValue(f"{definition.key} holds a NUL character or half of a surrogate pair.", field=at)
    least, most = definition.min_length or 0, definition.max_length or TEXT_MAX
    if not least <= len(given) <= most:
        raise AttributeOutOfRange(
            f"{definition.key} has {len(given)} characters; {least} to {most} are allowed.", field=at
        )
    if definition.pattern is not None and pattern_of(definition.pattern).fullmatch(given) is None:
        raise PatternNotMatched(f"{definition.key} must have the form {definition.pattern}", field=at)
    return given


def _number(definition: AttributeDefinition, given: Any, at: str) -> str:
    found = decimal_of(given)
    if isinstance(found, str):
        raise WrongAttributeValue(f"{definition.key} is a number: {found}", field=at)
    return written_decimal(found)


def decimal_of(given: Any) -> Decimal | str:
    """The number, or as text what is wrong with it.  given: a number of JSON, or a decimal as text."""
    too_long = f"at most {DIGITS_MAX} digits before the point and {DECIMALS_MAX} behind it."
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return "such as 12.5."
    if isinstance(given, int):
        return Decimal(given) if abs(given) < 10**DIGITS_MAX else too_long
    if isinstance(given, float):
        if not isfinite(given) or abs(given) >= 10**DIGITS_MAX:
            return too_long
        given = format(Decimal(repr(given)), "f")
        given = given.rstrip("0").rstrip(".") if "." in given else given
    if _DECIMAL.fullmatch(given):
        return Decimal(given)
    return too_long if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", given) else "such as 12.5."


def written_decimal(number: Decimal) -> str:
    """Without an exponent and without zeros that say nothing."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    digits = digits.lstrip("0") or "0"
    digits = f"0{digits}" if digits.startswith(".") else digits
    return digits if digits == "0" else sign + digits


def _integer(definition: AttributeDefinition, given: Any, at: str) -> int:
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int):
        raise WrongAttributeValue(f"{definition.key} is a whole number.", field=at)
    if abs(given) > INTEGER_MAX:
        raise AttributeOutOfRange(
            f"{definition.key} is a whole number of at most {INTEGER_MAX}; a NUMBER may be larger.", field=at
        )
    return given


def _boolean(definition: AttributeDefinition, given: Any, at: str) -> bool:
    if not isinstance(given, bool):
        raise WrongAttributeValue(f"{definition.key} is true or false.", field=at)
    return given


def _date(definition: AttributeDefinition, given: Any, at: str) -> str:
    try:
        if isinstance(given, str) and _DATE.fullmatch(given):
            return date.fromisoformat(given).isoformat()
    except ValueError:
        pass
    raise WrongAttributeValue(f"{definition.key} is a date such as 2026-01-31.", field=at)


def _enum(definition: AttributeDefinition, given: Any, at: str) -> str:
    if not isinstance(given, str):
        raise WrongAttributeValue(f"{definition.key} is the key of one of its values.", field=at)
    if all(one.key != given for one in definition.values):
        known = ", ".join(one.key for one in definition.values[:10])
        more = ", …" if len(definition.values) > 10 else ""
        raise UnknownEnumValue(f"{definition.key} is one of {known}{more}, not {given[:40]!r}.", field=at)
    return given


def _money(definition: AttributeDefinition, given: Any, at: str) -> dict[str, Any]:
    wrong = money_problem(given)
    if wrong:
        raise WrongAttributeValue(f"{definition.key} is an amount of money: {wrong}", field=at)
    return {"amountMinor": given["amountMinor"], "currency": given["currency"]}


def money_problem(given: Any) -> str:
    """What is wrong with {"amountMinor", "currency"}; empty when nothing is."""
    if not isinstance(given, Mapping) or given.keys() != {"amountMinor", "currency"}:
        return '{"amountMinor": 1990, "currency": "EUR"}.'
    amount = given["amountMinor"]
    if isinstance(amount, bool) or not isinstance(amount, int) or abs(amount) > INTEGER_MAX:
        return f"amountMinor is a whole number of at most {INTEGER_MAX}."
    if given["currency"] not in CURRENCIES:
        return f"{str(given['currency'])[:20]!r} is no currency of ISO 4217."
    return ""


def _reference(definition: AttributeDefinition, given: Any, at: str) -> str:
    try:
        return require_id(given, field=at)
    except (InvalidId, TypeError):
        raise WrongAttributeValue(f"{definition.key} is the id of a product.", field=at) from None


_READERS: Mapping[str, Callable[[AttributeDefinition, Any, str], Any]] = {
    "TEXT": _text,
    "NUMBER": _number,
    "INTEGER": _integer,
    "BOOLEAN": _boolean,
    "DATE": _date,
    "ENUM": _enum,
    "MONEY": _money,
    "REFERENCE": _reference,
}


@lru_cache(maxsize=500)
def pattern_of(pattern: str) -> Any:
    """Compiled by RE2, which matches in time that is linear in the text. Raises InvalidProductType."""
    options = re2.Options()
    options.max_mem = PATTERN_MEMORY_BYTES
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "wrong"
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise InvalidProductType(
            f"pattern is no regular expression of RE2: {reason}. It has neither backreferences nor lookarounds.",
            field="pattern",
        ) from error


def sorted_values(definition: AttributeDefinition, kept: Any) -> list[str]:
    """What is kept as texts whose bytewise order is that of the values; of a list each."""
    many: Sequence[Any] = kept if definition.list else [kept]
    return [sorted_value(definition.type, one) for one in many]


def sorted_value(kind: str, kept: Any) -> str:
    """One of the texts above."""
    if kind in ("NUMBER", "INTEGER"):
        return sorted_number(Decimal(kept))
    if kind == "MONEY":
        return sorted_money(kept)
    if kind == "BOOLEAN":
        return "=true" if kept else "=false"
    return sorted_text(kept)


def sorted_number(number: Decimal) -> str:
    return f"#{int(number.scaleb(DECIMALS_MAX)) + _OFFSET:0{DIGITS_MAX + DECIMALS_MAX + 1}d}"


def sorted_money(money: Mapping[str, Any]) -> str:
    return f"${money['currency']}{money['amountMinor'] + 2**31:010d}"


def sorted_text(text: str) -> str:
    if len(text) <= SORTED_CHARACTERS:
        return f"={text}"
    return f"={text[:SORTED_CHARACTERS]}{hashlib.sha256(text.encode()).hexdigest()}"


def display(definition: AttributeDefinition, kept: Any) -> str:
    """The value as people read it: labels of enums, amounts with their currency; a list with commas between."""
    many: Sequence[Any] = kept if definition.list else [kept]
    labels = {one.key: one.label for one in definition.values}
    return ", ".join(_displayed(definition.type, one, labels) for one in many)


def _displayed(kind: str, value: Any, labels: Mapping[str, str]) -> str:
    if kind == "ENUM":
        return labels.get(value, value)
    if kind == "MONEY":
        exponent = exponent_of(value["currency"])
        return f"{Decimal(value['amountMinor']).scaleb(-exponent):.{exponent}f} {value['currency']}"
    if kind == "BOOLEAN":
        return "true" if value else "false"
    return str(value)
