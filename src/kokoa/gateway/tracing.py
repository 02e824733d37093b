"""What the gateway tells whoever draws its requests: an operation, within it the plan, within it each fetch.

A process that draws nothing has no `Tracer` (None), and pays for one comparison a request and one a fetch.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from kokoa.graphql.result import ExecutionResult
from kokoa.kernel.call import Call

CODE_LENGTH_MAX = 100


class FetchSpan(Protocol):
    """One request to a subgraph."""

    @property
    def id(self) -> str:
        """16 hex digits for a `traceparent`; empty if this trace is not kept."""

    def end(self, outcome: str, code: str) -> None:
        """outcome: answered, errors, failed or abandoned.  code: of the first error, empty if there is none."""


class OperationSpan(Protocol):
    """One operation, from the request until its answer."""

    def named(self, name: str | None, kind: str) -> None:
        """Now it is known what it is. kind: query, mutation or subscription."""

    def remembered(self) -> None:
        """Its plan did not have to be made."""

    def plan(self) -> AbstractContextManager[None]:
        """Around the making of its plan."""

    def fetch(self, subgraph: str, entities_count: int) -> FetchSpan:
        """A request to a subgraph begins. entities_count: representations in it; 0 for root fields."""

    def end(self, errors_count: int | None) -> None:
        """errors_count: None if nobody waited for the answer."""


class Tracer(Protocol):
    """Where a process draws its spans."""

    def operation(self, document: str, call: Call) -> OperationSpan:
        """An operation begins; its trace is the call's correlation id."""


def outcome_of(result: ExecutionResult) -> str:
    """What became of a fetch: answered, errors, or failed if it brought nothing."""
    if not isinstance(result.data, dict):
        return "failed"
    return "errors" if result.errors else "answered"


def code_of(result: ExecutionResult) -> str:
    """The code of the first error. A partner's server may write anything there; what is no short text is left out."""
    if not result.errors:
        return ""
    extensions: Any = result.errors[0].get("extensions")
    code = extensions.get("code") if isinstance(extensions, Mapping) else None
    return code if isinstance(code, str) and len(code) <= CODE_LENGTH_MAX else ""
