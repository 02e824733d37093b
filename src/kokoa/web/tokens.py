"""Call tokens: how a call travels between processes. A short-lived signed JWT (HS256) that names environment,
caller, scopes, depth, path, deadline, session and correlation id; never a secret of the tenant.
"""

import math
import time
from collections import OrderedDict
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from kokoa.kernel.call import DEPTH_MAX, Call, Caller
from kokoa.kernel.errors import Invalid, Unauthenticated

_TYPE = "kokoa-call+jwt"
_HEADER = {"alg": "HS256", "typ": _TYPE}
_KINDS = frozenset({"storefront", "server", "account", "operator", "service"})
TOKEN_LENGTH_MAX = 4096
CACHE_MAX = 2048
TTL_MAX_S = 900
SECRET_BYTES_MIN = 32


class CallTokenInvalid(Unauthenticated):
    """The call token was not made here, or was changed."""


class CallTokenExpired(Unauthenticated):
    """The call token was good once."""


class CallTooLong(Invalid):
    """The call does not fit into a token."""


class CallTokens:
    """Signs and verifies.  secret: at least 32 random bytes, the same in every process of the cluster."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SECRET_BYTES_MIN:
            raise Invalid(f"The secret for call tokens must have at least {SECRET_BYTES_MIN} bytes.")
        self._key = OctKey.import_key(secret)
        self._verified: OrderedDict[str, tuple[Call, int]] = OrderedDict()

    def sign(self, call: Call, ttl_s: float) -> str:
        """A token for the call that is good for ttl_s seconds (at most 15 minutes). Raises CallTooLong."""
        claims = {
            "env": call.environment_id,
            "knd": call.caller.kind,
            "sub": call.caller.subject,
            "scp": sorted(call.caller.scopes),
            "cid": call.correlation_id,
            "dln": call.deadline_ms,
            "dep": call.depth,
            "pth": list(call.path),
            "exp": math.ceil(time.time() + min(ttl_s, TTL_MAX_S)),
        }
        if call.session:
            claims["ses"] = call.session
        token = jwt.encode(_HEADER, claims, self._key, algorithms=["HS256"])
        if len(token) > TOKEN_LENGTH_MAX:
            raise CallTooLong("The names of the hops of this call are too long for a call token.")
        return token

    def verify(self, token: str) -> Call:
        """The call of a token. Raises CallTokenInvalid, CallTokenExpired.

        A function's calls carry the same token again and again, so what was verified is remembered (bounded);
        what failed is not, so that a flood of forgeries cannot push the good ones out.
        """
        known = self._verified.get(token)
        if known is None:
            known = self._decode(token)
            self._verified[token] = known
            if len(self._verified) > CACHE_MAX:
                self._verified.popitem(last=False)
        call, expires_s = known
        if expires_s <= time.time():
            self._verified.pop(token, None)
            raise CallTokenExpired("The call token has expired: the call it belongs to is over.")
        return call

    def _decode(self, token: str) -> tuple[Call, int]:
        if len(token) > TOKEN_LENGTH_MAX:
            raise CallTokenInvalid("The call token is not valid.", detail="too long")
        try:
            decoded = jwt.decode(token, self._key, algorithms=["HS256"])
            if decoded.header.get("typ") != _TYPE:
                raise CallTokenInvalid("The call token is not valid.", detail="another type of token")
            return _call_of(decoded.claims), int(decoded.claims["exp"])
        except (JoseError, ValueError, KeyError, TypeError, UnicodeError) as error:
            raise CallTokenInvalid("The call token is not valid.", detail=type(error).__name__) from None


def _call_of(claims: dict[str, Any]) -> Call:
    if claims["knd"] not in _KINDS or not 0 <= int(claims["dep"]) <= DEPTH_MAX:
        raise ValueError("claims out of range")
    return Call(
        environment_id=str(claims["env"]),
        caller=Caller(kind=claims["knd"], subject=str(claims["sub"]), scopes=frozenset(map(str, claims["scp"]))),
        correlation_id=str(claims["cid"]),
        deadline_ms=int(claims["dln"]),
        depth=int(claims["dep"]),
        path=tuple(map(str, claims["pth"])),
        session=str(claims.get("ses", "")),
    )
