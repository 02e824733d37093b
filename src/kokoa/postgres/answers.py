"""Requests with an idempotency key: done once, answered alike each time.

The answer commits with what was done, in the table `answered` of the service's own schema. A request that comes while
the first one runs waits for it. Keys are kept for as long as the service keeps them (see its worker).
"""

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from kokoa.kernel.errors import Conflict, Invalid
from kokoa.postgres.connections import Row
from kokoa.postgres.database import Database, Transaction
from kokoa.postgres.queries import load_queries

KEY_MAX = 200

queries = load_queries(Path(__file__).with_name("answers.sql"))
_Answer = TypeVar("_Answer")


class InvalidIdempotencyKey(Invalid):
    """An idempotency key is too short, too long, or not plain text."""


class IdempotencyKeyReused(Conflict):
    """The idempotency key came with another request before."""


def require_key(key: str | None) -> None:
    """Raises InvalidIdempotencyKey."""
    if key is not None and not (0 < len(key) <= KEY_MAX and key.isascii() and key.isprintable()):
        raise InvalidIdempotencyKey(
            f"An idempotency key has 1 to {KEY_MAX} printable ASCII characters; a fresh UUID is best.",
            field="idempotencyKey",
        )


class Keeping(msgspec.Struct, frozen=True):
    """What a statement of its own keeps of a request.  key: None for one that is not kept."""

    operation: str
    key: str | None
    fingerprint: bytes
    answer: bytes


def keeping(operation: str, key: str | None, request: Any, answer: Any) -> Keeping:
    """For a statement that writes to `answered` itself. Raises InvalidIdempotencyKey."""
    require_key(key)
    return Keeping(operation, key, _fingerprint(request), msgspec.msgpack.encode(answer))


async def answered_once(
    tx: Transaction,
    operation: str,
    key: str | None,
    request: Any,
    work: Callable[[Transaction], Awaitable[_Answer]],
    answer_type: type[_Answer],
) -> _Answer:
    """What `work` answers; for a key that was answered before, that answer.

    operation: a mutation's name.  key: None to work in any case.  request: all that the answer depends on.
    Raises InvalidIdempotencyKey, IdempotencyKeyReused, and what `work` raises: then the key is free again.
    """
    require_key(key)
    if key is None:
        return await work(tx)
    fingerprint = _fingerprint(request)
    if await tx.fetchval(queries.claim, operation, key, fingerprint) is None:
        row = await tx.fetchrow(queries.known, operation, key)
        assert row is not None
        return _known(row, operation, fingerprint, answer_type)
    answer = await work(tx)
    await tx.execute(queries.keep, operation, key, msgspec.msgpack.encode(answer))
    return answer


async def known_answer(
    database: Database, environment_id: str, keep: Keeping, answer_type: type[_Answer]
) -> _Answer | None:
    """What was answered to the key before; None when nobody asked with it. Raises IdempotencyKeyReused."""
    row = await database.fetchrow(environment_id, queries.known, keep.operation, keep.key)
    return None if row is None else _known(row, keep.operation, keep.fingerprint, answer_type)


def _known(row: Row, operation: str, fingerprint: bytes, answer_type: type[_Answer]) -> _Answer:
    if row["fingerprint"] != fingerprint:
        raise IdempotencyKeyReused(
            f"{operation} had another request with this idempotency key. Take a fresh key for each request."
        )
    return msgspec.msgpack.decode(row["answer"], type=answer_type)


def _fingerprint(request: Any) -> bytes:
    return hashlib.sha256(msgspec.msgpack.encode(request)).digest()
