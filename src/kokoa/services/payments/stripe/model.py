"""Stripe's objects as far as we read them, and what they mean to us. Pure.

Source: https://docs.stripe.com/api/payment_intents, /refunds, /disputes, /events. What we ask for carries in its
metadata for whom and with which key, so that it is found again without a memory of ours.
"""

import hashlib
import re
from typing import Final

import msgspec

from kokoa.kernel.ids import InvalidId, require_id
from kokoa.services.payments.errors import InvalidPaymentMethod, InvalidPaymentProvider
from kokoa.services.payments.model import News
from kokoa.services.payments.providers.model import Order, Webhook, own_key

ENVIRONMENT = "kokoa_environment"
PAYMENT = "kokoa_payment"
KEY = "kokoa_key"
_CAPTURED = "kokoa_capture_"
CUSTOMER_S = 1_800  # what a customer has time for at their bank

# Stripe's amounts are in ISO 4217's minor units, but for these (https://docs.stripe.com/currencies#special-cases).
_TIMES_HUNDRED: Final = frozenset({"ISK", "UGX"})
_WITHOUT_HUNDREDTHS: Final = frozenset({"MGA"})

_SECRET_KEY = re.compile(r"(sk|rk)_(test|live)_[A-Za-z0-9_]{8,240}")
_WEBHOOK_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=_-]{16,190}")
_METHOD = re.compile(r"pm_[A-Za-z0-9_]{1,190}")


class _Redirect(msgspec.Struct, frozen=True):
    url: str | None = None


class _NextAction(msgspec.Struct, frozen=True):
    type: str
    redirect_to_url: _Redirect | None = None


class _PaymentError(msgspec.Struct, frozen=True):
    code: str | None = None
    decline_code: str | None = None
    message: str | None = None


class _Multicapture(msgspec.Struct, frozen=True):
    status: str = "unavailable"


class _Card(msgspec.Struct, frozen=True):
    multicapture: _Multicapture | None = None


class _MethodDetails(msgspec.Struct, frozen=True):
    card: _Card | None = None


class Charge(msgspec.Struct, frozen=True):
    """What a PaymentIntent has charged, or holds."""

    id: str
    metadata: dict[str, str] | None = None
    payment_method_details: _MethodDetails | None = None


class Intent(msgspec.Struct, frozen=True):
    """A PaymentIntent.  created: Unix time in seconds."""

    id: str
    status: str
    amount: int
    currency: str
    created: int
    amount_capturable: int = 0
    amount_received: int = 0
    metadata: dict[str, str] | None = None
    latest_charge: Charge | str | None = None
    next_action: _NextAction | None = None
    last_payment_error: _PaymentError | None = None

    @property
    def url(self) -> str | None:
        """Where the customer has to go."""
        redirect = self.next_action.redirect_to_url if self.next_action else None
        return redirect.url if redirect else None

    @property
    def captured_in_parts(self) -> bool:
        """Whether Stripe keeps what a capture leaves (multicapture)."""
        details = self.latest_charge.payment_method_details if isinstance(self.latest_charge, Charge) else None
        parts = details.card.multicapture if details and details.card else None
        return parts is not None and parts.status == "available"

    @property
    def ours(self) -> int:
        """What of `amount_received` was captured by us."""
        marks = [value for name, value in (self.metadata or {}).items() if name.startswith(_CAPTURED)]
        return sum(int(one) for one in marks if one.isascii() and one.isdigit())

    @property
    def why(self) -> str:
        """Why it was not paid."""
        error = self.last_payment_error
        return refusal(error.decline_code or error.code, error.message) if error else "it was not confirmed"


class Refund(msgspec.Struct, frozen=True):
    """Money that goes back."""

    id: str
    amount: int
    status: str | None = None
    metadata: dict[str, str] | None = None
    failure_reason: str | None = None


class RefundPage(msgspec.Struct, frozen=True):
    """Refunds, the newest first."""

    data: list[Refund]
    has_more: bool = False


class Dispute(msgspec.Struct, frozen=True):
    """A chargeback, or a bank's question that may become one."""

    id: str
    amount: int
    currency: str
    status: str
    payment_intent: str | None = None


class _Asked(msgspec.Struct, frozen=True):
    idempotency_key: str | None = None


class _Data(msgspec.Struct, frozen=True):
    object: msgspec.Raw


class Event(msgspec.Struct, frozen=True):
    """What a webhook brings.  request: of ours, if that was the cause; a mere id in old versions of the API."""

    id: str
    type: str
    data: _Data
    request: _Asked | str | None = None

    @property
    def cause(self) -> tuple[str, str]:
        """(payment id, key) of the request of ours that caused it, as far as it has one."""
        asked = self.request.idempotency_key if isinstance(self.request, _Asked) else None
        return own_key(asked or "")


def metadata_of(order: Order) -> dict[str, str]:
    """By which an object is found to be ours."""
    return {
        ENVIRONMENT: order.environment_id,
        PAYMENT: order.payment_id,
        KEY: own_key(order.key)[1],
        "kokoa_reference": order.reference,
    }


