"""Pictures at the edge: who may send them, in which forms, and how their files are served."""

import asyncio
from typing import Any

import orjson
import pytest

from kokoa.edge.errors import InvalidUpload
from kokoa.edge.native.media import UPLOAD_BYTES_MAX, UPLOADS_OF_ENVIRONMENT_MAX
from kokoa.edge.native.multipart import PARTS_MAX, read_upload
from kokoa.graphql import ExecutionResult
from kokoa.services.catalog.media.errors import ImageFormatUnsupported
from unit.edge.edge_fakes import BOEING, FakeEdge, FakeFile
from unit.web.asgi_client import Answer, ask

STORE = {"X-Tenant-ID": "boeing"}
SECRETS = {**STORE, "X-Tenant-Secret": "ts-boeing-prod", "X-GraphQL-Secret": "gs-boeing-prod"}
PATH = "/api/products/p-1/media"
HASH = "0a" * 32
FILE = f"/media/{HASH}/medium.webp"


def added(edge: FakeEdge) -> FakeEdge:
    edge.graph.result = ExecutionResult({"addMedia": {"id": "m-1"}})
    return edge


async def send(edge: FakeEdge, body: bytes, target: str = PATH, **headers: str) -> Answer:
    given = {"Content-Type": "image/png", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await ask(edge.app, "POST", target, headers={**SECRETS, **given}, body=body)


async def test_an_upload_is_kept_and_the_graph_is_asked_to_add_it() -> None:
    edge = added(FakeEdge())
    answer = await send(edge, b"picture", f"{PATH}?alt=A%20chair&version=3")
    assert (answer.status, answer.json()) == (201, {"id": "m-1"})
    assert answer.headers["cache-control"] == "no-store"
    assert edge.media.uploads == [(BOEING.id, b"picture")]
    document, variables, call, name, read_only = edge.graph.asked[0]
    assert "addMedia(input: $input)" in document
    wanted = {"productId": "p-1", "upload": "upload-1", "alt": "A chair", "version": 3}
    assert (variables, name, read_only) == ({"input": wanted}, "AddMedia", False)
    assert (call.environment_id, call.caller.kind) == (BOEING.id, "server")


def form(*parts: bytes, boundary: bytes = b"XX") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


FILE_PART = b'Content-Disposition: form-data; name="file"; filename="../x.png"\r\nContent-Type: text/html\r\n\r\n'
ALT_PART = b'Content-Disposition: form-data; name="alt"\r\n\r\n'


async def test_a_form_has_one_file_and_perhaps_its_text() -> None:
    edge = added(FakeEdge())
    content = b"\x89PNG\r\n--X\r\n--\xff\r\n"  # what looks like a boundary and is none
    body = form(ALT_PART + "Stühle".encode(), FILE_PART + content)
    answer = await send(edge, body, Content_Type="multipart/form-data; boundary=XX")
    assert answer.status == 201
    assert edge.media.uploads == [(BOEING.id, content)]
    variables = edge.graph.asked[0][1]
    assert variables == {"input": {"productId": "p-1", "upload": "upload-1", "alt": "Stühle"}}
    twice = await send(edge, body, f"{PATH}?alt=x", Content_Type="multipart/form-data; boundary=XX")
    assert (twice.status, twice.json()["code"]) == (400, "INVALID_UPLOAD")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form",
        form(),
        form(FILE_PART + b"1", FILE_PART + b"2"),
        form(ALT_PART + b"only text"),
        form(FILE_PART + b"1", ALT_PART + b"\xff"),
        form(FILE_PART + b"1", ALT_PART + b"x" * 5_000),
        form(FILE_PART + b"1", b'Content-Disposition: form-data; name="other"\r\n\r\nx'),
        form(FILE_PART + b"1", b"Content-Disposition: attachment\r\n\r\nx"),
        form(FILE_PART + b"1", b"no header"),
        form(b"X-A: " + b"x" * 5_000 + b"\r\n" + FILE_PART + b"1"),
        form(FILE_PART + b"1")[:-6],
        form(*[ALT_PART + b"x"] * PARTS_MAX, FILE_PART + b"1"),
        form(FILE_PART + b"1", boundary=b"XXY"),
    ],
)
def test_a_form_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidUpload):
        read_upload("multipart/form-data; boundary=XX", body)


@pytest.mark.parametrize("boundary", ["", '""', "x" * 71, "a\tb", '"ends with a space "'])
def test_a_boundary_is_one_that_rfc_2046_allows(boundary: str) -> None:
    with pytest.raises(InvalidUpload):
        read_upload(f"multipart/form-data; boundary={boundary}", form(FILE_PART + b"1"))


