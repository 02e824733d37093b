"""The native routes that carry pictures and not JSON: an upload, and the files that pages show.

An upload is kept in the object storage, and then the environment's graph is asked to add it to the product: so what a
picture is, and who may change it, is the catalogue's matter, or that of whoever overrides its fields.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
import orjson
from starlette.types import Receive

from kokoa.edge.errors import InvalidUpload, MediaFileNotFound, UploadForbidden, UploadsBusy
from kokoa.edge.graph import Graph
from kokoa.edge.model import NativeRoute
from kokoa.edge.native.multipart import Upload, read_upload
from kokoa.edge.native.parameters import query_pairs
from kokoa.edge.native.problems import problem_of
from kokoa.kernel.call import Call
from kokoa.kernel.clock import now_ms
from kokoa.web.body import read_body
from kokoa.web.http import Request, Response

UPLOAD_BYTES_MAX = 20_000_000
_FORM_BYTES = 16_384  # what a form may add to its file
UPLOADS_AT_ONCE_MAX = 8
UPLOADS_OF_ENVIRONMENT_MAX = 4
DEADLINE_MS = 120_000  # decoding the largest pictures takes a while

UPLOAD_ROUTE = NativeRoute("POST", "/api/products/{id}/media", "AddMedia")
FILE_ROUTE = NativeRoute("GET", "/media/{hash}/{file}", "MediaFile")
ROUTES = (UPLOAD_ROUTE, FILE_ROUTE)

_PROBLEM = {
    "description": "A problem",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_JSON = {"application/json": {"schema": {"type": "object"}}}
_FORM = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": _BINARY["schema"], "alt": {"type": "string"}},
    }
}


def _parameter(name: str, where: str, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": {"type": kind}}


PATHS: dict[str, dict[str, Any]] = {
    UPLOAD_ROUTE.path: {
        "post": {
            "operationId": UPLOAD_ROUTE.operation,
            "summary": "Send a picture of a product, with the tenant's secrets; at most 20 MB.",
            "parameters": [
                _parameter("id", "path"),
                _parameter("alt", "query"),
                _parameter("version", "query", "integer"),
            ],
            "requestBody": {"required": True, "content": {"image/*": _BINARY, "multipart/form-data": _FORM}},
            "responses": {
                "201": {
                    "description": "The picture",
                    "content": _JSON,
                },
                "default": _PROBLEM,
            },
        }
    },
    FILE_ROUTE.path: {
        "get": {
            "operationId": FILE_ROUTE.operation,
            "summary": "A rendition of a picture, which never changes.",
            "parameters": [_parameter("hash", "path"), _parameter("file", "path")],
            "responses": {
                "200": {"description": "OK", "content": {"image/webp": _BINARY, "image/jpeg": _BINARY}},
                "304": {"description": "The client has it already"},
                "default": _PROBLEM,
            },
        }
    },
}
"""How `/openapi.json` describes the two."""

ADD = """mutation AddMedia($input: AddMediaInput!) {
  addMedia(input: $input) {
    id alt position width height
    thumbnail: url(rendition: THUMBNAIL) url original: url(rendition: ORIGINAL)
    product { id version }
  }
}"""
_PARAMETERS = frozenset({"alt", "version"})
_VERSION_MAX = 2**31 - 1


class StoredFile(Protocol):
    """A picture's file.  tag: a strong entity tag."""

    @property
    def content(self) -> bytes: ...
    @property
    def content_type(self) -> str: ...
    @property
    def tag(self) -> str: ...


class MediaFiles(Protocol):
    """The object storage; `roles` fills it."""

    async def keep_upload(self, environment_id: str, upload: bytes) -> str: ...
    async def file(self, environment_id: str, content_hash: str, name: str) -> StoredFile | None: ...


