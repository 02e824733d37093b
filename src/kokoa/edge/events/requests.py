"""What both payload formats take from an HTTP request: visible headers, cookies, body, time. Pure."""

import base64
import secrets
from collections.abc import Mapping

import msgspec

from kokoa.edge.events.secrets import is_platform_cookie, visible_headers
from kokoa.kernel.clock import to_datetime
from kokoa.web.correlation import xray_trace_header
from kokoa.web.http import Header, Request

_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/javascript"})
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_REPLACED = frozenset({"x-amzn-trace-id", "x-correlation-id", "x-forwarded-port", "x-forwarded-proto"})


class EventRoute(msgspec.Struct, frozen=True):
    """The matched route as the event tells it.  path: without `/ext/<api>`, decoded.  resource: the route's path."""

    route_key: str
    resource: str
    api_id: str
    account_id: str
    path: str
    path_parameters: Mapping[str, str]


class Occasion(msgspec.Struct, frozen=True):
    """request_id: of this one event.  time_ms: unix time."""

    request_id: str
    time_ms: int


def new_request_id() -> str:
    """A request id of API Gateway's form: 15 characters of base64 and `=`."""
    return base64.b64encode(secrets.token_bytes(11)).decode()


def headers_for(request: Request, body: bytes) -> list[Header]:
    """The request's headers without what a function must not see, and with what the gateway says, which wins."""
    headers = [header for header in visible_headers(request.headers) if header[0] not in _REPLACED]
    kept = []
    for name, value in headers:
        if name == "cookie":
            value = "; ".join(_own_cookies(value))
            if not value:
                continue
        kept.append((name, value))
    host = next((value for name, value in kept if name == "host"), "")
    port = host.rpartition(":")[2] if ":" in host else ("443" if request.scheme == "https" else "80")
    kept += [
        ("x-amzn-trace-id", xray_trace_header(request.correlation_id)),
        ("x-correlation-id", request.correlation_id),
        ("x-forwarded-for", request.client),
        ("x-forwarded-port", port),
        ("x-forwarded-proto", request.scheme),
    ]
    if not any(name == "content-length" for name, _ in kept):
        kept.append(("content-length", str(len(body))))
    return kept


def _own_cookies(header: str) -> list[str]:
    """The cookies of a Cookie header that are not the platform's."""
    cookies = (cookie.strip() for cookie in header.split(";"))
    return [cookie for cookie in cookies if cookie and not is_platform_cookie(cookie)]


def encoded_body(body: bytes, content_type: str) -> tuple[str, bool]:
    """The body as text, and whether that is base64. AWS takes these few types as text, and no type as binary."""
    media_type = content_type.partition(";")[0].strip().lower()
    if not body:
        return "", False
    if media_type.startswith("text/") or media_type in _TEXT_TYPES:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass  # a JSON string cannot hold these bytes, whatever the type says
    return base64.b64encode(body).decode(), True


def clf_time(time_ms: int) -> str:
    """`12/Mar/2020:19:03:58 +0000`. Not strftime("%b"): month names there follow the process's locale."""
    moment = to_datetime(time_ms)
    return f"{moment:%d}/{_MONTHS[moment.month - 1]}/{moment:%Y:%H:%M:%S} +0000"


def host_of(headers: list[Header]) -> str:
    """The host without its port."""
    return next((value.partition(":")[0] for name, value in headers if name == "host"), "")
