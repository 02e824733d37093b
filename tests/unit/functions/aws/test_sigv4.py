"""Signature Version 4: what botocore signs verifies, and nothing else does."""

import hashlib
import string
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import assume, given
from hypothesis import strategies as st

from kokoa.functions.aws.errors import IncompleteSignature, MissingAuthentication, SignatureMismatch
from kokoa.functions.aws.http import RequestHead
from kokoa.functions.aws.sigv4 import SigningKeys, normal_path, read_signature, verify

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEY_ID = "AKIAIOSFODNN7EXAMPLE"
HOST = "127.0.0.1:8080"

text = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
path = st.lists(text, max_size=4).map(lambda parts: "/" + "/".join(quote(part, safe="") for part in parts))
query = st.lists(st.tuples(text, text), max_size=4).map(
    lambda pairs: "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)
)
header_value = st.text(alphabet=string.printable.strip() + "  ", min_size=1, max_size=20).filter(str.strip)
headers = st.dictionaries(
    st.text(alphabet=string.ascii_letters + "-", min_size=1, max_size=10).map(lambda name: f"X-{name}-X"),
    header_value,
    max_size=4,
)
method = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD"])


class Signed:
    """A request as botocore's signer leaves it, ready to be changed."""

    def __init__(self, request: AWSRequest, body: bytes) -> None:
        url = urlsplit(request.url)
        self.method = request.method
        self.raw_path = url.path.encode()
        self.query = url.query.encode()
        self.body = body
        self.headers = [
            (name.lower().encode(), value.encode() if isinstance(value, str) else value)
            for name, value in request.headers.items()
        ]
        if not any(name == b"host" for name, _ in self.headers):
            self.headers.append((b"host", HOST.encode()))

    def head(self) -> RequestHead:
        return RequestHead(
            method=self.method, raw_path=self.raw_path, query=self.query, headers=self.headers, scheme="http"
        )

    def verify(self, secret: str = SECRET, at_s: float | None = None) -> None:
        head = self.head()
        verify(
            head,
            read_signature(head),
            secret,
            body_sha256=hashlib.sha256(self.body).hexdigest(),
            at_s=datetime.now(UTC).timestamp() if at_s is None else at_s,
            keys=SigningKeys(),
        )


def sign(
    auth: Any = SigV4Auth,
    verb: str = "POST",
    at: str = "/a",
    asked: str = "",
    body: bytes = b"",
    more: dict[str, str] | None = None,
    token: str | None = None,
    service: str = "lambda",
) -> Signed:
    url = f"http://{HOST}{at}" + (f"?{asked}" if asked else "")
    request = AWSRequest(method=verb, url=url, data=body, headers={"Host": HOST, **(more or {})})
    auth(Credentials(KEY_ID, SECRET, token), service, "eu-west-1").add_auth(request)
    return Signed(request, body)


@given(verb=method, at=path, asked=query, body=st.binary(max_size=40), more=headers, token=st.none() | st.just("t0k"))
def test_what_botocore_signs_verifies(
    verb: str, at: str, asked: str, body: bytes, more: dict[str, str], token: str | None
) -> None:
    signed = sign(verb=verb, at=at, asked=asked, body=body, more=more, token=token)
    signed.verify()
    signature = read_signature(signed.head())
    assert (signature.access_key_id, signature.service) == (KEY_ID, "lambda")
    assert (signature.region, signature.session_token) == ("eu-west-1", token or "")


@given(at=path, asked=query, body=st.binary(max_size=40))
def test_what_botocore_signs_for_s3_verifies(at: str, asked: str, body: bytes) -> None:
    sign(S3SigV4Auth, at=at, asked=asked, body=body, service="s3").verify()


@given(at=path, asked=query)
def test_what_botocore_presigns_verifies(at: str, asked: str) -> None:
    assume("X-Amz" not in asked)
    names = [pair.partition("=")[0] for pair in asked.split("&")]
    assume(len(names) == len(set(names)))
    signed = sign(SigV4QueryAuth, verb="GET", at=at, asked=asked)
    signed.verify()
    assert read_signature(signed.head()).presigned


@given(
    part=st.sampled_from(
        ["method", "path", "query", "body", "header", "signature", "secret", "scope", "date", "key"]
    ),
    at=path,
    asked=query,
    body=st.binary(max_size=40),
)
def test_tampering_with_any_part_is_noticed(part: str, at: str, asked: str, body: bytes) -> None:
    signed = sign(at=at, asked=asked, body=body, more={"X-Amz-Log-Type": "Tail"})
    secret = SECRET
    match part:
        case "method":
            signed.method = "PATCH"
        case "path":
            signed.raw_path += b"/x"
        case "query":
            signed.query += b"&x=1" if signed.query else b"x=1"
        case "body":
            signed.body += b"x"
        case "header":
            signed.headers = replaced(signed.headers, b"x-amz-log-type", b"None")
        case "signature":
            signed.headers = edited(signed.headers, lambda value: value[:-1] + (b"0" if value[-1:] != b"0" else b"1"))
        case "scope":
            signed.headers = edited(signed.headers, lambda value: value.replace(b"eu-west-1", b"us-east-1"))
        case "date":
            signed.headers = replaced(signed.headers, b"x-amz-date", b"20200101T000000Z")
        case "key":
            signed.headers = edited(
                signed.headers, lambda value: value.replace(b"SignedHeaders=", b"SignedHeaders=a;")
            )
        case "secret":
            secret = SECRET[:-1]
    with pytest.raises((SignatureMismatch, IncompleteSignature)):
        signed.verify(secret)


