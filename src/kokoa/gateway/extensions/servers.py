"""Extensions that are whole GraphQL servers: in a function, or at an address that the environment allows."""

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, Protocol

import aiohttp
from yarl import URL

from kokoa.gateway.execute.clients import HttpClient, encode_operation, read_answer
from kokoa.gateway.extension import Extension
from kokoa.gateway.extensions.errors import AddressNotAllowed, ExtensionAnswerInvalid, ExtensionEventTooLarge
from kokoa.gateway.extensions.fields import invoke_function
from kokoa.gateway.extensions.gate import Gate
from kokoa.gateway.extensions.invoking import EVENT_BYTES_MAX, FunctionInvoker, HttpEvents
from kokoa.graphql.http import PLAIN_JSON, RESPONSE_JSON
from kokoa.graphql.result import ExecutionResult, refusal
from kokoa.graphql.streaming import NEEDS_STREAM
from kokoa.graphql.subgraph import Subgraph
from kokoa.kernel.call import Call
from kokoa.kernel.errors import KokoaError

PARTNER_RESPONSE_BYTES_MAX = 8_000_000

Allowed = Callable[[str, int], Awaitable[bool]]
"""(host, port) → whether the environment lets extensions connect there."""


class Target(Protocol):
    """Who answers for an extension.

    checks: whether its answers fit the SDL, each override has had its own deadline, and every failure has an error.
    """

    checks: bool

    async def execute(
        self, document: str, variables: Mapping[str, Any], call: Call, *, patience_ms: int | None, again: bool
    ) -> ExecutionResult:
        """patience_ms: less than what is left of the call.  again: whether a second attempt does no harm.

        Raises KokoaError.
        """

    def stream(
        self, document: str, variables: Mapping[str, Any], call: Call
    ) -> AsyncGenerator[ExecutionResult, None]:
        """A result for each event of a subscription. Raises KokoaError."""


class FieldsTarget:
    """Field functions: the deadlines and attempts are each invoke's own."""

    checks = True

    def __init__(self, subgraph: Subgraph) -> None:
        self._subgraph = subgraph

    async def execute(
        self, document: str, variables: Mapping[str, Any], call: Call, *, patience_ms: int | None, again: bool
    ) -> ExecutionResult:
        return await self._subgraph.execute(document, variables, call, trusted=True)

    async def stream(
        self, document: str, variables: Mapping[str, Any], call: Call
    ) -> AsyncGenerator[ExecutionResult, None]:
        yield refusal(NEEDS_STREAM)


class FunctionTarget:
    """A function with a GraphQL server in it, asked by an API Gateway event (payload format 2.0)."""

    checks = False

    def __init__(self, extension: Extension, invoker: FunctionInvoker, events: HttpEvents, gate: Gate) -> None:
        self._extension = extension
        self._invoker = invoker
        self._events = events
        self._gate = gate

    async def execute(
        self, document: str, variables: Mapping[str, Any], call: Call, *, patience_ms: int | None, again: bool
    ) -> ExecutionResult:
        body = encode_operation(document, variables, None)

        async def ask(bounded: Call) -> ExecutionResult:
            headers = [("content-type", PLAIN_JSON), ("accept", f"{RESPONSE_JSON}, {PLAIN_JSON};q=0.9")]
            event = self._events.event_of(self._extension, headers, body, bounded)
            if len(event) > EVENT_BYTES_MAX:
                raise ExtensionEventTooLarge(
                    f"The operation for {self._extension.name} is an event of {len(event)} bytes; a function takes "
                    f"at most {EVENT_BYTES_MAX}. Ask for fewer objects at once."
                )
            payload = await invoke_function(self._invoker, self._extension, event, bounded)
            return read_answer(self._extension.name, *self._response_of(payload))

        return await self._gate.run(ask, call, patience_ms=patience_ms, again=again)

    def _response_of(self, payload: bytes) -> tuple[int, bytes]:
        try:
            return self._events.response_of(payload)
        except KokoaError as error:
            raise ExtensionAnswerInvalid(
                f"The extension {self._extension.name} answered what is no HTTP response.", detail=error.detail
            ) from error

    async def stream(
        self, document: str, variables: Mapping[str, Any], call: Call
    ) -> AsyncGenerator[ExecutionResult, None]:
        yield refusal(NEEDS_STREAM)


class _PartnerHttp(HttpClient):
    """Tells a partner's server nothing of ours but which request this is."""

    def _headers(self, call: Call, accept: str) -> dict[str, str]:
        return {
            "content-type": PLAIN_JSON,
            "accept": accept,
            "accept-encoding": "identity",
            "x-correlation-id": call.correlation_id,
            # https://www.w3.org/TR/trace-context/#traceparent-header
            "traceparent": f"00-{call.correlation_id}-{call.span_id or secrets.token_hex(8)}-01",
        }


def _no_token(_: Call) -> str:
    return ""


class UrlTarget:
    """A GraphQL server elsewhere. allowed: asked before each request, so that the environment can change its mind."""

    checks = False

    def __init__(
        self,
        extension: Extension,
        session: aiohttp.ClientSession,
        allowed: Allowed,
        gate: Gate,
        *,
        response_bytes_max: int = PARTNER_RESPONSE_BYTES_MAX,
    ) -> None:
        self._name = extension.name
        self._url = URL(extension.url)
        self._allowed = allowed
        self._gate = gate
        self._http = _PartnerHttp(
            extension.name, extension.url, session, _no_token, response_bytes_max=response_bytes_max
        )

    async def execute(
        self, document: str, variables: Mapping[str, Any], call: Call, *, patience_ms: int | None, again: bool
    ) -> ExecutionResult:
        entered = call.enter(f"subgraph {self._name}")

        async def ask(bounded: Call) -> ExecutionResult:
            await self._require_allowed()
            return await self._http.execute(document, variables, bounded, None)

        return await self._gate.run(ask, entered, patience_ms=patience_ms, again=again)

    async def stream(
        self, document: str, variables: Mapping[str, Any], call: Call
    ) -> AsyncGenerator[ExecutionResult, None]:
        await self._require_allowed()
        found = self._http.stream(document, variables, call.enter(f"subgraph {self._name}"), None)
        async with aclosing(found):
            async for result in found:
                yield result

    async def _require_allowed(self) -> None:
        host, port = self._url.host or "", self._url.port or 0
        if not await self._allowed(host, port):
            raise AddressNotAllowed(
                f"The extension {self._name} is at an address that this environment does not allow.",
                detail=f"{host}:{port} is not in the environment's allowlist.",
            )
