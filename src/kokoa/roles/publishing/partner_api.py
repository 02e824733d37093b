"""The partners' API under /_kokoa/partner/: what `kokoa graph` asks with a partner's own keys. JSON, problem+json.

A request is signed as any for AWS (Signature Version 4, service `kokoa`): the key decides environment and account.
The temporary keys of functions are none of a partner's own.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kokoa.functions.aws.authentication import Authenticator, CallTokens
from kokoa.functions.aws.http import ClientGone as SignerGone
from kokoa.functions.aws.http import RequestHead, read_body
from kokoa.functions.control.access import AccessKey, KeyDirectory
from kokoa.kernel.clock import Clock, now_ms
from kokoa.kernel.errors import Invalid, Unauthenticated
from kokoa.roles.publishing.seam import Order, Publishing
from kokoa.roles.seams import Subgraphs, SubgraphSource
from kokoa.services.tenants.subgraphs.store import VERSION_NONE
from kokoa.web.errors import ClientGone
from kokoa.web.http import CORRELATION_KEY

PREFIX = "/_kokoa/partner"
SIGNING_NAME = "kokoa"
BODY_BYTES_MAX = 4 * 1024 * 1024  # an SDL of the largest size, however it is escaped as JSON
PAGE_MAX = 1_000

_GRAPH = PREFIX + "/graph"
_SUBGRAPH = _GRAPH + "/{name}"

_Body = TypeVar("_Body")
_Answer = Callable[[AccessKey, Request, bytes], Awaitable[Any]]


class SignedForAnother(Unauthenticated):
    """The request is signed for another service than this one."""


class InvalidOrder(Invalid):
    """The request's body does not fit, or a number in it is none."""


class _Publish(msgspec.Struct, forbid_unknown_fields=True):
    sdl: str
    target: str
    function: str = ""
    url: str = ""
    if_version: int | None = None
    allow_breaking: bool = False


class _Withdraw(msgspec.Struct, forbid_unknown_fields=True):
    if_version: int | None = None
    allow_breaking: bool = False


class _Rollback(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    if_version: int | None = None
    allow_breaking: bool = False


class NoSessions:
    """Opens no temporary credentials."""

    def open(self, access_key_id: str, session_token: str, *, at_ms: int) -> AccessKey | None:
        return None


class PartnerApi:
    """Routes for our own addresses."""

    def __init__(
        self,
        keys: KeyDirectory,
        calls: CallTokens,
        subgraphs: Subgraphs,
        publishing: Publishing,
        *,
        clock: Clock = now_ms,
    ) -> None:
        self._authenticator = Authenticator(keys=keys, sessions=NoSessions(), calls=calls, clock=clock)
        self._subgraphs = subgraphs
        self._publishing = publishing

    def routes(self) -> list[Route]:
        """Every address, with what answers."""
        return [
            self._route("GET", _GRAPH, self.list_subgraphs),
            self._route("PUT", _SUBGRAPH, self.publish),
            self._route("DELETE", _SUBGRAPH, self.withdraw),
            self._route("POST", _SUBGRAPH + "/check", self.check),
            self._route("POST", _SUBGRAPH + "/rollback", self.rollback),
            self._route("GET", _SUBGRAPH + "/versions", self.list_versions),
        ]

    def _route(self, method: str, path: str, answer: _Answer) -> Route:
        async def endpoint(request: Request) -> Response:
            key, body = await self._authorise(request)
            result = await answer(key, request, body)
            return Response(msgspec.json.encode(result), media_type="application/json")

        return Route(path, endpoint, methods=[method], name=f"{method} {path}")

    async def _authorise(self, request: Request) -> tuple[AccessKey, bytes]:
        """Whose key signed, and the body, which is read when the key is known.

        Raises MissingAuthentication, IncompleteSignature, UnknownKey, SignatureMismatch, SignedForAnother,
        BodyTooLarge.
        """
        head = RequestHead.of(request.scope)
        claim = await self._authenticator.claim(head)
        if claim.signature.service != SIGNING_NAME:
            raise SignedForAnother(
                f"The request is signed for {claim.signature.service[:40]!r}; sign it for {SIGNING_NAME!r}."
            )
        try:
            body = await read_body(head, request.receive, limit_bytes=BODY_BYTES_MAX, operation="graph")
        except SignerGone:
            raise ClientGone("The client hung up before its body was complete.") from None
        await self._authenticator.prove(claim, head, body)
        return claim.key, body

    async def list_subgraphs(self, key: AccessKey, request: Request, _: bytes) -> Any:
        """Those of the account: there are fewer than a page."""
        return await self._subgraphs.entries(key.environment_id, key.account_id, "", PAGE_MAX)

    async def list_versions(self, key: AccessKey, request: Request, _: bytes) -> Any:
        before = _number(request.query_params.get("before", str(VERSION_NONE)))
        name = request.path_params["name"]
        return await self._subgraphs.versions(key.environment_id, key.account_id, name, before, PAGE_MAX)

    async def publish(self, key: AccessKey, request: Request, body: bytes) -> Any:
        return await self._publishing.publish(_order_of(key, request, body), _correlation(request))

    async def check(self, key: AccessKey, request: Request, body: bytes) -> Any:
        return await self._publishing.check(_order_of(key, request, body))

    async def withdraw(self, key: AccessKey, request: Request, body: bytes) -> Any:
        given = _read(body or b"{}", _Withdraw)
        order = _order(key, request, None, given.if_version, given.allow_breaking)
        return await self._publishing.withdraw(order, _correlation(request))

    async def rollback(self, key: AccessKey, request: Request, body: bytes) -> Any:
        given = _read(body, _Rollback)
        order = _order(key, request, None, given.if_version, given.allow_breaking)
        return await self._publishing.rollback(order, _number(str(given.version)), _correlation(request))


def _order_of(key: AccessKey, request: Request, body: bytes) -> Order:
    given = _read(body, _Publish)
    try:
        parts = {"sdl": given.sdl, "target": given.target, "function": given.function, "url": given.url}
        source = msgspec.convert(parts, SubgraphSource)
    except msgspec.ValidationError as error:
        raise InvalidOrder(f"target is one of fields, function and url: {error}", field="target") from error
    return _order(key, request, source, given.if_version, given.allow_breaking)


def _order(
    key: AccessKey, request: Request, source: SubgraphSource | None, if_version: int | None, allow_breaking: bool
) -> Order:
    return Order(
        environment_id=key.environment_id,
        tenant=key.tenant,
        environment=key.environment,
        account_id=key.account_id,
        partner=key.partner,
        by=key.access_key_id,
        name=request.path_params["name"],
        source=source,
        if_version=if_version,
        allow_breaking=allow_breaking,
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= VERSION_NONE):
        raise InvalidOrder(f"{text[:40]!r} is no version.", field="version")
    return int(text)


def _correlation(request: Request) -> str:
    correlation_id: str = request.scope[CORRELATION_KEY]
    return correlation_id


def _read(body: bytes, kind: type[_Body]) -> _Body:
    """Raises InvalidOrder, which names what does not fit."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise InvalidOrder(f"The body does not fit: {error}") from error
