"""How changes of orders are done: step by step, by whoever holds the lease, until they are settled. Durable.

An order has one change at a time. Whoever holds its lease does its steps, each one call that has a key or one
transaction; when they die, the lease ends after a while, and the sweeper goes on at the step that the row names.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
import structlog

from kokoa.kernel.call import Call
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import KokoaError
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.postgres import Database, Transaction
from kokoa.services.orders.errors import InvalidFulfillment, OrderBusy, OrderChanged
from kokoa.services.orders.fulfilling.model import CHANGES_MAX, SETTLED, Change, ChangeStep, Kind
from kokoa.services.orders.fulfilling.store import ChangeStore, put_change, queries, touch_order, write_history
from kokoa.services.orders.model import LEASE_S, Order, back_off_s
from kokoa.services.orders.placing.graph import Declined, as_service, own_call
from kokoa.services.orders.store import OrderStore

SWEPT_MAX = 50
SWEPT_OF_ONE_MAX = 10
AT_ONCE_MAX = 4

_CALL_MS = 600_000
# A call ends this long before the lease, so that nobody else is at the same step.
_MARGIN_MS = 5_000

_log = structlog.get_logger(__name__)


class Held(msgspec.Struct, frozen=True):
    """A change that we work on, and the order before it.  lease: which says so.  call: of the service."""

    change: Change
    order: Order
    lease: str
    call: Call


class LeaseLost(Exception):
    """Somebody else goes on with the change."""


Steps = Mapping[tuple[Kind, ChangeStep], Callable[[Held], Awaitable[Held]]]


class Running:
    """Goes on with changes of orders, of one environment each. What is done at a step, others bring: see `does`."""

    def __init__(self, database: Database, orders: OrderStore, store: ChangeStore) -> None:
        self._database = database
        self._orders = orders
        self._store = store
        self._steps: dict[tuple[Kind, ChangeStep], Callable[[Held], Awaitable[Held]]] = {}

    def does(self, steps: Steps) -> None:
        """What is done at these steps."""
        self._steps |= steps

    async def begin(self, change: Change, order: Order, lease: str, call: Call) -> Change:
        """A change that was just written, as far as it goes now."""
        return await self._run(Held(change, order, lease, as_service(call, now_ms() + int(LEASE_S * 1_000))))

    async def sweep(self) -> int:
        """Go on with changes of all environments that are overdue, a batch; how many."""
        return await resume_each(await self._store.overdue(SWEPT_MAX, SWEPT_OF_ONE_MAX), self._resume)

    async def advance(
        self, held: Held, to: Change, happened: str = "", note: str | None = None, change_id: str | None = None
    ) -> Held:
        """At its next step; what happened goes to the history. Raises LeaseLost.

        change_id: of the fulfilment that the history is about.
        """
        async with self._database.transaction(held.call.environment_id) as tx:
            if happened:
                await touch_order(tx, to.order_id)
            if not await put_change(tx, to, held.lease):
                raise LeaseLost
            if happened:
                await write_history(tx, to.order_id, happened, to.actor, change_id, note, to.return_id)
        return msgspec.structs.replace(held, change=to)

    async def _resume(self, environment_id: str, change_id: str) -> bool:
        lease = new_id()
        claimed = await self._store.claim(environment_id, change_id, lease)
        if claimed is None:
            return False
        order = (await self._orders.orders_by_ids(environment_id, [claimed.order_id]))[claimed.order_id]
        call = own_call(environment_id, new_correlation_id(), now_ms() + _CALL_MS)
        await self._run(Held(claimed, order, lease, call))
        return True

    async def _run(self, held: Held) -> Change:
        """As far as it goes now; what is left is due later. The change as it is then."""
        environment_id = held.call.environment_id
        try:
            while held.change.step not in SETTLED:
                until = now_ms() + int(LEASE_S * 1_000) - _MARGIN_MS
                bounded = msgspec.structs.replace(held, call=held.call.until(until))
                step = self._steps[held.change.kind, held.change.step]
                held = msgspec.structs.replace(await step(bounded), call=held.call)
        except LeaseLost:
            pass
        except (KokoaError, Declined) as failed:
            refusal = failed.refusal if isinstance(failed, Declined) else failed
            detail = failed.detail if isinstance(failed, KokoaError) else ""
            said = f"{refusal.code}: {refusal.message} {detail}".replace("\x00", "")[:500]
            wait_s = back_off_s(held.change.attempts)
            await self._store.leave(environment_id, held.change.id, held.lease, wait_s, said)
        return await self._store.change(environment_id, held.change.id) or held.change


async def resume_each(overdue: Sequence[tuple[str, str]], resume: Callable[[str, str], Awaitable[bool]]) -> int:
    """Go on with some (environment id, id), a few at once; with how many.

    resume: goes on with one, unless somebody else does by now.
    """
    free = asyncio.Semaphore(AT_ONCE_MAX)

    async def one_of_some(environment_id: str, one_id: str) -> bool:
        async with free:
            try:
                return await resume(environment_id, one_id)
            except KokoaError as error:
                # Its lease ends, and it is tried again; the others go on meanwhile.
                _log.warning("order_work_waits", work=one_id, error=error.message, detail=error.detail)
                return False
            except Exception:
                # A bug, or an answer that is none: of this order only.
                _log.exception("order_work_failed", work=one_id)
                return False

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one_of_some(*one)) for one in overdue]
    return sum(task.result() for task in tasks)


async def require_free(
    tx: Transaction, order: Order, is_placed: bool, version: int | None, kinds: tuple[Kind, ...]
) -> None:
    """The order, which is locked, may have one more change of these kinds.

    version: of the order; None for any. Raises OrderBusy, OrderChanged, InvalidFulfillment.
    """
    row = await tx.fetchrow(queries.changes_of_order, order.id, list(kinds))
    assert row is not None
    if row["open"] or not is_placed:
        raise OrderBusy("Another change of the order is being done. Nothing was changed; ask again in some seconds.")
    if row["number"] >= CHANGES_MAX:
        raise InvalidFulfillment(f"An order has at most {CHANGES_MAX} changes of a kind.", field="orderId")
    if version is not None and version != order.version:
        raise OrderChanged(f"The order has version {order.version}, not {version}. Read it again.")
