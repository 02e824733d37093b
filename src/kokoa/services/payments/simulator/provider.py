"""The test provider as a Provider."""

from collections.abc import Mapping

import msgspec

from kokoa.kernel.ids import InvalidId, require_id
from kokoa.services.payments.errors import InvalidWebhook
from kokoa.services.payments.model import AMOUNT_MAX, News, Operation
from kokoa.services.payments.providers.model import (
    TEST,
    Answer,
    Order,
    Webhook,
    own_key,
    refuse_secret_key,
    require_standard_secret,
)
from kokoa.services.payments.simulator.bank import Bank
from kokoa.services.payments.simulator.model import Message, answer_of, require_script
from kokoa.services.payments.webhooks.signatures import require_signed, secret_bytes

_decode = msgspec.json.Decoder(Message).decode


class TestProvider:
    """Every outcome that a provider can have, as the method token says."""

    key = TEST
    operations: frozenset[Operation] = frozenset({"AUTHORIZE", "CHARGE", "REFUND", "CANCEL"})
    sends_webhooks = True
    makes_webhook_secrets = True
    needs_secret_key = False
    authorizes_once = False
    active_by_default = False  # a shop gives nothing away for money that is none

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    def require_secret_key(self, secret_key: str) -> None:
        """Raises InvalidPaymentProvider."""
        raise refuse_secret_key(self.key)

    def require_webhook_secret(self, secret: str) -> None:
        """Raises InvalidPaymentProvider."""
        require_standard_secret(secret)

    def require_method(self, method: str | None, return_url: str | None) -> None:
        """Raises InvalidPaymentMethod."""
        require_script(method, return_url)

    def at_once(self, operation: Operation) -> Answer | None:
        return None

    async def perform(self, order: Order) -> Answer:
        return answer_of(await self._bank.submit(order))

    async def reconcile(self, order: Order) -> Answer:
        return answer_of(await self._bank.look_up(order))

    def read_webhook(self, secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> Webhook:
        """Raises WebhookNotSigned, InvalidWebhook."""
        webhook_id = require_signed(secret_bytes(secret), headers, body, now_s)
        try:
            message = _decode(body)
            payment_id = require_id(own_key(message.key)[0], field="key")
        except (msgspec.DecodeError, InvalidId) as error:
            raise InvalidWebhook(f"The webhook's body is none of the test provider's: {error}") from error
        if not 1 <= message.amount_minor <= AMOUNT_MAX:
            raise InvalidWebhook(f"amount_minor must be 1 to {AMOUNT_MAX:,}.", field="amount_minor")
        return Webhook(webhook_id, payment_id, _news(message, own_key(message.key)[1]))


def _news(message: Message, key: str) -> News:
    match message.type:
        case "operation.succeeded":
            return News("SUCCESS", key, message.reference, message.message or None)
        case "operation.failed":
            return News("FAILURE", key, message.reference, message.message)
        case "operation.action_required":
            return News("ACTION", key, message.reference, action_url=message.url)
        case "chargeback.created":
            return News("CHARGEBACK", message.reference, message.reference, amount_minor=message.amount_minor)
        case "refund.reversed":
            return News("REFUND_REVERSED", key, message.reference)
