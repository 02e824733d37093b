"""Who signed this request? The key is found before the body is read; the signature is checked when it is there.

Looking the key up first means that a stranger cannot make the server hold 70 MB in memory.
"""

import asyncio
import hashlib
from typing import Final, Protocol

import msgspec

from kokoa.functions.aws.errors import CallRefused, ExpiredToken, UnknownKey
from kokoa.functions.aws.http import RequestHead
from kokoa.functions.aws.sigv4 import EMPTY_SHA256, Signature, SigningKeys, read_signature, verify
from kokoa.functions.control.access import AccessKey, KeyDirectory, SessionDirectory
from kokoa.functions.control.errors import SessionExpired
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import Clock
from kokoa.kernel.errors import Unauthenticated

SMALL_BODY_BYTES: Final = 256 * 1024
"""Up to here hashing takes less time than handing the work to a thread."""

INVOKE_PATIENCE_MS: Final = 15 * 60_000 + 30_000
"""The longest a call through the AWS API may take: the longest function and a little queueing."""


class CallTokens(Protocol):
    """Reads the signed call that a function's relay attaches to what the function sends."""

    def verify(self, token: str) -> Call:
        """The call. Raises Unauthenticated."""


class Claim(msgspec.Struct, frozen=True):
    """Who the client says it is."""

    signature: Signature
    key: AccessKey


class Authenticator:
    """Checks signatures.  keys: long-lived keys.  sessions: temporary ones.  calls: the relay's call tokens."""

    def __init__(self, *, keys: KeyDirectory, sessions: SessionDirectory, calls: CallTokens, clock: Clock) -> None:
        self._keys = keys
        self._sessions = sessions
        self._calls = calls
        self._clock = clock
        self._signing_keys = SigningKeys()

    async def claim(self, head: RequestHead) -> Claim:
        """The key that the request names. Raises MissingAuthentication, IncompleteSignature, UnknownKey."""
        signature = read_signature(head)
        if signature.session_token:
            key = self._open_session(signature)
        else:
            key = await self._keys.find(signature.access_key_id)
        if key is None:
            raise UnknownKey("The security token included in the request is invalid.")
        return Claim(signature, key)

    def _open_session(self, signature: Signature) -> AccessKey | None:
        try:
            return self._sessions.open(signature.access_key_id, signature.session_token, at_ms=self._clock())
        except SessionExpired:
            raise ExpiredToken("The security token included in the request is expired") from None

    async def prove(self, claim: Claim, head: RequestHead, body: bytes) -> None:
        """Check the signature over head and body. Raises SignatureMismatch."""
        if not body:
            digest = EMPTY_SHA256
        elif len(body) <= SMALL_BODY_BYTES:
            digest = hashlib.sha256(body).hexdigest()
        else:
            digest = await asyncio.to_thread(lambda: hashlib.sha256(body).hexdigest())
        verify(
            head,
            claim.signature,
            claim.key.secret,
            body_sha256=digest,
            at_s=self._clock() / 1000,
            keys=self._signing_keys,
        )

    def call_for(self, key: AccessKey, head: RequestHead, correlation_id: str) -> Call:
        """The call that this request is part of: a function's own (depth and deadline go on), or a new one.

        Raises CallRefused when the relay's token is not for this key's account.
        """
        token = head.header(b"x-kokoa-call")
        if not token:
            return Call(
                environment_id=key.environment_id,
                caller=Caller("account", key.account_id),
                correlation_id=correlation_id,
                deadline_ms=self._clock() + INVOKE_PATIENCE_MS,
            )
        try:
            call = self._calls.verify(token)
        except Unauthenticated as error:
            raise CallRefused("The call token that came with this request is not valid.") from error
        if call.environment_id != key.environment_id or call.caller != Caller(
            "account", key.account_id, call.caller.scopes
        ):
            raise CallRefused("The call token that came with this request belongs to another account.")
        return call
