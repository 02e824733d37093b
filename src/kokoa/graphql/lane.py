"""A side lane for heavy work on documents, so that nobody else waits for it.

Reading a long document takes a hundred milliseconds of pure Python, and on the event loop nobody else would be
answered meanwhile. The lane is short, and for each key shorter still: a flood fills its own part and is told to come
again. A `Lane` works in a thread, which still takes turns with the event loop (sys.setswitchinterval says how often);
`screening` keeps the heaviest part, reading, out of the process altogether.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from graphql import DocumentNode

from kokoa.graphql.limits import Limits
from kokoa.graphql.reading import SchemaText, read
from kokoa.kernel.errors import Throttled

Result = TypeVar("Result")

WAITING_MAX = 64
WAITING_OF_KEY_MAX = 16


class TooManyNewDocuments(Throttled):
    """More long, unknown documents are waiting to be read than we are willing to hold."""


class Admission:
    """Who may wait. waiting_max: pieces of work that wait or run, in all and for each key."""

    def __init__(self, *, waiting_max: int = WAITING_MAX, waiting_of_key_max: int = WAITING_OF_KEY_MAX) -> None:
        self._waiting_max = waiting_max
        self._waiting_of_key_max = waiting_of_key_max
        self._waiting: Counter[str] = Counter()

    @contextmanager
    def of(self, key: str) -> Iterator[None]:
        """A place for the key. Raises TooManyNewDocuments."""
        if self._waiting[key] >= self._waiting_of_key_max or self._waiting.total() >= self._waiting_max:
            raise TooManyNewDocuments(
                "Too many long documents that we do not know yet are waiting to be read. Send this one again in a "
                "second; documents that were read once are never refused.",
                retry_after_s=1,
            )
        self._waiting[key] += 1
        try:
            yield
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]


class Lane:
    """One thread, and a bounded queue before it. Implements DocumentReader."""

    def __init__(self, admission: Admission | None = None) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="documents")
        self._admission = admission or Admission()

    async def run(self, key: str, work: Callable[[], Result]) -> Result:
        """The result of the work, when its turn has come. Raises what it raises, and TooManyNewDocuments."""
        with self._admission.of(key):
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def read(self, key: str, schema: SchemaText, text: str, limits: Limits) -> DocumentNode:
        """Raises DocumentRefused, TooManyNewDocuments."""
        return await self.run(key, lambda: read(schema.schema, text, limits))
