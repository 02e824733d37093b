"""Secrets at rest: AES-256-GCM under the master key, bound to where they are stored.

The master key is 32 random bytes in `<state folder>/secrets/master.key` (0600), or base64 in KOKOA_MASTER_KEY. Keep a
copy elsewhere: without it, access keys and other sealed columns cannot be read again.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kokoa.kernel.errors import Unavailable

KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = b"\x01"


class SealBroken(Unavailable):
    """A sealed value does not open: another master key, another place, or it was changed."""


class Vault:
    """Seals and opens values, and derives the platform's own secrets."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != KEY_BYTES:
            raise SealBroken(f"The master key must be {KEY_BYTES} bytes, not {len(master_key)}.")
        self._master_key = master_key
        self._cipher = AESGCM(self.derive("sealed-columns"))

    def derive(self, purpose: str) -> bytes:
        """A secret of 32 bytes for one purpose; the same on every process (HKDF-SHA256, RFC 5869)."""
        kdf = HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=f"kokoa/{purpose}".encode())
        return kdf.derive(self._master_key)

    def seal(self, plain: bytes, *, place: str) -> bytes:
        """place: what the value belongs to (`environment/access_key/AKIA…`); it opens only there."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, place.encode())

    def open(self, sealed: bytes, *, place: str) -> bytes:
        """Raises SealBroken."""
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if sealed[:1] != _VERSION:
                raise InvalidTag
            return self._cipher.decrypt(nonce, body, place.encode())
        except (InvalidTag, ValueError):
            raise SealBroken(
                "A stored secret cannot be opened. Was the master key replaced?", detail=f"place {place}"
            ) from None
