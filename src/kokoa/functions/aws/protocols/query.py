"""The query protocol (STS, CloudFormation, IAM): a form in, whose names are paths (`Tags.member.1.Key`), XML out."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from kokoa.functions.aws.errors import Failure, MalformedRequest, UnknownOperation
from kokoa.functions.aws.http import Answer, RequestHead
from kokoa.functions.aws.protocols import xml
from kokoa.functions.aws.protocols.protocol import Routed
from kokoa.functions.aws.protocols.rest import header_text
from kokoa.functions.aws.shapes import scalar_from_text, wire_name

FIELDS_MAX: Final = 10_000
DEPTH_MAX: Final = 20
XML_TYPE: Final = (b"content-type", b"text/xml")

Tree = dict[str, Any]
"""A form as a tree: `{"Tags": {"member": {"1": {"Key": "a"}}}}`; a text is kept under the empty name."""


def parse_form(body: bytes) -> dict[str, str]:
    """The form's fields. Raises MalformedRequest."""
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except UnicodeDecodeError:
        raise MalformedRequest("The form is not UTF-8.") from None
    except ValueError:
        raise MalformedRequest(f"The form has more than {FIELDS_MAX} fields.") from None
    return dict(pairs)


def _tree(fields: Mapping[str, str]) -> Tree:
    root: Tree = {}
    for name, value in fields.items():
        path = name.split(".")
        if len(path) > DEPTH_MAX:
            raise MalformedRequest(f"{name[:80]} is nested deeper than {DEPTH_MAX} levels.")
        node = root
        for part in path:
            node = node.setdefault(part, {})
        node[""] = value
    return root


def _read(shape: Shape, node: Tree, where: str) -> Any:
    if isinstance(shape, StructureShape):
        return {
            name: _read(member, node[wire], f"{where}.{wire}" if where else wire)
            for name, member in shape.members.items()
            if (wire := wire_name(name, member)) in node
        }
    if isinstance(shape, ListShape):
        flattened = shape.serialization.get("flattened")
        entries = node if flattened else node.get(wire_name("member", shape.member), {})
        return [_read(shape.member, entry, where) for entry in _in_order(entries, where)]
    if isinstance(shape, MapShape):
        entries = node if shape.serialization.get("flattened") else node.get("entry", {})
        key_name, value_name = wire_name("key", shape.key), wire_name("value", shape.value)
        return {
            entry.get(key_name, {}).get("", ""): _read(shape.value, entry.get(value_name, {}), where)
            for entry in _in_order(entries, where)
        }
    return scalar_from_text(shape)(node.get("", ""), where)


def _in_order(entries: Tree, where: str) -> list[Tree]:
    numbered = {}
    for index, entry in entries.items():
        if index == "":
            continue  # `Tags=` says that the list is empty.
        if not index.isdecimal() or len(index) > 6:
            raise MalformedRequest(f"{where}: {index[:40]!r} is not the number of a list entry.")
        numbered[int(index)] = entry
    return [numbered[index] for index in sorted(numbered)]


class Query:
    """query for one service."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._names = frozenset(model.operation_names)
        self._namespace = str(model.metadata["xmlNamespace"])

    def route(self, head: RequestHead) -> Routed | None:
        """A presigned URL names the operation in its query string; a form names it in the body."""
        action = dict(parse_qsl(head.query.decode("latin-1"))).get("Action", "")
        return self._named(action) if action else None

    def route_by_body(self, body: bytes) -> Routed:
        """By the form's Action. Raises UnknownOperation."""
        return self._named(parse_form(body).get("Action", ""))

    def _named(self, action: str) -> Routed:
        if action not in self._names:
            version = self._model.api_version
            raise UnknownOperation(f"Could not find operation {action[:100]} for version {version}")
        return Routed(action)

    def read(self, routed: Routed, head: RequestHead, body: bytes) -> dict[str, Any]:
        """The input as Python values."""
        shape = self._model.operation_model(routed.operation).input_shape
        fields = parse_form(body or head.query)
        found: dict[str, Any] = _read(shape, _tree(fields), "") if shape else {}
        return found

    def write(self, operation: str, output: Mapping[str, Any], request_id: str) -> Answer:
        """`<OperationResponse>` with the result and the metadata."""
        shape = self._model.operation_model(operation).output_shape
        content = ""
        if shape is not None:
            content = xml.write_members(shape, output)
            wrapper = shape.serialization.get("resultWrapper", "")
            content = xml.element(wrapper, content) if wrapper else content
        content += xml.element("ResponseMetadata", xml.element("RequestId", xml.text(request_id)))
        return self._answer(200, xml.element(f"{operation}Response", content, self._namespace), request_id)

    def write_failure(self, failure: Failure, request_id: str) -> Answer:
        """`<ErrorResponse>`."""
        error = (
            xml.element("Type", "Sender" if failure.status < 500 else "Receiver")
            + xml.element("Code", xml.text(failure.code))
            + xml.element("Message", xml.text(failure.message))
        )
        content = xml.element("Error", error) + xml.element("RequestId", xml.text(request_id))
        answer = self._answer(failure.status, xml.element("ErrorResponse", content, self._namespace), request_id)
        extra = tuple((name.lower().encode(), header_text(value)) for name, value in failure.headers)
        return Answer(answer.status, answer.body, answer.headers + extra)

    def _answer(self, status: int, content: str, request_id: str) -> Answer:
        body = b'<?xml version="1.0" encoding="UTF-8"?>\n' + content.encode()
        return Answer(status, body, (XML_TYPE, (b"x-amzn-requestid", request_id.encode())))
