"""Values of custom fields: what is acceptable, and how it is kept. Pure.

A document holds an object's values by the ids of their fields, as JSON: dates as text, an enum's value by its name.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import orjson

from kokoa.graphql import DATE, DATE_TIME
from kokoa.graphql.names import snake_case
from kokoa.kernel.text import is_plain
from kokoa.services.catalog.custom_fields.errors import CustomValueMissing, InvalidCustomValue
from kokoa.services.catalog.custom_fields.model import CustomField, Kind

TEXT_MAX = 5_000
ITEMS_MAX = 100
JSON_DEPTH_MAX = 16
WHOLE_NUMBER_MAX = 2**53  # beyond it JSON's readers disagree
DOCUMENT_BYTES_MAX = 65_536

Document = dict[str, Any]


def merged(
    fields: Sequence[CustomField], stored: Mapping[str, Any], given: Mapping[str, Any], at: str = "input"
) -> Document:
    """The document after a change.  given: by the fields' names in Python; None takes a value away.

    at: where it stood, for the paths of errors. What no field knows any more is left out.

    Raises InvalidCustomValue, CustomValueMissing.
    """
    if not given:
        raise InvalidCustomValue("There is nothing to set: give at least one field.", field=at)
    document = {str(one.id): stored[str(one.id)] for one in fields if readable(one, stored) is not None}
    for field in fields:
        name = snake_case(field.key)
        if name not in given:
            continue
        value = given[name]
        if value is None:
            document.pop(str(field.id), None)
        else:
            document[str(field.id)] = _kept(field, value, f"{at}.{field.key}")
    for field in fields:
        if field.required and str(field.id) not in document:
            raise CustomValueMissing(f"{field.key} is required: give a value.", field=f"{at}.{field.key}")
    if len(orjson.dumps(document)) > DOCUMENT_BYTES_MAX:
        raise InvalidCustomValue(
            f"All custom values of an object have at most {DOCUMENT_BYTES_MAX} bytes as JSON.", field=at
        )
    return document


def read_value(field: CustomField, value: Any, path: str) -> Any:
    """A value of JSON as `merged` takes it, read as the graph would. Raises InvalidCustomValue."""
    if value is None:
        return None
    if not field.is_list:
        return _read_item(field, value, path)
    items = value if isinstance(value, list | tuple) else [value]
    return [_read_item(field, one, f"{path}.{index}") for index, one in enumerate(items)]


def _read_item(field: CustomField, value: Any, path: str) -> Any:
    try:
        return _READERS[field.type](field, value)
    except (TypeError, ValueError, OverflowError):
        said = f"{value[:80]!r}" if isinstance(value, str) else type(value).__name__
        message = f"{field.key} is {_MEANINGS[field.type]}, not {said}."
        raise InvalidCustomValue(message, field=path) from None


def _text_of(_: CustomField, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _int_of(_: CustomField, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise TypeError
    if not -(2**31) <= value < 2**31:
        raise OverflowError
    return int(value)


def _float_of(_: CustomField, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    float(value)  # whole numbers stay as they are written
    return value


def _boolean_of(_: CustomField, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _option_of(field: CustomField, value: Any) -> str:
    if value not in field.enum_values:
        raise ValueError
    return str(value)


def _json_of(_: CustomField, value: Any) -> Any:
    if value is None:
        raise TypeError
    return value


_READERS: Mapping[Kind, Callable[[CustomField, Any], Any]] = {
    "STRING": _text_of,
    "INT": _int_of,
    "FLOAT": _float_of,
    "BOOLEAN": _boolean_of,
    "DATE": lambda _, value: DATE.parse(value),
    "DATE_TIME": lambda _, value: DATE_TIME.parse(value),
    "ENUM": _option_of,
    "JSON": _json_of,
}
_MEANINGS: Mapping[Kind, str] = {
    "STRING": "a text",
    "INT": "a whole number of 32 bits",
    "FLOAT": "a number",
    "BOOLEAN": "true or false",
    "DATE": "a day such as 2026-01-31",
    "DATE_TIME": "a moment such as 2026-01-31T12:00:00Z",
    "ENUM": "one of the values of its enum",
    "JSON": "any JSON but null",
}


def shown(fields: Sequence[CustomField], stored: Mapping[str, Any]) -> dict[str, Any]:
    """By key, as the fields' types want them; None where there is no value."""
    return {one.key: readable(one, stored) for one in fields}


def readable(field: CustomField, stored: Mapping[str, Any]) -> Any:
    """The value of a field; None without one, or if it is a value that its enum has no longer."""
    value = stored.get(str(field.id))
    if value is None:
        return None
    if field.is_list:
        items = [_read(field, one) for one in value]
        return [one for one in items if one is not None]
    return _read(field, value)


def _read(field: CustomField, value: Any) -> Any:
    match field.type:
        case "ENUM":
            return value if value in field.enum_values else None
        case "DATE":
            return date.fromisoformat(value)
        case "DATE_TIME":
            return datetime.fromisoformat(value)
        case _:
            return value


def _kept(field: CustomField, value: Any, path: str) -> Any:
    if not field.is_list:
        return _item(field, value, path)
    if len(value) > ITEMS_MAX:
        raise InvalidCustomValue(f"{field.key} has {len(value)} items; at most {ITEMS_MAX} are allowed.", field=path)
    return [_item(field, one, f"{path}.{index}") for index, one in enumerate(value)]


def _item(field: CustomField, value: Any, path: str) -> Any:
    match field.type:
        case "STRING":
            _require_text(value, path)
        case "FLOAT" if not math.isfinite(value):
            raise InvalidCustomValue(f"{field.key} must be a finite number.", field=path)
        case "DATE":
            return value.isoformat()
        case "DATE_TIME":
            return value.astimezone(UTC).isoformat()
        case "JSON":
            _require_json(value, path, 1)
    return value


def _require_text(value: str, path: str) -> None:
    if len(value) > TEXT_MAX:
        raise InvalidCustomValue(f"{path} has {len(value)} characters; at most {TEXT_MAX} are allowed.", field=path)
    if not is_plain(value):
        raise InvalidCustomValue(f"{path} holds a NUL character or half of a surrogate pair.", field=path)


def _require_json(value: Any, path: str, depth: int) -> None:
    if depth > JSON_DEPTH_MAX:
        raise InvalidCustomValue(f"{path} is nested deeper than {JSON_DEPTH_MAX} levels.", field=path)
    if isinstance(value, str):
        _require_text(value, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value) or (isinstance(value, int) and abs(value) > WHOLE_NUMBER_MAX):
            raise InvalidCustomValue(f"{path} holds a number that JSON cannot carry exactly.", field=path)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            _require_text(key, path)
            _require_json(one, path, depth + 1)
    elif isinstance(value, list | tuple):
        for one in value:
            _require_json(one, path, depth + 1)
