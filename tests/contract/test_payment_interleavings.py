"""Whatever is asked, lost, said twice, said late and found again at the same time: the provider's books are ours."""

import asyncio
from collections import Counter
from random import Random
from typing import Any

import msgspec

from contract.payments_desk import AUTHORIZE, CAPTURE, REFUND, SETTLE, VOID, Desk
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database
from kokoa.postgres.vault import Vault
from kokoa.services.payments.service import PaymentsService
from kokoa.services.payments.webhooks.signatures import secret_bytes, sign

SCRIPTS = (
    "ok",
    "declined",
    "delayed;capture=lost-answer;void=delayed",
    "lost-answer;capture=delayed;refund=reversed-later",
    "redirect;capture=declined",
    "redirect;refund=lost-answer;void=timeout",
    "chargeback-later;refund=delayed",
    "ok;capture=timeout",
    "ok;capture=chargeback-later;refund=declined;void=lost-answer",
)
REFUSED = {"MORE_THAN_AUTHORIZABLE", "MORE_THAN_AUTHORIZED", "MORE_THAN_CHARGED", "IDEMPOTENCY_KEY_REUSED"}
SETTLED = "SELECT key, state, reference, amount_minor FROM simulated_operations WHERE environment_id = $1"
ONE_AT_MOST = """SELECT count(*) FROM transactions WHERE environment_id = $1 AND type LIKE '%\\_SUCCESS'
 GROUP BY payment_id, key HAVING count(*) > 1"""
WAITING = """SELECT payment_id, key FROM simulated_operations WHERE environment_id = $1 AND state = 'WAITING'"""
OVERDUE = """UPDATE open_requests SET ask_at = now() - interval '1 s'
 WHERE environment_id = $1 AND (payment_id, key) IN (
  SELECT payment_id, key FROM open_requests
   WHERE environment_id = $1 AND ask_at < now() + interval '14 s' FOR UPDATE SKIP LOCKED)"""


class World:
    """One environment, and a provider that says what it did again and again, and what was so before."""

    def __init__(self, desk: Desk, secret: str, seed: int) -> None:
        self.desk = desk
        self.secret = secret_bytes(secret)
        self.random = Random(seed)
        self.payments: list[str] = []
        self.seen: Counter[str] = Counter()

    async def shopper(self) -> None:
        """Asks for anything, sometimes again with a key that was used."""
        for _ in range(40):
            random = self.random
            payment = random.choice(self.payments)
            document = random.choice([AUTHORIZE, AUTHORIZE, CAPTURE, CAPTURE, VOID, REFUND])
            given: dict[str, Any] = {
                "id": payment,
                "idempotencyKey": f"k{random.randrange(60)}",
                "amountMinor": random.choice([None, 100, 250, 400]),
            }
            if document == AUTHORIZE:
                given |= {"method": random.choice(SCRIPTS), "returnUrl": "https://shop.example"}
            result = await self.desk.ask(document, input=given)
            self.seen[result.errors[0]["extensions"]["code"] if result.errors else "done"] += 1

    async def gossip(self) -> None:
        """Says twice what is so, and what was so before, under any id."""
        for _ in range(25):
            rows = await self.desk.database.fetch(self.desk.environment_id, SETTLED)
            told = [row for row in rows if row["state"] in ("SUCCEEDED", "FAILED")]
            if not told:
                await asyncio.sleep(0)
                continue
            row = self.random.choice(told)
            now = "operation.succeeded" if row["state"] == "SUCCEEDED" else "operation.failed"
            for type_ in ("operation.action_required", now, now):
                await self.say(row, type_, f"w{self.random.randrange(40)}")

    async def say(self, row: Any, type_: str, webhook_id: str) -> None:
        body = msgspec.json.encode(
            {"type": type_, "key": row["key"], "reference": row["reference"], "amount_minor": row["amount_minor"]}
        )
        headers = sign(self.secret, f"{webhook_id}-{row['key']}-{type_}", now_ms() // 1_000, body)
        await self.desk.service.webhooks.receive_webhook(self.desk.environment_id, "test", headers, body)

    async def worker(self) -> None:
        """Sweeps and delivers. What a call may still be waiting for is overdue sometimes, too."""
        for _ in range(20):
            await self.desk.database.execute(self.desk.environment_id, OVERDUE)
            await self.desk.service.reconciler.sweep()
            if self.random.random() < 0.3:
                await self.desk.pass_time()
            if self.random.random() < 0.2:
                await self.desk.sweep()

    async def customers(self) -> None:
        """Whoever was sent to the provider does something there."""
        for row in await self.desk.database.fetch(self.desk.environment_id, WAITING):
            payment, _, key = row["key"].partition(":")
            await self.desk.ask(SETTLE, input={"id": payment, "key": key, "approve": self.random.random() < 0.7})


async def test_in_the_end_the_providers_books_are_ours(payments_database: Database) -> None:
    service = PaymentsService(payments_database, Vault(bytes(32)), call_timeout_ms=300)
    unhurried = PaymentsService(payments_database, Vault(bytes(32)), call_timeout_ms=60_000)
    happened: Counter[str] = Counter()
    for seed in range(8):
        desk = Desk(service, payments_database, new_id())
        world = World(desk, await desk.activate(), seed)
        world.payments = [await desk.create(3_000, reference=f"order-{number}") for number in range(4)]
        shoppers = [world.shopper() for _ in range(6)]
        await asyncio.gather(*shoppers, world.gossip(), world.worker(), world.worker(), world.customers())
        await world.customers()
        patient = Desk(unhurried, payments_database, desk.environment_id)
        await patient.sweep()
        await patient.pass_time()
        await patient.sweep()
        for payment in world.payments:
            await books_agree(desk, payment)
            happened.update(await desk.types(payment))
        assert await desk.database.fetch(desk.environment_id, ONE_AT_MOST) == []
        assert set(world.seen) <= REFUSED | {"done"}, world.seen
    assert {"AUTHORIZE_SUCCESS", "AUTHORIZE_FAILURE", "ACTION_REQUIRED", "CHARGE_SUCCESS"} <= set(happened)
    assert happened.total() > 100


async def books_agree(desk: Desk, payment: str) -> None:
    """Nothing is open, and the provider has done what we believe."""
    amounts = await desk.amounts(payment)
    assert not [name for name in amounts if name.endswith("Pending")], amounts
    books = await desk.books(payment)
    assert {name: amount for name, amount in amounts.items() if name not in ("capturable", "refundable")} == books
    assert books.get("charged", 0) + books.get("cancelled", 0) <= books.get("authorized", 0)
    assert books.get("refunded", 0) <= books.get("charged", 0)
