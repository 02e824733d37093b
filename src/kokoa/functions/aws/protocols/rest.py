"""What the REST protocols share: routing by method and path template, and members in path, query and headers."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from botocore.model import ListShape, OperationModel, Shape, StructureShape

from kokoa.functions.aws.errors import MalformedRequest, UnknownOperation
from kokoa.functions.aws.http import RequestHead
from kokoa.functions.aws.protocols.protocol import Routed
from kokoa.functions.aws.shapes import format_timestamp, scalar_from_text, wire_name
from kokoa.functions.aws.sigv4 import normal_path

QUERY_FIELDS_MAX: Final = 1000

_LABEL = re.compile(r"\{([^}]+?)(\+?)\}")


class RestRouter:
    """Finds the operation by method and path. Literal segments win over labels; a `{label+}` takes the rest."""

    def __init__(self, operations: Mapping[str, OperationModel]) -> None:
        self._by_method: dict[str, list[tuple[re.Pattern[str], frozenset[str], str]]] = {}
        found = []
        for name, operation in operations.items():
            path, _, query = operation.http["requestUri"].partition("?")
            labels = _LABEL.findall(path)
            found.append((len(labels), -len(path), name, path, query))
        for _, _, name, path, query in sorted(found):
            line = (_compile_template(path), frozenset(query.split("&")) - {""}, name)
            self._by_method.setdefault(operations[name].http["method"], []).append(line)

    def route(self, head: RequestHead) -> Routed:
        """The operation and its path labels. Raises UnknownOperation."""
        path = normal_path(head.raw_path).decode("latin-1")
        if len(path) > 1:
            path = path.rstrip("/")
        query = frozenset(head.query.decode("latin-1").split("&")) if head.query else frozenset()
        for pattern, literals, operation in self._by_method.get(head.method, ()):
            match = pattern.fullmatch(path)
            if match and literals <= query:
                labels = {name: unquote(value) for name, value in match.groupdict().items()}
                return Routed(operation, {_label_of(name): value for name, value in labels.items()})
        raise UnknownOperation(f"There is no operation at {head.method} {path[:200]}.")


def _compile_template(path: str) -> re.Pattern[str]:
    pattern, at = "", 0
    for label in _LABEL.finditer(path):
        pattern += re.escape(path[at : label.start()])
        pattern += f"(?P<{_group_of(label.group(1))}>{'.+' if label.group(2) else '[^/]+'})"
        at = label.end()
    return re.compile((pattern + re.escape(path[at:])).rstrip("/") or "/")


def _group_of(label: str) -> str:
    """A regular expression's group name may not hold a hyphen (`{resource-arn}`)."""
    return label.replace("-", "__hyphen__")


def _label_of(group: str) -> str:
    return group.replace("__hyphen__", "-")


class HeadReader:
    """Reads one operation's members that stand in the path, the query string and the headers."""

    def __init__(self, shape: StructureShape | None) -> None:
        self._paths: list[tuple[str, str, Callable[[Any, str], Any]]] = []
        self._headers: list[tuple[str, bytes, Callable[[Any, str], Any]]] = []
        self._header_maps: list[tuple[str, str]] = []
        self._queries: list[tuple[str, str, Shape]] = []
        for name, member in (shape.members if shape else {}).items():
            wire = wire_name(name, member)
            match member.serialization.get("location"):
                case "uri":
                    self._paths.append((name, wire, scalar_from_text(member)))
                case "header":
                    self._headers.append((name, wire.lower().encode(), _header_reader(member)))
                case "headers":
                    self._header_maps.append((name, wire.lower()))
                case "querystring":
                    self._queries.append((name, wire, member))

    def read(self, routed: Routed, head: RequestHead) -> dict[str, Any]:
        """The members that are there."""
        found: dict[str, Any] = {}
        for name, wire, read in self._paths:
            found[name] = read(routed.path_values[wire], name)
        present = head.header_values
        for name, header, read in self._headers:
            if header in present:
                found[name] = read(",".join(v.decode("utf-8", "replace") for v in present[header]), name)
        for name, prefix in self._header_maps:
            found[name] = {
                key.decode()[len(prefix) :]: values[0].decode("utf-8", "replace")
                for key, values in present.items()
                if key.decode("latin-1").startswith(prefix)
            }
        if self._queries and head.query:
            self._read_query(head, found)
        return found

    def _read_query(self, head: RequestHead, found: dict[str, Any]) -> None:
        values: dict[str, list[str]] = {}
        try:
            pairs = parse_qsl(
                head.query.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX
            )
        except ValueError:
            raise MalformedRequest(f"The query string has more than {QUERY_FIELDS_MAX} fields.") from None
        for key, value in pairs:
            values.setdefault(key, []).append(value)
        for name, wire, member in self._queries:
            if wire not in values:
                continue
            if isinstance(member, ListShape):
                item = scalar_from_text(member.member)
                found[name] = [item(value, name) for value in values[wire]]
            else:
                found[name] = scalar_from_text(member)(values[wire][0], name)


def _header_reader(member: Shape) -> Callable[[Any, str], Any]:
    if isinstance(member, ListShape):
        item = scalar_from_text(member.member)
        return lambda text, where: [item(part.strip(), where) for part in text.split(",")]
    return scalar_from_text(member)


class HeadWriter:
    """Writes one operation's output members that stand in the status and the headers."""

    def __init__(self, shape: StructureShape | None, status: int) -> None:
        self.status = status
        self.members: dict[str, tuple[str, bytes]] = {}
        for name, member in (shape.members if shape else {}).items():
            location = member.serialization.get("location")
            if location in ("header", "headers", "statusCode"):
                self.members[name] = (location, wire_name(name, member).encode())

    def write(self, output: Mapping[str, Any]) -> tuple[int, list[tuple[bytes, bytes]]]:
        """The status and the headers."""
        status, headers = self.status, []
        for name, (location, wire) in self.members.items():
            value = output.get(name)
            if value is None:
                continue
            if location == "statusCode":
                status = int(value)
            elif location == "header":
                headers.append((wire.lower(), header_text(value)))
            else:
                headers += [(wire.lower() + k.lower().encode(), header_text(v)) for k, v in value.items()]
        return status, headers


def header_text(value: object) -> bytes:
    """A value as a header: one line, whatever is inside."""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    text = str(format_timestamp(value, "rfc822")) if isinstance(value, datetime) else str(value)
    return " ".join(text.splitlines()).encode()
