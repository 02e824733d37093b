"""HTTP as the AWS server needs it: the head of a request, its body read within a bound, and the answer."""

import asyncio
import base64
import hashlib
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import cached_property
from typing import Any, Final

import msgspec

from kokoa.functions.aws.errors import BodyTooLarge, ChecksumMismatch, MalformedRequest

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_TIMEOUT_S: Final = 300
"""How long one body may take to arrive: 70 MB at 2 Mbit/s."""


class ClientGone(Exception):
    """The client hung up before its body was complete; there is nobody left to answer."""


class RequestHead:
    """Method, path, query and headers exactly as they were on the wire, because signatures cover the bytes."""

    def __init__(
        self, *, method: str, raw_path: bytes, query: bytes, headers: list[tuple[bytes, bytes]], scheme: str
    ) -> None:
        self.method = method
        self.raw_path = raw_path
        self.query = query
        self.headers = headers
        self.scheme = scheme

    @classmethod
    def of(cls, scope: Scope) -> "RequestHead":
        """From an ASGI scope."""
        return cls(
            method=scope["method"],
            raw_path=scope["raw_path"],
            query=scope["query_string"],
            headers=scope["headers"],
            scheme=scope["scheme"],
        )

    @cached_property
    def header_values(self) -> dict[bytes, list[bytes]]:
        """Lower-case name → its values, in order."""
        values: dict[bytes, list[bytes]] = {}
        for name, value in self.headers:
            values.setdefault(name, []).append(value)
        return values

    def header(self, name: bytes) -> str:
        """The first value of a header (lower-case name), or an empty text."""
        found = self.header_values.get(name)
        return found[0].decode("utf-8", "replace") if found else ""

    @property
    def endpoint(self) -> str:
        """The address that the client used, without a path."""
        return f"{self.scheme}://{self.header(b'host')}"


class Answer(msgspec.Struct, frozen=True):
    """What goes back over the wire."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


async def read_body(head: RequestHead, receive: Receive, *, limit_bytes: int, operation: str) -> bytes:
    """The whole body. Raises BodyTooLarge as soon as the bound is passed, ClientGone, MalformedRequest."""
    declared = head.header(b"content-length")
    if declared and not declared.isdecimal():
        raise MalformedRequest("Content-Length is not a number.")
    if declared and int(declared) > limit_bytes:
        raise _too_large(limit_bytes, operation)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > limit_bytes:
                    raise _too_large(limit_bytes, operation)
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
    except TimeoutError:
        raise MalformedRequest(f"The body did not arrive within {BODY_TIMEOUT_S} seconds.") from None


def _too_large(limit_bytes: int, operation: str) -> BodyTooLarge:
    return BodyTooLarge(f"Request must be smaller than {limit_bytes} bytes for the {operation} operation")


def _crc32(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "big")


def _md5(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()


def _sha1(body: bytes) -> bytes:
    return hashlib.sha1(body, usedforsecurity=False).digest()


def _sha256(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


# CRC-32C and CRC-64/NVME have no implementation in the standard library; the signature covers the body anyway.
CHECKSUMS: Final[Mapping[bytes, Callable[[bytes], bytes]]] = {
    b"x-amz-checksum-crc32": _crc32,
    b"x-amz-checksum-sha1": _sha1,
    b"x-amz-checksum-sha256": _sha256,
    b"content-md5": _md5,
}


def check_checksums(head: RequestHead, body: bytes) -> None:
    """Compare each checksum header that is there with the body. Raises ChecksumMismatch, which names it."""
    present = head.header_values
    for name, digest in CHECKSUMS.items():
        if name in present and base64.b64encode(digest(body)).decode() != head.header(name):
            raise ChecksumMismatch(
                f"Value for {name.decode()} header is invalid: it does not match the body that arrived. "
                "Send the request again."
            )
