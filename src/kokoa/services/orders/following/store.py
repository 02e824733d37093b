"""queries.sql ⇄ model."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, Row, Transaction, load_queries
from kokoa.services.orders.following.model import StatusAction, StatusMapping, StatusRule, read_cursor
from kokoa.services.orders.model import LEASE_S, Order, Refusal
from kokoa.services.orders.store import order_of

_rules = msgspec.json.Decoder(tuple[StatusRule, ...])
_refusal = msgspec.json.Decoder(Refusal)

queries = load_queries(Path(__file__).with_name("queries.sql"))


class OrderChanges(msgspec.Struct, frozen=True):
    """A page of the feed.  cursor: where it goes on."""

    orders: list[Order]
    cursor: str
    has_more: bool


class FollowingStore:
    """Reads of one environment each; one statement a call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_reference(self, environment_id: str, reference: str) -> Order | None:
        """None when there is none."""
        row = await self._database.fetchrow(environment_id, queries.order_by_reference, reference)
        return None if row is None else order_of(row)

    async def changes(self, environment_id: str, since: str | None, limit: int) -> OrderChanges:
        """Orders that changed after a place of the feed. Raises InvalidOrderPage."""
        place = read_cursor(since)
        rows = await self._database.fetch(environment_id, queries.changes_page, *place, limit + 1)
        page = rows[:limit]
        if page:
            place = page[-1]["changed_in"], str(page[-1]["id"])
        return OrderChanges([order_of(row) for row in page], f"{place[0]}:{place[1]}", has_more=len(rows) > limit)

    async def mapping(self, environment_id: str) -> StatusMapping:
        """What statuses mean; nothing before anything was said."""
        return _mapping_of(await self._database.fetchrow(environment_id, queries.mapping))

    async def actions_of(self, environment_id: str, orders: Sequence[Order]) -> list[StatusAction | None]:
        """What each does because of what was said of it last; None where that means nothing to do."""
        said = [order for order in orders if order.external_status is not None]
        given = [
            [order.id for order in said],
            [o.external_status for o in said],
            [o.external_status_at for o in said],
        ]
        rows = await self._database.fetch(environment_id, queries.actions_of, *given) if said else []
        found = {action.order_id: action for action in map(action_of, rows)}
        return [found.get(order.id) for order in orders]

    async def claim(self, environment_id: str, action_id: str, lease: str) -> StatusAction | None:
        """The action, now the caller's to do; None when somebody has it, or it is not its time."""
        row = await self._database.fetchrow(environment_id, queries.claim_action, action_id, lease, LEASE_S)
        return None if row is None else action_of(row)

    async def leave(self, environment_id: str, action: StatusAction, wait_s: float, error: str) -> None:
        """Let others do it, in so many seconds."""
        await self._database.execute(environment_id, queries.leave_action, action.id, action.lease, wait_s, error)

    async def overdue(self, most: int, most_of_one: int) -> list[tuple[str, str]]:
        """(environment id, action id) of those it is time for, of all environments."""
        rows = await self._database.fetch_anywhere(queries.overdue_actions, most, most_of_one)
        return [(str(row["environment_id"]), str(row["id"])) for row in rows]


async def mapping_in(tx: Transaction) -> StatusMapping:
    """What statuses mean, in a transaction."""
    return _mapping_of(await tx.fetchrow(queries.mapping))


async def put_mapping(tx: Transaction, rules: Sequence[StatusRule], version: int) -> bool:
    """In place of the one with this version; False when it has another one by now."""
    encoded = msgspec.json.encode(rules).decode()
    return await tx.fetchval(queries.put_mapping, encoded, version) is not None


async def insert_action(tx: Transaction, order_id: str, rule: StatusRule, lease: str, actor: str) -> StatusAction:
    """What a locked order is to do for what was just said of it; leased, unless it waits for an earlier one."""
    row = await tx.fetchrow(
        queries.insert_action, new_id(), order_id, rule.action, rule.reason, lease, LEASE_S, actor
    )
    assert row is not None, "the order is locked"
    return action_of(row)


async def settle_action(tx: Transaction, action: StatusAction, refusal: Refusal | None) -> bool:
    """It is done or refused; False when somebody else works on it by now."""
    why = None if refusal is None else msgspec.json.encode(refusal).decode()
    return await tx.fetchval(queries.settle_action, action.id, action.lease, why) is not None


def action_of(row: Row) -> StatusAction:
    """A row of any of the statements."""
    return StatusAction(
        id=str(row["id"]),
        order_id=str(row["order_id"]),
        status=row["status"],
        said_at=row["said_at"],
        action=row["action"],
        reason=row["reason"],
        actor=row["actor"],
        open=row["due_at"] is not None,
        refusal=None if row["refusal"] is None else _refusal.decode(row["refusal"]),
        lease=None if row["lease"] is None else str(row["lease"]),
        attempts=row["attempts"],
    )


def _mapping_of(row: Row | None) -> StatusMapping:
    return StatusMapping() if row is None else StatusMapping(_rules.decode(row["rules"]), row["version"])
