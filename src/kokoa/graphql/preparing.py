"""From a request's text and variables to a program that may run.

What is short is done at once; what is long (a document, a list of variables) waits for its turn in the lane, so that
nobody's document holds up everybody's requests. A long document that many send at once has one turn for all of them.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from graphql import DocumentNode, GraphQLSchema, OperationType, print_schema
from graphql.execution.values import VariableValues

from kokoa.graphql.document import SHORT_CHARACTERS, Document, DocumentCache, Operation, make_document, read_document
from kokoa.graphql.errors import DocumentRefused, MutationNeedsPost
from kokoa.graphql.lane import Lane
from kokoa.graphql.limits import Limits, count_values
from kokoa.graphql.once import Once
from kokoa.graphql.program import Program
from kokoa.graphql.reading import DocumentReader, read_own
from kokoa.graphql.schema import Executable
from kokoa.kernel.call import Call

Result = TypeVar("Result")

FEW_VALUES = 1_000


class Prepared(NamedTuple):
    """A request that may run. variables: coerced."""

    document: Document
    operation: Operation
    variables: VariableValues
    assignment: tuple[bool, ...]
    program: Program


class Preparation:
    """For one schema; keeps what it has read.

    lane: for heavy work in this process.  reader: reads long documents, elsewhere if it likes.
    """

    def __init__(
        self, executable: Executable, limits: Limits, lane: Lane, reader: DocumentReader | None = None
    ) -> None:
        self._executable = executable
        self._limits = limits
        self._lane = lane
        self._reader = reader or lane
        self._documents = DocumentCache()
        self._own = DocumentCache()
        self._reading: Once[Document | DocumentRefused] = Once()
        self._reading_own: Once[DocumentNode] = Once()
        self._compiling: Once[Program] = Once()

    @property
    def schema(self) -> GraphQLSchema:
        return self._executable.schema

    @cached_property
    def sdl(self) -> str:
        """The schema as text, for a reader in another process."""
        return print_schema(self._executable.schema)

    def document(self, text: str) -> Document:
        """Parse and validate now, for documents of our own. Raises DocumentRefused."""
        known = self._documents.get(text)
        return known or self._keep(text, lambda: read_document(self._executable, text, self._limits))

    def remembers(self, text: str) -> bool:
        """Whether the document is kept, so that what is made of it is worth keeping too."""
        return text in self._documents

    async def prepare(
        self,
        text: str,
        operation_name: str | None,
        variables: Mapping[str, Any],
        call: Call,
        *,
        read_only: bool,
        trusted: bool = False,
    ) -> Prepared:
        """read_only: refuse mutations, for GET requests.  trusted: the document is known to be valid.

        Raises DocumentRefused, OperationNotFound, MutationNeedsPost, LimitExceeded, TooManyNewDocuments, Unavailable.
        """
        document = (self._own if trusted else self._documents).get(text)
        if document is None:
            document = await (self._trusted(text, call) if trusted else self._read(text, call))
        operation = document.operation(operation_name)
        if read_only and operation.kind is OperationType.MUTATION:
            raise MutationNeedsPost("A mutation needs a POST request.")
        if count_values(variables, self._limits) <= FEW_VALUES or operation.takes_as_they_are(variables):
            coerced = operation.coerce(variables)
        else:
            coerced = await self._lane.run(_key(call), lambda: operation.coerce(variables))
        assignment = operation.assignment(coerced.coerced)
        program = document.known_program(operation, assignment)
        if program is None:
            program = await self._compiling.do(
                (text, operation.name, assignment),
                lambda: self.in_turn(text, call, lambda: document.compile(operation, assignment)),
            )
            document.keep_program(operation, assignment, program)
        program.cost.check(coerced.coerced, self._limits)
        return Prepared(document, operation, coerced, assignment, program)

    async def _read(self, text: str, call: Call) -> Document:
        if len(text) <= SHORT_CHARACTERS:
            return self._keep(text, lambda: read_document(self._executable, text, self._limits))
        found = await self._reading.do(text, lambda: self._read_long(text, call))
        self._documents.keep(text, found)
        if isinstance(found, DocumentRefused):
            raise DocumentRefused(found.entries)
        return found

    async def _read_long(self, text: str, call: Call) -> Document | DocumentRefused:
        """Raises TooManyNewDocuments, Unavailable."""
        try:
            parsed = await self._reader.read(_key(call), self, text, self._limits)
            return make_document(self._executable, text, parsed)
        except DocumentRefused as refused:
            return refused

    def _keep(self, text: str, make: Callable[[], Document]) -> Document:
        try:
            made = make()
        except DocumentRefused as refused:
            self._documents.keep(text, refused)
            raise
        self._documents.keep(text, made)
        return made

    async def _trusted(self, text: str, call: Call) -> Document:
        parsed = await self._reading_own.do(text, lambda: self.in_turn(text, call, lambda: read_own(text)))
        read = make_document(self._executable, text, parsed)
        self._own.keep(text, read)
        return read

    async def in_turn(self, text: str, call: Call, work: Callable[[], Result]) -> Result:
        """Work on this document: now if it is short, else in the lane. Raises TooManyNewDocuments."""
        if len(text) <= SHORT_CHARACTERS:
            return work()
        return await self._lane.run(_key(call), work)


def _key(call: Call) -> str:
    return f"{call.environment_id}/{call.caller.kind}"
