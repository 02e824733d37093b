"""Which documents graphs are asked: noted beside the requests, told to tenants in batches.

A process tells a document once a day, so what is asked again and again costs one look into a table. What is noted and
not yet told goes with a process that is killed: at most a few seconds of documents that nobody asked for before on
that day.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

import structlog
from graphql import (
    ArgumentNode,
    GraphQLError,
    ObjectFieldNode,
    StringValueNode,
    VariableDefinitionNode,
    Visitor,
    parse,
    print_ast,
    strip_ignored_characters,
    visit,
)

from kokoa.graphql.lru import Lru
from kokoa.kernel.errors import KokoaError
from kokoa.roles.seams import UsedDocument, UsedOperations
from kokoa.services.tenants.used_operations.model import BATCH_MAX, DOCUMENT_BYTES_MAX, fits

_log = structlog.get_logger(__name__)

FLUSH_S = 1.0
NOTED_MAX = 50_000
PENDING_MAX = 2_000
PENDING_OF_ENVIRONMENT_MAX = BATCH_MAX
CHARACTERS_MAX = 256 * 1024
PENDING_CHARACTERS_MAX = 1024 * 1024  # of an environment
_DAY_S = 86_400
_SECRET = re.compile("secret|password|token", re.IGNORECASE)

_Key = tuple[str, int]


class UsageNotes:
    """clock: unix time, in seconds."""

    def __init__(self, operations: UsedOperations, *, clock: Callable[[], float] = time.time) -> None:
        self._operations = operations
        self._clock = clock
        # Environment and hash of a text → the day on which it was told last.
        self._noted: Lru[_Key, int] = Lru(NOTED_MAX)
        self._pending: dict[str, dict[_Key, str]] = {}
        self._characters: Counter[str] = Counter()
        self._waiting = 0

    def note(self, environment_id: str, text: str) -> None:
        """The graph of an environment has answered a document. Costs next to nothing, and never fails."""
        key = (environment_id, hash(text))
        day = int(self._clock() // _DAY_S)
        if self._noted.get(key) == day or len(text) > CHARACTERS_MAX:
            return
        own = self._pending.setdefault(environment_id, {})
        has_room = len(own) < PENDING_OF_ENVIRONMENT_MAX and self._waiting < PENDING_MAX
        if has_room and self._characters[environment_id] + len(text) <= PENDING_CHARACTERS_MAX:
            self._noted.put(key, day)
            own[key] = text
            self._characters[environment_id] += len(text)
            self._waiting += 1

    async def run(self) -> None:
        """Tell what was noted, again and again."""
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.flush()

    async def flush(self) -> None:
        """Tell what was noted by now. What cannot be told is noted again when it is asked again."""
        pending, self._pending, self._waiting = self._pending, {}, 0
        self._characters.clear()
        for environment_id, texts in pending.items():
            day = datetime.fromtimestamp(self._clock(), UTC).date()
            try:
                used = await asyncio.to_thread(_documents, texts, day)
                await self._operations.note(environment_id, used)
            except KokoaError as error:
                _log.warning("usage_not_noted", environment_id=environment_id, reason=error.message)
                for key in texts:
                    self._noted.put(key, -1)


def _documents(texts: Mapping[_Key, str], day: date) -> list[UsedDocument]:
    """Without what GraphQL ignores, without secrets, and without what cannot be kept."""
    found: dict[str, UsedDocument] = {}
    for text in texts.values():
        try:
            normal = strip_ignored_characters(_without_secrets(text))
        except GraphQLError:  # it was answered, so it is GraphQL; what is not can be left
            continue
        if fits(normal):
            found[normal] = UsedDocument(normal, day)
    return list(found.values())


def _without_secrets(text: str) -> str:
    """Who should give a secret by a variable may have written it into the document, which others are shown.

    Raises GraphQLError, also for one that is too long to be kept, and to be read twice.
    """
    if '"' not in text or not _SECRET.search(text):
        return text
    if len(text) > DOCUMENT_BYTES_MAX:
        raise GraphQLError("It is too long.")
    return print_ast(visit(parse(text, no_location=True), _Blanking()))


class _Blanking(Visitor):
    """Empties what is given as text to whatever is called a secret, a password or a token."""

    def leave_argument(self, node: ArgumentNode, *_: object) -> ArgumentNode | None:
        if _SECRET.search(node.name.value) and isinstance(node.value, StringValueNode):
            return ArgumentNode(name=node.name, value=StringValueNode(value=""))
        return None

    def leave_object_field(self, node: ObjectFieldNode, *_: object) -> ObjectFieldNode | None:
        if _SECRET.search(node.name.value) and isinstance(node.value, StringValueNode):
            return ObjectFieldNode(name=node.name, value=StringValueNode(value=""))
        return None

    def leave_variable_definition(self, node: VariableDefinitionNode, *_: object) -> VariableDefinitionNode | None:
        if _SECRET.search(node.variable.name.value) and isinstance(node.default_value, StringValueNode):
            return VariableDefinitionNode(
                variable=node.variable,
                type=node.type,
                default_value=StringValueNode(value=""),
                directives=node.directives,
            )
        return None
