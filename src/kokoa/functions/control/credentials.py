"""Temporary credentials for functions: self-contained, so that checking them needs no look-up.

The session token carries the account and its expiry under an HMAC; the secret key is another HMAC over the same
claims. Both come from one secret of the platform, which never leaves it. They are in AWS's form: ASIA…, 40
characters, a token.
"""

import base64
import binascii
import hmac
import secrets
from typing import Final

import msgspec

from kokoa.functions.control.access import AccessKey, Account
from kokoa.functions.control.errors import SessionExpired
from kokoa.functions.host.model import Credentials

LIFETIME_MS: Final = 12 * 3_600_000
TOKEN_LENGTH_MAX: Final = 2048

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_MAC_BYTES = 32


class _Claims(msgspec.Struct, frozen=True, array_like=True):
    """What a token says."""

    access_key_id: str
    account_id: str
    environment_id: str
    partner: str
    tenant: str
    environment: str
    expires_ms: int


class IssuedCredentials(msgspec.Struct, frozen=True):
    """renew_ms: when half of their life is over.  expires_ms: from when they are not good any more (unix time)."""

    credentials: Credentials
    renew_ms: int
    expires_ms: int


class Sessions:
    """Issues and opens temporary credentials.  secret: at least 32 random bytes, the same in every process."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 32:
            raise ValueError("the secret for temporary credentials must have at least 32 bytes")
        self._token_key = hmac.digest(secret, b"kokoa session token", "sha256")
        self._secret_key = hmac.digest(secret, b"kokoa session secret", "sha256")

    def issue(self, account: Account, *, at_ms: int, lifetime_ms: int = LIFETIME_MS) -> IssuedCredentials:
        """Fresh credentials for the account."""
        key_id = "ASIA" + "".join(secrets.choice(_BASE32) for _ in range(16))
        claims = _Claims(
            access_key_id=key_id,
            account_id=account.account_id,
            environment_id=account.environment_id,
            partner=account.partner,
            tenant=account.tenant,
            environment=account.environment,
            expires_ms=at_ms + lifetime_ms,
        )
        packed = msgspec.msgpack.encode(claims)
        token = base64.b64encode(hmac.digest(self._token_key, packed, "sha256") + packed).decode()
        credentials = Credentials(key_id, self._secret_of(packed), token)
        return IssuedCredentials(credentials, at_ms + lifetime_ms // 2, claims.expires_ms)

    def open(self, access_key_id: str, session_token: str, *, at_ms: int) -> AccessKey | None:
        """The key that the token proves, or None when it is not ours. Raises SessionExpired."""
        packed = self._verified(session_token)
        if packed is None:
            return None
        claims = msgspec.msgpack.decode(packed, type=_Claims)
        if claims.access_key_id != access_key_id:
            return None
        if claims.expires_ms <= at_ms:
            raise SessionExpired("The temporary credentials have expired.")
        return AccessKey(
            access_key_id=access_key_id,
            secret=self._secret_of(packed),
            account_id=claims.account_id,
            environment_id=claims.environment_id,
            partner=claims.partner,
            tenant=claims.tenant,
            environment=claims.environment,
        )

    def _verified(self, token: str) -> bytes | None:
        if len(token) > TOKEN_LENGTH_MAX:
            return None
        try:
            raw = base64.b64decode(token, validate=True)
        except (binascii.Error, ValueError):
            return None
        mac, packed = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        return packed if hmac.compare_digest(mac, hmac.digest(self._token_key, packed, "sha256")) else None

    def _secret_of(self, packed: bytes) -> str:
        return base64.b64encode(hmac.digest(self._secret_key, packed, "sha256")[:30]).decode()
