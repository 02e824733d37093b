"""Customers who are signed in: `Authorization: Bearer` with a token of this store.

Another Authorization is a partner's own and none of our business; it reaches the partner's function as it is.
"""

import re
from typing import Protocol

from kokoa.edge.cache import FreshCache
from kokoa.edge.model import Environment
from kokoa.web.customer_tokens import PREFIX, CustomerTokens, SessionEnded, SignedIn
from kokoa.web.http import Request

TTL_S = 1.0
SESSIONS_MAX = 20_000

_BEARER = re.compile(rf"\s*Bearer\s+({PREFIX}\S*)\s*", re.IGNORECASE)


class CustomerSessions(Protocol):
    """Knows which sessions stand; answered by customers."""

    async def session_stands(self, environment_id: str, session_id: str) -> bool: ...


class SignedInCustomers:
    """Answers are at most a second old, so that signing out works within one."""

    def __init__(self, tokens: CustomerTokens, sessions: CustomerSessions) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._cache: FreshCache[bool] = FreshCache(ttl_s=TTL_S, entries_max=SESSIONS_MAX)

    async def who(self, request: Request, environment: Environment) -> SignedIn | None:
        """Who is signed in; None for nobody. Raises CustomerTokenInvalid, CustomerTokenExpired, SessionEnded."""
        token = bearer_of(request)
        if token is None:
            return None
        who = self._tokens.verify(token)
        key = f"{environment.id}/{who.session_id}"
        # A token of another environment is asked about as one of this: it has no such session.
        stands = who.environment_id == environment.id and await self._cache.get(
            key, lambda: self._sessions.session_stands(environment.id, who.session_id)
        )
        if not stands:
            raise SessionEnded("This session has ended: sign in again.")
        return who


def bearer_of(request: Request) -> str | None:
    """The token of this store that the request shows. Raises HeaderSentTwice."""
    if request.header("authorization") is None:
        return None
    found = _BEARER.fullmatch(request.only("authorization") or "")
    return found[1] if found else None
