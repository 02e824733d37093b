"""ASGI layer: refuses what no honest client sends, before anybody looks at it.

Two programs that read one request differently are how requests are smuggled; so whatever could be read in two ways
is refused here: lengths twice, a length beside a transfer coding, two hosts, upgrades, giant headers.
"""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Receive, Scope, Send

from kokoa.kernel.errors import Invalid
from kokoa.web.errors import HeadersTooLarge, MethodNotAllowed

HEADERS_MAX = 100
HEADER_BYTES_MAX = 16 * 1024
TARGET_BYTES_MAX = 8 * 1024
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_UNIQUE = frozenset({b"host", b"content-length", b"transfer-encoding", b"content-type"})


class AmbiguousRequest(Invalid):
    """The request can be read in more than one way."""


class Entrance:
    """Raises HeadersTooLarge, AmbiguousRequest, MethodNotAllowed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            _require_sane(scope)
        return self._app(scope, receive, send)


def _require_sane(scope: Scope) -> None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    size = 0
    for name, value in headers:
        size += len(name) + len(value)
    if len(headers) > HEADERS_MAX or size > HEADER_BYTES_MAX:
        raise HeadersTooLarge(f"At most {HEADERS_MAX} headers with {HEADER_BYTES_MAX} bytes together are taken.")
    if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > TARGET_BYTES_MAX:
        raise HeadersTooLarge(f"Path and query string may have {TARGET_BYTES_MAX} bytes together.")
    if scope["method"] not in METHODS:
        raise MethodNotAllowed(f"The method must be one of {', '.join(METHODS)}.", allowed=METHODS)
    seen: set[bytes] = set()
    for name, _ in headers:
        lowered = name.lower()
        if lowered in _UNIQUE:
            if lowered in seen:
                raise AmbiguousRequest(f"The header {lowered.decode()} was sent twice.", field=lowered.decode())
            seen.add(lowered)
    if b"content-length" in seen and b"transfer-encoding" in seen:
        raise AmbiguousRequest("Content-Length and Transfer-Encoding must not come together.")
