"""What the gateway needs of the function host, as Protocols that `roles` fills."""

from collections.abc import Sequence
from typing import Protocol

from kokoa.gateway.extension import Extension
from kokoa.kernel.call import Call

EVENT_BYTES_MAX = 6 * 1024 * 1024
"""Of an event and of an answer, as AWS Lambda has it for a synchronous invoke."""


class FunctionAnswer(Protocol):
    """payload: what the function returned, or its error object when function_error is set."""

    @property
    def payload(self) -> bytes: ...
    @property
    def function_error(self) -> str | None: ...


class FunctionInvoker(Protocol):
    """Invokes a function of an account and waits. Raises kernel kinds: Throttled, Unavailable, NotFound, …

    The invoker makes the hop: what the function asks of the store is one deeper than `call`.
    """

    async def invoke(self, call: Call, account_id: str, function: str, payload: bytes) -> FunctionAnswer: ...


class HttpEvents(Protocol):
    """A POST request as the event that a function with an HTTP server in it expects, and its answer as a response."""

    def event_of(
        self, extension: Extension, headers: Sequence[tuple[str, str]], body: bytes, call: Call
    ) -> bytes: ...

    def response_of(self, payload: bytes) -> tuple[int, bytes]:
        """Status and body. Raises KokoaError, whose detail says what is wrong with the answer."""
