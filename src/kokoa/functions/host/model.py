"""What travels between a dispatcher and a function host, and what a host tells about its functions."""

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import msgspec

PAYLOAD_BYTES_MAX = 6 * 1024 * 1024
"""Largest synchronous request (AWS Lambda quota)."""

RESPONSE_BYTES_MAX = 6_291_556
"""Largest answer; AWS allows 100 bytes more than 6 MiB."""

LOG_TAIL_BYTES = 4096


class Discreet(msgspec.Struct, frozen=True):
    """Shows in logs and tracebacks only the fields that are no secret."""

    shown: ClassVar[tuple[str, ...]] = ()

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self.shown]

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({fields}, …)"


class FunctionSpec(Discreet, frozen=True):
    """Everything a host needs to know about one version of a function.

    arn: invoked function ARN.  code_sha256: lower-case hex of the zip.  revision_id: changes with every change
    of code or configuration; a sandbox of another revision never serves this one.  reserved_concurrency: the most
    that may run at once; -1 = as many as the account may.  egress: the destinations it may reach, as host:port.
    """

    environment_id: str
    account_id: str
    name: str
    arn: str
    runtime: str
    handler: str
    memory_mb: int
    timeout_s: int
    environment: dict[str, str]
    code_sha256: str
    code_size: int
    revision_id: str
    version: str = "$LATEST"
    reserved_concurrency: int = -1
    egress: tuple[str, ...] = ()

    shown = ("environment_id", "arn", "version", "revision_id")


class Credentials(Discreet, frozen=True):
    """Temporary keys of the function's account, put into its environment."""

    access_key_id: str
    secret_access_key: str
    session_token: str

    shown = ("access_key_id",)


class InvokeRequest(Discreet, frozen=True):
    """payload: JSON.  deadline_ms: unix time until which the caller waits, queueing included.

    depth: hops so far; nested calls are served from a reserve.  token: opaque; what this invocation asks of the
    store carries it.  client_context: JSON text, already decoded from base64.
    """

    request_id: str
    function: FunctionSpec
    payload: bytes
    deadline_ms: int
    correlation_id: str
    depth: int
    token: str
    credentials: Credentials
    client_context: str = ""
    log_tail: bool = False

    shown = ("request_id", "function", "correlation_id", "depth", "deadline_ms")


class Invocation(msgspec.Struct, frozen=True):
    """payload: the answer, or AWS's error document when function_error is set ("Unhandled").

    log_tail: the last 4 KB of this invocation's log when it was asked for.  duration_ms: without the cold start.
    """

    payload: bytes
    function_error: str | None
    log_tail: bytes
    duration_ms: float
    executed_version: str
    cold_start: bool


class LogRecord(msgspec.Struct, frozen=True):
    """One log event. id: unique and stable, so that writing it twice can be noticed."""

    id: str
    environment_id: str
    account_id: str
    log_group: str
    log_stream: str
    timestamp_ms: int
    message: str
    request_id: str
    correlation_id: str


class LogSink(Protocol):
    """Where a host's function logs go."""

    async def write(self, records: Sequence[LogRecord]) -> None:
        """Keep the records; raise to have them offered again."""


class CodeSource(Protocol):
    """Where a host gets function packages from."""

    async def fetch(self, sha256: str) -> bytes:
        """The zip with this digest (lower-case hex). Raises FunctionCodeUnavailable."""