def replaced(pairs: list[tuple[bytes, bytes]], name: bytes, value: bytes) -> list[tuple[bytes, bytes]]:
    return [(key, value if key == name else old) for key, old in pairs]


def edited(pairs: list[tuple[bytes, bytes]], edit: Any) -> list[tuple[bytes, bytes]]:
    return [(key, edit(value) if key == b"authorization" else value) for key, value in pairs]


@pytest.mark.parametrize("skew_s", [-14 * 60, 0, 14 * 60])
def test_clocks_may_differ_by_a_quarter_of_an_hour(skew_s: int) -> None:
    sign().verify(at_s=datetime.now(UTC).timestamp() + skew_s)


@pytest.mark.parametrize(("skew_s", "told"), [(16 * 60, "Signature expired"), (-16 * 60, "not yet current")])
def test_clocks_may_not_differ_by_more(skew_s: int, told: str) -> None:
    with pytest.raises(SignatureMismatch, match=told):
        sign().verify(at_s=datetime.now(UTC).timestamp() + skew_s)


def test_a_presigned_url_lives_as_long_as_it_says() -> None:
    signed = sign(SigV4QueryAuth, verb="GET")
    signed.verify(at_s=datetime.now(UTC).timestamp() + 3500)
    with pytest.raises(SignatureMismatch, match="expired"):
        signed.verify(at_s=datetime.now(UTC).timestamp() + 3700)


def test_a_header_that_changes_the_meaning_must_be_signed() -> None:
    signed = sign()
    signed.headers.append((b"x-amz-invocation-type", b"Event"))
    with pytest.raises(SignatureMismatch, match="x-amz-invocation-type"):
        signed.verify()


def test_a_second_value_of_a_signed_header_is_noticed() -> None:
    signed = sign(more={"X-Amz-Log-Type": "Tail"})
    signed.headers.append((b"x-amz-log-type", b"None"))
    with pytest.raises(SignatureMismatch):
        signed.verify()


def test_the_host_must_be_signed() -> None:
    signed = sign()
    signed.headers = edited(signed.headers, lambda value: value.replace(b"SignedHeaders=host;", b"SignedHeaders="))
    with pytest.raises(SignatureMismatch, match="Host"):
        signed.verify()


@pytest.mark.parametrize("declared", ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "0" * 64, "x"])
def test_the_body_is_signed_where_aws_signs_it(declared: str) -> None:
    with pytest.raises(SignatureMismatch, match="content-sha256"):
        sign(body=b"x", more={"X-Amz-Content-SHA256": declared}).verify()


def test_s3_takes_unsigned_bodies_as_aws_does() -> None:
    signed = sign(body=b"x", more={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}, service="s3")
    signed.verify()


def test_no_signature_is_missing_authentication() -> None:
    with pytest.raises(MissingAuthentication):
        read_signature(RequestHead(method="GET", raw_path=b"/", query=b"", headers=[], scheme="http"))


SCOPE = f"Credential={KEY_ID}/20260101/eu-west-1/lambda/aws4_request"


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer x",
        "AWS4-HMAC-SHA256",
        f"AWS4-HMAC-SHA256 {SCOPE}, Signature=0",
        f"AWS4-HMAC-SHA256 {SCOPE}, SignedHeaders=host",
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=a/20260102/c/d/aws4_request, SignedHeaders=host, Signature=0",
        f"AWS4-HMAC-SHA256 {SCOPE}, SignedHeaders={';'.join(['host'] * 101)}, Signature=0",
        "AWS4-HMAC-SHA256 Credential=\xff/20260101/c/d/e, SignedHeaders=\xff, Signature=\xff",
    ],
)
def test_half_a_signature_is_incomplete(authorization: str) -> None:
    fields = [(b"authorization", authorization.encode()), (b"x-amz-date", b"20260101T000000Z"), (b"host", b"h")]
    with pytest.raises(IncompleteSignature):
        read_signature(RequestHead(method="GET", raw_path=b"/", query=b"", headers=fields, scheme="http"))


def test_two_signatures_are_one_too_many() -> None:
    signed = sign(SigV4QueryAuth, verb="GET")
    signed.headers.append((b"authorization", b"AWS4-HMAC-SHA256 x"))
    with pytest.raises(IncompleteSignature, match="Only one"):
        signed.verify()


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_no_garbage_breaks_the_reader(authorization: bytes, asked: bytes) -> None:
    fields = [(b"authorization", authorization), (b"x-amz-date", b"20260101T000000Z"), (b"host", b"h")]
    head = RequestHead(method="GET", raw_path=b"/", query=asked, headers=fields, scheme="http")
    with pytest.raises((IncompleteSignature, MissingAuthentication, SignatureMismatch)):
        verify(head, read_signature(head), SECRET, body_sha256="", at_s=0, keys=SigningKeys())


def test_signing_keys_are_kept_within_a_bound() -> None:
    keys = SigningKeys(kept_max=2)
    first = keys.derive("a", "d", "r", "s")
    for secret in ("b", "c"):
        keys.derive(secret, "d", "r", "s")
    assert len(keys._kept) == 2
    assert keys.derive("a", "d", "r", "s") == first


@pytest.mark.parametrize(
    ("given_path", "normal"),
    [(b"/a/../b", b"/b"), (b"/a//b/./c/", b"/a/b/c/"), (b"/../..", b"/"), (b"//", b"/"), (b"/a", b"/a")],
)
def test_paths_are_normalized_as_aws_does(given_path: bytes, normal: bytes) -> None:
    assert normal_path(given_path) == normal
