"""Read a request's body within a bound, so that nobody can make a process grow by sending."""

import asyncio
import contextlib

from starlette.types import Receive

from kokoa.kernel.errors import Invalid
from kokoa.web.errors import ClientGone, PayloadTooLarge
from kokoa.web.http import Request

DISCARD_BYTES_MAX = 16 * 1024 * 1024
DISCARD_S = 2.0


class InvalidContentLength(Invalid):
    """The Content-Length header is not a number of bytes."""


async def read_body(request: Request, receive: Receive, *, limit_bytes: int) -> bytes:
    """The whole body. Raises PayloadTooLarge before reading when the length is declared, else while reading."""
    declared = request.only("content-length")
    if declared is not None:
        if not (declared.isascii() and declared.isdigit()):
            raise InvalidContentLength("Content-Length must be a decimal number of bytes.", field="content-length")
        if int(declared[:20]) > limit_bytes:
            # Whoever waits for "100 Continue" has sent nothing yet, and reading would invite it.
            if request.header("expect") is None:
                await _discard(receive)
            raise _too_large(limit_bytes)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        more = message.get("more_body", False)
        if size > limit_bytes:
            if more:
                await _discard(receive)
            raise _too_large(limit_bytes)
        if not more and not chunks:
            return chunk
        chunks.append(chunk)
        if not more:
            return b"".join(chunks)


async def _discard(receive: Receive) -> None:
    """Read on for a while, keeping nothing: a client that is cut off while it sends often loses the answer."""
    left = DISCARD_BYTES_MAX
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_S):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return


def _too_large(limit_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The request's body is larger than {limit_bytes} bytes, which is the most taken here.")
