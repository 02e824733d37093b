"""Asking a subgraph: in this process, or over HTTP. One seam, `SubgraphClient`."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Protocol

import aiohttp
import orjson
from msgspec import UNSET
from yarl import URL

from kokoa.graphql.http import EVENT_STREAM, PLAIN_JSON, RESPONSE_JSON
from kokoa.graphql.result import ExecutionResult
from kokoa.graphql.sse import HEARTBEAT_S, read_events
from kokoa.graphql.subgraph import Subgraph
from kokoa.kernel.call import Call
from kokoa.kernel.errors import DeadlineExceeded, Unavailable

RESPONSE_BYTES_MAX = 32_000_000
CALL_HEADER = "X-Kokoa-Call"
CONNECT_S = 5.0
SILENCE_S_MAX = 4 * HEARTBEAT_S
PASSING_STATUSES = frozenset({502, 503, 504})

Sign = Callable[[Call], str]


class SubgraphUnavailable(Unavailable):
    """A subgraph does not answer, or answers what is not GraphQL; the message names it.

    passing: whether the very next attempt may be answered.
    """

    def __init__(self, message: str, *, detail: str = "", passing: bool = False) -> None:
        super().__init__(message, detail=detail)
        self.passing = passing


class SubgraphClient(Protocol):
    """Asks one subgraph."""

    @property
    def trusted(self) -> bool:
        """Whether its answers fit its schema without being looked at."""

    @property
    def punctual(self) -> bool:
        """Whether it ends by itself when the call's time is over, so that nobody else has to look at the clock."""

    async def execute(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> ExecutionResult:
        """Execute one operation. Raises SubgraphUnavailable, DeadlineExceeded."""

    def stream(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> AsyncGenerator[ExecutionResult, None]:
        """Execute one operation of any kind; a subscription has a result for each event.

        Raises SubgraphUnavailable, EventTooLong.
        """


class InProcessClient:
    """A subgraph of our own in this process; it keeps compiled operations by their text.

    validate: let it validate what the planner wrote, for tests of the planner.
    """

    trusted = True
    punctual = True

    def __init__(self, subgraph: Subgraph, *, validate: bool = False) -> None:
        self._subgraph = subgraph
        self._validate = validate

    async def execute(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> ExecutionResult:
        return await self._subgraph.execute(document, variables, call, operation_name, trusted=not self._validate)

    def stream(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> AsyncGenerator[ExecutionResult, None]:
        return self._subgraph.stream(document, variables, call, operation_name)


class HttpClient:
    """A subgraph behind a URL. session: shared and kept open.

    sign: makes the token by which one of our own processes knows the call; None for a stranger's server.
    """

    trusted = False
    punctual = True

    def __init__(
        self,
        name: str,
        url: str,
        session: aiohttp.ClientSession,
        sign: Sign | None,
        *,
        response_bytes_max: int = RESPONSE_BYTES_MAX,
    ) -> None:
        self._name = name
        self._url = url
        self._session = session
        self._sign = sign
        self._response_bytes_max = response_bytes_max

    async def execute(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> ExecutionResult:
        timeout = aiohttp.ClientTimeout(total=call.remaining_ms() / 1000, sock_connect=CONNECT_S)
        headers = self._headers(call, f"{RESPONSE_JSON}, {PLAIN_JSON};q=0.9")
        body = encode_operation(document, variables, operation_name)
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                return self._read(response.status, await self._body_of(response))
        except aiohttp.ConnectionTimeoutError as error:
            raise self._unreachable(error) from error
        except TimeoutError:
            raise DeadlineExceeded(f"The subgraph {self._name} did not answer before the deadline.") from None
        except aiohttp.ClientError as error:
            raise self._unreachable(error) from error

    async def stream(
        self,
        document: str,
        variables: Mapping[str, Any],
        call: Call,
        operation_name: str | None,
        *,
        read_only: bool = False,
    ) -> AsyncGenerator[ExecutionResult, None]:
        """read_only: ask by GET, so that the other side refuses a mutation."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S_MAX)
        headers = self._headers(call, EVENT_STREAM)
        url, data = URL(self._url), encode_operation(document, variables, operation_name)
        if read_only:
            asked = {"query": document, "variables": orjson.dumps(variables).decode()}
            url, data = url.with_query(asked | {"operationName": operation_name or ""}), b""
        try:
            async with self._session.request(
                "GET" if read_only else "POST",
                url,
                data=data or None,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                if response.content_type != EVENT_STREAM:
                    yield self._read(response.status, await self._body_of(response))
                    return
                found = read_events(response.content.iter_any(), event_bytes_max=self._response_bytes_max)
                async with aclosing(found):
                    async for event, data in found:
                        if event == "complete":
                            return
                        if event == "next":
                            yield self._read(response.status, data)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise self._unreachable(error) from error

    def _headers(self, call: Call, accept: str) -> dict[str, str]:
        headers = {"content-type": PLAIN_JSON, "accept": accept, "x-correlation-id": call.correlation_id}
        if self._sign is None:
            return headers | {"accept-encoding": "identity"}
        return headers | {CALL_HEADER: self._sign(call)}

    def _unreachable(self, error: Exception) -> SubgraphUnavailable:
        return SubgraphUnavailable(f"The subgraph {self._name} cannot be reached.", detail=repr(error), passing=True)

    async def _body_of(self, response: aiohttp.ClientResponse) -> bytes:
        """The body, as long as it is within the bound."""
        body = bytearray()
        async for chunk in response.content.iter_chunked(65_536):
            body += chunk
            if len(body) > self._response_bytes_max:
                raise SubgraphUnavailable(
                    f"The subgraph {self._name} answered more than {self._response_bytes_max} bytes."
                )
        return bytes(body)

    def _read(self, status: int, body: bytes) -> ExecutionResult:
        return read_answer(self._name, status, body)


def read_answer(name: str, status: int, body: bytes) -> ExecutionResult:
    """The GraphQL response in an HTTP response of a subgraph. Raises SubgraphUnavailable."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict) or not ("data" in answer or "errors" in answer):
        raise SubgraphUnavailable(
            f"The subgraph {name} answered what is not a GraphQL response (HTTP status {status}).",
            passing=status in PASSING_STATUSES,
        )
    data, errors = answer.get("data", UNSET), answer.get("errors") or []
    if not (data is UNSET or data is None or isinstance(data, dict)) or not isinstance(errors, list):
        raise SubgraphUnavailable(f"The subgraph {name} answered a malformed GraphQL response.")
    return ExecutionResult(data, [one for one in errors if isinstance(one, dict)])


def encode_operation(document: str, variables: Mapping[str, Any], operation_name: str | None) -> bytes:
    """The operation as the body of a POST request."""
    body: dict[str, Any] = {"query": document, "variables": variables}
    if operation_name:
        body["operationName"] = operation_name
    return orjson.dumps(body)
