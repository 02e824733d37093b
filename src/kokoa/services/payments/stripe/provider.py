"""Stripe as a Provider.

An authorisation is two requests: one makes a PaymentIntent, which does nothing, the other confirms it. So an answer
that was lost is found out without doing anything: the first request again, by its key, says which PaymentIntent it
was; and one that nobody has confirmed is cancelled, and can take no effect any more (docs/decisions/0110).
"""

import time
from collections.abc import Mapping
from typing import Any

import msgspec
import stripe

from kokoa.services.payments.errors import InvalidWebhook, PaymentProviderUnavailable, WebhookNotSigned
from kokoa.services.payments.model import Operation
from kokoa.services.payments.providers.model import (
    STRIPE,
    ActionRequired,
    Answer,
    Failed,
    Order,
    Succeeded,
    Unknown,
    Webhook,
)
from kokoa.services.payments.providers.secrets import SecretKeys
from kokoa.services.payments.stripe.api import Account, KeyRefused, Refused, StripeApi
from kokoa.services.payments.stripe.model import (
    CUSTOMER_S,
    KEY,
    Event,
    Intent,
    Refund,
    capture_mark,
    metadata_of,
    news_of,
    require_card,
    require_key,
    require_signing_secret,
    stripe_amount,
)
from kokoa.services.payments.webhooks.signatures import TOLERANCE_S

_decode = msgspec.json.Decoder(Event).decode


class StripeProvider:
    """Cards at the Stripe account of each environment.  keys: opens its secret key."""

    key = STRIPE
    operations: frozenset[Operation] = frozenset({"AUTHORIZE", "CHARGE", "REFUND", "CANCEL"})
    active_by_default = False
    sends_webhooks = True
    makes_webhook_secrets = False  # Stripe does
    needs_secret_key = True
    authorizes_once = True

    def __init__(self, api: StripeApi, keys: SecretKeys) -> None:
        self._api = api
        self._keys = keys

    def require_method(self, method: str | None, return_url: str | None) -> None:
        """Raises InvalidPaymentMethod."""
        require_card(method)

    def require_secret_key(self, secret_key: str) -> None:
        """Raises InvalidPaymentProvider."""
        require_key(secret_key)

    def require_webhook_secret(self, secret: str) -> None:
        """Raises InvalidPaymentProvider."""
        require_signing_secret(secret)

    def at_once(self, operation: Operation) -> Answer | None:
        return None

    async def perform(self, order: Order) -> Answer:
        """Raises PaymentProviderUnavailable."""
        try:
            return await self._done(await self._account(order), order, first=True)
        except Refused as refused:
            return Failed(refused.message)

    async def reconcile(self, order: Order) -> Answer:
        """What never arrived is done now, but for an authorisation. Raises PaymentProviderUnavailable."""
        try:
            return await self._done(await self._account(order), order, first=False)
        except KeyRefused as refused:
            return Unknown(refused.message)  # who has the right key will know
        except Refused as refused:
            return Failed(refused.message)

    def read_webhook(self, secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> Webhook | None:
        """Raises WebhookNotSigned, InvalidWebhook."""
        header = headers.get("stripe-signature", "")
        wrong = f"Stripe-Signature is not that of this webhook, or more than {TOLERANCE_S} s off."
        if not header.isascii():  # the library compares ASCII only
            raise WebhookNotSigned(wrong)
        try:
            stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_S)
        except (stripe.SignatureVerificationError, UnicodeDecodeError) as error:
            raise WebhookNotSigned(wrong) from error
        moments = [int(part.split("=")[1]) for part in header.split(",") if part.startswith("t=")]
        if moments[0] > now_s + TOLERANCE_S:  # the library looks back only
            raise WebhookNotSigned(wrong)
        try:
            return news_of(_decode(body))
        except (msgspec.DecodeError, ValueError) as error:
            raise InvalidWebhook(f"The webhook's body is no event of Stripe's: {error}") from error

    async def _account(self, order: Order) -> Account:
        secret_key = await self._keys.of(order.environment_id, STRIPE)
        if secret_key is None:
            raise KeyRefused("This environment has given no secret key of Stripe.")
        return self._api.account(secret_key)

    async def _done(self, account: Account, order: Order, *, first: bool) -> Answer:
        amount = stripe_amount(order.amount_minor, order.currency)
        if amount is None:
            return Failed(f"Stripe takes whole units of {order.currency} only")
        if order.operation == "AUTHORIZE":
            return await _authorize(account, order, amount, first=first)
        authorized = order.provider_reference
        assert authorized is not None, "nothing is charged, cancelled or refunded that was not authorised"
        match order.operation:
            case "CHARGE":
                return await _capture(account, order, authorized, amount)
            case "CANCEL":
                return await _cancel(account, order, authorized)
            case "REFUND":
                return await _refund(account, order, authorized, amount, first=first)


