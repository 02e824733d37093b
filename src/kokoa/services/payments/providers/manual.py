"""Invoice and prepayment: nobody but us is asked. Money that comes in is written down by `recordPayment`."""

from collections.abc import Mapping

from kokoa.services.payments.errors import InvalidPaymentMethod, InvalidPaymentProvider, WebhookNotSigned
from kokoa.services.payments.model import Operation
from kokoa.services.payments.providers.model import MANUAL, Answer, Order, Succeeded, Webhook, refuse_secret_key


class ManualProvider:
    """A Provider: what is promised is authorised at once, what was paid back is refunded at once."""

    key = MANUAL
    operations: frozenset[Operation] = frozenset({"AUTHORIZE", "REFUND", "CANCEL"})
    active_by_default = True
    sends_webhooks = False
    makes_webhook_secrets = False
    needs_secret_key = False
    authorizes_once = False

    def require_secret_key(self, secret_key: str) -> None:
        """Raises InvalidPaymentProvider."""
        raise refuse_secret_key(self.key)

    def require_webhook_secret(self, secret: str) -> None:
        """Raises InvalidPaymentProvider."""
        raise InvalidPaymentProvider("'manual' sends no webhooks, so it has no secret.", field="webhookSecret")

    def require_method(self, method: str | None, return_url: str | None) -> None:
        """Raises InvalidPaymentMethod."""
        if method is not None or return_url is not None:
            raise InvalidPaymentMethod("`manual` takes no method and no returnUrl; leave them out.", field="method")

    def at_once(self, operation: Operation) -> Answer | None:
        return Succeeded()

    async def perform(self, order: Order) -> Answer:
        """What was asked for before it was answered at once."""
        return Succeeded()

    async def reconcile(self, order: Order) -> Answer:
        """There is nobody to ask: what was written down before a crash is done."""
        return Succeeded()

    def read_webhook(self, secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> Webhook:
        """Raises WebhookNotSigned."""
        raise WebhookNotSigned("`manual` sends no webhooks.")
