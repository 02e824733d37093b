"""queries.sql ⇄ model."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, Row, Transaction, load_queries
from kokoa.postgres.answers import IdempotencyKeyReused
from kokoa.services.orders.fulfilling.model import SETTLED, Change, Kind
from kokoa.services.orders.model import LEASE_S, Order, Refusal
from kokoa.services.orders.store import order_of

queries = load_queries(Path(__file__).with_name("queries.sql"))

_lines = msgspec.json.Decoder(dict[str, int])
_refusal = msgspec.json.Decoder(Refusal)


class Happened(msgspec.Struct, frozen=True):
    """A line of an order's history.  change_id: the fulfilment that it is about; return_id: the return."""

    order_id: str
    kind: str
    change_id: str | None
    note: str | None
    actor: str
    happened_at: datetime
    return_id: str | None


class ChangeStore:
    """Reads of one environment each, and who works on which change."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def change(self, environment_id: str, change_id: str) -> Change | None:
        """None when there is none."""
        row = await self._database.fetchrow(environment_id, queries.change_by_id, change_id)
        return None if row is None else change_of(row)

    async def claim(self, environment_id: str, change_id: str, lease: str) -> Change | None:
        """The change, now the caller's to go on with; None when somebody has it, or nothing is left to do."""
        row = await self._database.fetchrow(environment_id, queries.claim_change, change_id, lease, LEASE_S)
        return None if row is None else change_of(row)

    async def leave(self, environment_id: str, change_id: str, lease: str, wait_s: float, error: str) -> None:
        """Let others go on with it, in so many seconds."""
        await self._database.execute(environment_id, queries.leave_change, change_id, lease, wait_s, error)

    async def overdue(self, most: int, most_of_one: int) -> list[tuple[str, str]]:
        """(environment id, change id) of those it is time for, of all environments."""
        rows = await self._database.fetch_anywhere(queries.overdue_changes, most, most_of_one)
        return [(str(row["environment_id"]), str(row["id"])) for row in rows]

    async def fulfilments_of(self, environment_id: str, order_ids: Sequence[str]) -> dict[str, list[Change]]:
        """By order, the first one first."""
        found: dict[str, list[Change]] = {order_id: [] for order_id in order_ids}
        for row in await self._database.fetch(environment_id, queries.fulfilments_of, list(found)):
            found[str(row["order_id"])].append(change_of(row))
        return found

    async def history_of(self, environment_id: str, order_ids: Sequence[str]) -> dict[str, list[Happened]]:
        """By order, the first thing first."""
        found: dict[str, list[Happened]] = {order_id: [] for order_id in order_ids}
        for row in await self._database.fetch(environment_id, queries.history_of, list(found)):
            one = Happened(
                order_id=str(row["order_id"]),
                kind=row["kind"],
                change_id=None if row["change_id"] is None else str(row["change_id"]),
                note=row["note"],
                actor=row["actor"],
                happened_at=row["happened_at"],
                return_id=None if row["return_id"] is None else str(row["return_id"]),
            )
            found[one.order_id].append(one)
        return found


async def lock_order(tx: Transaction, order_id: str) -> tuple[Order, bool] | None:
    """An order that nobody else changes until the end, and whether its placement is done."""
    row = await tx.fetchrow(queries.lock_order, order_id)
    return None if row is None else (order_of(row), row["is_placed"])


async def put_order(tx: Transaction, order: Order) -> None:
    """What has become of it."""
    progress = msgspec.json.encode(order.progress).decode()
    await tx.execute(
        queries.update_order,
        order.id,
        order.state,
        order.version,
        progress,
        order.refunded_minor,
        order.refunded_shipping_minor,
    )


async def put_change(tx: Transaction, change: Change, lease: str) -> bool:
    """At its next step; False when somebody else works on it by now."""
    refusal = None if change.refusal is None else msgspec.json.encode(change.refusal).decode()
    due_s = None if change.step in SETTLED else LEASE_S
    done = await tx.fetchval(
        queries.advance_change, change.id, lease, change.step, change.captured_minor, refusal, due_s
    )
    return done is not None


async def touch_order(tx: Transaction, order_id: str) -> None:
    """Something of it is another now; its version and its feed say so. Before anything of its changes is locked."""
    await tx.execute(queries.touch_order, order_id)


async def insert_change(
    tx: Transaction,
    order_id: str,
    kind: Kind,
    lines: Mapping[str, int],
    key: str,
    fingerprint: bytes,
    lease: str,
    actor: str,
    *,
    reason: str | None = None,
    carrier: str | None = None,
    tracking_number: str | None = None,
    return_id: str | None = None,
    detail: bytes | None = None,
) -> Change:
    """A new change, leased to whoever makes it. Raises IdempotencyKeyReused."""
    row = await tx.fetchrow(
        queries.insert_change,
        new_id(),
        order_id,
        kind,
        key,
        fingerprint,
        msgspec.json.encode(lines).decode(),
        reason,
        carrier,
        tracking_number,
        lease,
        LEASE_S,
        actor,
        return_id,
        None if detail is None else detail.decode(),
    )
    if row is None:
        # Asked for at the same moment for another order.
        raise IdempotencyKeyReused("Another order had this idempotency key. Take a fresh key for each request.")
    return change_of(row)


async def known_change(tx: Transaction, key: str, fingerprint: bytes) -> Change | None:
    """What the key has made before. Raises IdempotencyKeyReused."""
    row = await tx.fetchrow(queries.change_by_key, key)
    if row is None:
        return None
    if row["fingerprint"] != fingerprint:
        raise IdempotencyKeyReused(
            "Another change of an order has this idempotency key. Take a fresh key for each request."
        )
    return change_of(row)


async def write_history(
    tx: Transaction,
    order_id: str,
    kind: str,
    actor: str,
    change_id: str | None = None,
    note: str | None = None,
    return_id: str | None = None,
) -> None:
    """Who did what."""
    await tx.execute(queries.insert_history, new_id(), order_id, kind, change_id, note, actor, return_id)


def change_of(row: Row) -> Change:
    """A row of any of the statements."""
    return Change(
        id=str(row["id"]),
        order_id=str(row["order_id"]),
        kind=row["kind"],
        step=row["step"],
        lines=_lines.decode(row["lines"]),
        captured_minor=row["captured_minor"],
        reason=row["reason"],
        carrier=row["carrier"],
        tracking_number=row["tracking_number"],
        refusal=None if row["refusal"] is None else _refusal.decode(row["refusal"]),
        actor=row["actor"],
        attempts=row["attempts"],
        created_at=row["created_at"],
        return_id=None if row["return_id"] is None else str(row["return_id"]),
        detail=row["detail"],
    )
