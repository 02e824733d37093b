"""The json protocol, 1.0 and 1.1 (CloudWatch Logs, EventBridge, SSM): X-Amz-Target names the operation."""

from collections.abc import Mapping
from typing import Any

import orjson
from botocore.model import ServiceModel

from kokoa.functions.aws.errors import Failure, MalformedRequest, UnknownOperation
from kokoa.functions.aws.http import Answer, RequestHead
from kokoa.functions.aws.protocols.protocol import Routed
from kokoa.functions.aws.protocols.rest import header_text
from kokoa.functions.aws.protocols.rest_json import parse_json_object
from kokoa.functions.aws.shapes import JsonReader, JsonWriter


class JsonRpc:
    """json for one service."""

    def __init__(self, model: ServiceModel) -> None:
        reader, writer = JsonReader(), JsonWriter()
        self._prefix = str(model.metadata["targetPrefix"])
        self._type = (b"content-type", f"application/x-amz-json-{model.metadata['jsonVersion']}".encode())
        self._names = frozenset(model.operation_names)
        self._inputs = {}
        self._outputs = {}
        for name in model.operation_names:
            operation = model.operation_model(name)
            if operation.input_shape:
                self._inputs[name] = reader.reader(operation.input_shape)
            if operation.output_shape:
                self._outputs[name] = writer.writer(operation.output_shape)

    def route(self, head: RequestHead) -> Routed | None:
        """By X-Amz-Target. Raises UnknownOperation."""
        prefix, _, operation = head.header(b"x-amz-target").rpartition(".")
        if prefix != self._prefix or operation not in self._names:
            target = head.header(b"x-amz-target")[:120]
            raise UnknownOperation(f"X-Amz-Target {target!r} names no operation of {self._prefix}.")
        return Routed(operation)

    def route_by_body(self, body: bytes) -> Routed:
        """Never needed: the head names every operation."""
        raise MalformedRequest("X-Amz-Target is missing.")

    def read(self, routed: Routed, head: RequestHead, body: bytes) -> dict[str, Any]:
        """The input as Python values."""
        value = parse_json_object(body)
        read = self._inputs.get(routed.operation)
        found: dict[str, Any] = read(value, "") if read else {}
        return found

    def write(self, operation: str, output: Mapping[str, Any], request_id: str) -> Answer:
        """The output on the wire."""
        write = self._outputs.get(operation)
        body = orjson.dumps(write(output)) if write else b""
        return Answer(200, body, (self._type, (b"x-amzn-requestid", request_id.encode())))

    def write_failure(self, failure: Failure, request_id: str) -> Answer:
        """The error's name in `__type`."""
        body = orjson.dumps({"__type": failure.code, "message": failure.message, **failure.extra})
        headers = [self._type, (b"x-amzn-requestid", request_id.encode())]
        headers += [(name.lower().encode(), header_text(value)) for name, value in failure.headers]
        return Answer(failure.status, body, tuple(headers))
