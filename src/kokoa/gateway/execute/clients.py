"""Asking a subgraph: in this process, or over HTTP. One seam, `SubgraphClient`."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import aiohttp
import orjson
from msgspec import UNSET

from kokoa.graphql.http import PLAIN_JSON, RESPONSE_JSON
from kokoa.graphql.result import ExecutionResult
from kokoa.graphql.subgraph import Subgraph
from kokoa.kernel.call import Call
from kokoa.kernel.errors import DeadlineExceeded, Unavailable

RESPONSE_BYTES_MAX = 32_000_000
CALL_HEADER = "X-Kokoa-Call"

Sign = Callable[[Call], str]


class SubgraphUnavailable(Unavailable):
    """A subgraph does not answer, or answers what is not GraphQL; the message names it."""


class SubgraphClient(Protocol):
    """Asks one subgraph."""

    @property
    def trusted(self) -> bool:
        """Whether its answers fit its schema without being looked at."""

    async def execute(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> ExecutionResult:
        """Execute one operation. Raises SubgraphUnavailable, DeadlineExceeded."""


class InProcessClient:
    """A subgraph of our own in this process; it keeps compiled operations by their text."""

    trusted = True

    def __init__(self, subgraph: Subgraph) -> None:
        self._subgraph = subgraph

    async def execute(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> ExecutionResult:
        return await self._subgraph.execute(document, variables, call, operation_name)


class HttpClient:
    """A subgraph behind a URL. sign: makes the token by which it knows the call; session: shared and kept open."""

    trusted = False

    def __init__(
        self,
        name: str,
        url: str,
        session: aiohttp.ClientSession,
        sign: Sign,
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
        body: dict[str, Any] = {"query": document, "variables": variables}
        if operation_name:
            body["operationName"] = operation_name
        headers = {
            "content-type": PLAIN_JSON,
            "accept": f"{RESPONSE_JSON}, {PLAIN_JSON};q=0.9",
            "x-correlation-id": call.correlation_id,
            CALL_HEADER: self._sign(call),
        }
        timeout = aiohttp.ClientTimeout(total=call.remaining_ms() / 1000)
        try:
            async with self._session.post(
                self._url, data=orjson.dumps(body), headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                return self._read(response.status, await self._body_of(response))
        except TimeoutError:
            raise DeadlineExceeded(f"The subgraph {self._name} did not answer before the deadline.") from None
        except aiohttp.ClientError as error:
            raise SubgraphUnavailable(f"The subgraph {self._name} cannot be reached.", detail=str(error)) from error

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
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict) or not ("data" in answer or "errors" in answer):
            raise SubgraphUnavailable(
                f"The subgraph {self._name} answered what is not a GraphQL response (HTTP status {status})."
            )
        data, errors = answer.get("data", UNSET), answer.get("errors") or []
        if not (data is UNSET or data is None or isinstance(data, dict)) or not isinstance(errors, list):
            raise SubgraphUnavailable(f"The subgraph {self._name} answered a malformed GraphQL response.")
        return ExecutionResult(data, [one for one in errors if isinstance(one, dict)])
