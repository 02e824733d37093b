"""Signature Version 4, the verifying side: header and presigned form. Pure; bytes in, errors out.

Terms (AWS, "Create a signed request"): the *canonical request* is the request in one agreed spelling; the *string
to sign* is its hash with time and *credential scope* (date/region/service/aws4_request); the *signing key* is
derived from the secret for one scope. What arrives is spelled canonically here, signed again and compared.
"""

import hashlib
import hmac
import re
from collections import OrderedDict
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl, quote, unquote_to_bytes

import msgspec

from kokoa.functions.aws.errors import IncompleteSignature, MissingAuthentication, SignatureMismatch
from kokoa.functions.aws.http import RequestHead

ALGORITHM: Final = "AWS4-HMAC-SHA256"
SKEW_S: Final = 15 * 60
PRESIGNED_MAX_S: Final = 7 * 24 * 3600
UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"
EMPTY_SHA256: Final = hashlib.sha256(b"").hexdigest()
HEADERS_MAX: Final = 100
"""Signed headers; AWS's own clients sign about ten."""

_TIMESTAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_HEX64 = re.compile(r"[0-9a-f]{64}")
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
    "Key and signing method. Consult the service documentation for details."
)
# Clients may leave this one out of the signature although its name begins with x-amz-.
_MAY_BE_UNSIGNED = frozenset({b"x-amz-user-agent"})


class Signature(msgspec.Struct, frozen=True):
    """What the client says about how it signed.  at: when, as YYYYMMDDTHHMMSSZ.  expires_s: presigned form only."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    value: str
    at: str
    session_token: str = ""
    presigned: bool = False
    expires_s: int = 0

    @property
    def scope(self) -> str:
        """The credential scope."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def is_signed(head: RequestHead) -> bool:
    """Whether the request carries a Signature Version 4 in any form (or tries to)."""
    return head.header(b"authorization").startswith(ALGORITHM) or b"X-Amz-Algorithm=" in head.query


def read_signature(head: RequestHead) -> Signature:
    """The signature's parts, unverified. Raises MissingAuthentication, IncompleteSignature."""
    authorization = head.header_values.get(b"authorization", [])
    presigned = b"X-Amz-Algorithm=" in head.query or b"X-Amz-Signature=" in head.query
    if not authorization and not presigned:
        raise MissingAuthentication(
            "Missing Authentication Token: sign the request with your access key (Signature Version 4)."
        )
    if len(authorization) + presigned > 1:
        raise IncompleteSignature("Only one authentication mechanism is allowed: a header or the query string.")
    return _from_header(head, authorization[0]) if authorization else _from_query(head)


def _from_header(head: RequestHead, authorization: bytes) -> Signature:
    text = authorization.decode("ascii", "replace")
    algorithm, _, rest = text.partition(" ")
    if algorithm != ALGORITHM:
        raise IncompleteSignature(f"Unsupported AWS 'algorithm': {algorithm[:40]!r}; {ALGORITHM} is expected.")
    parts = {}
    for part in rest.split(","):
        name, _, value = part.strip().partition("=")
        parts[name] = value
    for name in ("Credential", "Signature", "SignedHeaders"):
        if not parts.get(name):
            raise IncompleteSignature(f"Authorization header requires '{name}' parameter.")
    return _build(
        head,
        credential=parts["Credential"],
        signed_headers=parts["SignedHeaders"],
        value=parts["Signature"],
        at=_timestamp(head),
        session_token=head.header(b"x-amz-security-token"),
    )


