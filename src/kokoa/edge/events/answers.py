"""What both payload formats check in a function's answer, so that nothing malformed or forged leaves. Pure.

Everything here raises BadFunctionAnswer, whose detail says why.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from kokoa.edge.errors import BadFunctionAnswer
from kokoa.edge.events.secrets import hop_by_hop, is_platform_cookie
from kokoa.web.http import Header

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Field values: visible characters, spaces, tabs and obs-text; never CR, LF or NUL (RFC 9110 §5.5).
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# The edge's own: a function cannot forge them.
_EDGE_HEADERS = frozenset({"content-length", "x-correlation-id", "date", "server"})
_EDGE_HEADER_PREFIXES = ("x-kokoa-", "ratelimit-")
HEADERS_MAX = 100
HEADER_BYTES_MAX = 32 * 1024
DEFAULT_TYPE = ("content-type", "text/plain; charset=utf-8")


def status_of(value: object) -> int:
    """Of `statusCode`: a number or its digits; interim answers (1xx) are not a function's to give."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:4])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
        raise bad_answer(f"statusCode must be a number from 200 to 599, not {repr(value)[:100]}")
    return value


def headers_of(value: object) -> list[Header]:
    """Of `headers`: names in lower case, each once; without hop-by-hop headers and what is the edge's own."""
    if value is None:
        return []
    if not isinstance(value, dict):
        raise bad_answer("headers must be an object")
    named = {name.lower(): header_text(name, text) for name, text in value.items() if text is not None}
    return allowed_headers(list(named.items()))


def multi_headers_of(value: object) -> list[Header]:
    """Of format 1.0's `multiValueHeaders`: one header for each value."""
    if value is None:
        return []
    if not isinstance(value, dict) or not all(isinstance(texts, list) for texts in value.values()):
        raise bad_answer("multiValueHeaders must be an object of lists")
    return allowed_headers([(name.lower(), header_text(name, text)) for name in value for text in value[name]])


def allowed_headers(headers: list[Header]) -> list[Header]:
    """The headers that a function may set."""
    if len(headers) > HEADERS_MAX or sum(len(name) + len(text) for name, text in headers) > HEADER_BYTES_MAX:
        raise bad_answer(f"at most {HEADERS_MAX} headers with {HEADER_BYTES_MAX} characters together are passed on")
    dropped = hop_by_hop(headers) | _EDGE_HEADERS
    return [
        (name, text)
        for name, text in headers
        if name not in dropped
        and not name.startswith(_EDGE_HEADER_PREFIXES)
        and not (name == "set-cookie" and is_platform_cookie(text))
    ]


def header_text(name: str, value: object) -> str:
    """The value as text: numbers and booleans are written out."""
    if isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, int | float):
        value = str(value)
    if not isinstance(value, str):
        raise bad_answer(f"the header {name[:100]!r} must be a string")
    if not _TOKEN.fullmatch(name) or not _FIELD_VALUE.fullmatch(value):
        raise bad_answer(f"the header {name[:100]!r} has characters that a header must not have")
    return value.strip()


def cookies_of(value: object) -> list[Header]:
    """Of format 2.0's `cookies`: each becomes a Set-Cookie header."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad_answer("cookies must be a list of strings")
    return allowed_headers([("set-cookie", header_text("set-cookie", cookie)) for cookie in value])


def body_of(answer: Mapping[str, Any]) -> bytes:
    """Of `body` and `isBase64Encoded`."""
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise bad_answer(f"body must be a string, not {type(body).__name__}; turn objects into JSON text first")
    encoded = answer.get("isBase64Encoded", False)
    if encoded is None or encoded is False:
        return utf8(body)
    if encoded is not True:
        raise bad_answer("isBase64Encoded must be true or false")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise bad_answer("isBase64Encoded is true, but body is not base64") from None


def utf8(text: str) -> bytes:
    """The text as a body."""
    return text.encode("utf-8", "surrogatepass")


def bad_answer(reason: str) -> BadFunctionAnswer:
    """reason: for the log."""
    return BadFunctionAnswer(
        "The extension behind this route gave an answer that is no HTTP response. Its log has the request, under "
        "this correlation id.",
        detail=reason,
    )