async def _authorize(account: Account, order: Order, amount: int, *, first: bool) -> Answer:
    made = await account.create(
        {
            "amount": amount,
            "currency": order.currency.lower(),
            "capture_method": "manual",
            "payment_method": order.method,
            "payment_method_types": ["card"],
            "payment_method_options": {"card": {"request_multicapture": "if_available"}},
            "metadata": metadata_of(order),
        },
        f"create|{order.key}",
    )
    if not first:
        return await _state(account, order, await account.find(made.id))
    params = {} if order.return_url is None else {"return_url": order.return_url}
    try:
        confirmed = await account.confirm(made.id, params, f"confirm|{order.key}")
    except KeyRefused:
        raise
    except Refused as refused:
        return await _drop(account, order, made, refused.message)
    return await _state(account, order, confirmed)


async def _state(account: Account, order: Order, intent: Intent) -> Answer:
    """What became of an authorisation. What can take effect still, although nobody waits for it, is given up."""
    match intent.status:
        case "requires_capture" | "succeeded":
            return Succeeded(intent.id)
        case "processing":
            return Unknown("Stripe has not decided yet")
        case "requires_action" if intent.url is None:
            why = "authentication_required: the bank wants to see the customer; authorise again with a returnUrl"
            return await _drop(account, order, intent, why)
        case "requires_action" if time.time() - intent.created < CUSTOMER_S:
            return ActionRequired(intent.url or "", intent.id)
        case "requires_action":
            return await _drop(account, order, intent, "the customer did not come back from their bank")
        case "canceled":
            return Failed(intent.why, intent.id)
        case _:
            return await _drop(account, order, intent, intent.why)


async def _drop(account: Account, order: Order, intent: Intent, why: str) -> Answer:
    """Raises PaymentProviderUnavailable when it is not known to be given up: it is looked at again, then."""
    try:
        await account.cancel(intent.id, f"drop|{order.key}")
    except Refused as refused:
        raise PaymentProviderUnavailable("Stripe has not let go of a payment.", detail=refused.message) from refused
    return Failed(why, intent.id)


async def _capture(account: Account, order: Order, authorized: str, amount: int) -> Answer:
    intent = await account.find(authorized)
    mark = capture_mark(order)
    if mark in (intent.metadata or {}):
        return Succeeded(intent.id)
    in_parts = intent.captured_in_parts
    if order.left_minor and not in_parts:
        return Failed(
            "this Stripe account captures an authorisation once: capture all that is left of it, and void first what "
            "is not needed"
        )
    params: dict[str, Any] = {"amount_to_capture": amount, "metadata": {mark: str(amount)}}
    if order.left_minor:
        params["final_capture"] = False
    return Succeeded((await account.capture(authorized, params, order.key)).id)


async def _cancel(account: Account, order: Order, authorized: str) -> Answer:
    """Stripe gives up all or nothing. A part is only ours to give up: the last capture lets go of it."""
    intent = await account.find(authorized)
    if intent.status == "succeeded" and intent.amount_received > intent.ours:
        return Failed("it was captured, by somebody else than this shop", intent.id)
    if intent.status == "canceled" or (intent.status == "succeeded" and not intent.amount_capturable):
        return Succeeded(intent.id)
    if order.left_minor:
        return Succeeded(intent.id, "Stripe lets go of it when the rest is captured or voided")
    return Succeeded((await account.cancel(authorized, order.key)).id)


async def _refund(account: Account, order: Order, authorized: str, amount: int, *, first: bool) -> Answer:
    wanted = metadata_of(order)
    if not first:
        for known in await account.refunds(authorized):
            if (known.metadata or {}).get(KEY) == wanted[KEY]:
                return _refunded(known)
    return _refunded(
        await account.refund({"payment_intent": authorized, "amount": amount, "metadata": wanted}, order.key)
    )


def _refunded(refund: Refund) -> Answer:
    match refund.status:
        case "succeeded":
            return Succeeded(refund.id)
        case "failed" | "canceled":
            return Failed(refund.failure_reason or "Stripe did not refund it", refund.id)
        case _:
            return Unknown("Stripe has not decided yet")
