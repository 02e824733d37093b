"""Bodies within their bounds, checksums, room for large uploads, and which requests are for the AWS endpoint."""

import asyncio
import base64
import hashlib
import zlib
from typing import Any

import pytest

from kokoa.functions.aws.app import is_aws_request
from kokoa.functions.aws.errors import BodyTooLarge, ChecksumMismatch, MalformedRequest
from kokoa.functions.aws.http import ClientGone, RequestHead, check_checksums, read_body
from kokoa.functions.aws.large_bodies import LARGE_BYTES, LargeBodies, LargeBodiesBusy


def head(**headers: str) -> RequestHead:
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return RequestHead(method="POST", raw_path=b"/", query=b"", headers=fields, scheme="http")


class Wire:
    """An ASGI receive that counts what was asked of it."""

    def __init__(self, *chunks: bytes, gone: bool = False) -> None:
        self.chunks = list(chunks)
        self.gone = gone
        self.asked = 0

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        if not self.chunks and self.gone:
            return {"type": "http.disconnect"}
        body = self.chunks.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self.chunks) or self.gone}


async def test_a_body_arrives_whole() -> None:
    assert await read_body(head(), Wire(b"ab", b"c").receive, limit_bytes=3, operation="X") == b"abc"


async def test_a_body_that_says_it_is_too_large_is_never_read() -> None:
    wire = Wire(b"x")
    with pytest.raises(BodyTooLarge, match="smaller than 5 bytes for the Invoke operation"):
        await read_body(head(content_length="6"), wire.receive, limit_bytes=5, operation="Invoke")
    assert wire.asked == 0


async def test_a_body_that_lies_about_its_length_is_cut_off_at_the_bound() -> None:
    wire = Wire(*[b"xxx"] * 100)
    with pytest.raises(BodyTooLarge):
        await read_body(head(content_length="1"), wire.receive, limit_bytes=5, operation="X")
    assert wire.asked == 2


async def test_a_client_that_hangs_up_gets_no_answer() -> None:
    with pytest.raises(ClientGone):
        await read_body(head(), Wire(b"x", gone=True).receive, limit_bytes=5, operation="X")


async def test_a_length_that_is_no_number() -> None:
    with pytest.raises(MalformedRequest, match="Content-Length"):
        await read_body(head(content_length="-1"), Wire(b"").receive, limit_bytes=5, operation="X")


DIGESTS = {
    "x_amz_checksum_crc32": zlib.crc32(b"body").to_bytes(4, "big"),
    "x_amz_checksum_sha1": hashlib.sha1(b"body", usedforsecurity=False).digest(),
    "x_amz_checksum_sha256": hashlib.sha256(b"body").digest(),
    "content_md5": hashlib.md5(b"body", usedforsecurity=False).digest(),
}


@pytest.mark.parametrize("name", DIGESTS)
def test_a_checksum_is_checked_when_it_is_there(name: str) -> None:
    told = head(**{name: base64.b64encode(DIGESTS[name]).decode()})
    check_checksums(told, b"body")
    with pytest.raises(ChecksumMismatch, match=name.replace("_", "-")):
        check_checksums(told, b"other")
    check_checksums(head(), b"other")


async def test_one_account_cannot_take_all_the_room_for_uploads() -> None:
    rooms = LargeBodies(2)
    large = head(content_length=str(LARGE_BYTES + 1))
    limit = LARGE_BYTES * 2
    second = asyncio.Event()

    async def upload_again() -> None:
        async with rooms.room_for(large, "greedy", limit_bytes=limit):
            second.set()

    async with rooms.room_for(large, "greedy", limit_bytes=limit):
        waiting = asyncio.create_task(upload_again())
        async with rooms.room_for(large, "other", limit_bytes=limit):
            assert not second.is_set()
        async with rooms.room_for(head(content_length="5"), "greedy", limit_bytes=limit):
            assert not second.is_set()
    await asyncio.wait_for(waiting, 5)


async def test_the_queue_for_uploads_has_a_bound() -> None:
    rooms = LargeBodies(1)
    large = head(transfer_encoding="chunked")

    async def upload() -> None:
        async with rooms.room_for(large, "a", limit_bytes=LARGE_BYTES * 2):
            raise AssertionError("nobody should get in")

    async with rooms.room_for(large, "a", limit_bytes=LARGE_BYTES * 2):
        waiting = [asyncio.create_task(upload()) for _ in range(16)]
        while rooms._waiting < 16:
            await asyncio.sleep(0)
        with pytest.raises(LargeBodiesBusy):
            await upload()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def scope(path: str = "/", query: str = "", **headers: str) -> dict[str, Any]:
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "raw_path": path.encode(), "query_string": query.encode(), "headers": fields}


@pytest.mark.parametrize(
    ("request_", "aws"),
    [
        (scope(authorization="AWS4-HMAC-SHA256 Credential=x"), True),
        (scope(query="X-Amz-Algorithm=AWS4-HMAC-SHA256"), True),
        (scope(x_amz_target="Logs_20140328.DescribeLogGroups"), True),
        (scope("/2015-03-31/functions"), True),
        (scope("/api/search", "q=lamp"), False),
        (scope("/graphql", authorization="Bearer x"), False),
        (scope("/2015-03-31"), False),
        (scope("/2024-01-01/offers"), False),
        ({"type": "websocket"}, False),
    ],
)
def test_which_requests_are_for_aws(request_: dict[str, Any], aws: bool) -> None:
    assert is_aws_request(request_) is aws
