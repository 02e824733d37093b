"""Signatures of webhooks: HMAC-SHA256 over id, moment and body (Standard Webhooks, https://www.standardwebhooks.com).

Pure.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from kokoa.services.payments.errors import WebhookNotSigned

TOLERANCE_S = 300
ID_MAX = 200
PREFIX = "whsec_"

_SIGNATURES_MAX = 10


def new_secret(random: bytes) -> str:
    """A secret as people handle it."""
    return PREFIX + base64.b64encode(random).decode()


def sign(secret: bytes, webhook_id: str, now_s: int, body: bytes) -> dict[str, str]:
    """The headers of a webhook."""
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": f"v1,{base64.b64encode(_signature(secret, webhook_id, str(now_s), body)).decode()}",
    }


def require_signed(secret: bytes, headers: Mapping[str, str], body: bytes, now_s: float) -> str:
    """The webhook's id.  headers: names in small letters. Raises WebhookNotSigned."""
    webhook_id, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not 1 <= len(webhook_id) <= ID_MAX or not (webhook_id.isascii() and webhook_id.isprintable()):
        raise WebhookNotSigned(f"webhook-id must be 1 to {ID_MAX} printable ASCII characters.")
    if not (moment.isascii() and moment.isdigit() and len(moment) <= 12) or abs(int(moment) - now_s) > TOLERANCE_S:
        raise WebhookNotSigned(
            f"webhook-timestamp must be the Unix time in seconds, {TOLERANCE_S} s from now at most."
        )
    wanted = _signature(secret, webhook_id, moment, body)
    given = headers.get("webhook-signature", "").split(" ")[:_SIGNATURES_MAX]
    if not any(hmac.compare_digest(wanted, _decoded(one)) for one in given):
        raise WebhookNotSigned("webhook-signature is not that of this webhook.")
    return webhook_id


def secret_bytes(secret: str) -> bytes:
    """What is signed with. Of a secret that was checked before."""
    return base64.b64decode(secret.removeprefix(PREFIX))


def _signature(secret: bytes, webhook_id: str, moment: str, body: bytes) -> bytes:
    return hmac.new(secret, f"{webhook_id}.{moment}.".encode() + body, hashlib.sha256).digest()


def _decoded(signature: str) -> bytes:
    version, _, text = signature.partition(",")
    if version != "v1":
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
