"""The ASGI app of the AWS endpoint: one request walks the steps of `AwsApp._serve`, errors are written in one place.

The endpoint shares its address with the store; the edge asks `is_aws_request` which of the two is meant.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec
import structlog

from kokoa.functions.aws.authentication import Authenticator, CallTokens
from kokoa.functions.aws.errors import UnknownOperation
from kokoa.functions.aws.http import (
    Answer,
    ClientGone,
    Receive,
    RequestHead,
    Scope,
    Send,
    check_checksums,
    read_body,
)
from kokoa.functions.aws.large_bodies import LARGE_BYTES, LargeBodies
from kokoa.functions.aws.protocols.protocol import Routed, WireProtocol
from kokoa.functions.aws.service import AwsService, RequestContext
from kokoa.functions.aws.sigv4 import is_signed
from kokoa.functions.aws.unknown_service import refuse_unknown_service
from kokoa.functions.control.access import KeyDirectory, SessionDirectory
from kokoa.kernel.clock import Clock, now_ms
from kokoa.kernel.errors import KokoaError
from kokoa.processes.steps import reached
from kokoa.web.correlation import correlation_id_of
from kokoa.web.http import CORRELATION_KEY

log = structlog.get_logger(__name__)

_LAMBDA_PATH = re.compile(rb"/20\d\d-\d\d-\d\d/(functions|layers|event-source-mappings|account-settings|tags)\b")
_SCOPE = re.compile(r"Credential=[^/,]+/[^/,]*/[^/,]*/([^/,]+)/")
_QUERY_SCOPE = re.compile(r"X-Amz-Credential=[^&]*?(?:%2F|/)[^&]*?(?:%2F|/)[^&]*?(?:%2F|/)([^&%/]+)", re.IGNORECASE)


def is_aws_request(scope: Scope) -> bool:
    """Whether a request on the shared domain is for the AWS APIs: it is signed, or shaped as only they are."""
    if scope["type"] != "http":
        return False
    if b"X-Amz-Algorithm=" in scope["query_string"] or _LAMBDA_PATH.match(scope["raw_path"]):
        return True
    for name, value in scope["headers"]:
        if name == b"x-amz-target" or (name == b"authorization" and value.startswith(b"AWS4-HMAC-SHA256")):
            return True
    return False


class Limits(msgspec.Struct, frozen=True):
    """large_bodies: how many large bodies (code packages) one process takes in at the same time."""

    large_bodies: int = 4


class AwsServices:
    """The services of one endpoint, found by what a request says about itself."""

    def __init__(self, services: Sequence[AwsService]) -> None:
        self.all = tuple(services)

    def find(self, head: RequestHead) -> AwsService | None:
        """By the credential scope; services that share a signing name by their paths; unsigned by target or path."""
        signing_name = _signing_name(head)
        if signing_name:
            candidates = [service for service in self.all if service.signing_name == signing_name]
        else:
            target = head.header(b"x-amz-target").partition(".")[0]
            candidates = [service for service in self.all if target and service.target_prefix == target]
            candidates = candidates or [service for service in self.all if _has_path(service, head)]
        path = head.raw_path.decode("latin-1")
        matching = [service for service in candidates if path.startswith(service.definition.path_prefix)]
        return matching[0] if matching else None


def _signing_name(head: RequestHead) -> str:
    found = _SCOPE.search(head.header(b"authorization"))
    found = found or _QUERY_SCOPE.search(head.query.decode("latin-1"))
    return found[1] if found else ""


def _has_path(service: AwsService, head: RequestHead) -> bool:
    try:
        return not service.target_prefix and service.protocol.route(head) is not None
    except UnknownOperation:
        return False


class AwsApp:
    """ASGI: the AWS APIs."""

    def __init__(self, services: AwsServices, authenticator: Authenticator, limits: Limits) -> None:
        self._services = services
        self._authenticator = authenticator
        self._large_bodies = LargeBodies(limits.large_bodies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, one answer; the client's hanging up ends it silently."""
        if scope["type"] != "http":
            return
        head = RequestHead.of(scope)
        correlation_id = scope.get(CORRELATION_KEY) or correlation_id_of(head.headers)
        request_id = str(uuid4())
        try:
            answer = await self._answer(head, receive, request_id, correlation_id)
        except ClientGone:
            return
        headers = [
            *answer.headers,
            (b"content-length", str(len(answer.body)).encode()),
            (b"x-correlation-id", correlation_id.encode()),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = b"" if head.method == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})
        reached("aws.answered")

    async def _answer(self, head: RequestHead, receive: Receive, request_id: str, correlation_id: str) -> Answer:
        service = self._services.find(head)
        if service is None:
            signing_name = _signing_name(head) if is_signed(head) else ""
            names = [service.definition.name for service in self._services.all]
            return refuse_unknown_service(signing_name, names, head, request_id)
        try:
            return await self._serve(service, head, receive, request_id, correlation_id)
        except ClientGone:
            raise
        except Exception as error:
            failure = service.definition.errors.failure(error, correlation_id=correlation_id)
            if not isinstance(error, KokoaError):
                log.exception("aws request failed", service=service.definition.name, request_id=request_id)
            elif failure.status >= 500 and error.detail:
                log.warning("aws request refused", code=failure.code, detail=error.detail)
            return service.protocol.write_failure(failure, request_id)

    async def _serve(
        self, service: AwsService, head: RequestHead, receive: Receive, request_id: str, correlation_id: str
    ) -> Answer:
        protocol = service.protocol
        routed = protocol.route(head)
        claim = await self._authenticator.claim(head)
        limit = service.body_limit(routed.operation if routed else "")
        async with self._large_bodies.room_for(head, claim.key.account_id, limit_bytes=limit):
            operation = routed.operation if routed else service.definition.title
            body = await read_body(head, receive, limit_bytes=limit, operation=operation)
            await self._authenticator.prove(claim, head, body)
            check_checksums(head, body)
            routed = routed or protocol.route_by_body(body)
            provide = service.require(routed.operation)
            request = await _read(protocol, routed, head, body)
            service.validate(routed.operation, request)
            context = RequestContext(
                key=claim.key,
                service=service.definition.name,
                operation=routed.operation,
                region=claim.signature.region,
                request_id=request_id,
                endpoint=head.endpoint,
                call=self._authenticator.call_for(claim.key, head, correlation_id),
            )
            output = await provide(context, request)
        return protocol.write(routed.operation, output, request_id)


async def _read(protocol: WireProtocol, routed: Routed, head: RequestHead, body: bytes) -> Mapping[str, Any]:
    """The input; a large one is parsed in a thread, so that invocations go on meanwhile."""
    if len(body) <= LARGE_BYTES:
        return protocol.read(routed, head, body)
    return await asyncio.to_thread(protocol.read, routed, head, body)


def create_aws_app(
    services: AwsServices,
    *,
    keys: KeyDirectory,
    sessions: SessionDirectory,
    calls: CallTokens,
    clock: Clock = now_ms,
    limits: Limits | None = None,
) -> AwsApp:
    """The ASGI app.  keys: where access keys are found.  sessions: opens functions' temporary credentials.
    calls: reads the token that a function's relay attaches (so that depth and deadline go on).
    """
    authenticator = Authenticator(keys=keys, sessions=sessions, calls=calls, clock=clock)
    return AwsApp(services, authenticator, limits or Limits())
