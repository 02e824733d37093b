"""Payload format 2.0 both ways: AWS's shape, nothing secret inside, nothing malformed outside."""

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoa.edge.errors import BadFunctionAnswer
from kokoa.edge.events.requests import EventRoute, Occasion, new_request_id
from kokoa.edge.events.v2 import event_of, query_parameters, response_of
from kokoa.web.http import Request

ROUTE = EventRoute("GET /my/{name}", "/my/{name}", "a1b2c3d4e5", "123456789012", "/my/path", {"name": "path"})


def request(*headers: tuple[str, str], query: str = "", method: str = "GET") -> Request:
    return Request(
        method=method,
        path="/ext/api/my/path",
        segments=("ext", "api", "my", "path"),
        query=query,
        headers=headers,
        http_version="1.1",
        scheme="http",
        client="198.51.100.4",
        correlation_id="5e9f0c651de4d666d4dd26aced652b6c",
    )


def event(asked: Request, body: bytes = b"", route: EventRoute = ROUTE) -> Any:
    return orjson.loads(event_of(asked, body, route, Occasion("LV7fzho-PHcEJPw=", 1587481701067)))


def test_a_bare_get_has_aws_shape() -> None:
    asked = request(("host", "shop.example.com:8080"), ("user-agent", "curl/7.58.0"), ("accept", "*/*"))
    bare = EventRoute("$default", "$default", "a1b2c3d4e5", "123456789012", "/", {})
    assert event(asked, route=bare) == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {
            "accept": "*/*",
            "content-length": "0",
            "host": "shop.example.com:8080",
            "user-agent": "curl/7.58.0",
            "x-amzn-trace-id": "Root=1-5e9f0c65-1de4d666d4dd26aced652b6c;Sampled=1",
            "x-correlation-id": "5e9f0c651de4d666d4dd26aced652b6c",
            "x-forwarded-for": "198.51.100.4",
            "x-forwarded-port": "8080",
            "x-forwarded-proto": "http",
        },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": "shop.example.com",
            "domainPrefix": "shop",
            "http": {
                "method": "GET",
                "path": "/",
                "protocol": "HTTP/1.1",
                "sourceIp": "198.51.100.4",
                "userAgent": "curl/7.58.0",
            },
            "requestId": "LV7fzho-PHcEJPw=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "21/Apr/2020:15:08:21 +0000",
            "timeEpoch": 1587481701067,
        },
        "isBase64Encoded": False,
    }


def test_repeated_headers_query_and_cookies() -> None:
    asked = request(
        ("X-Many", "a"),
        ("x-many", "b"),
        ("cookie", "c1=1; c2=2"),
        ("Cookie", "c3=3"),
        query="p=v1&p=v%202&empty=&plus=a+b",
    )
    made = event(asked)
    assert made["headers"]["x-many"] == "a,b"
    assert "cookie" not in made["headers"]
    assert made["cookies"] == ["c1=1", "c2=2", "c3=3"]
    assert made["queryStringParameters"] == {"p": "v1,v 2", "empty": "", "plus": "a b"}
    assert made["rawQueryString"] == "p=v1&p=v%202&empty=&plus=a+b"
    assert made["pathParameters"] == {"name": "path"}


@pytest.mark.parametrize(
    ("content_type", "is_base64"),
    [
        ("application/json", False),
        ("Application/JSON; charset=utf-8", False),
        ("text/plain", False),
        ("text/anything", False),
        ("application/xml", False),
        ("application/javascript", False),
        ("application/x-www-form-urlencoded", True),
        ("application/octet-stream", True),
        ("image/png", True),
        ("", True),
    ],
)
def test_body_is_text_for_the_types_that_aws_takes_as_text(content_type: str, is_base64: bool) -> None:
    made = event(request(("content-type", content_type), method="POST"), b'{"a":1}')
    assert made["isBase64Encoded"] is is_base64
    assert made["body"] == (base64.b64encode(b'{"a":1}').decode() if is_base64 else '{"a":1}')


def test_bytes_that_are_no_text_are_base64_whatever_the_type_says() -> None:
    made = event(request(("content-type", "text/plain")), b"\xff\x00")
    assert (made["isBase64Encoded"], base64.b64decode(made["body"])) == (True, b"\xff\x00")


