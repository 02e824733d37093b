"""What opens a new cart, and what its request is known by when it comes again.

An idempotency key makes the token of an anonymous cart, so the same request is answered with the same token though
only the token's digest is kept. So the key is as secret as the token, and is not kept either.
"""

import base64
import hmac

import msgspec

from kokoa.postgres.answers import InvalidIdempotencyKey, require_key
from kokoa.services.carts.model import digest_of, new_token

KEY_MIN = 32
_PURPOSE = b"token of a cart of environment "


class Opening(msgspec.Struct, frozen=True):
    """token: of the cart if it is nobody's.  kept_key: under which the answer is kept; None when it is not."""

    token: str
    kept_key: str | None


def opening_of(environment_id: str, idempotency_key: str | None) -> Opening:
    """Raises InvalidIdempotencyKey."""
    if idempotency_key is None:
        return Opening(new_token(), None)
    require_key(idempotency_key)
    if len(idempotency_key) < KEY_MIN:
        raise InvalidIdempotencyKey(
            f"The idempotency key of a new cart has {KEY_MIN} characters or more, for whoever knows it has the cart: "
            "take a fresh UUID.",
            field="idempotencyKey",
        )
    made = hmac.digest(idempotency_key.encode(), _PURPOSE + environment_id.encode(), "sha256")
    token = base64.urlsafe_b64encode(made).rstrip(b"=").decode()
    return Opening(token, digest_of(token).hex())
