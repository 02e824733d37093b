"""queries.sql ⇄ model."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, Row, Transaction, load_queries
from kokoa.postgres.answers import IdempotencyKeyReused
from kokoa.services.orders.fulfilling.model import Change
from kokoa.services.orders.fulfilling.store import change_of
from kokoa.services.orders.returning.model import Giving, ReceivedLine, Return, ReturnLine

queries = load_queries(Path(__file__).with_name("queries.sql"))

_lines = msgspec.json.Decoder(tuple[ReturnLine, ...])
_received = msgspec.json.Decoder(tuple[ReceivedLine, ...])
_giving = msgspec.json.Decoder(Giving)


class ReturnStore:
    """Reads of one environment each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, environment_id: str, return_id: str) -> Return | None:
        """None when there is none."""
        row = await self._database.fetchrow(environment_id, queries.return_by_id, return_id)
        return None if row is None else return_of(row)

    async def by_ids(self, environment_id: str, ids: Iterable[str]) -> Mapping[str, Return]:
        """Those that there are, by id."""
        rows = await self._database.fetch(environment_id, queries.returns_by_ids, sorted(set(ids)))
        return {str(row["id"]): return_of(row) for row in rows}

    async def of_orders(self, environment_id: str, order_ids: Sequence[str]) -> Mapping[str, list[Return]]:
        """By order, the first one first."""
        found: dict[str, list[Return]] = {order_id: [] for order_id in order_ids}
        for row in await self._database.fetch(environment_id, queries.returns_of, list(found)):
            found[str(row["order_id"])].append(return_of(row))
        return found

    async def refunds_of(self, environment_id: str, order_ids: Sequence[str]) -> Mapping[str, list[Change]]:
        """By order, the first one first."""
        found: dict[str, list[Change]] = {order_id: [] for order_id in order_ids}
        for row in await self._database.fetch(environment_id, queries.refunds_of, list(found)):
            found[str(row["order_id"])].append(change_of(row))
        return found


async def returns_in(tx: Transaction, order_id: str) -> list[Return]:
    """All of an order, which the caller has locked."""
    return [return_of(row) for row in await tx.fetch(queries.returns_of, [order_id])]


async def return_in(tx: Transaction, return_id: str) -> Return:
    """One that there is, whose order the caller has locked."""
    row = await tx.fetchrow(queries.return_by_id, return_id)
    assert row is not None, "returns stay"
    return return_of(row)


async def known_return(tx: Transaction, key: str, fingerprint: bytes) -> Return | None:
    """What the key has made before. Raises IdempotencyKeyReused."""
    row = await tx.fetchrow(queries.return_by_key, key)
    if row is None:
        return None
    if row["fingerprint"] != fingerprint:
        raise IdempotencyKeyReused("Another return has this idempotency key. Take a fresh key for each request.")
    return return_of(row)


async def insert_return(
    tx: Transaction,
    order_id: str,
    lines: Sequence[ReturnLine],
    note: str | None,
    key: str,
    fingerprint: bytes,
    actor: str,
) -> Return:
    """A new one. Raises IdempotencyKeyReused."""
    kept = msgspec.json.encode(lines).decode()
    row = await tx.fetchrow(queries.insert_return, new_id(), order_id, key, fingerprint, kept, note, actor)
    if row is None:
        # Asked for at the same moment for another order.
        raise IdempotencyKeyReused("Another return has this idempotency key. Take a fresh key for each request.")
    return return_of(row)


async def put_return(tx: Transaction, found: Return) -> None:
    """What has become of it."""
    lines = msgspec.json.encode(found.lines).decode()
    await tx.execute(queries.update_return, found.id, found.state, lines, found.reason, found.version)


def received_by(change: Change) -> tuple[ReceivedLine, ...]:
    """What came back by a reception."""
    assert change.kind == "RECEIVE", "a reception"
    assert change.detail is not None, "a reception says what came back"
    return _received.decode(change.detail)


def given_by(change: Change) -> Giving:
    """What is given back by a refund."""
    assert change.kind == "REFUND", "a refund"
    assert change.detail is not None, "a refund says how much"
    return _giving.decode(change.detail)


def return_of(row: Row) -> Return:
    """A row of any of the statements."""
    return Return(
        id=str(row["id"]),
        order_id=str(row["order_id"]),
        state=row["state"],
        lines=_lines.decode(row["lines"]),
        note=row["note"],
        reason=row["reason"],
        actor=row["actor"],
        version=row["version"],
        created_at=row["created_at"],
    )
