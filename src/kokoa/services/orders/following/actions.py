"""What other systems call an order, and say of it; one function a mutation, one transaction, its events."""

import asyncpg

from kokoa.kernel.call import Call
from kokoa.postgres import Database, Event, Transaction
from kokoa.services.orders import events
from kokoa.services.orders.errors import InvalidOrderReference, OrderChanged, OrderNotFound, OrderReferenceTaken
from kokoa.services.orders.following.model import NOTED_MAX, require_reference, require_status
from kokoa.services.orders.following.store import FollowingStore, queries
from kokoa.services.orders.fulfilling.store import lock_order, write_history
from kokoa.services.orders.model import Order


class FollowingActions:
    """Changes of one environment each."""

    def __init__(self, database: Database, store: FollowingStore) -> None:
        self._database = database
        self._store = store

    async def set_reference(
        self, order_id: str, reference: str | None, version: int, actor: str, call: Call
    ) -> Order:
        """What another system calls it; None for nothing any more. The same again changes nothing.

        Raises InvalidOrderReference, OrderNotFound, OrderChanged, OrderReferenceTaken.
        """
        require_reference(reference)
        try:
            async with self._database.transaction(call.environment_id) as tx:
                order = await _locked(tx, order_id)
                if order.external_reference == reference:
                    return order
                if version != order.version:
                    raise OrderChanged(f"The order has version {order.version}, not {version}. Read it again.")
                await tx.execute(queries.set_reference, order_id, reference)
                told = events.OrderReferenceSet(order_id=order_id, external_reference=reference)
                await _note(tx, order_id, "EXTERNAL_REFERENCE", reference, actor, told, call)
                return await _locked(tx, order_id)
        except asyncpg.UniqueViolationError as error:
            raise OrderReferenceTaken(f"Another order has the external reference {reference!r}.") from error

    async def set_status(
        self, order_id: str | None, reference: str | None, status: str, actor: str, call: Call
    ) -> Order:
        """What another system says of an order, which is named by one of id and reference.

        The same again changes nothing. Raises InvalidOrderReference, OrderNotFound.
        """
        require_status(status)
        if (order_id is None) == (reference is None):
            raise InvalidOrderReference("Give one of id and externalReference.", field="id")
        if reference is not None:
            require_reference(reference)
            known = await self._store.by_reference(call.environment_id, reference)
            order_id = None if known is None else known.id
        if order_id is None:
            raise OrderNotFound("There is no such order.")
        async with self._database.transaction(call.environment_id) as tx:
            order = await _locked(tx, order_id)
            if order.external_status == status:
                return order
            await tx.execute(queries.set_status, order_id, status)
            told = events.OrderExternalStatusChanged(
                order_id=order_id,
                external_reference=order.external_reference,
                status=status,
                status_before=order.external_status,
            )
            await _note(tx, order_id, "EXTERNAL_STATUS", status, actor, told, call)
            return await _locked(tx, order_id)


async def _locked(tx: Transaction, order_id: str) -> Order:
    """Raises OrderNotFound."""
    found = await lock_order(tx, order_id)
    if found is None:
        raise OrderNotFound("There is no such order.")
    return found[0]


async def _note(
    tx: Transaction, order_id: str, kind: str, note: str | None, actor: str, told: Event, call: Call
) -> None:
    """Raises InvalidOrderReference: the history has an end."""
    if await tx.fetchval(queries.noted_of, order_id) >= NOTED_MAX:
        raise InvalidOrderReference(f"Other systems say at most {NOTED_MAX} things of an order.", field="id")
    await write_history(tx, order_id, kind, actor, note=note)
    await tx.emit(told, correlation_id=call.correlation_id)
