"""Mutations make and cancel schedules, workers do what is due; each product in one transaction with its event."""

from datetime import datetime

import structlog

from kokoa.kernel.call import Caller
from kokoa.kernel.clock import Clock, now_ms, to_datetime
from kokoa.kernel.errors import Conflict, Invalid, KokoaError, NotFound
from kokoa.kernel.ids import new_correlation_id
from kokoa.postgres import ChangedConcurrently, Database, Event, Transaction
from kokoa.services.catalog import events
from kokoa.services.catalog.audit.acting import acting
from kokoa.services.catalog.errors import ProductIsArchived
from kokoa.services.catalog.model import Product, status_after
from kokoa.services.catalog.parts.actions import advance, locked, tell
from kokoa.services.catalog.publishing import store
from kokoa.services.catalog.publishing.model import Schedule, require_schedule
from kokoa.services.catalog.publishing.staging import apply
from kokoa.services.catalog.store import product_of
from kokoa.services.catalog.store import queries as product_queries
from kokoa.services.catalog.types.details import DetailsChange
from kokoa.services.catalog.types.writing import changing

_log = structlog.get_logger(__name__)

BATCH_MAX = 100
ENVIRONMENTS_MAX = 100
_SCHEDULER = Caller("service", "catalog-schedules", frozenset({"management"}))
_CANNOT_BE_DONE = (Conflict, Invalid, NotFound)


class PublishingActions:
    """clock: says what is due.  correlation_id: of the request that caused the change; it travels with the events."""

    def __init__(self, database: Database, clock: Clock = now_ms) -> None:
        self._database = database
        self._store = store.PublishingStore(database)
        self._clock = clock

    async def schedule(
        self,
        environment_id: str,
        product_id: str,
        version: int,
        publish_at: datetime | None,
        unpublish_at: datetime | None,
        *,
        correlation_id: str,
    ) -> Product:
        """When to publish and when to unpublish, in the place of an earlier schedule.

        Raises EmptySchedule, ScheduleInThePast, ScheduleTooFar, UnpublishBeforePublish, ProductNotFound,
        ProductChanged, ProductIsArchived.
        """
        wanted = require_schedule(publish_at, unpublish_at, self._now())
        async with self._database.transaction(environment_id) as tx:
            before = await locked(tx, product_id)
            if before.status == "ARCHIVED":
                raise ProductIsArchived("An archived product cannot be scheduled; restore it first.")
            if await store.schedule_of(tx, product_id) == wanted:
                return before
            after = await advance(tx, before, version)
            await store.put_schedule(tx, product_id, wanted)
            await tell(tx, after, correlation_id)
        return after

    async def cancel(self, environment_id: str, product_id: str, version: int, *, correlation_id: str) -> Product:
        """Without a schedule nothing happens. Raises ProductNotFound, ProductChanged."""
        async with self._database.transaction(environment_id) as tx:
            before = await locked(tx, product_id)
            if await store.schedule_of(tx, product_id) is None:
                return before
            after = await advance(tx, before, version)
            await store.put_schedule(tx, product_id, None)
            await tell(tx, after, correlation_id)
        return after

    async def do_due(self) -> int:
        """Do what is due, of all environments, at most BATCH_MAX products of each; how many were done.

        Several workers may do so at once. One environment's trouble is logged and stops no other's schedules.
        """
        now, done = self._now(), 0
        for environment_id in await self._store.due_environments(now, ENVIRONMENTS_MAX):
            try:
                done += await self._do_batch(environment_id, now)
            except KokoaError as error:
                _log.warning(
                    "schedules_wait", environment_id=environment_id, error=error.message, detail=error.detail
                )
        return done

    async def _do_batch(self, environment_id: str, now: datetime) -> int:
        try:
            return await self._attempt(environment_id, now, BATCH_MAX)
        except ChangedConcurrently:
            raise
        except _CANNOT_BE_DONE:
            # One of them cannot be done: one by one, so that it is known which.
            return await self._do_one(environment_id, now)

    async def _do_one(self, environment_id: str, now: datetime) -> int:
        """The first that is due, or a note why it cannot be done."""
        taken: list[str] = []
        try:
            return await self._attempt(environment_id, now, 1, taken)
        except ChangedConcurrently:
            raise
        except _CANNOT_BE_DONE as error:
            if taken:
                async with self._database.transaction(environment_id) as tx:
                    await tx.execute(store.queries.note_failure, taken[0], error.message, now)
            return 1

    async def _attempt(self, environment_id: str, now: datetime, most: int, taken: list[str] | None = None) -> int:
        """One transaction.  taken: gets the ids of what was due."""
        correlation_id = new_correlation_id()
        with acting(_SCHEDULER, correlation_id):
            return await self._transact(environment_id, now, most, taken, correlation_id)

    async def _transact(
        self, environment_id: str, now: datetime, most: int, taken: list[str] | None, correlation_id: str
    ) -> int:
        async with self._database.transaction(environment_id) as tx:
            due = await store.take_due(tx, now, most)
            told: list[Event] = []
            for product, schedule in due:
                if taken is not None:
                    taken.append(product.id)
                told += await _do(tx, product, schedule)
                await store.put_schedule(tx, product.id, schedule.rest())
            if told:
                await tx.emit(*told, correlation_id=correlation_id)
        return len(due)

    def _now(self) -> datetime:
        return to_datetime(self._clock())


async def _do(tx: Transaction, product: Product, schedule: Schedule) -> list[Event]:
    """The first step of a schedule; the events that tell of it.

    Staged changes are published with the product. Raises ProductIsArchived, and what `staging.apply` raises.
    """
    step = schedule.step()
    status = status_after(step, product.status)
    staged = await store.staged_of(tx, product.id) if step == "publish" else None
    if staged is not None:
        details = await changing(tx, product.id, DetailsChange())
        _, told = await apply(tx, product, staged, details, status, overwrite=False)
        return told
    if status == product.status:
        return []
    row = await tx.fetchrow(product_queries.set_status, product.id, status)
    assert row is not None, "it is locked"
    after = product_of(row)
    return [
        events.STATUS_CHANGES[step](
            product_id=after.id, version=after.version, status=status, previous_status=product.status
        )
    ]
