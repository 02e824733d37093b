"""Persisted operations: a client sends the id of a document in place of its text.

*Registered* documents were given to the store beforehand, by whoever builds the storefront; an environment can be
told to run nothing else. *Automatic* ones (Apollo's APQ) are kept when a client sends text and SHA-256 together once;
another process, or this one after a restart, asks for the text again. A request names a document either way:

    {"documentId": "sha256:ecf4…"}  or  {"documentId": "product-page-v3"}
    {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "ecf4…"}}}
"""

from hashlib import sha256
from typing import Protocol

from kokoa.graphql.errors import OperationNotRegistered, PersistedQueryHashMismatch, PersistedQueryNotFound
from kokoa.graphql.http import GraphQLRequest
from kokoa.graphql.lru import Lru
from kokoa.kernel.call import Call

AUTOMATIC_MAX = 5_000
AUTOMATIC_CHARACTERS_MAX = 4_000  # of one document; 5,000 of them take 20 MB at most


class RegisteredOperations(Protocol):
    """Where registered documents are kept."""

    async def find(self, environment_id: str, document_id: str) -> str | None:
        """The text of a document, by its id: a name, or the SHA-256 of the text in hexadecimal."""

    async def are_required(self, environment_id: str) -> bool:
        """Whether storefront callers of the environment may send registered documents only."""


class PersistedOperations:
    """Finds the text that a request means; keeps automatic documents, each for its environment only."""

    def __init__(self, registered: RegisteredOperations) -> None:
        self._registered = registered
        self._automatic: Lru[tuple[str, str], str] = Lru(AUTOMATIC_MAX)

    async def text_of(self, asked: GraphQLRequest, call: Call) -> str:
        """Raises PersistedQueryNotFound, PersistedQueryHashMismatch, OperationNotRegistered."""
        text, name = asked.query, asked.document_id
        if text is not None and name is not None and _hash(text) != name:
            raise PersistedQueryHashMismatch("The hash is not the SHA-256 of the query that came with it.")
        if name is not None:
            registered = await self._registered.find(call.environment_id, name)
            if registered is not None:
                return registered
            text = text or self._automatic.get((call.environment_id, name))
        if call.caller.kind == "storefront":
            await self._check_registered(text, call)
        if text is None:
            raise PersistedQueryNotFound("PersistedQueryNotFound")  # the words that clients look for
        return text

    async def _check_registered(self, text: str | None, call: Call) -> None:
        if not await self._registered.are_required(call.environment_id):
            return
        if text is None or await self._registered.find(call.environment_id, _hash(text)) is None:
            raise OperationNotRegistered(
                "This store runs registered operations only, and this is none of them. Register it with "
                "`kokoa operations register`, or ask with the server's own secrets."
            )

    def keep(self, asked: GraphQLRequest, call: Call) -> None:
        """Keep the document of a request that was run, if it came with its hash."""
        if asked.query is not None and asked.document_id is not None and len(asked.query) <= AUTOMATIC_CHARACTERS_MAX:
            self._automatic.put((call.environment_id, asked.document_id), asked.query)


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
