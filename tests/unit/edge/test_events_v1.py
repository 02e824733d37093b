"""Payload format 1.0 both ways."""

from typing import Any

import orjson
import pytest

from kokoa.edge.errors import BadFunctionAnswer
from kokoa.edge.events.requests import EventRoute, Occasion
from kokoa.edge.events.v1 import event_of, response_of
from kokoa.web.http import Request

ROUTE = EventRoute("GET /my/{name}", "/my/{name}", "a1b2c3d4e5", "123456789012", "/my/path", {"name": "path"})


def event(*headers: tuple[str, str], query: str = "", body: bytes = b"", route: EventRoute = ROUTE) -> Any:
    segments = ("ext", "x", "my", "path")
    asked = Request("GET", "/ext/x/my/path", segments, query, headers, "1.1", "https", "198.51.100.4", "a" * 32)
    return orjson.loads(event_of(asked, body, route, Occasion("id=", 1583349317135)))


def test_repeated_values_are_in_the_multi_value_members() -> None:
    made = event(
        ("host", "shop.test"), ("h", "1"), ("h", "2"), ("cookie", "a=1; kokoa_s=hidden"), query="p=1&p=2", body=b"x"
    )
    assert (made["version"], made["resource"], made["path"], made["httpMethod"]) == (
        "1.0",
        "/my/{name}",
        "/my/path",
        "GET",
    )
    assert (made["headers"]["h"], made["multiValueHeaders"]["h"]) == ("2", ["1", "2"])
    assert made["headers"]["cookie"] == "a=1"
    assert made["headers"]["x-forwarded-port"] == "443"
    assert (made["queryStringParameters"], made["multiValueQueryStringParameters"]) == ({"p": "2"}, {"p": ["1", "2"]})
    assert (made["body"], made["isBase64Encoded"]) == ("eA==", True)
    context = made["requestContext"]
    assert (context["requestTime"], context["requestTimeEpoch"]) == ("04/Mar/2020:19:15:17 +0000", 1583349317135)
    assert (context["identity"]["sourceIp"], context["identity"]["user"]) == ("198.51.100.4", None)
    assert (context["domainPrefix"], context["stage"], context["resourcePath"]) == ("shop", "$default", "/my/{name}")


def test_members_without_a_value_are_null() -> None:
    made = event(route=EventRoute("$default", "$default", "a", "1", "/", {}))
    for name in (
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "body",
    ):
        assert made[name] is None


@pytest.mark.parametrize("name", ["X-Tenant-Secret", "X-GraphQL-Secret", "X-Kokoa-Call"])
def test_platform_secrets_never_reach_a_function(name: str) -> None:
    assert b"hidden" not in orjson.dumps(event((name, "hidden")))


def test_multi_value_headers_take_the_place_of_single_ones() -> None:
    answer = {
        "statusCode": 200,
        "headers": {"Set-Cookie": "x=1", "Content-Type": "text/html"},
        "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2", "kokoa_s=forged"]},
        "body": "hi",
    }
    response = response_of(orjson.dumps(answer))
    assert response.headers == (("content-type", "text/html"), ("set-cookie", "a=1"), ("set-cookie", "b=2"))
    assert response.body == b"hi"


@pytest.mark.parametrize(
    "payload",
    [
        b'"text"',
        b"{}",
        b"null",
        b"{",
        b'{"statusCode":200,"multiValueHeaders":{"a":"b"}}',
        b'{"statusCode":200,"multiValueHeaders":[]}',
        b'{"statusCode":200,"multiValueHeaders":{"a":["b\\r\\nc"]}}',
    ],
)
def test_format_one_infers_nothing(payload: bytes) -> None:
    with pytest.raises(BadFunctionAnswer):
        response_of(payload)
