"""An environment's payments, asked by GraphQL as a server of its tenant would."""

from typing import Any

from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.postgres import Database
from kokoa.services.payments.service import PaymentsService

MANAGEMENT = frozenset({"storefront", "management"})
STOREFRONT = frozenset({"storefront"})

PAYMENT = """{ id reference amountMinor currency provider version authorizationStatus chargeStatus actionUrl
  amounts { authorized authorizePending charged chargePending refunded refundPending
            cancelled cancelPending chargedBack capturable refundable } }"""
CREATE = f"mutation($input: CreatePaymentInput!) {{ createPayment(input: $input) {PAYMENT} }}"
AUTHORIZE = f"mutation($input: AuthorizePaymentInput!) {{ authorizePayment(input: $input) {PAYMENT} }}"
CAPTURE, VOID, REFUND = (
    f"mutation($input: PaymentRequestInput!) {{ {name}Payment(input: $input) {PAYMENT} }}"
    for name in ("capture", "void", "refund")
)
RECORD = f"mutation($input: RecordPaymentInput!) {{ recordPayment(input: $input) {PAYMENT} }}"
SETTLE = f"mutation($input: SettleTestPaymentInput!) {{ settleTestPayment(input: $input) {PAYMENT} }}"
CONFIGURE = """mutation($input: ConfigurePaymentProviderInput!) { configurePaymentProvider(input: $input) {
  webhookSecret provider { key active hasSecret version } } }"""
FOUND = f"query($id: ID!) {{ payment(id: $id) {PAYMENT} }}"
HISTORY = """query($id: ID!) { payment(id: $id) { transactions(limit: 250) {
  id type amountMinor key providerReference message actionUrl actor } } }"""

# Whoever else is at a row needs no help; and nobody waits for each other.
OVERDUE = """UPDATE open_requests SET ask_at = now() - interval '1 s'
 WHERE environment_id = $1 AND (payment_id, key) IN (
  SELECT payment_id, key FROM open_requests WHERE environment_id = $1 FOR UPDATE SKIP LOCKED)"""
_DUE = """UPDATE simulated_webhooks SET due_at = now() - interval '1 s' WHERE environment_id = $1 AND id IN (
  SELECT id FROM simulated_webhooks WHERE environment_id = $1 FOR UPDATE SKIP LOCKED)"""
EVENTS = "SELECT event_type FROM outbox WHERE environment_id = $1 ORDER BY id"
BOOKS = """SELECT operation, state, sum(amount_minor)::bigint AS total FROM simulated_operations
 WHERE environment_id = $1 AND payment_id = $2 GROUP BY operation, state"""


class Desk:
    """One environment."""

    def __init__(self, service: PaymentsService, database: Database, environment_id: str = "") -> None:
        self.service = service
        self.database = database
        self.environment_id = environment_id or new_id()

    async def ask(self, document: str, scopes: frozenset[str] = MANAGEMENT, **variables: Any) -> Any:
        """The result, whatever it is."""
        call = Call(
            self.environment_id, Caller("server", "", scopes), new_correlation_id(), deadline_ms=now_ms() + 60_000
        )
        return await self.service.subgraph.execute(document, variables, call)

    async def data(self, document: str, scopes: frozenset[str] = MANAGEMENT, **variables: Any) -> Any:
        """The first field's value; nothing may fail."""
        result = await self.ask(document, scopes, **variables)
        assert not result.errors, result.errors
        return next(iter(result.data.values()))

    async def code(self, document: str, scopes: frozenset[str] = MANAGEMENT, **variables: Any) -> str:
        """The code of the one error."""
        result = await self.ask(document, scopes, **variables)
        assert len(result.errors) == 1, (result.errors, result.data)
        return str(result.errors[0]["extensions"]["code"])

    async def activate(self) -> str:
        """Let the test provider be used; its webhook secret."""
        return str((await self.data(CONFIGURE, input={"key": "test", "active": True}))["webhookSecret"])

    async def create(self, amount: int = 1_000, provider: str = "test", **more: Any) -> str:
        """The id of a new payment."""
        given = {"reference": "order-1", "amountMinor": amount, "currency": "EUR", "provider": provider, **more}
        return str((await self.data(CREATE, input=given))["id"])

    async def authorize(self, payment: str, key: str = "a", method: str | None = "ok", **more: Any) -> Any:
        """As the token says."""
        given = {"id": payment, "idempotencyKey": key, "method": method, **more}
        return await self.data(AUTHORIZE, input=given)

    async def request(self, document: str, payment: str, key: str, amount: int | None = None) -> Any:
        """Capture, void or refund."""
        return await self.data(document, input={"id": payment, "idempotencyKey": key, "amountMinor": amount})

    async def authorized(self, script: str = "ok", amount: int = 1_000) -> str:
        """The id of a payment that is authorised."""
        payment = await self.create(amount)
        assert (await self.authorize(payment, method=script))["authorizationStatus"] == "FULL"
        return payment

    async def find(self, payment: str) -> Any:
        """As it is now."""
        return await self.data(FOUND, id=payment)

    async def amounts(self, payment: str) -> dict[str, int]:
        """Those that are not nothing."""
        return {name: amount for name, amount in (await self.find(payment))["amounts"].items() if amount}

    async def history(self, payment: str) -> list[Any]:
        """All transactions, the first one first."""
        return list(reversed((await self.data(HISTORY, id=payment))["transactions"]))

    async def types(self, payment: str) -> list[str]:
        """What happened, the first one first."""
        return [one["type"] for one in await self.history(payment)]

    async def events(self) -> list[str]:
        """All that was told."""
        return [row["event_type"] for row in await self.database.fetch(self.environment_id, EVENTS)]

    async def sweep(self) -> None:
        """All that is open is overdue, and asked about."""
        await self.database.execute(self.environment_id, OVERDUE)
        while await self.service.reconciler.sweep():
            pass

    async def pass_time(self) -> None:
        """The test provider decides what it decides later, and says all that it has to say."""
        await self.database.execute(self.environment_id, _DUE)
        while await self.service.deliveries.deliver(self.environment_id):
            pass

    async def books(self, payment: str) -> dict[str, int]:
        """The same amounts as ours, by the provider's own books."""
        rows = await self.database.fetch(self.environment_id, BOOKS, payment)
        total = {(row["operation"], row["state"]): row["total"] for row in rows}
        back = total.get(("CHARGE", "CHARGED_BACK"), 0)
        found = {
            "authorized": total.get(("AUTHORIZE", "SUCCEEDED"), 0),
            "charged": total.get(("CHARGE", "SUCCEEDED"), 0) + back,
            "refunded": total.get(("REFUND", "SUCCEEDED"), 0),
            "cancelled": total.get(("CANCEL", "SUCCEEDED"), 0),
            "chargedBack": back,
        }
        return {name: amount for name, amount in found.items() if amount}
