"""queries.sql ⇄ model. Every read takes many payments at once."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from kokoa.postgres import Database, Event, Row, Transaction, load_queries
from kokoa.postgres.answers import Keeping
from kokoa.services.payments.errors import PaymentNotFound, PaymentReferenceTaken
from kokoa.services.payments.model import NewTransaction, Payment, PaymentTransaction, ShownPayment, shown

queries = load_queries(Path(__file__).with_name("queries.sql"))

_LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
_NEWEST = 2**63 - 1


class PaymentPage(msgspec.Struct, frozen=True):
    """A page.  cursor: where it goes on; None when nothing is left."""

    items: list[ShownPayment]
    cursor: str | None
    has_more: bool


class OpenRequest(msgspec.Struct, frozen=True):
    """A request that has no result yet."""

    environment_id: str
    payment_id: str
    key: str


class PaymentsStore:
    """Reads of one environment each; one statement a call, and one for what is derived."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(
        self,
        environment_id: str,
        payment: Payment,
        known: Sequence[NewTransaction],
        keep: Keeping,
        actor: str,
        told: Sequence[Event],
        correlation_id: str,
        *,
        active_by_default: bool,
    ) -> bool:
        """A new payment with what has happened to it, and its events.

        False when its provider is not active, or the key was answered before. Raises PaymentReferenceTaken.
        active_by_default: whether the provider is, where the environment said nothing.
        """
        arguments = (
            payment.id,
            payment.reference,
            payment.amount_minor,
            payment.currency,
            payment.customer_id,
            payment.provider,
            payment.external_reference,
            payment.version,
            payment.created_at,
            *_columns(known),
            actor,
            correlation_id,
            keep.operation,
            keep.key,
            keep.fingerprint,
            keep.answer,
            active_by_default,
        )
        try:
            row = await self._database.change(
                environment_id, queries.begin_payment, *arguments, events=told, correlation_id=correlation_id
            )
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name == "payments_by_external_reference":
                raise PaymentReferenceTaken(
                    f"Another payment has the external reference {payment.external_reference!r}."
                ) from error
            return False
        return row is not None

    async def by_ids(self, environment_id: str, ids: Sequence[str]) -> dict[str, Payment]:
        """Those that there are, by id."""
        rows = await self._database.fetch(environment_id, queries.payments_by_ids, list(ids))
        return {str(row["id"]): payment_of(row) for row in rows}

    async def page(self, environment_id: str, reference: str | None, before: str | None, limit: int) -> PaymentPage:
        """The newest first.  reference: only of what was named so.  before: the id of the last of the page before."""
        place = before or _LAST_ID
        if reference is None:
            rows = await self._database.fetch(environment_id, queries.payments_page, place, limit + 1)
        else:
            rows = await self._database.fetch(
                environment_id, queries.payments_of_reference, place, limit + 1, reference
            )
        page = await self.shown(environment_id, [payment_of(row) for row in rows[:limit]])
        has_more = len(rows) > limit
        return PaymentPage(page, page[-1].id if has_more else None, has_more)

    async def shown(self, environment_id: str, payments: Sequence[Payment]) -> list[ShownPayment]:
        """Payments with what is derived of them, in the same order."""
        facts = await self.facts(environment_id, [one.id for one in payments])
        return [shown(one, facts.get(one.id, [])) for one in payments]

    async def facts(self, environment_id: str, ids: Sequence[str]) -> dict[str, list[NewTransaction]]:
        """What amounts are derived from, by payment."""
        found: dict[str, list[NewTransaction]] = {}
        for row in await self._database.fetch(environment_id, queries.facts_of, list(ids)):
            found.setdefault(str(row["payment_id"]), []).append(fact_of(row))
        return found

    async def transactions(
        self, environment_id: str, ids: Sequence[str], before: int | None, limit: int
    ) -> dict[str, list[PaymentTransaction]]:
        """By payment, the last of each first.  before: the id of one."""
        rows = await self._database.fetch(
            environment_id, queries.transactions_page, list(ids), before or _NEWEST, limit
        )
        found: dict[str, list[PaymentTransaction]] = {}
        for row in rows:
            found.setdefault(str(row["payment_id"]), []).append(PaymentTransaction(*tuple(row)[1:]))
        return found

    async def overdue(self, most: int, most_of_one: int) -> list[OpenRequest]:
        """Requests of all environments whose provider is to be asked.  most_of_one: of each environment."""
        rows = await self._database.fetch_anywhere(queries.overdue, most, most_of_one)
        return [OpenRequest(str(row["environment_id"]), str(row["payment_id"]), row["key"]) for row in rows]

    async def forget_answers(self, before: datetime, most: int = 1_000) -> int:
        """Forget what was answered to old idempotency keys of all environments, a batch; how many."""
        return int((await self._database.fetch_anywhere(queries.forget_answers, before, most))[0][0])


async def lock_payment(tx: Transaction, payment_id: str) -> tuple[Payment, list[NewTransaction]]:
    """A payment and all its transactions; nobody else changes it until tx ends. Raises PaymentNotFound."""
    row = await tx.fetchrow(queries.lock_payment, payment_id)
    if row is None:
        raise PaymentNotFound(f"There is no payment {payment_id}.")
    return payment_of(row), [fact_of(one) for one in await tx.fetch(queries.facts_of, [payment_id])]


async def write_down(
    tx: Transaction, payment_id: str, new: Sequence[NewTransaction], actor: str, correlation_id: str
) -> Payment:
    """Add transactions to a payment, which the caller has locked; the payment afterwards."""
    row = await tx.fetchrow(
        queries.write_down,
        payment_id,
        *_columns(new),
        actor,
        correlation_id,
    )
    assert row is not None
    return payment_of(row)


def _columns(new: Sequence[NewTransaction]) -> tuple[list[Any], ...]:
    """Of the statements that write transactions."""
    return (
        [one.type for one in new],
        [one.amount_minor for one in new],
        [one.key for one in new],
        [one.provider_reference for one in new],
        [one.message for one in new],
        [one.action_url for one in new],
        [one.fingerprint for one in new],
    )


def payment_of(row: Row) -> Payment:
    """A row of any of the payment statements."""
    fields = {name: row[name] for name in Payment.__struct_fields__}
    customer = row["customer_id"]
    return Payment(**fields | {"id": str(row["id"]), "customer_id": None if customer is None else str(customer)})


def fact_of(row: Row) -> NewTransaction:
    """A row of facts_of."""
    return NewTransaction(*tuple(row)[1:])
