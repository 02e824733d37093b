"""The test provider's own side: its books, and what it does. It is asked as any provider is: by orders with keys."""

import asyncio
from pathlib import Path

from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, Row, Transaction, load_queries
from kokoa.services.payments.errors import PaymentProviderUnavailable
from kokoa.services.payments.providers.model import Order
from kokoa.services.payments.simulator.model import (
    Booked,
    Message,
    State,
    Told,
    message_of,
    outcome_of,
    refusal,
    require_script,
)

DELAY_S = 5.0
CUSTOMER_S = 1_800.0
_SOON_S = 2.0

queries = load_queries(Path(__file__).with_name("queries.sql"))


class Bank:
    """Each call is one transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def submit(self, order: Order) -> Booked:
        """Do it, once for the key; the same again is answered with what became of it.

        Raises PaymentProviderUnavailable when the answer is lost, or comes later than anybody waits for it.
        """
        async with self._database.transaction(order.environment_id) as tx:
            books = await _books(tx, order.payment_id)
            known = _find(books, order.key)
            if known is not None:
                return await _brought_up_to_date(tx, known)
            script = _script_of(order, books)
            outcome = outcome_of(script, order.operation)
            booked = _decided(order, script, outcome, refusal(books, order.operation, order.amount_minor))
            if outcome != "timeout":
                await _book(tx, booked)
                await _tell(tx, booked, outcome)
        if outcome == "timeout":
            await asyncio.sleep(2 * order.deadline_ms / 1_000)
            raise PaymentProviderUnavailable("The test provider did not answer in time.")
        if outcome == "lost-answer":
            raise PaymentProviderUnavailable("The test provider's answer was lost.")
        return booked

    async def look_up(self, order: Order) -> Booked:
        """What became of a key. One that never came is refused from now on."""
        async with self._database.transaction(order.environment_id) as tx:
            books = await _books(tx, order.payment_id)
            known = _find(books, order.key)
            if known is not None:
                return await _brought_up_to_date(tx, known)
            never = _booked(order, _script_of(order, books), "FAILED", "the request never arrived")
            await _book(tx, never)
            return never

    async def decide(self, environment_id: str, payment_id: str, key: str, *, approved: bool) -> bool:
        """What the customer does at the provider's page; False when nothing waits for it."""
        async with self._database.transaction(environment_id) as tx:
            known = _find(await _books(tx, payment_id), key)
            if known is None or known.state != "WAITING" or known.due:
                return False
            state, message = ("SUCCEEDED", "") if approved else ("FAILED", "the customer refused")
            await tx.execute(queries.rebook, key, state, message)
            await tx.execute(queries.tell_later, new_id(), key, "RESULT", 0.0)
        return True

    async def due(self, most: int, environment_id: str | None = None) -> list[tuple[str, str]]:
        """(environment id, webhook id) of what is to be told now.  environment_id: None for all of them."""
        if environment_id is not None:
            here = await self._database.fetch(environment_id, queries.due_here, most)
            return [(environment_id, str(row["id"])) for row in here]
        rows = await self._database.fetch_anywhere(queries.due, most)
        return [(str(row["environment_id"]), str(row["id"])) for row in rows]

    async def claim(self, environment_id: str, webhook_id: str) -> tuple[Message, int] | None:
        """What to tell, and which attempt it is; None when somebody else tells it."""
        async with self._database.transaction(environment_id) as tx:
            row = await tx.fetchrow(queries.claim_webhook, webhook_id)
            if row is None:
                return None
            told: Told = row["type"]
            booked = _find(await _books(tx, row["key"].partition(":")[0]), row["key"])
            assert booked is not None, "books are never removed"
            if told == "CHARGEBACK" and booked.state == "SUCCEEDED":
                await tx.execute(queries.rebook, booked.key, "CHARGED_BACK", booked.message)
            elif told == "REFUND_REVERSED" and booked.state == "SUCCEEDED":
                await tx.execute(queries.rebook, booked.key, "REVERSED", booked.message)
            elif told == "RESULT" and booked.state == "PENDING":
                await tx.execute(queries.rebook, booked.key, "SUCCEEDED", booked.message)
            now = _find(await _books(tx, booked.payment_id), booked.key)
            assert now is not None
            return message_of(now, told), row["attempts"]

    async def done(self, environment_id: str, webhook_id: str) -> None:
        """It is told, or given up."""
        await self._database.execute(environment_id, queries.told, webhook_id)


