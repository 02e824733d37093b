"""API Gateway's payload format 2.0, both ways. Pure.

Follows "Create AWS Lambda proxy integrations for HTTP APIs" of the API Gateway developer guide. Where the guide is
silent, AWS's observed behaviour: `rawPath` and path parameters are decoded, the query string is not; the `cookie`
header moves to `cookies`; a body is text only for text/*, application/json, application/xml and
application/javascript, so a form and a body without a type are base64.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson

from kokoa.edge.events.answers import DEFAULT_TYPE, bad_answer, body_of, cookies_of, headers_of, status_of, utf8
from kokoa.edge.events.requests import EventRoute, Occasion, clf_time, encoded_body, headers_for, host_of
from kokoa.web.http import Header, Request, Response

_ALWAYS = frozenset({"rawQueryString", "headers"})


def event_of(
    request: Request,
    body: bytes,
    route: EventRoute,
    occasion: Occasion,
    *,
    stage_variables: Mapping[str, str] | None = None,
    authorizer: Mapping[str, Any] | None = None,
) -> bytes:
    """The event as JSON. Members that AWS leaves out when they are empty are left out."""
    headers = headers_for(request, body)
    joined = _joined(headers)
    text, is_base64 = encoded_body(body, joined.get("content-type", ""))
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route.route_key,
        "rawPath": route.path,
        "rawQueryString": request.query,
        "cookies": [cookie for name, value in headers if name == "cookie" for cookie in value.split("; ")],
        "headers": joined,
        "queryStringParameters": query_parameters(request.query),
        "requestContext": _context(request, route, occasion, headers, authorizer),
        "body": text,
        "pathParameters": route.path_parameters,
        "stageVariables": stage_variables,
    }
    event = {name: value for name, value in event.items() if value or name in _ALWAYS}
    event["isBase64Encoded"] = is_base64
    return orjson.dumps(event)


def _context(
    request: Request,
    route: EventRoute,
    occasion: Occasion,
    headers: list[Header],
    authorizer: Mapping[str, Any] | None,
) -> dict[str, Any]:
    host = host_of(headers)
    context: dict[str, Any] = {
        "accountId": route.account_id,
        "apiId": route.api_id,
        "domainName": host,
        "domainPrefix": host.partition(".")[0],
        "http": {
            "method": request.method,
            "path": route.path,
            "protocol": f"HTTP/{request.http_version}",
            "sourceIp": request.client,
            "userAgent": request.header("user-agent") or "",
        },
        "requestId": occasion.request_id,
        "routeKey": route.route_key,
        "stage": "$default",
        "time": clf_time(occasion.time_ms),
        "timeEpoch": occasion.time_ms,
    }
    if authorizer:
        context["authorizer"] = authorizer
    return context


def _joined(headers: list[Header]) -> dict[str, str]:
    """Repeated headers joined with commas; cookies have a place of their own."""
    joined: dict[str, str] = {}
    for name, value in headers:
        if name != "cookie":
            joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def query_parameters(query: str) -> dict[str, str]:
    """Decoded; the values of a repeated name are joined with commas, in order."""
    joined: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def response_of(payload: bytes) -> Response:
    """What a function answered as an HTTP response. Raises BadFunctionAnswer, whose detail says why.

    An object with `statusCode` is a response. Anything else is a body with status 200 and type application/json:
    a string as it is, other JSON as JSON.
    """
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise bad_answer("the answer is not JSON") from None
    if isinstance(answer, str):
        return Response(200, (("content-type", "application/json"),), utf8(answer))
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return Response(200, (("content-type", "application/json"),), payload)
    headers = [*headers_of(answer.get("headers")), *cookies_of(answer.get("cookies"))]
    if not any(name == "content-type" for name, _ in headers):
        headers.append(DEFAULT_TYPE)
    return Response(status_of(answer["statusCode"]), tuple(headers), body_of(answer))
