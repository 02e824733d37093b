"""What a signed-in customer shows: a short-lived signed JWT (HS256) that names environment, customer and session.

It says who it is without asking anybody; whether the session still stands is asked of the customers service, whose
answer is at most a second old.
"""

import math
import time

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from kokoa.kernel.errors import Unauthenticated

PREFIX = "kokoa_customer_"
"""By which everybody knows a token of this store from one that a partner gave out."""

TTL_S = 900
LENGTH_MAX = 1_024

_TYPE = "kokoa-customer+jwt"
_HEADER = {"alg": "HS256", "typ": _TYPE}


class CustomerTokenInvalid(Unauthenticated):
    """The access token is not one of this store's, or was changed."""


class CustomerTokenExpired(Unauthenticated):
    """The access token was good once; refreshSession gives another one."""


class SessionEnded(Unauthenticated):
    """The session was signed out, or ended otherwise: sign in again."""


class SignedIn(msgspec.Struct, frozen=True):
    """Who shows a token."""

    environment_id: str
    customer_id: str
    session_id: str


class CustomerTokens:
    """secret: the same in every process of the cluster."""

    def __init__(self, secret: bytes) -> None:
        self._key = OctKey.import_key(secret)

    def sign(self, who: SignedIn, ttl_s: float = TTL_S) -> tuple[str, int]:
        """A token, and until when it is good, in seconds since 1970."""
        expires_s = math.ceil(time.time() + ttl_s)
        claims = {"env": who.environment_id, "sub": who.customer_id, "sid": who.session_id, "exp": expires_s}
        return PREFIX + jwt.encode(_HEADER, claims, self._key, algorithms=["HS256"]), expires_s

    def verify(self, token: str) -> SignedIn:
        """Raises CustomerTokenInvalid, CustomerTokenExpired."""
        if len(token) > LENGTH_MAX or not token.startswith(PREFIX):
            raise CustomerTokenInvalid("The access token is not valid.", detail="no token of ours")
        try:
            decoded = jwt.decode(token.removeprefix(PREFIX), self._key, algorithms=["HS256"])
            if decoded.header.get("typ") != _TYPE:
                raise CustomerTokenInvalid("The access token is not valid.", detail="another type of token")
            claims = decoded.claims
            who = SignedIn(str(claims["env"]), str(claims["sub"]), str(claims["sid"]))
            expires_s = int(claims["exp"])
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise CustomerTokenInvalid("The access token is not valid.", detail=repr(error)) from error
        if expires_s <= time.time():
            raise CustomerTokenExpired("The access token has expired: ask refreshSession for another one.")
        return who
