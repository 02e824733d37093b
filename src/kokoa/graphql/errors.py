"""What can go wrong with a GraphQL request, and how an exception becomes an entry of `errors`.

    Invalid
    ├── GraphqlParseFailed        the document is not GraphQL
    ├── GraphqlValidationFailed   the document does not fit the schema
    ├── LimitExceeded             the document is larger than we are willing to run
    ├── BadUserInput              a variable or an argument has a value that its type does not allow
    ├── OperationNotFound         operationName names nothing, or is missing where it is needed
    ├── MutationNeedsPost         a mutation was asked for by GET
    ├── SubscriptionNeedsStream   a subscription was asked for by a client that takes one response only
    └── PersistedQueryHashMismatch  the document that came with a hash has another one
    PersistedQueryNotFound (NotFound), OperationNotRegistered (Forbidden)
    DocumentRefused               any of the first three, with all its entries
    SchemaInvalid                 the SDL or its resolvers do not fit together (at start, never per request)

`UpstreamError` carries an entry that another GraphQL server wrote; `NullNotAllowed` and `ResolverContractBroken`
are bugs of a resolver. Everything that is not a KokoaError is logged and shown as INTERNAL.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from graphql import GraphQLError

from kokoa.kernel.errors import Forbidden, Invalid, KokoaError, NotFound, Throttled

log = structlog.get_logger(__name__)

PathKey = str | int
ErrorEntry = dict[str, Any]


class GraphqlParseFailed(Invalid):
    """The document is not GraphQL."""


class GraphqlValidationFailed(Invalid):
    """The document does not fit the schema."""


class LimitExceeded(Invalid):
    """The document is larger than we are willing to run; the message names the limit and the value."""


class BadUserInput(Invalid):
    """A variable or an argument has a value that its type does not allow."""


class OperationNotFound(Invalid):
    """operationName names nothing, or is missing where the document holds several operations."""


class MutationNeedsPost(Invalid):
    """A mutation was asked for by GET."""


class SubscriptionNeedsStream(Invalid):
    """A subscription was asked for by a client that waits for one response only."""


class PersistedQueryNotFound(NotFound):
    """Nobody registered a document of this id; an automatic one is sent again with its text."""


class PersistedQueryHashMismatch(Invalid):
    """The document that came with a hash has another one."""


class OperationNotRegistered(Forbidden):
    """This environment runs registered operations only, and this is none."""


class SchemaInvalid(Invalid):
    """The SDL or its resolvers do not fit together."""


class DocumentRefused(Invalid):
    """A document that will not run, whoever asks. entries: what the response says, one for each reason."""

    def __init__(self, entries: Sequence[ErrorEntry]) -> None:
        super().__init__("; ".join(one["message"] for one in entries))
        self.entries = list(entries)


class UpstreamError(Exception):
    """An error that another GraphQL server reported: passed on with its message, extensions and path.

    path: where the error belongs in the client's response, or None for the place where it is found. One error that
    stands in several places is reported once.
    """

    def __init__(
        self, message: str, extensions: Mapping[str, Any] | None = None, path: Sequence[PathKey] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.extensions = dict(extensions or {})
        self.path = path
        self.reported = False


class NullNotAllowed(Exception):
    """A resolver returned null where the schema promises a value."""


class ResolverContractBroken(Exception):
    """A resolver returned too few, too many or the wrong kind of things; the message names the field."""


def locations_of(nodes: Sequence[Any]) -> list[dict[str, int]]:
    """Line and column of each field's node, as `reading` left it, from 1 (GraphQL §7.1.2)."""
    return [{"line": node.loc.line, "column": node.loc.column} for node in nodes if node.loc is not None]


def entry_of_graphql_error(error: GraphQLError, code: str) -> ErrorEntry:
    """The entry for an error that parsing, validation or coercion found."""
    entry: ErrorEntry = {"message": error.message}
    if error.locations:
        entry["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    entry["extensions"] = {"code": code}
    return entry


def entry_of_kokoa_error(error: KokoaError) -> ErrorEntry:
    """The entry for an error of the kernel's tree: message and public code, never its detail."""
    extensions: dict[str, Any] = {"code": error.code}
    if isinstance(error, Invalid) and error.field:
        extensions["field"] = error.field
    if isinstance(error, Throttled):
        extensions["retryAfterS"] = error.retry_after_s
    return {"message": error.message, "extensions": extensions}


class Reporter:
    """Turns the failures of one execution into entries; logs a field's bug once, however many objects it hit."""

    __slots__ = ("_correlation_id", "_logged")

    def __init__(self, correlation_id: str) -> None:
        self._correlation_id = correlation_id
        self._logged: set[tuple[str, type]] = set()

    def entry(
        self,
        error: BaseException,
        *,
        path: Sequence[PathKey] | None,
        locations: Sequence[dict[str, int]],
        coordinate: str,
    ) -> ErrorEntry:
        """coordinate: the field as `Type.field`, for the log."""
        if isinstance(error, KokoaError):
            found = entry_of_kokoa_error(error)
            if error.detail and self._first(error, coordinate):
                log.info("field failed", field=coordinate, code=error.code, detail=error.detail)
        elif isinstance(error, UpstreamError):
            found = {"message": error.message, "extensions": dict(error.extensions)}
            path = error.path if error.path is not None else path
            error.reported = True
        else:
            found = self._bug(error, coordinate)
        entry: ErrorEntry = {"message": found["message"]}
        if locations:
            entry["locations"] = list(locations)
        if path is not None:
            entry["path"] = list(path)
        entry["extensions"] = found["extensions"]
        return entry

    def _bug(self, error: BaseException, coordinate: str) -> ErrorEntry:
        if self._first(error, coordinate):
            log.error("field is broken", field=coordinate, correlation_id=self._correlation_id, exc_info=error)
        shown = isinstance(error, NullNotAllowed)
        message = str(error) if shown else "Something went wrong on our side. Quote the correlationId to support."
        return {"message": message, "extensions": {"code": "INTERNAL", "correlationId": self._correlation_id}}

    def _first(self, error: BaseException, coordinate: str) -> bool:
        kind = (coordinate, type(error))
        known = kind in self._logged
        self._logged.add(kind)
        return not known
