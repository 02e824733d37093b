"""GraphQL over HTTP, without a server: bytes in, bytes out (https://graphql.github.io/graphql-over-http/draft/).

    request = read_request(method, headers, query_string, body)   → GraphQLRequest or Refusal
    result  = await something.execute(request.query, request.variables, …)
    answer  = encode(result, request.accept)                      → HttpAnswer

Headers are given with lower-case names.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

import msgspec
import orjson
import structlog

from kokoa.graphql.result import ExecutionResult

log = structlog.get_logger(__name__)

RESPONSE_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"
EVENT_STREAM = "text/event-stream"
BODY_BYTES_MAX = 2_000_000
PARAMETERS_MAX = 16
HEADERS_KNOWN_MAX = 64  # nearly all requests of a client have the same
DOCUMENT_ID = re.compile(r"(?:sha256:[0-9a-f]{64}|[A-Za-z0-9][A-Za-z0-9_.-]{0,127})")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_STATUS_OF_CODE = {
    "MUTATION_NEEDS_POST": 405,
    "OPERATION_NOT_REGISTERED": 403,
    "TOO_MANY_NEW_DOCUMENTS": 429,
    "DEADLINE_EXCEEDED": 504,
}
_PLAIN_400 = {"BAD_USER_INPUT", "OPERATION_NOT_FOUND", "LIMIT_EXCEEDED", "SUBSCRIPTION_NEEDS_STREAM"}


class HttpAnswer(msgspec.Struct, frozen=True):
    """What to send back."""

    status: int
    headers: dict[str, str]
    body: bytes


class GraphQLRequest(msgspec.Struct, frozen=True):
    """query: the document's text, unless document_id alone names it (see `persisted`).

    accept: the media type of the answer.  read_only: the request came by GET, so a mutation must be refused.
    """

    query: str | None
    variables: dict[str, Any] = {}
    operation_name: str | None = None
    extensions: dict[str, Any] = {}
    accept: str = PLAIN_JSON
    read_only: bool = False
    document_id: str | None = None


class Refusal(msgspec.Struct, frozen=True):
    """A request that holds no GraphQL request; the answer says why."""

    status: int
    message: str
    code: str = "BAD_REQUEST"
    accept: str = PLAIN_JSON
    headers: dict[str, str] = {}

    def answer(self) -> HttpAnswer:
        body = orjson.dumps({"errors": [{"message": self.message, "extensions": {"code": self.code}}]})
        return HttpAnswer(self.status, {"content-type": _content_type(self.accept), **self.headers}, body)


def _content_type(accept: str) -> str:
    return f"{accept}; charset=utf-8"


@lru_cache(HEADERS_KNOWN_MAX)
def _preferred(accept: str | None) -> str | None:
    """The media type to answer in, or None if the client takes neither (RFC 9110 §12.5.1)."""
    if not accept or not accept.strip():
        return PLAIN_JSON
    best, best_quality = None, 0.0
    for part in accept.split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = _quality(parameters)
        found = media if media in {RESPONSE_JSON, PLAIN_JSON, EVENT_STREAM} else None
        if media in {"*/*", "application/*"}:
            found = PLAIN_JSON
        if found is not None and quality > best_quality:
            best, best_quality = found, quality
    return best


def _quality(parameters: list[str]) -> float:
    for one in parameters:
        if one.startswith("q="):
            try:
                return float(one[2:])
            except ValueError:
                return 0.0
    return 1.0


def read_request(
    method: str,
    headers: Mapping[str, str],
    query_string: str,
    body: bytes,
    *,
    body_bytes_max: int = BODY_BYTES_MAX,
) -> GraphQLRequest | Refusal:
    """The GraphQL request that an HTTP request carries, or why it carries none."""
    accept = _preferred(headers.get("accept"))
    if accept is None:
        return Refusal(406, f"Accept {RESPONSE_JSON} or {PLAIN_JSON}.", "NOT_ACCEPTABLE")
    if method == "GET":
        return _from_parameters(query_string, accept)
    if method != "POST":
        return Refusal(
            405, "Send GraphQL with POST, or a query with GET.", "METHOD_NOT_ALLOWED", accept, {"allow": "GET, POST"}
        )
    if len(body) > body_bytes_max:
        return Refusal(
            413, f"The body has {len(body)} bytes; at most {body_bytes_max} are allowed.", "PAYLOAD_TOO_LARGE", accept
        )
    wrong = _wrong_content_type(headers.get("content-type", ""))
    if wrong:
        return Refusal(415, wrong, "UNSUPPORTED_MEDIA_TYPE", accept)
    return _from_body(body, accept)


@lru_cache(HEADERS_KNOWN_MAX)
def _wrong_content_type(content_type: str) -> str:
    media, *parameters = (piece.strip().lower() for piece in content_type.split(";"))
    if media != PLAIN_JSON:
        return f"Send the request as {PLAIN_JSON}, not {media or 'without a content type'}."
    for one in parameters:
        name, _, value = one.partition("=")
        if name == "charset" and value.strip('"') not in {"utf-8", "utf8"}:
            return f"Send the request in UTF-8, not {value}."
    return ""


def _from_parameters(query_string: str, accept: str) -> GraphQLRequest | Refusal:
    try:
        found = parse_qs(query_string, keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX)
    except ValueError as error:
        return Refusal(400, f"The query string cannot be read: {error}.", accept=accept)
    values: dict[str, Any] = {}
    for name in ("query", "documentId", "operationName", "variables", "extensions"):
        given = found.get(name, [])
        if len(given) > 1:
            return Refusal(400, f"The parameter {name} is given {len(given)} times.", accept=accept)
        if given and given[0] and name in {"variables", "extensions"}:
            try:
                values[name] = orjson.loads(given[0])
            except orjson.JSONDecodeError as error:
                return Refusal(400, f"The parameter {name} is not JSON: {error}.", accept=accept)
        elif given and given[0]:
            values[name] = given[0]
    return _from_values(values, accept, read_only=True)


def _from_body(body: bytes, accept: str) -> GraphQLRequest | Refusal:
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return Refusal(400, f"The body is not JSON: {error}.", accept=accept)
    if isinstance(values, list):
        return Refusal(400, "Batches are not accepted: send one operation a request.", accept=accept)
    if not isinstance(values, dict):
        return Refusal(400, 'The body must be a JSON object such as {"query": "{ products { id } }"}.', accept=accept)
    return _from_values(values, accept, read_only=False)


def _from_values(values: Mapping[str, Any], accept: str, *, read_only: bool) -> GraphQLRequest | Refusal:
    name = values.get("operationName")
    if name is not None and not isinstance(name, str):
        return Refusal(400, "`operationName` must be text.", accept=accept)
    variables, extensions = values.get("variables"), values.get("extensions")
    if variables is not None and not isinstance(variables, dict):
        return Refusal(400, "`variables` must be an object.", accept=accept)
    if extensions is not None and not isinstance(extensions, dict):
        return Refusal(400, "`extensions` must be an object.", accept=accept)
    document_id = _document_id(values.get("documentId"), extensions or {})
    if isinstance(document_id, ValueError):
        return Refusal(400, str(document_id), accept=accept)
    query = values.get("query")
    if query is not None and not isinstance(query, str):
        return Refusal(400, "`query` must be text.", accept=accept)
    if not (query and query.strip()) and not document_id:
        return Refusal(400, "`query` is missing: it holds the GraphQL document, as text.", accept=accept)
    return GraphQLRequest(
        query or None, variables or {}, name or None, extensions or {}, accept, read_only, document_id
    )


def _document_id(given: object, extensions: Mapping[str, Any]) -> str | ValueError | None:
    """The id of a persisted document, or what is wrong with it; a hash without its prefix."""
    persisted = extensions.get("persistedQuery")
    if persisted is not None:
        version = persisted.get("version") if isinstance(persisted, dict) else None
        hashed = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
        if version != 1 or not isinstance(hashed, str) or not _SHA256.fullmatch(hashed):
            return ValueError(
                '`extensions.persistedQuery` must be {"version": 1, "sha256Hash": "…"} with 64 hexadecimal digits.'
            )
        given = f"sha256:{hashed}"
    if given is None:
        return None
    if not isinstance(given, str) or not DOCUMENT_ID.fullmatch(given):
        return ValueError("`documentId` must be `sha256:` and 64 hexadecimal digits, or a registered name.")
    return given.removeprefix("sha256:")


def encode(result: ExecutionResult, accept: str = PLAIN_JSON) -> HttpAnswer:
    """The HTTP answer for a result: 200 whenever something was executed.

    A refused request is 400 in `application/graphql-response+json` and 200 in `application/json`, as the
    specification wants it; a mutation by GET is 405 in both.
    """
    headers = {"content-type": _content_type(accept)}
    status = 200
    if result.refused:
        codes = [str(entry.get("extensions", {}).get("code")) for entry in result.errors]
        known = next((_STATUS_OF_CODE[code] for code in codes if code in _STATUS_OF_CODE), None)
        if known is not None:
            status = known
        elif accept == RESPONSE_JSON or not _PLAIN_400.isdisjoint(codes):
            status = 400
        if status == 405:
            headers["allow"] = "POST"
    try:
        return HttpAnswer(status, headers, orjson.dumps(result.response()))
    except orjson.JSONEncodeError as error:
        return Refusal(500, _not_json(error), "INTERNAL", accept).answer()


def encode_body(result: ExecutionResult) -> bytes:
    """The response alone, for a transport where the status says nothing. One line of JSON."""
    try:
        return orjson.dumps(result.response())
    except orjson.JSONEncodeError as error:
        return orjson.dumps({"errors": [{"message": _not_json(error), "extensions": {"code": "INTERNAL"}}]})


def _not_json(error: orjson.JSONEncodeError) -> str:
    log.error("the response holds what JSON cannot; a scalar needs a `serialize`", exc_info=error)
    return "Something went wrong on our side."
