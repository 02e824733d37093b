"""What an execution gives back: plain dicts, ready for JSON (GraphQL §7.1)."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from kokoa.graphql.errors import DocumentRefused, ErrorEntry, entry_of_kokoa_error
from kokoa.kernel.errors import KokoaError
from kokoa.kernel.overrides import Answered


class CacheControl(msgspec.Struct, frozen=True):
    """How long an answer may be kept. max_age_s: 0 for not at all.  private: only by the client that asked."""

    max_age_s: int
    private: bool = False


NOT_KEPT = CacheControl(0)


class ExecutionResult(msgspec.Struct, frozen=True):
    """data: the response map, None when a null reached the root, UNSET when nothing was executed.

    errors: entries as the specification shapes them.  extensions: what else the client asked to be told.
    cache_control: for the HTTP answer, never part of the response; None where nothing is known.
    answered: for services that ask, never part of the response: who answered what partners have taken over.
    """

    data: dict[str, Any] | UnsetType | None = UNSET
    errors: Sequence[ErrorEntry] = ()
    extensions: Mapping[str, Any] | None = None
    cache_control: CacheControl | None = None
    answered: Answered | None = None

    @property
    def refused(self) -> bool:
        """Whether the request never reached execution (a *request error* of the specification)."""
        return self.data is UNSET

    def response(self) -> dict[str, Any]:
        """The response map: errors first, as the specification advises, and only if there are any."""
        response: dict[str, Any] = {}
        if self.errors:
            response["errors"] = list(self.errors)
        if self.data is not UNSET:
            response["data"] = self.data
        if self.extensions:
            response["extensions"] = dict(self.extensions)
        return response


def refusal(error: KokoaError) -> ExecutionResult:
    """The result of a request that is refused before execution."""
    if isinstance(error, DocumentRefused):
        return ExecutionResult(errors=error.entries)
    return ExecutionResult(errors=[entry_of_kokoa_error(error)])
