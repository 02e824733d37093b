"""What a function must never see: the platform's secrets and other parties' tokens."""

import re
from collections.abc import Iterable

from kokoa.web.http import Header

PLATFORM_COOKIE_PREFIXES = ("kokoa_", "__host-kokoa", "__secure-kokoa")
PLATFORM_TOKEN_PREFIX = "kokoa_"  # noqa: S105  how operators' and merchants' tokens begin; not a secret itself

_SECRET_HEADERS = frozenset({"x-tenant-secret", "x-graphql-secret", "proxy-authorization", "x-amz-security-token"})
_PLATFORM_AUTHORIZATION = re.compile(rf"\s*(AWS4-HMAC-SHA256\b|Bearer\s+{PLATFORM_TOKEN_PREFIX})", re.IGNORECASE)
# RFC 9110 §7.6.1, and what Connection names.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def is_platform_cookie(name: str) -> bool:
    """Whether the cookie is Kokoa's own: a function neither sees nor sets it."""
    return name.strip().lower().startswith(PLATFORM_COOKIE_PREFIXES)


def hop_by_hop(headers: Iterable[Header]) -> frozenset[str]:
    """The names, in lower case, of the headers that end at this hop."""
    named: set[str] = set()
    for name, value in headers:
        if name.lower() == "connection":
            named.update(option.strip().lower() for option in value.split(","))
    return _HOP_BY_HOP | named


def visible_headers(headers: Iterable[Header]) -> list[Header]:
    """The headers that a function may see, names in lower case. A partner's own Authorization passes."""
    headers = list(headers)
    hidden = hop_by_hop(headers) | _SECRET_HEADERS
    visible = []
    for name, value in headers:
        lowered = name.lower()
        if lowered in hidden or lowered.startswith("x-kokoa-"):
            continue
        if lowered == "authorization" and _PLATFORM_AUTHORIZATION.match(value):
            continue
        visible.append((lowered, value))
    return visible
