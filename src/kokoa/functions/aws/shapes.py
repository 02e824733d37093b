"""From wire values to Python values by a botocore shape, and back. One reader or writer is compiled for each shape.

Python values: structure → dict by member name, list → list, map → dict, blob → bytes, timestamp → aware datetime,
the rest as themselves. `None` and absent members are dropped. A value of the wrong type raises MalformedRequest:
that is not a broken constraint (see `constraints.py`) but a body that the protocol cannot read.
"""

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final

from botocore.model import ListShape, MapShape, Shape, StructureShape

from kokoa.functions.aws.errors import MalformedRequest

Read = Callable[[Any, str], Any]
"""(wire value, where it stands) → Python value."""
Write = Callable[[Any], Any]

BASE64_SLICE: Final = 4 * 256 * 1024
"""Packages are decoded in slices, so that a thread that decodes one never holds up the others for long."""

TRUE_FALSE: Final = {"true": True, "false": False}


class ProviderBroken(Exception):
    """A provider answered something that the service model does not have: a bug in the provider."""


def wire_name(name: str, shape: Shape) -> str:
    """What a member is called on the wire."""
    return str(shape.serialization.get("name", name))


def _wrong(where: str, expected: str, value: object) -> MalformedRequest:
    return MalformedRequest(f"{where or 'The body'} must be {expected}, not {type(value).__name__}.", field=where)


def decode_base64(value: object, where: str) -> bytes:
    """A blob out of a text. Raises MalformedRequest."""
    if not isinstance(value, str):
        raise _wrong(where, "a base64 text", value)
    try:
        slices = range(0, len(value), BASE64_SLICE) if len(value) > BASE64_SLICE else (0,)
        return b"".join([base64.b64decode(value[at : at + BASE64_SLICE], validate=True) for at in slices])
    except (binascii.Error, ValueError):
        raise MalformedRequest(f"{where} is not valid base64.", field=where) from None


def timestamp_from(value: object, where: str) -> datetime:
    """A timestamp out of unix seconds or ISO 8601 text. Raises MalformedRequest."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        raise MalformedRequest(f"{where}: {str(value)[:40]!r} is not a timestamp.", field=where) from None
    raise _wrong(where, "a timestamp", value)


def _read_string(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _wrong(where, "a text", value)
    return value


def _read_integer(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != math.floor(value):
        raise _wrong(where, "an integer", value)
    return int(value)


def _read_float(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(where, "a number", value)
    return float(value)


def _read_boolean(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(where, "true or false", value)
    return value


_JSON_SCALARS: Final[Mapping[str, Read]] = {
    "string": _read_string,
    "character": _read_string,
    "integer": _read_integer,
    "long": _read_integer,
    "float": _read_float,
    "double": _read_float,
    "boolean": _read_boolean,
    "blob": decode_base64,
    "timestamp": timestamp_from,
}


class JsonReader:
    """Compiles readers for JSON bodies."""

    def __init__(self) -> None:
        self._compiled: dict[str, Read] = {}

    def reader(self, shape: Shape) -> Read:
        """The reader of a shape; shapes may contain themselves, so members are resolved when first met."""
        if shape.name not in self._compiled:
            self._compiled[shape.name] = self._compile(shape)
        return self._compiled[shape.name]

    def _compile(self, shape: Shape) -> Read:
        if isinstance(shape, StructureShape):
            return self._structure(shape)
        if isinstance(shape, ListShape):
            return self._list(shape)
        if isinstance(shape, MapShape):
            return self._map(shape)
        return _JSON_SCALARS[shape.type_name]

    def _structure(self, shape: StructureShape) -> Read:
        if shape.is_document_type:
            return lambda value, where: value
        members = [
            (name, wire_name(name, member), member)
            for name, member in shape.members.items()
            if "location" not in member.serialization
        ]

        def read(value: Any, where: str) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise _wrong(where, "an object", value)
            found = {}
            for name, wire, member in members:
                item = value.get(wire)
                if item is not None:
                    found[name] = self.reader(member)(item, f"{where}.{wire}" if where else wire)
            return found

        return read

    def _list(self, shape: ListShape) -> Read:
        def read(value: Any, where: str) -> list[Any]:
            if not isinstance(value, list):
                raise _wrong(where, "a list", value)
            item = self.reader(shape.member)
            return [item(entry, f"{where}.{index}") for index, entry in enumerate(value)]

        return read

    def _map(self, shape: MapShape) -> Read:
        def read(value: Any, where: str) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise _wrong(where, "an object", value)
            item = self.reader(shape.value)
            return {key: item(entry, f"{where}.{key}") for key, entry in value.items() if entry is not None}

        return read


def scalar_from_text(shape: Shape) -> Read:
    """The reader of a scalar that arrives as text: in a path, a query string, a header or a form."""
    kind = shape.type_name

    def read(value: Any, where: str) -> Any:
        try:
            if kind in ("integer", "long"):
                return int(value)
            if kind in ("float", "double"):
                return float(value)
            if kind == "boolean":
                return TRUE_FALSE[value.lower()]
        except (ValueError, KeyError):
            raise MalformedRequest(f"{where}: {str(value)[:60]!r} is not a {kind}.", field=where) from None
        if kind == "timestamp":
            return timestamp_from(float(value) if value.replace(".", "", 1).isdecimal() else value, where)
        return decode_base64(value, where) if kind == "blob" else value

    return _as_text if kind == "string" else read


def _as_text(value: Any, where: str) -> Any:
    return value


def format_timestamp(value: datetime, style: str) -> str | float | int:
    """A timestamp in the style a model names: iso8601, rfc822 or unixTimestamp (seconds)."""
    if style == "iso8601":
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if style == "rfc822":
        return format_datetime(value.astimezone(UTC), usegmt=True)
    seconds = value.timestamp()
    return int(seconds) if seconds == int(seconds) else round(seconds, 3)


class JsonWriter:
    """Compiles writers for JSON bodies."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], Write] = {}

    def writer(self, shape: Shape) -> Write:
        """The writer of a shape."""
        style = shape.serialization.get("timestampFormat", "unixTimestamp")
        key = (shape.name, style)
        if key not in self._compiled:
            self._compiled[key] = self._compile(shape, style)
        return self._compiled[key]

    def _compile(self, shape: Shape, style: str) -> Write:
        if isinstance(shape, StructureShape):
            return self._structure(shape)
        if isinstance(shape, ListShape):
            return lambda value: [self.writer(shape.member)(item) for item in value]
        if isinstance(shape, MapShape):
            return lambda value: {key: self.writer(shape.value)(item) for key, item in value.items()}
        if shape.type_name == "blob":
            return lambda value: base64.b64encode(value).decode()
        if shape.type_name == "timestamp":
            return lambda value: format_timestamp(value, style)
        return _as_is

    def _structure(self, shape: StructureShape) -> Write:
        members = {name: (wire_name(name, member), member) for name, member in shape.members.items()}

        def write(value: Mapping[str, Any]) -> dict[str, Any]:
            written = {}
            for name, item in value.items():
                if item is None:
                    continue
                if name not in members:
                    raise ProviderBroken(f"{shape.name} has no member {name}")
                wire, member = members[name]
                written[wire] = self.writer(member)(item)
            return written

        return _as_is if shape.is_document_type else write


def _as_is(value: Any) -> Any:
    return value
