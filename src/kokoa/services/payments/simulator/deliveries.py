"""The test provider's webhooks: signed, and brought to where every provider's come in, until they are taken in."""

import msgspec
import structlog

from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import KokoaError
from kokoa.services.payments.providers.actions import Providers
from kokoa.services.payments.providers.model import TEST
from kokoa.services.payments.simulator.bank import Bank
from kokoa.services.payments.webhooks.actions import Webhooks
from kokoa.services.payments.webhooks.signatures import secret_bytes, sign

BATCH_MAX = 50
ATTEMPTS_MAX = 10

_log = structlog.get_logger(__name__)


class Deliveries:
    """Of all environments, or of one."""

    def __init__(self, bank: Bank, providers: Providers, webhooks: Webhooks) -> None:
        self._bank = bank
        self._providers = providers
        self._webhooks = webhooks

    async def deliver(self, environment_id: str | None = None) -> int:
        """Bring a batch of what is due; how many were taken in.  environment_id: None for all of them."""
        due = await self._bank.due(BATCH_MAX, environment_id)
        return sum([await self._deliver(*one) for one in due])

    async def _deliver(self, environment_id: str, webhook_id: str) -> bool:
        claimed = await self._bank.claim(environment_id, webhook_id)
        if claimed is None:
            return False
        message, attempt = claimed
        secret = await self._providers.webhook_secret(environment_id, TEST)
        body = msgspec.json.encode(message)
        headers = sign(secret_bytes(secret or ""), webhook_id, now_ms() // 1_000, body)
        try:
            await self._webhooks.receive_webhook(environment_id, TEST, headers, body)
        except KokoaError as error:
            given_up = attempt >= ATTEMPTS_MAX
            _log.warning("webhook_not_taken_in", error=error.message, detail=error.detail, given_up=given_up)
            if given_up:
                await self._bank.done(environment_id, webhook_id)
            return False
        await self._bank.done(environment_id, webhook_id)
        return True
