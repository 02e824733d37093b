"""Reserving, allocating, fulfilling, releasing; one function a mutation, one transaction, its events.

Everybody locks articles first, in the order of their SKUs, then the reservation. So nothing waits in a circle.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, Event, Transaction
from kokoa.postgres.answers import answered_once
from kokoa.services.inventory import events
from kokoa.services.inventory.actions import Cause, level_changed
from kokoa.services.inventory.errors import OutOfStock, ReservationClosed, ReservationDiffers, ReservationNotFound
from kokoa.services.inventory.model import Change, Level, by_sku
from kokoa.services.inventory.reservations.model import (
    Line,
    Reservation,
    State,
    Wanted,
    fingerprint_of,
    fulfilled,
    place_lines,
    promised,
    released,
    require_key,
    require_lines,
    require_open,
    require_wanted,
    state_after,
)
from kokoa.services.inventory.reservations.store import ReservationStore, queries, read_reservation, reservation_of
from kokoa.services.inventory.store import level_of, lock_items, move
from kokoa.services.inventory.store import queries as stock_queries

SWEPT_MAX = 200

_Levels = Mapping[str, Sequence[Level]]
_Plan = Callable[[Reservation, _Levels], tuple[list[Line], list[Change]]]

_SWEEPER = Cause(actor="service:inventory", correlation_id="")


class ReservationActions:
    """Changes of one environment each."""

    def __init__(self, database: Database, store: ReservationStore) -> None:
        self._database = database
        self._store = store

    async def reserve(
        self, environment_id: str, key: str, lines: Sequence[Wanted], hold_s: int | None, cause: Cause
    ) -> Reservation:
        """Promise stock to somebody, all of it or none.  hold_s: for how long; None allocates it for good.

        The same again answers with what is there.
        Raises InvalidReservation, InvalidSku, OutOfStock, ReservationDiffers, ReservationClosed.
        """
        wanted = require_wanted(key, lines, hold_s)
        at_once = await self._reserve_at_once(environment_id, key, wanted, hold_s, cause)
        if at_once is not None:
            return at_once
        try:
            return await self._reserve(environment_id, key, wanted, hold_s, cause)
        except OutOfStock:
            # What somebody held too long may be enough.
            if not await self.expire(environment_id):
                raise
            return await self._reserve(environment_id, key, wanted, hold_s, cause)

    async def _reserve_at_once(
        self, environment_id: str, key: str, wanted: Mapping[str, int], hold_s: int | None, cause: Cause
    ) -> Reservation | None:
        """By one statement, if nobody else changes the articles meanwhile and the key is new; else None."""
        items, levels = await self._store.reservable(environment_id, list(wanted))
        try:
            placed = place_lines(wanted, items, levels)
        except OutOfStock:
            return None  # the same key may have it already
        told: list[Event] = [events.StockReserved(reservation=key)]
        told += [level_changed(one) for one in promised(items, placed)]
        return await self._store.reserve(
            environment_id,
            key,
            hold_s,
            fingerprint_of(wanted),
            placed,
            items,
            cause.actor,
            told,
            cause.correlation_id,
        )

    async def _reserve(
        self, environment_id: str, key: str, wanted: Mapping[str, int], hold_s: int | None, cause: Cause
    ) -> Reservation:
        async with self._database.transaction(environment_id) as tx:
            items = await lock_items(tx, list(wanted))
            state = "ALLOCATED" if hold_s is None else "HELD"
            fingerprint = fingerprint_of(wanted)
            made = await tx.fetchrow(queries.insert_reservation, new_id(), key, state, hold_s, fingerprint)
            if made is None:
                before = await read_reservation(tx, await tx.fetchrow(queries.reservation_by_key, key))
                assert before is not None
                return _the_same(before, await tx.fetchval(queries.fingerprint_of, key) == fingerprint)
            levels = await tx.fetch(stock_queries.active_levels_of, list(items))
            placed = place_lines(wanted, items, by_sku((row["sku"], level_of(row)) for row in levels))
            if placed:
                await tx.execute(
                    queries.insert_lines,
                    made["id"],
                    [line.place for line in placed],
                    [line.sku for line in placed],
                    [line.location_id for line in placed],
                    [line.open for line in placed],
                )
            changes = [
                Change(line.sku, line.location_id, "RESERVED", reserved=line.open, reference=key) for line in placed
            ]
            await _move_and_tell(tx, changes, cause, events.StockReserved(reservation=key))
        return msgspec.structs.replace(reservation_of(made, []), lines=placed)

    async def allocate(self, environment_id: str, key: str, cause: Cause) -> Reservation:
        """What was held belongs to an order now. Raises ReservationNotFound, ReservationClosed. Again is no error."""
        require_key(key)
        # What lies where stays as it is, so no article is locked.
        told = [events.ReservationAllocated(reservation=key)]
        allocated = await self._store.allocate(environment_id, key, told, cause.correlation_id)
        if allocated is not None:
            return allocated
        async with self._database.transaction(environment_id) as tx:
            before = await self._locked(tx, key)
            require_open(before, "ALLOCATED")
            return before

    async def release(
        self, environment_id: str, key: str, lines: Sequence[Wanted] | None, cause: Cause
    ) -> Reservation:
        """Give back what is open, or so many of some articles. A reservation without anything open stays as it is.

        Raises ReservationNotFound, InvalidReservation, InvalidSku.
        """
        require_key(key)
        wanted = require_lines(lines) if lines is not None else None

        def plan(before: Reservation, _: _Levels) -> tuple[list[Line], list[Change]]:
            return released(before, wanted, "RELEASED")

        async with self._database.transaction(environment_id) as tx:
            before = await self._locked(tx, key)
            if wanted is None and before.state in {"FULFILLED", "RELEASED", "EXPIRED"}:
                return before
            require_open(before, "HELD", "ALLOCATED")
            return await _change(tx, before, plan, cause, lambda _: events.ReservationReleased(reservation=key))

    async def fulfil(
        self, environment_id: str, key: str, lines: Sequence[Wanted] | None, cause: Cause
    ) -> Reservation:
        """Let what is open leave, or so many of some articles; once for an idempotency key.

        Raises ReservationNotFound, ReservationClosed, InvalidReservation, InvalidSku, NotOnHand,
        IdempotencyKeyReused.
        """
        require_key(key)
        wanted = require_lines(lines) if lines is not None else None

        def plan(before: Reservation, levels: _Levels) -> tuple[list[Line], list[Change]]:
            return fulfilled(before, wanted, levels)

        def told(after: Reservation) -> Event:
            return events.ReservationFulfilled(reservation=key, complete=after.state == "FULFILLED")

        async def work(tx: Transaction) -> Reservation:
            before = await self._locked(tx, key)
            if wanted is None and before.state == "FULFILLED":
                return before
            require_open(before, "ALLOCATED")
            return await _change(tx, before, plan, cause, told)

        async with self._database.transaction(environment_id) as tx:
            return await answered_once(tx, "fulfilStock", cause.idempotency_key, (key, wanted), work, Reservation)

    async def expire(self, environment_id: str | None = None) -> int:
        """Release what was held too long, a batch of it; how many.  environment_id: None for all of them."""
        overdue = await self._store.overdue(SWEPT_MAX, environment_id)
        return sum([await self._expire(*one) for one in overdue])

    async def _expire(self, environment_id: str, reservation_id: str) -> bool:
        async with self._database.transaction(environment_id) as tx:
            row = await tx.fetchrow(queries.reservation_by_id, reservation_id)
            before = await self._lock(tx, await read_reservation(tx, row))
            if before is None or before.state != "HELD":
                return False
            lines, changes = released(before, None, "EXPIRED")
            await _put(tx, before, lines, "EXPIRED")
            event = events.ReservationReleased(reservation=before.key, expired=True)
            await _move_and_tell(tx, changes, _SWEEPER, event)
        return True

    async def _locked(self, tx: Transaction, key: str) -> Reservation:
        found = await self._lock(tx, await read_reservation(tx, await tx.fetchrow(queries.reservation_by_key, key)))
        if found is None:
            raise ReservationNotFound(f"There is no reservation {key!r}.")
        return found

    async def _lock(self, tx: Transaction, seen: Reservation | None) -> Reservation | None:
        """As it is once its articles, and then itself, are locked. Which lines it has never changes."""
        if seen is None:
            return None
        await lock_items(tx, [line.sku for line in seen.lines])
        return await read_reservation(tx, await tx.fetchrow(queries.lock_reservation, seen.id))


def _the_same(before: Reservation, alike: bool) -> Reservation:
    """What the key has already.  alike: of the same. Raises ReservationDiffers, ReservationClosed."""
    if not alike:
        raise ReservationDiffers(f"The key {before.key!r} has a reservation of something else already.")
    if before.state in {"RELEASED", "EXPIRED"}:
        raise ReservationClosed(f"The reservation {before.key!r} is {before.state}; take another key.")
    return before


async def _change(
    tx: Transaction, before: Reservation, plan: _Plan, cause: Cause, told: Callable[[Reservation], Event]
) -> Reservation:
    skus = sorted({line.sku for line in before.lines})
    rows = await tx.fetch(stock_queries.levels_of, skus)
    lines, changes = plan(before, by_sku((row["sku"], level_of(row)) for row in rows))
    after = await _put(tx, before, lines, state_after(before, lines))
    await _move_and_tell(tx, changes, cause, told(after))
    return after


async def _put(tx: Transaction, before: Reservation, lines: list[Line], state: State) -> Reservation:
    if lines != before.lines:
        await tx.execute(
            queries.update_lines,
            before.id,
            [line.place for line in lines],
            [line.open for line in lines],
            [line.fulfilled for line in lines],
            [line.released for line in lines],
        )
    row = await tx.fetchrow(queries.update_reservation, before.id, state)
    assert row is not None
    return msgspec.structs.replace(reservation_of(row, []), lines=lines)


async def _move_and_tell(tx: Transaction, changes: Sequence[Change], cause: Cause, *told: Event) -> None:
    items = await move(tx, changes, cause.actor, cause.correlation_id) if changes else []
    await tx.emit(*told, *map(level_changed, items), correlation_id=cause.correlation_id)