SECRETS = [
    ("X-Tenant-Secret", "ts_hidden"),
    ("x-graphql-secret", "gs_hidden"),
    ("X-Kokoa-Call", "hidden"),
    ("x-kokoa-anything", "hidden"),
    ("Authorization", "AWS4-HMAC-SHA256 Credential=hidden"),
    ("authorization", "Bearer kokoa_hidden"),
    ("Authorization", "  bearer   KOKOA_hidden"),
    ("X-Amz-Security-Token", "hidden"),
    ("Proxy-Authorization", "Basic hidden"),
    ("cookie", "kokoa_session=hidden; mine=1"),
    ("Cookie", "__Host-Kokoa_login=hidden"),
]


@pytest.mark.parametrize("header", SECRETS)
def test_platform_secrets_never_reach_a_function(header: tuple[str, str]) -> None:
    assert b"hidden" not in event_of(request(header), b"", ROUTE, Occasion("x", 0)).lower()


def test_a_partners_own_authorization_and_cookies_pass() -> None:
    made = event(request(("authorization", "Bearer partner-token"), ("cookie", "kokoa_session=x; mine=1")))
    assert made["headers"]["authorization"] == "Bearer partner-token"
    assert made["cookies"] == ["mine=1"]


def test_hop_by_hop_headers_end_here() -> None:
    made = event(request(("connection", "keep-alive, X-Hop"), ("x-hop", "1"), ("transfer-encoding", "chunked")))
    assert not {"connection", "x-hop", "transfer-encoding"} & made["headers"].keys()


def test_a_client_cannot_forge_what_the_gateway_says() -> None:
    forged = request(
        ("x-amzn-trace-id", "Root=forged"),
        ("x-correlation-id", "forged"),
        ("x-forwarded-proto", "gopher"),
        ("x-forwarded-for", "10.0.0.1"),
    )
    made = event(forged)["headers"]
    assert made["x-correlation-id"] == "5e9f0c651de4d666d4dd26aced652b6c"
    assert made["x-forwarded-for"] == "10.0.0.1,198.51.100.4"
    assert "forged" not in made["x-amzn-trace-id"]
    assert made["x-forwarded-proto"] == "http"


_NAMES = st.from_regex(r"\A[a-z][a-z0-9-]{0,10}\Z")


@given(
    headers=st.lists(st.tuples(_NAMES, st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20))),
    query=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60),
    body=st.binary(max_size=200),
    content_type=st.sampled_from(["application/json", "text/css", "image/png", ""]),
)
def test_any_request_makes_an_event_that_holds_its_body(
    headers: list[tuple[str, str]], query: str, body: bytes, content_type: str
) -> None:
    made = event(request(*headers, ("content-type", content_type), query=query), body)
    assert made["rawQueryString"] == query
    text = made.get("body", "")
    assert (base64.b64decode(text) if made["isBase64Encoded"] else text.encode()) == body
    assert all(isinstance(value, str) for value in made["headers"].values())


def test_query_of_broken_escapes_is_still_text() -> None:
    assert query_parameters("a=%zz&b=%ff") == {"a": "%zz", "b": "\ufffd"}


def test_request_ids_have_gateways_form() -> None:
    assert len(new_request_id()) == 16
    assert new_request_id().endswith("=")
    assert new_request_id() != new_request_id()


def answer(value: object) -> tuple[int, dict[str, str], bytes]:
    response = response_of(orjson.dumps(value))
    return response.status, dict(response.headers), response.body


def test_full_answer() -> None:
    status, headers, body = answer({"statusCode": 201, "headers": {"X-One": "1", "N": 5, "B": True}, "body": "made"})
    assert (status, body) == (201, b"made")
    assert headers == {"x-one": "1", "n": "5", "b": "true", "content-type": "text/plain; charset=utf-8"}


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ({"message": "hi"}, b'{"message":"hi"}'),
        ("plain", b"plain"),
        ([1, 2], b"[1,2]"),
        (None, b"null"),
        (5, b"5"),
        ({"body": "x"}, b'{"body":"x"}'),
    ],
)
def test_an_answer_without_status_is_a_json_body(value: object, body: bytes) -> None:
    assert answer(value) == (200, {"content-type": "application/json"}, body)


