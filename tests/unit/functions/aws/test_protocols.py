"""Wire protocols against botocore's own serializers and parsers: what a client writes is read, and the reverse."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from kokoa.functions.aws.errors import Failure, MalformedRequest, UnknownOperation
from kokoa.functions.aws.http import Answer, RequestHead
from kokoa.functions.aws.protocols.json_rpc import JsonRpc
from kokoa.functions.aws.protocols.query import Query
from kokoa.functions.aws.protocols.rest_json import RestJson
from kokoa.functions.aws.service import load_model
from kokoa.functions.aws.shapes import ProviderBroken

PROTOCOLS = {"lambda": RestJson, "apigatewayv2": RestJson, "logs": JsonRpc, "sts": Query, "cloudformation": Query}


def written_by_botocore(service: str, operation: str, request: dict[str, Any]) -> tuple[RequestHead, bytes]:
    model = load_model(service)
    made = create_serializer(model.protocol).serialize_to_request(request, model.operation_model(operation))
    body = made["body"]
    content = urlencode(body).encode() if isinstance(body, dict) else body
    content = content.encode() if isinstance(content, str) else content
    head = RequestHead(
        method=made["method"],
        raw_path=made["url_path"].encode(),
        query=urlencode(made["query_string"], doseq=True).encode() if made["query_string"] else b"",
        headers=[(name.lower().encode(), str(value).encode()) for name, value in made["headers"].items()],
        scheme="http",
    )
    return head, content


def read(service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    protocol = PROTOCOLS[service](load_model(service))
    head, body = written_by_botocore(service, operation, request)
    routed = protocol.route(head) or protocol.route_by_body(body)
    assert routed.operation == operation
    return dict(protocol.read(routed, head, body))


REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "lambda",
        "GetFunction",
        {"FunctionName": "arn:aws:lambda:eu-west-1:123456789012:function:é/x", "Qualifier": "1"},
    ),
    ("lambda", "Invoke", {"FunctionName": "f", "Payload": b"\x00{}", "LogType": "Tail"}),
    ("lambda", "ListFunctions", {"MaxItems": 7, "Marker": "a&b=c"}),
    ("lambda", "UntagResource", {"Resource": "arn:a:b", "TagKeys": ["x", "y z"]}),
    (
        "lambda",
        "CreateFunction",
        {
            "FunctionName": "f",
            "Role": "r",
            "Code": {"ZipFile": b"\x00\x01"},
            "Environment": {"Variables": {"K": "v"}},
            "Layers": ["a"],
            "Publish": False,
            "Timeout": 3,
        },
    ),
    ("apigatewayv2", "CreateApi", {"Name": "n", "ProtocolType": "HTTP", "Tags": {"a": "b"}}),
    ("apigatewayv2", "GetRoutes", {"ApiId": "abc", "MaxResults": "5"}),
    ("apigatewayv2", "TagResource", {"ResourceArn": "arn:aws:x/y", "Tags": {"a": "b"}}),
    ("logs", "FilterLogEvents", {"logGroupName": "/a/b", "startTime": 5, "logStreamNames": ["x"]}),
    ("sts", "GetCallerIdentity", {}),
    (
        "sts",
        "AssumeRole",
        {
            "RoleArn": "arn:aws:iam::123456789012:role/r",
            "RoleSessionName": "session",
            "Tags": [{"Key": "k", "Value": "v"}],
        },
    ),
    (
        "cloudformation",
        "CreateChangeSet",
        {
            "StackName": "s",
            "ChangeSetName": "c",
            "Capabilities": ["A", "B"],
            "Parameters": [{"ParameterKey": "k", "UsePreviousValue": True}],
            "Tags": [],
        },
    ),
]


@pytest.mark.parametrize(("service", "operation", "request_"), REQUESTS, ids=lambda value: str(value)[:20])
def test_what_botocore_writes_is_read_back(service: str, operation: str, request_: dict[str, Any]) -> None:
    assert read(service, operation, request_) == request_


def parsed_by_botocore(service: str, operation: str, answer: Answer) -> dict[str, Any]:
    model = load_model(service)
    response = {
        "status_code": answer.status,
        "headers": {name.decode(): value.decode() for name, value in answer.headers},
        "body": answer.body,
        "context": {"operation_name": operation},
    }
    shape = model.operation_model(operation).output_shape
    parsed = create_parser(model.protocol).parse(response, shape)
    parsed.pop("ResponseMetadata", None)
    return dict(parsed)


MOMENT = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
OUTPUTS: list[tuple[str, str, dict[str, Any]]] = [
    ("lambda", "GetFunctionConfiguration", {"FunctionName": "f", "Timeout": 3, "Environment": {"Variables": {}}}),
    ("apigatewayv2", "CreateApi", {"ApiId": "a", "CreatedDate": MOMENT, "Tags": {"a": "b"}, "Warnings": ["w"]}),
    ("logs", "FilterLogEvents", {"events": [{"timestamp": 5, "message": "é"}], "nextToken": "t"}),
    ("sts", "GetCallerIdentity", {"Account": "1", "Arn": "<&>", "UserId": "u"}),
    (
        "cloudformation",
        "DescribeStacks",
        {
            "Stacks": [
                {
                    "StackName": "s",
                    "CreationTime": MOMENT,
                    "StackStatus": "X",
                    "DisableRollback": False,
                    "Tags": [{"Key": "k", "Value": "v"}],
                }
            ]
        },
    ),
]


@pytest.mark.parametrize(("service", "operation", "output"), OUTPUTS, ids=lambda value: str(value)[:20])
def test_what_is_written_botocore_reads(service: str, operation: str, output: dict[str, Any]) -> None:
    answer = PROTOCOLS[service](load_model(service)).write(operation, output, "r-1")
    assert parsed_by_botocore(service, operation, answer) == output
    assert (b"x-amzn-requestid", b"r-1") in answer.headers


@pytest.mark.parametrize("service", PROTOCOLS)
def test_an_error_arrives_with_code_and_message(service: str) -> None:
    failure = Failure("SomeException", 418, "told <so>", headers=(("Retry-After", "3"),))
    answer = PROTOCOLS[service](load_model(service)).write_failure(failure, "r-1")
    model = load_model(service)
    parsed = parsed_by_botocore(service, model.operation_names[0], answer)
    assert (parsed["Error"]["Code"], parsed["Error"]["Message"]) == ("SomeException", "told <so>")
    assert (b"retry-after", b"3") in answer.headers


def test_an_error_cannot_split_headers() -> None:
    answer = RestJson(load_model("lambda")).write_failure(Failure("A\r\nX-Evil: 1", 400, "m"), "r")
    assert all(b"\r" not in value and b"\n" not in value for _, value in answer.headers)


def test_a_provider_that_answers_what_the_model_lacks_is_found_out() -> None:
    with pytest.raises(ProviderBroken, match="Colour"):
        RestJson(load_model("lambda")).write("GetFunctionConfiguration", {"Colour": "red"}, "r")


def request(method: str, path: str, body: bytes = b"", **headers: str) -> tuple[RequestHead, bytes]:
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return RequestHead(method=method, raw_path=path.encode(), query=b"", headers=fields, scheme="http"), body


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/2015-03-31/nothing"), ("PATCH", "/2015-03-31/functions"), ("GET", "/")]
)
def test_a_path_without_an_operation(method: str, path: str) -> None:
    with pytest.raises(UnknownOperation):
        RestJson(load_model("lambda")).route(request(method, path)[0])


def test_old_clients_may_end_paths_with_a_slash() -> None:
    routed = RestJson(load_model("lambda")).route(request("POST", "/2015-03-31/functions/")[0])
    assert routed is not None
    assert routed.operation == "CreateFunction"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "Could not parse request body into json"),
        (b"[]", "an object is expected"),
        (b'{"FunctionName": 5}', "FunctionName must be a text, not int"),
        (b'{"Timeout": "3"}', "Timeout must be an integer"),
        (b'{"Timeout": 1.5}', "Timeout must be an integer"),
        (b'{"Timeout": true}', "Timeout must be an integer"),
        (b'{"Code": {"ZipFile": "%"}}', "Code.ZipFile is not valid base64"),
        (b'{"Layers": {}}', "Layers must be a list"),
        (b'{"Environment": []}', "Environment must be an object"),
        (b'{"Timeout": 1e999}', ""),
    ],
)
def test_a_body_that_the_protocol_cannot_read(body: bytes, told: str) -> None:
    protocol = RestJson(load_model("lambda"))
    head, content = request("POST", "/2015-03-31/functions", body)
    routed = protocol.route(head)
    assert routed is not None
    with pytest.raises(MalformedRequest) as caught:
        protocol.read(routed, head, content)
    assert told in caught.value.message


@pytest.mark.parametrize(
    "form",
    [
        b"Action=AssumeRole&Tags.member.x.Key=1",
        b"Action=AssumeRole&" + b"a." * 50 + b"b=1",
        b"Action=AssumeRole&DurationSeconds=soon",
        b"\xff\xfe",
        b"&".join(b"a%d=1" % number for number in range(10_001)),
    ],
    ids=["index", "depth", "number", "bytes", "fields"],
)
def test_a_form_that_the_protocol_cannot_read(form: bytes) -> None:
    protocol = Query(load_model("sts"))
    head, _ = request("POST", "/")
    with pytest.raises((MalformedRequest, UnknownOperation)):
        protocol.read(protocol.route_by_body(form), head, form)


def test_an_unknown_action_and_target() -> None:
    with pytest.raises(UnknownOperation, match="Dance"):
        Query(load_model("sts")).route_by_body(b"Action=Dance&Version=2011-06-15")
    with pytest.raises(UnknownOperation):
        JsonRpc(load_model("logs")).route(request("POST", "/", x_amz_target="Logs_20140328.Dance")[0])
