"""The rest-json protocol (Lambda, API Gateway): REST routing, JSON bodies, errors by header and body."""

from collections.abc import Mapping
from typing import Any

import orjson
from botocore.model import ServiceModel, Shape, StructureShape

from kokoa.functions.aws.errors import Failure, MalformedRequest
from kokoa.functions.aws.http import Answer, RequestHead
from kokoa.functions.aws.protocols.protocol import Routed
from kokoa.functions.aws.protocols.rest import HeadReader, HeadWriter, RestRouter, header_text
from kokoa.functions.aws.shapes import JsonReader, JsonWriter, Read, Write, wire_name

JSON_TYPE = (b"content-type", b"application/json")


def parse_json_object(body: bytes) -> dict[str, Any]:
    """A JSON object, or an empty one for an empty body. Raises MalformedRequest."""
    if not body:
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedRequest(f"Could not parse request body into json: {error}") from None
    if not isinstance(value, dict):
        raise MalformedRequest("Could not parse request body into json: an object is expected")
    return value


class _Input:
    """Reads one operation's input."""

    def __init__(self, shape: StructureShape | None, reader: JsonReader) -> None:
        self._head = HeadReader(shape)
        self._payload = str(shape.serialization.get("payload", "")) if shape else ""
        self._streams = False
        self._read: Read | None = None
        if shape is None:
            return
        if self._payload:
            member = shape.members[self._payload]
            self._streams = member.type_name in ("blob", "string")
            self._read = None if self._streams else reader.reader(member)
        elif any("location" not in member.serialization for member in shape.members.values()):
            self._read = reader.reader(shape)

    def read(self, routed: Routed, head: RequestHead, body: bytes) -> dict[str, Any]:
        found = self._head.read(routed, head)
        if self._streams:
            found[self._payload] = body
        elif self._read is not None:
            value = self._read(parse_json_object(body), "")
            found.update({self._payload: value} if self._payload else value)
        return found


class _Output:
    """Writes one operation's output."""

    def __init__(self, shape: StructureShape | None, status: int, writer: JsonWriter) -> None:
        self._head = HeadWriter(shape, status)
        self._payload = str(shape.serialization.get("payload", "")) if shape else ""
        self._streams = False
        self._write: Write | None = None
        if shape is None:
            return
        body: Shape = shape.members[self._payload] if self._payload else shape
        self._streams = bool(self._payload) and body.type_name in ("blob", "string")
        if not self._streams:
            self._write = writer.writer(body)

    def write(self, output: Mapping[str, Any], request_id: str) -> Answer:
        status, headers = self._head.write(output)
        headers.append((b"x-amzn-requestid", request_id.encode()))
        if self._streams:
            body = output.get(self._payload, b"")
            return Answer(status, body.encode() if isinstance(body, str) else body, (*headers, JSON_TYPE))
        if status == 204 or self._write is None:
            return Answer(status, b"", tuple(headers))
        outside = self._head.members
        value = output.get(self._payload, {}) if self._payload else output
        inside = {name: item for name, item in value.items() if name not in outside}
        return Answer(status, orjson.dumps(self._write(inside)), (*headers, JSON_TYPE))


class RestJson:
    """rest-json for one service."""

    def __init__(self, model: ServiceModel) -> None:
        operations = {name: model.operation_model(name) for name in model.operation_names}
        reader, writer = JsonReader(), JsonWriter()
        self._router = RestRouter(operations)
        self._inputs = {name: _Input(op.input_shape, reader) for name, op in operations.items()}
        self._outputs = {
            name: _Output(op.output_shape, op.http.get("responseCode", 200), writer)
            for name, op in operations.items()
        }
        self._errors = {shape.error_code: shape for shape in model.error_shapes}

    def route(self, head: RequestHead) -> Routed | None:
        """By method and path. Raises UnknownOperation."""
        return self._router.route(head)

    def route_by_body(self, body: bytes) -> Routed:
        """Never needed: the head names every operation."""
        raise MalformedRequest("The path names no operation.")

    def read(self, routed: Routed, head: RequestHead, body: bytes) -> dict[str, Any]:
        """The input as Python values."""
        return self._inputs[routed.operation].read(routed, head, body)

    def write(self, operation: str, output: Mapping[str, Any], request_id: str) -> Answer:
        """The output on the wire."""
        return self._outputs[operation].write(output, request_id)

    def write_failure(self, failure: Failure, request_id: str) -> Answer:
        """The error's name in x-amzn-errortype; the members that the model gives it in the body."""
        shape = self._errors.get(failure.code)
        members: Mapping[str, Shape] = shape.members if shape else {}
        message = next((name for name in members if name.lower() == "message"), "message")
        body: dict[str, object] = {"Type": "User" if failure.status < 500 else "Service"}
        if members and "Type" not in members:
            body = {}
        body[wire_name(message, members[message]) if message in members else message] = failure.message
        for name, value in failure.extra.items():
            body[wire_name(name, members[name]) if name in members else name] = value
        headers = [JSON_TYPE, (b"x-amzn-requestid", request_id.encode())]
        headers.append((b"x-amzn-errortype", header_text(failure.code)))
        headers += [(name.lower().encode(), header_text(value)) for name, value in failure.headers]
        return Answer(failure.status, orjson.dumps(body), tuple(headers))
