"""What joins extensions of the graph to functions: ARNs, and API Gateway's events."""

import base64
from typing import Any

import orjson
import pytest

from kokoa.edge.errors import BadFunctionAnswer
from kokoa.edge.extensions import FunctionAnswer
from kokoa.gateway.extension import Extension
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.roles.extensions import AccountFunctions, ApiGatewayEvents

EXTENSION = Extension("stock", "123456789012", "acme", "", "function", "stock-graph")
CALL = Call("env", Caller("storefront"), "4bf92f3577b34da6a3ce929d0e0e4736", now_ms() + 30_000)


class Functions:
    """The functions' seam; it remembers."""

    def __init__(self) -> None:
        self.asked: list[tuple[Call, str, bytes]] = []

    async def invoke(self, call: Call, function_arn: str, payload: bytes) -> FunctionAnswer:
        self.asked.append((call, function_arn, payload))
        return FunctionAnswer(b"[]", None, "r")


async def test_a_function_is_invoked_by_its_arn() -> None:
    functions = Functions()
    invoker: Any = AccountFunctions(functions, "eu-north-1")  # type: ignore[arg-type]  # only its invoke is used
    assert (await invoker.invoke(CALL, "123456789012", "stock-graph", b"{}")).payload == b"[]"
    assert functions.asked == [(CALL, "arn:aws:lambda:eu-north-1:123456789012:function:stock-graph", b"{}")]


def test_an_operation_is_a_post_request_as_api_gateway_tells_it() -> None:
    body = b'{"query": "{ a }"}'
    headers = [("content-type", "application/json"), ("accept", "application/json")]
    event = orjson.loads(ApiGatewayEvents().event_of(EXTENSION, headers, body, CALL))
    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "POST /graphql", "/graphql")
    assert (event["body"], event["isBase64Encoded"]) == (body.decode(), False)
    assert event["requestContext"]["accountId"] == "123456789012"
    assert event["headers"]["x-correlation-id"] == CALL.correlation_id
    assert not [name for name in event["headers"] if name.startswith(("x-kokoa", "x-tenant", "authorization"))]


def test_an_answer_is_read_as_api_gateway_reads_it() -> None:
    events = ApiGatewayEvents()
    encoded = {"statusCode": 200, "body": base64.b64encode(b'{"data":{}}').decode(), "isBase64Encoded": True}
    assert events.response_of(orjson.dumps(encoded)) == (200, b'{"data":{}}')
    assert events.response_of(b'{"data":{}}') == (200, b'{"data":{}}')
    with pytest.raises(BadFunctionAnswer):
        events.response_of(b'{"statusCode": 7}')
