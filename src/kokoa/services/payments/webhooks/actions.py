"""The entrance for what providers say by themselves."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_correlation_id
from kokoa.kernel.text import is_plain
from kokoa.postgres import Database, load_queries
from kokoa.postgres.answers import KEY_MAX
from kokoa.services.payments.actions import Cause, take_in
from kokoa.services.payments.errors import InvalidWebhook, PaymentNotFound, WebhookNotSigned
from kokoa.services.payments.model import URL_MAX, News
from kokoa.services.payments.providers.actions import Providers
from kokoa.services.payments.store import lock_payment

BODY_MAX = 65_536

queries = load_queries(Path(__file__).with_name("queries.sql"))


_TEXT_MAX = {"key": KEY_MAX, "provider_reference": KEY_MAX, "message": URL_MAX, "action_url": URL_MAX}


class Webhooks:
    """Takes in signed webhooks of any environment."""

    def __init__(self, database: Database, providers: Providers) -> None:
        self._database = database
        self._providers = providers

    async def receive_webhook(
        self, environment_id: str, provider: str, headers: Mapping[str, str], body: bytes
    ) -> bool:
        """Take a webhook in; False when it was taken in before, or is about no payment of this environment.

        headers: names in any case.  body: the bytes as they came.
        Raises WebhookNotSigned, InvalidWebhook, PaymentProviderNotFound, PaymentNotFound; whoever sent it may send it
        again, then.
        """
        found = self._providers.find(provider)
        if len(body) > BODY_MAX:
            raise InvalidWebhook(f"A webhook has at most {BODY_MAX:,} bytes.")
        secret = await self._providers.webhook_secret(environment_id, provider)
        if secret is None:
            raise WebhookNotSigned("webhook-signature is not that of this webhook.")
        lower = {name.lower(): value for name, value in headers.items()}
        webhook = found.read_webhook(secret, lower, body, now_ms() / 1_000)
        if webhook is None or webhook.environment_id not in (None, environment_id):
            return False
        if webhook.news is not None:
            _require_keepable(webhook.news)
        cause = Cause(f"provider:{provider}", new_correlation_id())
        async with self._database.transaction(environment_id) as tx:
            payment_id = webhook.payment_id
            if payment_id is None:
                payment_id = await tx.fetchval(queries.payment_of_authorization, webhook.authorization, provider)
            if payment_id is None:
                return False
            payment, known = await lock_payment(tx, str(payment_id))
            if payment.provider != provider:
                raise PaymentNotFound(f"There is no payment {payment_id} of {provider!r}.")
            if await tx.fetchval(queries.remember, provider, webhook.id) is None:
                return False
            if webhook.news is None:
                await tx.execute(queries.ask_now, payment.id)
            else:
                await take_in(tx, payment, known, webhook.news, cause)
        return True

    async def forget_seen(self, before: datetime, most: int = 1_000) -> int:
        """Forget which webhooks were taken in, of all environments, a batch; how many."""
        return int((await self._database.fetch_anywhere(queries.forget_webhooks, before, most))[0][0])


def _require_keepable(news: News) -> None:
    """Raises InvalidWebhook."""
    for name, most in _TEXT_MAX.items():
        text = getattr(news, name)
        if text is not None and (len(text) > most or not is_plain(text)):
            raise InvalidWebhook(f"{name} has at most {most} characters and no NUL.", field=name)