def test_a_header_in_two_spellings_is_sent_once() -> None:
    response = response_of(b'{"statusCode":200,"headers":{"Content-Type":"text/html","content-type":"text/css"}}')
    assert response.headers == (("content-type", "text/css"),)


def test_cookies_become_set_cookie_headers() -> None:
    response = response_of(orjson.dumps({"statusCode": "204", "cookies": ["a=1; Path=/", "b=2"]}))
    assert response.status == 204
    assert [value for name, value in response.headers if name == "set-cookie"] == ["a=1; Path=/", "b=2"]


def test_base64_body_is_decoded() -> None:
    assert answer({"statusCode": 200, "body": "/wA=", "isBase64Encoded": True})[2] == b"\xff\x00"


@pytest.mark.parametrize(
    "value",
    [
        {"statusCode": "abc"},
        {"statusCode": 99},
        {"statusCode": 101},
        {"statusCode": 600},
        {"statusCode": True},
        {"statusCode": None},
        {"statusCode": 200.5},
        {"statusCode": 200, "headers": []},
        {"statusCode": 200, "headers": {"a": ["b"]}},
        {"statusCode": 200, "headers": {"a": "x\r\nSet-Cookie: stolen=1"}},
        {"statusCode": 200, "headers": {"a\r\nb": "x"}},
        {"statusCode": 200, "headers": {"a": "x\0"}},
        {"statusCode": 200, "headers": {"": "x"}},
        {"statusCode": 200, "headers": {"a b": "x"}},
        {"statusCode": 200, "headers": {"a": "smile \u263a"}},
        {"statusCode": 200, "headers": {f"h{n}": "x" for n in range(200)}},
        {"statusCode": 200, "headers": {"big": "x" * 40_000}},
        {"statusCode": 200, "cookies": ["a=1"] * 200},
        {"statusCode": 200, "cookies": "a=1"},
        {"statusCode": 200, "cookies": ["a=1\r\nX: y"]},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "body": 5},
        {"statusCode": 200, "body": "%%%", "isBase64Encoded": True},
        {"statusCode": 200, "body": "", "isBase64Encoded": "yes"},
    ],
)
def test_nonsense_is_refused(value: object) -> None:
    with pytest.raises(BadFunctionAnswer) as caught:
        answer(value)
    assert caught.value.detail


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b"nan"])
def test_no_json_is_refused(payload: bytes) -> None:
    with pytest.raises(BadFunctionAnswer):
        response_of(payload)


def test_a_function_cannot_speak_for_the_edge() -> None:
    headers = {
        "Content-Length": "9999",
        "Transfer-Encoding": "chunked",
        "Connection": "X-Gone",
        "X-Gone": "1",
        "X-Correlation-Id": "f" * 32,
        "RateLimit-Remaining": "1000000",
        "X-Kokoa-Call": "forged",
        "Set-Cookie": "kokoa_session=forged",
        "Kept": "yes",
    }
    _, made, _ = answer({"statusCode": 200, "headers": headers, "cookies": ["__Host-kokoa_x=forged"]})
    assert made == {"kept": "yes", "content-type": "text/plain; charset=utf-8"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={"statusCode": _JSON, "headers": _JSON, "cookies": _JSON, "body": _JSON, "isBase64Encoded": _JSON},
    )
)
def test_whatever_a_function_answers_is_a_response_or_refused(value: dict[str, object]) -> None:
    try:
        response = response_of(orjson.dumps(value))
    except BadFunctionAnswer:
        return
    assert 200 <= response.status <= 599
    for name, text in response.headers:
        assert "\r" not in name + text
        assert "\n" not in name + text
        (name + text).encode("latin-1")


@given(
    status=st.integers(200, 599), body=st.binary(max_size=100), name=_NAMES, cookie=st.from_regex(r"\A[a-z]=[a-z]\Z")
)
def test_a_well_formed_answer_comes_through_whole(status: int, body: bytes, name: str, cookie: str) -> None:
    made = response_of(
        orjson.dumps(
            {
                "statusCode": status,
                "headers": {f"my-{name}": "v"},
                "cookies": [cookie],
                "body": base64.b64encode(body).decode(),
                "isBase64Encoded": True,
            }
        )
    )
    assert (made.status, made.body) == (status, body)
    assert (f"my-{name}", "v") in made.headers
    assert ("set-cookie", cookie) in made.headers
