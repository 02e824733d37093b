"""Asking a subgraph in another of our own processes: `HttpClient`, over connections that cost little."""

from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from kokoa.gateway.execute.clients import RESPONSE_BYTES_MAX, HttpClient, Sign, SubgraphUnavailable
from kokoa.graphql.http import PLAIN_JSON, RESPONSE_JSON
from kokoa.graphql.result import ExecutionResult
from kokoa.kernel.call import Call
from kokoa.kernel.errors import DeadlineExceeded
from kokoa.web.connections import AnswerTooLong, Connections, PeerFailed, address_of

_ACCEPT = f"{RESPONSE_JSON}, {PLAIN_JSON};q=0.9"


class PeerClient(HttpClient):
    """connections: carry single answers.  session: carries streams."""

    def __init__(
        self,
        name: str,
        url: str,
        connections: Connections,
        session: aiohttp.ClientSession,
        sign: Sign,
        *,
        response_bytes_max: int = RESPONSE_BYTES_MAX,
    ) -> None:
        super().__init__(name, url, session, sign, response_bytes_max=response_bytes_max)
        self._address = address_of(url)
        self._connections = connections

    async def execute(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> ExecutionResult:
        asked: dict[str, Any] = {"query": document, "variables": variables}
        if operation_name:
            asked["operationName"] = operation_name
        headers = self._headers(call, _ACCEPT)
        try:
            answer = await self._connections.post(
                self._address,
                headers,
                orjson.dumps(asked),
                answer_bytes_max=self._response_bytes_max,
                timeout_s=call.remaining_ms() / 1000,
            )
        except TimeoutError:
            raise DeadlineExceeded(f"The subgraph {self._name} did not answer before the deadline.") from None
        except AnswerTooLong:
            raise SubgraphUnavailable(
                f"The subgraph {self._name} answered more than {self._response_bytes_max} bytes."
            ) from None
        except PeerFailed as error:
            raise self._unreachable(error) from error
        return self._read(answer.status, answer.body)
