"""What other systems call an order, and say of it; one function a mutation, one transaction, its events."""

from collections.abc import Sequence

import asyncpg
import msgspec

from kokoa.kernel.call import Call
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, Event, Transaction
from kokoa.services.orders import events
from kokoa.services.orders.errors import (
    InvalidOrderReference,
    OrderChanged,
    OrderNotFound,
    OrderReferenceTaken,
    OrderStatusMappingChanged,
)
from kokoa.services.orders.following.acting import Acting
from kokoa.services.orders.following.model import (
    NOTED_MAX,
    StatusMapping,
    StatusRule,
    require_mapping,
    require_mapping_version,
    require_reference,
    require_status,
)
from kokoa.services.orders.following.store import FollowingStore, insert_action, mapping_in, put_mapping, queries
from kokoa.services.orders.fulfilling.store import lock_order, write_history
from kokoa.services.orders.model import Order


class FollowingActions:
    """Changes of one environment each."""

    def __init__(self, database: Database, store: FollowingStore, acting: Acting) -> None:
        self._database = database
        self._store = store
        self._acting = acting

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
        """What another system says of an order, which is named by one of id and reference, and what that means.

        What the order is to do is written down with it, then done as far as that goes now. The same again changes
        nothing. Raises InvalidOrderReference, OrderNotFound.
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
            rule = (await mapping_in(tx)).rule_of(status)
            await tx.execute(queries.set_status, order_id, status, rule.display_status)
            told = events.OrderExternalStatusChanged(
                order_id=order_id,
                external_reference=order.external_reference,
                status=status,
                status_before=order.external_status,
            )
            await _note(tx, order_id, "EXTERNAL_STATUS", status, actor, told, call)
            if rule.action is None:
                return await _locked(tx, order_id)
            lease = new_id()
            action = await insert_action(tx, order_id, rule, lease, actor)
        if action.lease == lease:
            await self._acting.do(action, call)
        return await self._acting.order(order_id, call)

    async def set_mapping(self, rules: Sequence[StatusRule], version: int, call: Call) -> StatusMapping:
        """What statuses mean from now on, in place of all that they meant. The same again changes nothing.

        Raises InvalidOrderStatusMapping, OrderStatusMappingChanged.
        """
        wanted = require_mapping(rules)
        async with self._database.transaction(call.environment_id) as tx:
            before = await mapping_in(tx)
            if before.version and before.rules == wanted.rules:
                return before
            require_mapping_version(before, version)
            if not await put_mapping(tx, wanted.rules, version):
                raise OrderStatusMappingChanged("Somebody else has set the mapping meanwhile. Read it again.")
            told = events.OrderStatusMappingSet(version=version + 1)
            await tx.emit(told, correlation_id=call.correlation_id)
        return msgspec.structs.replace(wanted, version=version + 1)


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
