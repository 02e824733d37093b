"""Errors as application/problem+json (RFC 9457). The one place where HTTP statuses are chosen.

A subclass inherits its kind's status unless it stands in the table itself. Whatever is not a KokoaError is a bug:
its text goes to our log, and the caller gets INTERNAL with a correlation id.
"""

import math
import re
from collections.abc import Awaitable

import orjson
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kokoa.kernel.errors import (
    Conflict,
    DeadlineExceeded,
    Forbidden,
    Invalid,
    KokoaError,
    NotFound,
    Throttled,
    Unauthenticated,
    Unavailable,
)
from kokoa.web.errors import (
    BadGateway,
    ClientGone,
    HeadersTooLarge,
    MethodNotAllowed,
    PayloadTooLarge,
    UnsupportedMediaType,
)
from kokoa.web.http import CORRELATION_KEY, Header, Response, send_response

log = structlog.get_logger(__name__)

STATUS: dict[type[KokoaError], int] = {
    Invalid: 400,
    PayloadTooLarge: 413,
    HeadersTooLarge: 431,
    MethodNotAllowed: 405,
    UnsupportedMediaType: 415,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Throttled: 429,
    Unavailable: 503,
    BadGateway: 502,
    DeadlineExceeded: 504,
}
INTERNAL = "INTERNAL"
RETRY_AFTER_UNAVAILABLE_S = 1
_WORD_START = re.compile(r"_+")


def status_of(error: KokoaError) -> int:
    """The status of the nearest class in the table, following the error's own ancestry."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def status_of_code(code: str) -> int:
    """The status for a public code that came without its class, from a graph say.

    It is that of the class with this code where this process knows one; of a stranger's code only `…NOT_FOUND`
    says enough, and everything else is an answer that we cannot judge.
    """
    known = _statuses_by_code().get(code)
    if known is not None:
        return known
    if code == INTERNAL:
        return 500
    return 404 if code.endswith("NOT_FOUND") else 502


def _statuses_by_code() -> dict[str, int]:
    """Walked anew each time: classes come with the modules that are imported. Only failures pay for it."""
    found: dict[str, int] = {}
    pending: list[type[KokoaError]] = list(STATUS)
    while pending:
        kind = pending.pop()
        found[kind.code] = next(STATUS[ancestor] for ancestor in kind.__mro__ if ancestor in STATUS)
        pending.extend(kind.__subclasses__())
    return found


def problem_response(
    status: int,
    code: str,
    message: str,
    correlation_id: str,
    *,
    field: str = "",
    headers: tuple[Header, ...] = (),
) -> Response:
    """A problem document.  code: CART_NOT_FOUND gives type /problems/cart-not-found and title "Cart not found"."""
    words = _WORD_START.sub(" ", code).lower().strip()
    document = {
        "type": f"/problems/{words.replace(' ', '-')}",
        "title": words[:1].upper() + words[1:],
        "status": status,
        "detail": message,
        "code": code,
        "correlation_id": correlation_id,
    }
    if field:
        document["field"] = field
    fixed: tuple[Header, ...] = (("content-type", "application/problem+json"), ("cache-control", "no-store"))
    if status == STATUS[Unavailable]:
        fixed = (*fixed, ("retry-after", str(RETRY_AFTER_UNAVAILABLE_S)))
    if status == STATUS[Unauthenticated]:
        # RFC 9110 §15.5.2: a 401 names a scheme. Ours are the tenant's headers.
        fixed = (*fixed, ("www-authenticate", 'Kokoa-Tenant realm="store"'))
    return Response(status, (*fixed, *headers), orjson.dumps(document))


def problem_of(error: Exception, correlation_id: str) -> Response:
    """The answer to an exception. Never shows `detail`, nor anything of an error that is not ours."""
    if not isinstance(error, KokoaError):
        return problem_response(
            500,
            INTERNAL,
            f"Something went wrong on our side. Please report this correlation id: {correlation_id}",
            correlation_id,
        )
    field = error.field if isinstance(error, Invalid) else ""
    return problem_response(
        status_of(error), error.code, error.message, correlation_id, field=field, headers=_headers_of(error)
    )


def retry_after(wait_s: float) -> Header:
    """When trying again makes sense: whole seconds, at least one."""
    return ("retry-after", str(max(1, math.ceil(wait_s))))


def _headers_of(error: KokoaError) -> tuple[Header, ...]:
    match error:
        case Throttled():
            return (retry_after(error.retry_after_s),)
        case MethodNotAllowed():
            return (("allow", ", ".join(error.allowed)),)
        case _:
            return ()


class Problems:
    """ASGI layer: an exception below becomes a problem document, and is logged as what it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        def watched(message: Message) -> Awaitable[None]:
            nonlocal started
            started = True
            return send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientGone:
            log.info("client_gone", path=scope["path"])
        except Exception as error:
            _log(error)
            if started:
                raise
            response = problem_of(error, scope.get(CORRELATION_KEY, ""))
            await send_response(send, response, head_only=scope["method"] == "HEAD")


def _log(error: Exception) -> None:
    if not isinstance(error, KokoaError):
        log.error("internal_error", exc_info=error)
    elif status_of(error) >= 500:
        log.warning("request_failed", code=error.code, message=error.message, detail=error.detail)
    elif error.detail:
        log.info("request_refused", code=error.code, message=error.message, detail=error.detail)