@pytest.mark.parametrize(
    ("target", "headers", "status", "code"),
    [
        (PATH, {}, 403, "UPLOAD_FORBIDDEN"),
        (f"{PATH}?alt=a&alt=b", SECRETS, 400, "INVALID_UPLOAD"),
        (f"{PATH}?wat=1", SECRETS, 400, "INVALID_UPLOAD"),
        (f"{PATH}?version=-1", SECRETS, 400, "INVALID_UPLOAD"),
        (f"{PATH}?version=99999999999", SECRETS, 400, "INVALID_UPLOAD"),
        (f"{PATH}?version=x", SECRETS, 400, "INVALID_UPLOAD"),
        (f"{PATH}?alt=%ff", SECRETS, 400, "INVALID_PARAMETER"),
    ],
)
async def test_who_may_not_send_or_asks_nonsense_is_told_before_anything_is_kept(
    target: str, headers: dict[str, str], status: int, code: str
) -> None:
    edge = added(FakeEdge())
    answer = await ask(edge.app, "POST", target, headers={**STORE, **headers}, body=b"picture")
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert edge.media.uploads == []
    assert edge.graph.asked == []


async def test_an_upload_is_bounded_and_not_empty() -> None:
    edge = added(FakeEdge())
    length = {"Content-Length": str(UPLOAD_BYTES_MAX * 2)}
    answer = await ask(edge.app, "POST", PATH, headers={**SECRETS, **length}, body=b"x")
    assert (answer.status, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")
    chunks = [bytes(UPLOAD_BYTES_MAX), bytes(100_000)]
    assert (await ask(edge.app, "POST", PATH, headers=SECRETS, body=chunks)).status == 413
    assert (await send(edge, b"")).json()["code"] == "INVALID_UPLOAD"
    assert edge.media.uploads == []


async def test_few_uploads_of_a_store_are_read_at_once() -> None:
    edge = added(FakeEdge())
    edge.media.gate.clear()
    under_way = [asyncio.create_task(send(edge, b"picture")) for _ in range(UPLOADS_OF_ENVIRONMENT_MAX)]
    async with asyncio.timeout(30):
        while len(edge.media.uploads) < UPLOADS_OF_ENVIRONMENT_MAX:
            await asyncio.sleep(0)
    refused = await send(edge, b"picture")
    assert (refused.status, refused.json()["code"]) == (429, "UPLOADS_BUSY")
    edge.media.gate.set()
    assert {answer.status for answer in await asyncio.gather(*under_way)} == {201}
    assert (await send(edge, b"picture")).status == 201


async def test_what_the_graph_refuses_is_a_problem() -> None:
    edge = FakeEdge()
    error: dict[str, Any] = {"message": "It is SVG.", "extensions": {"code": ImageFormatUnsupported.code}}
    edge.graph.result = ExecutionResult(None, [error])
    answer = await send(edge, b"<svg/>")
    assert (answer.status, answer.json()["code"]) == (400, "IMAGE_FORMAT_UNSUPPORTED")


async def test_a_file_is_served_for_good_and_as_nothing_but_a_picture() -> None:
    edge = FakeEdge()
    edge.media.files[BOEING.id, HASH, "medium.webp"] = FakeFile(b"webp", "image/webp", '"tag"')
    answer = await ask(edge.app, "GET", FILE, headers=STORE)
    assert (answer.status, answer.body) == (200, b"webp")
    wanted = {
        "content-type": "image/webp",
        "cache-control": "public, max-age=31536000, immutable",
        "etag": '"tag"',
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
    }
    assert wanted.items() <= answer.headers.items()
    head = await ask(edge.app, "HEAD", FILE, headers=STORE)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "4")
    for tags in ('"tag"', 'W/"tag"', '"other", "tag"', "*"):
        known = await ask(edge.app, "GET", FILE, headers={**STORE, "If-None-Match": tags})
        assert (known.status, known.body, known.headers["etag"]) == (304, b"", '"tag"')
    other = await ask(edge.app, "GET", FILE, headers={**STORE, "If-None-Match": '"other"'})
    assert other.status == 200


async def test_no_other_store_serves_it_and_no_other_path_leads_to_it() -> None:
    edge = FakeEdge()
    edge.media.files[BOEING.id, HASH, "medium.webp"] = FakeFile(b"webp", "image/webp", '"tag"')
    for target, tenant in (
        (FILE, "saab"),
        (f"/media/{HASH}/large.webp", "boeing"),
        (f"{FILE}?x=1", "boeing"),
        (f"/media/{HASH}", "boeing"),
        (f"/media/{HASH}/medium.webp/", "boeing"),
    ):
        answer = await ask(edge.app, "GET", target, headers={"X-Tenant-ID": tenant})
        assert answer.status == 404, target
        assert orjson.loads(answer.body)["code"] in {"MEDIA_FILE_NOT_FOUND", "ROUTE_NOT_FOUND"}
        assert "immutable" not in answer.headers.get("cache-control", "")
    assert (await ask(edge.app, "POST", FILE, headers=STORE)).status == 405


async def test_a_partner_may_take_the_upload_over_where_it_is_granted() -> None:
    edge = added(FakeEdge())
    edge.deploy("POST /api/products/{id}/media")
    assert (await send(edge, b"picture")).body == b"fn"
    assert edge.media.uploads == []
