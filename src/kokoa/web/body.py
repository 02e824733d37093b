"""Read a request's body within a bound, so that nobody can make a process grow by sending."""

from starlette.types import Receive

from kokoa.kernel.errors import Invalid
from kokoa.web.errors import ClientGone, PayloadTooLarge
from kokoa.web.http import Request


class InvalidContentLength(Invalid):
    """The Content-Length header is not a number of bytes."""


async def read_body(request: Request, receive: Receive, *, limit_bytes: int) -> bytes:
    """The whole body. Raises PayloadTooLarge before reading when the length is declared, else while reading."""
    declared = request.only("content-length")
    if declared is not None:
        if not (declared.isascii() and declared.isdigit()):
            raise InvalidContentLength("Content-Length must be a decimal number of bytes.", field="content-length")
        _require_within(int(declared[:20]), limit_bytes)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        _require_within(size, limit_bytes)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _require_within(size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise PayloadTooLarge(f"The request's body is larger than {limit_bytes} bytes, which is the most taken here.")
