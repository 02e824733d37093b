"""What a payment provider is to us: an order with a key, and an answer. Pure.

A provider does an order once, however often it comes with its key. An answer that is Unknown leaves the request open:
the provider is asked later what became of the key, or says so by a webhook.
"""

import base64
from collections.abc import Mapping
from typing import Protocol

import msgspec

from kokoa.services.payments.errors import InvalidPaymentProvider
from kokoa.services.payments.model import News, Operation

MANUAL = "manual"
STRIPE = "stripe"
TEST = "test"


class Order(msgspec.Struct, frozen=True):
    """What a provider is asked to do.

    key: unique in the environment, the provider's idempotency key.  reference: what is paid.  method: a token of the
    provider's own that says how.  provider_reference: its id of the authorisation that this is about.
    deadline_ms: how long we wait for the answer.
    """

    environment_id: str
    payment_id: str
    reference: str
    operation: Operation
    amount_minor: int
    currency: str
    key: str
    method: str | None
    return_url: str | None
    provider_reference: str | None
    left_minor: int
    deadline_ms: int


class Succeeded(msgspec.Struct, frozen=True):
    """It is done."""

    provider_reference: str | None = None
    message: str | None = None


class Failed(msgspec.Struct, frozen=True):
    """It is not done, and will not be."""

    message: str
    provider_reference: str | None = None


class ActionRequired(msgspec.Struct, frozen=True):
    """The customer has to do something at `url` first; then a webhook comes."""

    url: str
    provider_reference: str | None = None


class Unknown(msgspec.Struct, frozen=True):
    """No answer, or the provider has none yet."""

    message: str


Answer = Succeeded | Failed | ActionRequired | Unknown


class Webhook(msgspec.Struct, frozen=True):
    """What a provider said by itself, once its signature was found right.  id: the same when it says it again.

    news: None when the provider is to be asked what is to be said.

    payment_id: None for that with the provider's `authorization`.  environment_id: None for the one whose secret it
    was.
    """

    id: str
    payment_id: str | None
    news: News | None
    authorization: str | None = None
    environment_id: str | None = None


class Provider(Protocol):
    """One payment provider. Whoever calls it has no transaction open and waits until the order's deadline only."""

    @property
    def key(self) -> str:
        """Its name."""

    @property
    def operations(self) -> frozenset[Operation]:
        """What it can be asked for."""

    @property
    def active_by_default(self) -> bool:
        """Whether an environment that said nothing uses it."""

    @property
    def sends_webhooks(self) -> bool:
        """Whether it says anything by itself."""

    @property
    def makes_webhook_secrets(self) -> bool:
        """Whether we make what its webhooks are signed with; else the provider does."""

    @property
    def needs_secret_key(self) -> bool:
        """Whether it knows an environment by a key that is given to us."""

    @property
    def authorizes_once(self) -> bool:
        """Whether a payment has one authorisation at a time."""

    def require_secret_key(self, secret_key: str) -> None:
        """Raises InvalidPaymentProvider, which does not repeat the key."""

    def require_webhook_secret(self, secret: str) -> None:
        """Raises InvalidPaymentProvider, which does not repeat the secret."""

    def require_method(self, method: str | None, return_url: str | None) -> None:
        """Raises InvalidPaymentMethod for what can never work."""

    def at_once(self, operation: Operation) -> Answer | None:
        """The answer of one that asks nobody else, so that it is written down with the request; None to be asked."""

    async def perform(self, order: Order) -> Answer:
        """Do it, once for the key. Raises Unavailable errors when no answer came."""

    async def reconcile(self, order: Order) -> Answer:
        """What became of the key. One that never arrived is done now, or Failed and can take no effect any more.

        Raises Unavailable errors when no answer came.
        """

    def read_webhook(self, secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> Webhook | None:
        """None for what changes no payment.  headers: names in small letters.  body: the bytes as they came.

        Raises WebhookNotSigned, InvalidWebhook.
        """


class ProviderSettings(msgspec.Struct, frozen=True):
    """How an environment uses a provider.  has_secret: whether webhooks can be checked.

    has_secret_key: whether it knows us.  version: 0 by default.
    """

    key: str
    active: bool
    has_secret: bool
    has_secret_key: bool
    version: int
    operations: list[str]


class ConfiguredProvider(msgspec.Struct, frozen=True):
    """webhook_secret: only in the answer to its making."""

    provider: ProviderSettings
    webhook_secret: str | None


def provider_key(payment_id: str, key: str) -> str:
    """A key of ours as the provider has it: ours is unique for a payment only."""
    return f"{payment_id}:{key}"


def own_key(provider_key: str) -> tuple[str, str]:
    """(payment id, key of ours). The second is empty for what none of our keys is."""
    payment_id, _, key = provider_key.partition(":")
    return payment_id, key


def require_standard_secret(secret: str) -> None:
    """One of Standard Webhooks. Raises InvalidPaymentProvider."""
    try:
        found = base64.b64decode(secret.removeprefix("whsec_"), validate=True) if len(secret) < 200 else b""
    except ValueError:
        found = b""
    if not secret.startswith("whsec_") or not 24 <= len(found) <= 64:
        raise InvalidPaymentProvider(
            "webhookSecret is `whsec_` and 24 to 64 bytes in base64, as the provider shows it.", field="webhookSecret"
        )


def refuse_secret_key(provider: str) -> InvalidPaymentProvider:
    """For a provider that is asked without one."""
    return InvalidPaymentProvider(f"{provider!r} needs no secret key; leave it out.", field="secretKey")
