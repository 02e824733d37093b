"""API Gateway's payload format 1.0 for HTTP APIs, both ways. Pure. What an integration gets unless it asks for 2.0.

Follows "Create AWS Lambda proxy integrations for HTTP APIs" of the API Gateway developer guide: repeated values are
in the `multiValue…` members, the plain ones hold the last; members without a value are null.
"""

from collections import defaultdict
from typing import Any
from urllib.parse import parse_qsl

import orjson

from kokoa.edge.events.answers import DEFAULT_TYPE, bad_answer, body_of, headers_of, multi_headers_of, status_of
from kokoa.edge.events.requests import EventRoute, Occasion, clf_time, encoded_body, headers_for, host_of
from kokoa.web.http import Header, Request, Response

# What only other ways of signing in would fill.
_NO_IDENTITY = dict.fromkeys(
    (
        "accessKey",
        "accountId",
        "caller",
        "cognitoAuthenticationProvider",
        "cognitoAuthenticationType",
        "cognitoIdentityId",
        "cognitoIdentityPoolId",
        "principalOrgId",
        "user",
        "userArn",
    )
)


def event_of(request: Request, body: bytes, route: EventRoute, occasion: Occasion) -> bytes:
    """The event as JSON."""
    headers = headers_for(request, body)
    many_headers = _grouped(headers)
    many_values = _grouped(parse_qsl(request.query, keep_blank_values=True, errors="replace"))
    text, is_base64 = encoded_body(body, many_headers.get("content-type", [""])[-1])
    return orjson.dumps(
        {
            "version": "1.0",
            "resource": route.resource,
            "path": route.path,
            "httpMethod": request.method,
            "headers": {name: values[-1] for name, values in many_headers.items()},
            "multiValueHeaders": many_headers,
            "queryStringParameters": {name: values[-1] for name, values in many_values.items()} or None,
            "multiValueQueryStringParameters": many_values or None,
            "requestContext": _context(request, route, occasion, headers),
            "pathParameters": route.path_parameters or None,
            "stageVariables": None,
            "body": text or None,
            "isBase64Encoded": is_base64,
        }
    )


def _context(request: Request, route: EventRoute, occasion: Occasion, headers: list[Header]) -> dict[str, Any]:
    host = host_of(headers)
    return {
        "accountId": route.account_id,
        "apiId": route.api_id,
        "authorizer": {"claims": None, "scopes": None},
        "domainName": host,
        "domainPrefix": host.partition(".")[0],
        "extendedRequestId": occasion.request_id,
        "httpMethod": request.method,
        "identity": {
            **_NO_IDENTITY,
            "sourceIp": request.client,
            "userAgent": request.header("user-agent") or "",
        },
        "path": route.path,
        "protocol": f"HTTP/{request.http_version}",
        "requestId": occasion.request_id,
        "requestTime": clf_time(occasion.time_ms),
        "requestTimeEpoch": occasion.time_ms,
        "resourceId": route.route_key,
        "resourcePath": route.resource,
        "stage": "$default",
    }


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in pairs:
        grouped[name].append(value)
    return dict(grouped)


def response_of(payload: bytes) -> Response:
    """What a function answered as an HTTP response. Raises BadFunctionAnswer, whose detail says why.

    Format 1.0 infers nothing: the answer must be an object with `statusCode`. A name in `multiValueHeaders`
    takes the place of the same one in `headers`.
    """
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise bad_answer("the answer is not JSON") from None
    if not isinstance(answer, dict) or "statusCode" not in answer:
        raise bad_answer("payload format 1.0 needs an object with statusCode; format 2.0 takes any JSON")
    many = multi_headers_of(answer.get("multiValueHeaders"))
    names = {name for name, _ in many}
    headers = [header for header in headers_of(answer.get("headers")) if header[0] not in names] + many
    if not any(name == "content-type" for name, _ in headers):
        headers.append(DEFAULT_TYPE)
    return Response(status_of(answer["statusCode"]), tuple(headers), body_of(answer))