def capture_mark(order: Order) -> str:
    """The name of what a PaymentIntent's metadata says of a capture, which may be one of many."""
    return f"{_CAPTURED}{hashlib.sha256(order.key.encode()).hexdigest()[:16]}"


def stripe_amount(amount_minor: int, currency: str) -> int | None:
    """As Stripe counts it; None for what Stripe cannot count."""
    if currency in _TIMES_HUNDRED:
        return amount_minor * 100
    if currency in _WITHOUT_HUNDREDTHS:
        return None if amount_minor % 100 else amount_minor // 100
    return amount_minor


def own_amount(amount: int, currency: str) -> int:
    """As we count it."""
    if currency.upper() in _TIMES_HUNDRED:
        return amount // 100
    return amount * 100 if currency.upper() in _WITHOUT_HUNDREDTHS else amount


def refusal(code: str | None, message: str | None) -> str:
    """Stripe's word, for people and for programs."""
    return f"{code}: {message}" if code and message else code or message or "Stripe gives no reason"


def news_of(event: Event) -> Webhook | None:
    """What an event means to a payment; None for what is not about ours, or is nothing new."""
    payload = event.data.object
    match event.type:
        case (
            "payment_intent.amount_capturable_updated"
            | "payment_intent.succeeded"
            | "payment_intent.payment_failed"
            | "payment_intent.canceled"
        ):
            return _of_intent(event, msgspec.json.decode(payload, type=Intent))
        case "charge.refunded":
            charge = msgspec.json.decode(payload, type=Charge)
            payment, key = event.cause
            if payment != (charge.metadata or {}).get(PAYMENT):
                return None
            return _about(event, charge.metadata, News("SUCCESS", key))
        case "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated":
            return _of_refund(event, msgspec.json.decode(payload, type=Refund))
        case "charge.dispute.created":
            return _of_dispute(event, msgspec.json.decode(payload, type=Dispute))
        case _:
            return None


def _of_intent(event: Event, intent: Intent) -> Webhook | None:
    metadata = intent.metadata or {}
    authorized = metadata.get(KEY, "")
    payment, key = event.cause
    by_us = payment == metadata.get(PAYMENT) and bool(key)
    if event.type == "payment_intent.payment_failed":
        return _about(event, metadata, None)  # it can be paid still: whoever asks gives it up
    if event.type == "payment_intent.canceled" and not by_us:
        return _about(event, metadata, News("FAILURE", authorized, intent.id, intent.why))
    return _about(event, metadata, News("SUCCESS", key if by_us else authorized, intent.id))


def _of_refund(event: Event, refund: Refund) -> Webhook | None:
    key = (refund.metadata or {}).get(KEY, "")
    match refund.status:
        case "succeeded":
            return _about(event, refund.metadata, News("SUCCESS", key, refund.id))
        case "failed":
            return _about(event, refund.metadata, News("REFUND_REVERSED", key, refund.id, refund.failure_reason))
        case _:
            return None


def _of_dispute(event: Event, dispute: Dispute) -> Webhook | None:
    if dispute.status.startswith("warning_") or dispute.payment_intent is None:
        return None  # a question: no money has gone
    amount = own_amount(dispute.amount, dispute.currency)
    news = News("CHARGEBACK", dispute.id, dispute.id, amount_minor=amount)
    return Webhook(event.id, None, news, authorization=dispute.payment_intent)


def _about(event: Event, metadata: dict[str, str] | None, news: News | None) -> Webhook | None:
    found = metadata or {}
    try:
        payment = require_id(found.get(PAYMENT, ""), field="metadata")
    except InvalidId:
        return None  # of another program at the same account
    return Webhook(event.id, payment, news, environment_id=found.get(ENVIRONMENT))


def require_card(method: str | None) -> None:
    """Raises InvalidPaymentMethod."""
    if method is None or not _METHOD.fullmatch(method):
        raise InvalidPaymentMethod(
            "`stripe` takes the id of a PaymentMethod (`pm_…`), which Stripe.js makes in the customer's browser.",
            field="method",
        )


def require_key(secret_key: str) -> None:
    """Raises InvalidPaymentProvider, which does not repeat it."""
    if secret_key.startswith("pk_"):
        raise InvalidPaymentProvider(
            "secretKey is the secret key (`sk_…`) or a restricted one (`rk_…`), not the publishable one.",
            field="secretKey",
        )
    if not _SECRET_KEY.fullmatch(secret_key):
        raise InvalidPaymentProvider(
            "secretKey is `sk_test_…`, `sk_live_…`, `rk_test_…` or `rk_live_…`, as Stripe shows it.",
            field="secretKey",
        )


def require_signing_secret(secret: str) -> None:
    """Raises InvalidPaymentProvider."""
    if not _WEBHOOK_SECRET.fullmatch(secret):
        raise InvalidPaymentProvider(
            "webhookSecret is the signing secret of the webhook endpoint, `whsec_…`, as Stripe shows it.",
            field="webhookSecret",
        )