def _from_query(head: RequestHead) -> Signature:
    pairs = parse_qsl(head.query.decode("ascii", "replace"), keep_blank_values=True)
    values = dict(pairs)
    if len(values) != len(pairs):
        raise IncompleteSignature("A presigned URL must not name a query parameter twice.")
    for name in ("X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"):
        if not values.get(name):
            raise IncompleteSignature(f"AWS query-string parameters must include '{name}'.")
    if values.get("X-Amz-Algorithm") != ALGORITHM:
        raise IncompleteSignature(f"X-Amz-Algorithm must be {ALGORITHM}.")
    expires = values["X-Amz-Expires"]
    if not expires.isdecimal() or not 1 <= int(expires[:9]) <= PRESIGNED_MAX_S or len(expires) > 9:
        raise IncompleteSignature(f"X-Amz-Expires must be between 1 and {PRESIGNED_MAX_S} seconds.")
    signature = _build(
        head,
        credential=values["X-Amz-Credential"],
        signed_headers=values["X-Amz-SignedHeaders"],
        value=values["X-Amz-Signature"],
        at=values["X-Amz-Date"],
        session_token=values.get("X-Amz-Security-Token", ""),
    )
    return msgspec.structs.replace(signature, presigned=True, expires_s=int(expires))


def _timestamp(head: RequestHead) -> str:
    values = head.header_values
    if len(values.get(b"x-amz-date", [])) > 1:
        raise IncompleteSignature("The request has more than one X-Amz-Date header.")
    if b"x-amz-date" in values:
        return head.header(b"x-amz-date")
    try:
        return parsedate_to_datetime(head.header(b"date")).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    except (ValueError, TypeError):
        raise IncompleteSignature(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        ) from None


def _build(
    head: RequestHead, *, credential: str, signed_headers: str, value: str, at: str, session_token: str
) -> Signature:
    scope = credential.split("/")
    if len(scope) != 5 or not all(scope) or scope[4] != "aws4_request":
        raise IncompleteSignature(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/aws4_request."
        )
    access_key_id, date, region, service, _ = scope
    if not _TIMESTAMP.fullmatch(at):
        raise IncompleteSignature(f"Date must be in ISO-8601 'basic format'. Got {at[:40]!r}.")
    if at[:8] != date:
        raise IncompleteSignature(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"{date[:20]!r} != {at[:8]!r}."
        )
    names = tuple(signed_headers.split(";"))
    if len(names) > HEADERS_MAX:
        raise IncompleteSignature(f"More than {HEADERS_MAX} headers are signed.")
    _require_signed(head, names)
    return Signature(access_key_id, date, region, service, names, value, at, session_token)


def _require_signed(head: RequestHead, names: tuple[str, ...]) -> None:
    """Nothing that changes the request's meaning may stand outside the signature."""
    if "host" not in names:
        raise SignatureMismatch("'Host' must be a 'SignedHeader' in the AWS Authorization.")
    signed = frozenset(name.encode("ascii", "replace") for name in names)
    loose = [
        name
        for name in head.header_values
        if name.startswith(b"x-amz-") and name not in signed and name not in _MAY_BE_UNSIGNED
    ]
    if loose:
        raise SignatureMismatch(
            "There were headers present in the request which were not signed: "
            + ", ".join(sorted(name.decode("ascii", "replace") for name in loose))
        )


