"""Whatever is asked, lost, said late and found again at the same time: Stripe's books are ours in the end."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest

from contract.payments_desk import AUTHORIZE, CAPTURE, REFUND, VOID
from contract.stripe_desk import DECLINED, IN_PARTS, StripeDesk
from kokoa.postgres import Database
from kokoa.postgres.vault import Vault
from kokoa.services.payments.service import PaymentsService
from stripe_running import stripe_up

CARDS = ("4242424242424242", IN_PARTS, IN_PARTS, DECLINED)
FAULTS = ("lost request", "lost answer", "error")
EVENTS = (
    "payment_intent.amount_capturable_updated",
    "payment_intent.succeeded",
    "payment_intent.canceled",
    "charge.refunded",
)
REFUSED = {
    "MORE_THAN_AUTHORIZABLE",
    "MORE_THAN_AUTHORIZED",
    "MORE_THAN_CHARGED",
    "IDEMPOTENCY_KEY_REUSED",
    "PAYMENT_OPERATION_UNSUPPORTED",
}


@pytest.fixture
async def desk(payments_database: Database) -> AsyncIterator[StripeDesk]:
    with stripe_up() as server:
        service = PaymentsService(payments_database, Vault(bytes(32)), 60_000, stripe_url=server.url)
        found = StripeDesk(service, payments_database, server)
        await found.use()
        yield found
        await service.close()


async def merchant(desk: StripeDesk, payments: dict[str, str], random: Random) -> None:
    """Asks for anything, sometimes again with a key that was used; sometimes Stripe is not heard."""
    for _ in range(20):
        payment = random.choice(list(payments))
        document = random.choice([AUTHORIZE, AUTHORIZE, CAPTURE, CAPTURE, CAPTURE, VOID, REFUND])
        given = {"id": payment, "idempotencyKey": f"k{random.randrange(40)}"}
        if document is AUTHORIZE:
            given["method"] = payments[payment]
        else:
            given["amountMinor"] = random.choice([None, 100, 250, 400])
        if random.random() < 0.3:
            desk.server.fault("POST /v1/(payment_intents|refunds)", random.choice(FAULTS))
        result = await desk.ask(document, input=given)
        codes = {error["extensions"]["code"] for error in result.errors or ()}
        assert codes <= REFUSED, codes


async def listener(desk: StripeDesk, payments: dict[str, str], random: Random, busy: asyncio.Event) -> None:
    """Hears events twice, old ones as well, and lets the worker ask too early."""
    while not busy.is_set():
        payment = random.choice(list(payments))
        for intent in desk.intents(payment)[:3]:
            events = [one for type_ in EVENTS for one in desk.said_of(intent["id"], type_)]
            for event in random.sample(events, min(len(events), 2)):
                assert await desk.hear(event) in (True, False)
        await desk.sweep()


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_books_agree(desk: StripeDesk, seed: int) -> None:
    random = Random(seed)
    payments = {await desk.create(1_000, "stripe"): desk.server.card(random.choice(CARDS)) for _ in range(6)}
    over = asyncio.Event()
    hearing = asyncio.create_task(listener(desk, payments, random, over))
    await asyncio.gather(*(merchant(desk, payments, Random(f"{seed}/{one}")) for one in range(4)))
    over.set()
    await hearing
    while await desk.pending():
        await desk.sweep()
    for payment in payments:
        amounts = await desk.amounts(payment)
        intents = desk.intents(payment)
        received = sum(one["amount_received"] for one in intents)
        refunds = [one for intent in intents if intent["latest_charge"] for one in desk.refunds_of(intent["id"])]
        assert received == amounts.get("charged", 0), (payment, amounts)
        assert sum(refunds) == amounts.get("refunded", 0), (payment, amounts)
        # Stripe holds what we may capture, and what was voided in part until the rest is captured.
        held = sum(one["amount_capturable"] for one in intents)
        assert held >= amounts.get("capturable", 0), (payment, amounts)
        assert not held or amounts.get("capturable", 0), "nothing is held for nothing"
