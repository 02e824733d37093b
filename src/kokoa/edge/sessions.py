"""Which visitor a request is from, where nobody is logged in: it makes a share of customers the same ones each time.

A session proves nothing and opens nothing. A shop names it by `X-Session-ID`; else it is a cookie, which the edge
sets only where a policy divides customers, and never on an answer that a shared cache may keep for others.
"""

import re
import secrets

import msgspec

from kokoa.edge.errors import InvalidSession
from kokoa.web.http import Request, Response, StreamedResponse

HEADER = "x-session-id"
COOKIE = "kokoa_session"
LENGTH_MAX = 128
MAX_AGE_S = 30 * 86_400

_HEADER_VALUE = re.compile(rf"[\x21-\x7e]{{1,{LENGTH_MAX}}}")
_COOKIE_VALUE = re.compile(rf"[A-Za-z0-9_-]{{1,{LENGTH_MAX}}}")
_PRIVATE = re.compile(r"\b(no-store|no-cache|private)\b")


def named_session(request: Request) -> str:
    """What the header says, or empty. Raises InvalidSession, HeaderSentTwice."""
    given = request.only(HEADER)
    if given is None:
        return ""
    if not _HEADER_VALUE.fullmatch(given):
        raise InvalidSession(
            f"X-Session-ID must be 1 to {LENGTH_MAX} visible ASCII characters without spaces.", field=HEADER
        )
    return given


def session_of(request: Request) -> str:
    """The storefront's session: the header, else the cookie, else empty. A cookie that is not ours is none."""
    return named_session(request) or _from_cookies(request)


def new_session() -> str:
    """Of 144 random bits."""
    return secrets.token_urlsafe(18)


def with_cookie(answer: Response | StreamedResponse, session: str, *, secure: bool) -> Response | StreamedResponse:
    """The answer with our cookie, unless a cache may keep it.  secure: the request came by https."""
    if may_be_shared(answer):
        return answer
    value = f"{COOKIE}={session}; Path=/; Max-Age={MAX_AGE_S}; HttpOnly; SameSite=Lax"
    header = ("set-cookie", value + "; Secure" if secure else value)
    return msgspec.structs.replace(answer, headers=(*answer.headers, header))


def may_be_shared(response: Response | StreamedResponse) -> bool:
    """Whether a cache may give the answer to somebody else, who must not get this visitor's cookie with it."""
    directives = ",".join(value for name, value in response.headers if name.lower() == "cache-control").lower()
    return bool(directives) and not _PRIVATE.search(directives)


def _from_cookies(request: Request) -> str:
    for header in request.values("cookie"):
        for cookie in header.split(";"):
            name, _, value = cookie.partition("=")
            if name.strip() == COOKIE and _COOKIE_VALUE.fullmatch(value.strip()):
                return value.strip()
    return ""