class SigningKeys:
    """Derived signing keys. Deriving costs four HMACs; a client uses one key a day, so they are kept (bounded)."""

    def __init__(self, kept_max: int = 2048) -> None:
        self.kept_max = kept_max
        self._kept: OrderedDict[tuple[str, str, str, str], bytes] = OrderedDict()

    def derive(self, secret: str, date: str, region: str, service: str) -> bytes:
        """The signing key of a secret for one scope."""
        name = (secret, date, region, service)
        key = self._kept.get(name)
        if key is None:
            key = f"AWS4{secret}".encode()
            for part in (date, region, service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._kept[name] = key
            if len(self._kept) > self.kept_max:
                self._kept.popitem(last=False)
        return key


def payload_hash(head: RequestHead, signature: Signature, body_sha256: str, *, unsigned_allowed: bool) -> str:
    """What stands for the body in the canonical request. Raises SignatureMismatch when the body was changed."""
    s3 = signature.service == "s3"
    if signature.presigned and s3:
        return UNSIGNED_PAYLOAD
    declared = head.header(b"x-amz-content-sha256")
    if not declared:
        return body_sha256
    if declared == UNSIGNED_PAYLOAD and (unsigned_allowed or s3):
        return UNSIGNED_PAYLOAD
    if not _HEX64.fullmatch(declared):
        raise SignatureMismatch(f"x-amz-content-sha256 {declared[:60]!r} is not accepted for this operation.")
    if not hmac.compare_digest(declared, body_sha256):
        raise SignatureMismatch("The provided 'x-amz-content-sha256' header does not match what was computed.")
    return declared


def verify(
    head: RequestHead,
    signature: Signature,
    secret: str,
    *,
    body_sha256: str,
    at_s: float,
    keys: SigningKeys,
    unsigned_allowed: bool = False,
) -> None:
    """Check time and signature.  at_s: unix time now.  Raises SignatureMismatch with AWS's own texts."""
    _check_time(signature, at_s)
    body_hash = payload_hash(head, signature, body_sha256, unsigned_allowed=unsigned_allowed)
    text = f"{ALGORITHM}\n{signature.at}\n{signature.scope}\n"
    canonical = canonical_request(head, signature, body_hash)
    to_sign = text.encode() + hashlib.sha256(canonical).hexdigest().encode()
    key = keys.derive(secret, signature.date, signature.region, signature.service)
    expected = hmac.new(key, to_sign, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.value.encode()):
        raise SignatureMismatch(_MISMATCH)


def _check_time(signature: Signature, at_s: float) -> None:
    signed_s = _unix_s(signature.at)
    lifetime_s = signature.expires_s if signature.presigned else SKEW_S
    if -SKEW_S <= at_s - signed_s <= lifetime_s:
        return
    now = datetime.fromtimestamp(at_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    if signed_s > at_s:
        told = f"Signature not yet current: {signature.at} is still later than {now} + {SKEW_S // 60} min."
    else:
        told = f"Signature expired: {signature.at} is now earlier than {now} - {lifetime_s} s."
    raise SignatureMismatch(f"{told} Check the clock of your machine.")


def _unix_s(at: str) -> float:
    """strptime would take a tenth of the whole verification; the form of the text is checked already."""
    try:
        year, month, day = int(at[:4]), int(at[4:6]), int(at[6:8])
        return datetime(year, month, day, int(at[9:11]), int(at[11:13]), int(at[13:15]), tzinfo=UTC).timestamp()
    except ValueError:
        raise IncompleteSignature(f"{at!r} is not a date.") from None


def canonical_request(head: RequestHead, signature: Signature, body_hash: str) -> bytes:
    """The request in the spelling that both sides sign."""
    values = head.header_values
    lines = [head.method.encode(), _canonical_path(head.raw_path, s3=signature.service == "s3")]
    lines.append(_canonical_query(head.query))
    for name in signature.signed_headers:
        found = values.get(name.encode())
        if found is None:
            raise SignatureMismatch(f"The signed header {name[:80]!r} is missing from the request.")
        lines.append(name.encode() + b":" + b",".join(b" ".join(value.split()) for value in found))
    lines += (b"", ";".join(signature.signed_headers).encode(), body_hash.encode())
    return b"\n".join(lines)


def normal_path(path: bytes) -> bytes:
    """Without `.` and `..` segments and without empty ones: what services other than S3 sign and route by."""
    if b"//" not in path and b"/." not in path:
        return path
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment not in (b"", b"."):
            kept.append(segment)
    closing = b"/" if kept and path.endswith(b"/") else b""
    return b"/" + b"/".join(kept) + closing


def _canonical_path(path: bytes, *, s3: bool) -> bytes:
    if s3:
        return path or b"/"
    return quote(normal_path(path) or b"/", safe="/~").encode()


def _canonical_query(query: bytes) -> bytes:
    if not query:
        return b""
    pairs = []
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        if pair and name != b"X-Amz-Signature":
            pairs.append((_respell(name), _respell(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs)).encode()


def _respell(text: bytes) -> str:
    """Percent-encoded the one way that signatures use, whichever way it came."""
    return quote(unquote_to_bytes(text), safe="-_.~")