class MediaRoutes:
    """Answers the requests whose route is one of ROUTES."""

    def __init__(self, files: MediaFiles, graph: Graph) -> None:
        self._files = files
        self._graph = graph
        self._uploads: Counter[str] = Counter()

    async def serve(
        self, request: Request, receive: Receive, call: Call, route: NativeRoute, parameters: Mapping[str, str]
    ) -> Response:
        """Raises UploadForbidden, UploadsBusy, InvalidUpload, PayloadTooLarge, MediaFileNotFound, and what the graph
        and the object storage raise.
        """
        if route.operation == UPLOAD_ROUTE.operation:
            return await self._add(request, receive, call, parameters["id"])
        return await self._file(request, call, parameters["hash"], parameters["file"])

    async def _add(self, request: Request, receive: Receive, call: Call, product_id: str) -> Response:
        if "management" not in call.caller.scopes:
            raise UploadForbidden("Pictures are sent with the tenant's secrets; a storefront has none.")
        asked = _asked(request.query)
        key = call.environment_id
        if self._uploads.total() >= UPLOADS_AT_ONCE_MAX or self._uploads[key] >= UPLOADS_OF_ENVIRONMENT_MAX:
            raise UploadsBusy(f"{self._uploads[key]} uploads of this store are under way; try again soon.")
        self._uploads[key] += 1
        try:
            return await self._added(await _read(request, receive), call, product_id, asked)
        finally:
            self._uploads[key] -= 1
            if not self._uploads[key]:
                del self._uploads[key]

    async def _added(self, upload: Upload, call: Call, product_id: str, asked: dict[str, Any]) -> Response:
        if upload.alt is not None:
            if "alt" in asked:
                raise InvalidUpload("alt was given in the path and in the form; give it once.", field="alt")
            asked["alt"] = upload.alt
        upload_id = await self._files.keep_upload(call.environment_id, upload.content)
        variables = {"input": {"productId": product_id, "upload": upload_id, **asked}}
        patient = msgspec.structs.replace(call, deadline_ms=now_ms() + DEADLINE_MS)
        result = await self._graph.execute(ADD, variables, patient, "AddMedia")
        if result.errors or not result.data:
            return problem_of(result.errors[0], call.correlation_id)
        headers = (("content-type", "application/json"), ("cache-control", "no-store"))
        return Response(201, headers, orjson.dumps(result.data["addMedia"]))

    async def _file(self, request: Request, call: Call, content_hash: str, name: str) -> Response:
        if request.query:
            raise MediaFileNotFound("A picture's path has no query string.")
        file = await self._files.file(call.environment_id, content_hash, name)
        if file is None:
            raise MediaFileNotFound("This store has no such picture.")
        headers = (
            ("etag", file.tag),
            ("cache-control", "public, max-age=31536000, immutable"),
            ("vary", "x-tenant-id, x-environment"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; sandbox"),
            ("cross-origin-resource-policy", "cross-origin"),
        )
        if _has(request, file.tag):
            return Response(304, headers)
        return Response(200, (("content-type", file.content_type), *headers), file.content)


async def _read(request: Request, receive: Receive) -> Upload:
    body = await read_body(request, receive, limit_bytes=UPLOAD_BYTES_MAX + _FORM_BYTES)
    upload = read_upload(request.header("content-type") or "", body)
    if not upload.content:
        raise InvalidUpload("The upload has no bytes.")
    return upload


def _asked(query: str) -> dict[str, Any]:
    """alt and version. Raises InvalidUpload, InvalidParameter."""
    found: dict[str, Any] = {}
    for name, value in query_pairs(query):
        if name not in _PARAMETERS or name in found:
            raise InvalidUpload("An upload takes alt and version, each once.", field=name[:64])
        found[name] = value
    version = found.get("version")
    if version is not None:
        if not (version.isascii() and version.isdigit() and len(version) <= 10 and int(version) <= _VERSION_MAX):
            raise InvalidUpload("version must be the product's version, a whole number.", field="version")
        found["version"] = int(version)
    return found


def _has(request: Request, tag: str) -> bool:
    """Whether the client has this content already (RFC 9110 §13.1.2)."""
    given = ",".join(request.values("if-none-match"))
    return given.strip() == "*" or tag in {one.strip().removeprefix("W/") for one in given.split(",")}
