"""Long documents are read in a process of their own, so that reading never takes the interpreter from serving.

`ScreeningProcess` is one child with a low priority, started when it is first needed. It gets a text, its schema and
limits, and sends back the document, or why it is refused; schemas are told once. It ends when its input does.

    frame   4 bytes of length, big-endian; then a pickle (both ends are this program)
    ask     (hash of the schema's SDL, the SDL or None, text, limits)
    answer  DocumentNode | list of error entries | None when the schema is not known here
"""

import asyncio
import contextlib
import os
import pickle
import struct
import sys
from hashlib import sha256
from typing import Any, BinaryIO

from graphql import DocumentNode, GraphQLSchema, build_schema

from kokoa.graphql.errors import DocumentRefused
from kokoa.graphql.lane import Admission
from kokoa.graphql.limits import Limits
from kokoa.graphql.lru import Lru
from kokoa.graphql.reading import SchemaText, read
from kokoa.kernel.errors import Unavailable

TIMEOUT_S = 20.0
SCHEMAS_MAX = 16
NICE = 10
_LENGTH = struct.Struct(">I")


class ScreeningFailed(Unavailable):
    """The process that reads long documents died or hangs; the next document starts another."""


class ScreeningProcess:
    """Implements DocumentReader."""

    def __init__(self, admission: Admission | None = None) -> None:
        self._admission = admission or Admission()
        self._lock = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def read(self, key: str, schema: SchemaText, text: str, limits: Limits) -> DocumentNode:
        """Raises DocumentRefused, TooManyNewDocuments, ScreeningFailed."""
        with self._admission.of(key):
            # Shielded: a client that leaves must not leave half an exchange behind.
            answer = await asyncio.shield(self._exchange(schema, text, limits))
        if isinstance(answer, DocumentNode):
            return answer
        raise DocumentRefused(answer)

    @property
    def pid(self) -> int | None:
        """Of the process, if there is one."""
        return self._process.pid if self._process else None

    async def close(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _exchange(self, schema: SchemaText, text: str, limits: Limits) -> Any:
        async with self._lock:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    digest = sha256(schema.sdl.encode()).digest()
                    answer = await self._ask(digest, None, text, limits)
                    if answer is None:
                        answer = await self._ask(digest, schema.sdl, text, limits)
                    return answer
            except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
                await self.close()
                raise ScreeningFailed(
                    "This document could not be read just now. Send it again in a second.", detail=repr(error)
                ) from error

    async def _ask(self, digest: bytes, sdl: str | None, text: str, limits: Limits) -> Any:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                __name__,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C in a terminal is for the server, which closes us
            )
        assert process.stdin is not None
        assert process.stdout is not None
        body = pickle.dumps((digest, sdl, text, limits), protocol=5)
        process.stdin.write(_LENGTH.pack(len(body)) + body)
        await process.stdin.drain()
        (size,) = _LENGTH.unpack(await process.stdout.readexactly(_LENGTH.size))
        return pickle.loads(await process.stdout.readexactly(size))  # noqa: S301 (our own child's)


def serve(asked: BinaryIO, answered: BinaryIO) -> None:
    """The child: answer until the input ends."""
    schemas: Lru[bytes, GraphQLSchema] = Lru(SCHEMAS_MAX)
    while len(head := asked.read(_LENGTH.size)) == _LENGTH.size:
        digest, sdl, text, limits = pickle.loads(asked.read(*_LENGTH.unpack(head)))  # noqa: S301 (our own parent's)
        if sdl is not None:
            schemas.put(digest, build_schema(sdl, assume_valid=True, assume_valid_sdl=True))
        body = pickle.dumps(_answer(schemas.get(digest), text, limits), protocol=5)
        answered.write(_LENGTH.pack(len(body)) + body)
        answered.flush()


def _answer(schema: GraphQLSchema | None, text: str, limits: Limits) -> Any:
    if schema is None:
        return None
    try:
        return read(schema, text, limits)
    except DocumentRefused as refused:
        return refused.entries


if __name__ == "__main__":
    os.nice(NICE)
    serve(sys.stdin.buffer, sys.stdout.buffer)
