"""Text → a document that may run: limits, parse, validate. Pure, and without anything of the process it runs in.

What comes out is light: of all positions in the text, only those are kept that answers show.
"""

from collections.abc import Iterator
from typing import Any, Protocol

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    GraphQLSchema,
    GraphQLSyntaxError,
    VariableDefinitionNode,
    parse,
    validate,
)
from graphql.language import Node

from kokoa.graphql.errors import DocumentRefused, LimitExceeded, entry_of_graphql_error, entry_of_kokoa_error
from kokoa.graphql.limits import Limits, check_document, check_text

VALIDATION_ERRORS_MAX = 20


class SchemaText(Protocol):
    """A schema that can be told to another process. Both are made once and kept."""

    @property
    def schema(self) -> GraphQLSchema: ...
    @property
    def sdl(self) -> str: ...


class DocumentReader(Protocol):
    """Reads a long document where nobody waits for it. key: whose it is, for a fair share."""

    async def read(self, key: str, schema: SchemaText, text: str, limits: Limits) -> DocumentNode:
        """Raises DocumentRefused, TooManyNewDocuments, and Unavailable."""


class Position:
    """Where a field stands: line and column, from 1. It is false, so that graphql-core takes it for no location."""

    __slots__ = ("column", "line")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> tuple[type["Position"], tuple[int, int]]:
        return Position, (self.line, self.column)


def read(schema: GraphQLSchema, text: str, limits: Limits) -> DocumentNode:
    """Parse and validate. Raises DocumentRefused, with an entry for each reason."""
    try:
        check_text(text, limits)
        parsed = parse(text)
        _unchain(parsed)
        check_document(parsed, limits)
    except LimitExceeded as error:
        raise DocumentRefused([entry_of_kokoa_error(error)]) from None
    except GraphQLSyntaxError as error:
        raise DocumentRefused([entry_of_graphql_error(error, "GRAPHQL_PARSE_FAILED")]) from None
    errors = validate(schema, parsed, max_errors=VALIDATION_ERRORS_MAX)
    if errors:
        raise DocumentRefused([entry_of_graphql_error(one, "GRAPHQL_VALIDATION_FAILED") for one in errors])
    _lighten(parsed)
    return parsed


def read_own(text: str) -> DocumentNode:
    """Parse what we wrote ourselves and know to be valid. Raises DocumentRefused if it is not even GraphQL."""
    try:
        return parse(text, no_location=True)
    except GraphQLSyntaxError as error:
        raise DocumentRefused([entry_of_graphql_error(error, "GRAPHQL_PARSE_FAILED")]) from None


def _unchain(parsed: DocumentNode) -> None:
    """Let the tokens of a document go. Each points to the next and to the one before, so that a flood of documents
    would leave hundreds of thousands of objects for the garbage collector alone, which stops everything meanwhile.
    """
    token = parsed.loc.start_token if parsed.loc else None
    while token is not None:
        following = token.next
        token.prev = token.next = None
        token = following


def _lighten(parsed: DocumentNode) -> None:
    """Forget all positions but fields', for errors, and variables' and arguments', which graphql-core reports."""
    waiting: list[Node] = [parsed]
    while waiting:
        node = waiting.pop()
        if isinstance(node, VariableDefinitionNode | ArgumentNode):
            continue
        if isinstance(node, FieldNode) and node.loc:
            start = node.loc.start_token
            object.__setattr__(node, "loc", Position(start.line, start.column))
        else:
            object.__setattr__(node, "loc", None)  # nodes are frozen, but these are still ours alone
        waiting += _below(node)


def _below(node: Node) -> Iterator[Node]:
    value: Any
    for value in vars(node).values():
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple | list):
            yield from (one for one in value if isinstance(one, Node))