async def _books(tx: Transaction, payment_id: str) -> list[Booked]:
    """All of a payment's, kept from other changes until the transaction ends."""
    await tx.execute(queries.lock_books, payment_id)
    return [_booked_of(row) for row in await tx.fetch(queries.books_of, payment_id)]


async def _brought_up_to_date(tx: Transaction, booked: Booked) -> Booked:
    """What was to happen by now has happened."""
    if not booked.due or booked.state not in ("PENDING", "WAITING"):
        return booked
    state: State = "SUCCEEDED" if booked.state == "PENDING" else "FAILED"
    message = "" if state == "SUCCEEDED" else "the customer did not come"
    await tx.execute(queries.rebook, booked.key, state, message)
    found = _find(await _books(tx, booked.payment_id), booked.key)
    assert found is not None
    return found


async def _book(tx: Transaction, booked: Booked) -> None:
    due_in_s = {"PENDING": DELAY_S, "WAITING": CUSTOMER_S}.get(booked.state)
    await tx.execute(
        queries.book,
        booked.key,
        booked.payment_id,
        booked.operation,
        booked.amount_minor,
        booked.script,
        booked.state,
        booked.reference,
        booked.message,
        booked.url,
        due_in_s,
    )


async def _tell(tx: Transaction, booked: Booked, outcome: str) -> None:
    """By a webhook, in a while."""
    if booked.state != "WAITING":
        in_s = DELAY_S if booked.state == "PENDING" else _SOON_S
        await tx.execute(queries.tell_later, new_id(), booked.key, "RESULT", in_s)
    if booked.state == "SUCCEEDED" and booked.operation == "CHARGE" and outcome == "chargeback-later":
        await tx.execute(queries.tell_later, new_id(), booked.key, "CHARGEBACK", DELAY_S)
    if booked.state == "SUCCEEDED" and outcome == "reversed-later":
        await tx.execute(queries.tell_later, new_id(), booked.key, "REFUND_REVERSED", DELAY_S)


def _script_of(order: Order, books: list[Booked]) -> str:
    """What its own method says, else that of the authorisation before."""
    if order.operation == "AUTHORIZE":
        return require_script(order.method, order.return_url)
    return next((one.script for one in reversed(books) if one.operation == "AUTHORIZE"), "ok")


def _decided(order: Order, script: str, outcome: str, refused: str) -> Booked:
    if refused:
        return _booked(order, script, "FAILED", refused)
    match outcome:
        case "declined":
            return _booked(order, script, "FAILED", "declined")
        case "redirect":
            return _booked(order, script, "WAITING", "")
        case "delayed":
            return _booked(order, script, "PENDING", "")
        case _:
            return _booked(order, script, "SUCCEEDED", "")


def _booked(order: Order, script: str, state: State, message: str) -> Booked:
    reference = f"test_{new_id()}"
    url = None
    if state == "WAITING" and order.return_url is not None:
        divider = "&" if "?" in order.return_url else "?"
        url = f"{order.return_url}{divider}testPayment={reference}"
    return Booked(
        order.key,
        order.payment_id,
        order.operation,
        order.amount_minor,
        script,
        state,
        reference,
        message,
        url,
        due=False,
    )


def _find(books: list[Booked], key: str) -> Booked | None:
    return next((one for one in books if one.key == key), None)


def _booked_of(row: Row) -> Booked:
    fields = {name: row[name] for name in Booked.__struct_fields__}
    return Booked(**fields | {"payment_id": str(row["payment_id"])})
