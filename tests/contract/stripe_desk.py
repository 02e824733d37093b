"""An environment that takes money by Stripe, and Stripe's books of it."""

import json
from typing import Any

import stripe

from contract.payments_desk import CONFIGURE, Desk
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import KokoaError
from kokoa.postgres import Database
from kokoa.services.payments.service import PaymentsService
from stripe_running import SECRET_KEY, StripeServer

WEBHOOK_SECRET = "whsec_of0the0tests0of0stripe0at0kokoa"
IN_PARTS = "5555555555554444"
DECLINED = "4000000000000341"
ASKS_THE_CUSTOMER = "4000002760003184"
DISPUTED = "4000000000000259"
RETURN_URL = "https://shop.example/back"


class StripeDesk(Desk):
    """One environment."""

    def __init__(self, service: PaymentsService, database: Database, server: StripeServer) -> None:
        super().__init__(service, database)
        self.server = server

    async def use(self, **more: Any) -> Any:
        """Let Stripe be used here."""
        given = {"key": "stripe", "active": True, "secretKey": SECRET_KEY, "webhookSecret": WEBHOOK_SECRET, **more}
        return await self.data(CONFIGURE, input=given)

    async def paid_by(self, number: str = "4242424242424242", amount: int = 1_000, **more: Any) -> str:
        """The id of a payment for which a card was tried."""
        payment = await self.create(amount, "stripe")
        await self.authorize(payment, method=self.server.card(number), **more)
        return payment

    def intent(self, payment: str) -> Any:
        """Stripe's own book of a payment; it has one."""
        (found,) = self.intents(payment)
        return found

    def intents(self, payment: str) -> list[Any]:
        """All that Stripe has made for a payment."""
        made = self.server.ask("/v1/payment_intents?limit=1000")["data"]
        return [one for one in made if one["metadata"].get("kokoa_payment") == payment]

    async def stripe_books(self, payment: str) -> dict[str, int]:
        """The same amounts as ours."""
        intent = self.intent(payment)
        refunded = sum(self.refunds_of(intent["id"])) if intent["latest_charge"] else 0
        capturable = intent["amount_capturable"]
        found = {"charged": intent["amount_received"], "refunded": refunded, "capturable": capturable}
        return {name: amount for name, amount in found.items() if amount}

    async def own_books(self, payment: str) -> dict[str, int]:
        """Ours; nothing is pending."""
        amounts = await self.amounts(payment)
        assert not [name for name in amounts if name.endswith("Pending")], amounts
        return {name: amounts[name] for name in ("charged", "refunded", "capturable") if name in amounts}

    def said(self, payment: str, type_: str) -> list[Any]:
        """What Stripe has to say of a payment, the first first."""
        return self.said_of(self.intent(payment)["id"], type_)

    def said_of(self, intent: str, type_: str) -> list[Any]:
        """The same of a PaymentIntent."""
        found = self.server.ask(f"/v1/events?type={type_}&limit=1000")["data"]
        return [
            one for one in found if intent in (one["data"]["object"].get(name) for name in ("id", "payment_intent"))
        ]

    def refunds_of(self, intent: str) -> list[int]:
        """How much went back, each time; what a capture let go of is none."""
        refunds = self.server.ask(f"/v1/refunds?payment_intent={intent}&limit=1000")["data"]
        return [one["amount"] for one in refunds if one["metadata"].get("kokoa_payment")]

    async def hear(
        self, event: Any, *, secret: str = WEBHOOK_SECRET, moment: int | None = None, header: str | None = None
    ) -> Any:
        """Whether it was new, or the code of the error.  moment: Unix time in seconds, None for now."""
        body = event if isinstance(event, bytes) else json.dumps(event, indent=2).encode()
        now = now_ms() // 1_000 if moment is None else moment
        text = body.decode("utf-8", "replace")
        signed = header or stripe.WebhookSignature.generate_signature_header(text, secret, now)
        try:
            headers = {"Stripe-Signature": signed}
            return await self.service.webhooks.receive_webhook(self.environment_id, "stripe", headers, body)
        except KokoaError as error:
            return error.code

    async def pending(self) -> int:
        """How many requests have no result yet."""
        count = "SELECT count(*) FROM open_requests WHERE environment_id = $1"
        return int(await self.database.fetchval(self.environment_id, count))
