"""Payments: what is derived from their transactions, and what may be asked for. Pure.

A request has a key. What becomes of it has the same key: ACTION_REQUIRED, then SUCCESS or FAILURE. A request without
either is pending. A SUCCESS is final: whatever the provider said before or says later of the key, it counts once, as
a success.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from kokoa.kernel.errors import Conflict
from kokoa.kernel.money import CURRENCIES
from kokoa.kernel.text import is_plain
from kokoa.services.payments.errors import (
    InvalidPayment,
    InvalidPaymentPage,
    MoreThanAuthorizable,
    MoreThanAuthorized,
    MoreThanCharged,
    PaymentOperationUnsupported,
    TooManyPaymentTransactions,
    TooMuchPaid,
)

AMOUNT_MAX: Final = 2**31 - 1  # what GraphQL's Int holds
REFERENCE_MAX = 128
TEXT_MAX = 500
URL_MAX = 2_000
METHOD_MAX = 200
TRANSACTIONS_MAX = 200
PAGE_MAX = 100
SHOWN_TRANSACTIONS_MAX = 250

Operation = Literal["AUTHORIZE", "CHARGE", "REFUND", "CANCEL"]
TransactionType = Literal[
    "AUTHORIZE_REQUEST",
    "AUTHORIZE_SUCCESS",
    "AUTHORIZE_FAILURE",
    "CHARGE_REQUEST",
    "CHARGE_SUCCESS",
    "CHARGE_FAILURE",
    "REFUND_REQUEST",
    "REFUND_SUCCESS",
    "REFUND_FAILURE",
    "CANCEL_REQUEST",
    "CANCEL_SUCCESS",
    "CANCEL_FAILURE",
    "ACTION_REQUIRED",
    "CHARGEBACK",
    "REFUND_REVERSED",
]

_REQUEST: Final[dict[Operation, TransactionType]] = {
    "AUTHORIZE": "AUTHORIZE_REQUEST",
    "CHARGE": "CHARGE_REQUEST",
    "REFUND": "REFUND_REQUEST",
    "CANCEL": "CANCEL_REQUEST",
}
_SUCCESS: Final[dict[Operation, TransactionType]] = {
    "AUTHORIZE": "AUTHORIZE_SUCCESS",
    "CHARGE": "CHARGE_SUCCESS",
    "REFUND": "REFUND_SUCCESS",
    "CANCEL": "CANCEL_SUCCESS",
}
_FAILURE: Final[dict[Operation, TransactionType]] = {
    "AUTHORIZE": "AUTHORIZE_FAILURE",
    "CHARGE": "CHARGE_FAILURE",
    "REFUND": "REFUND_FAILURE",
    "CANCEL": "CANCEL_FAILURE",
}
_REQUESTED: Final = {type_: operation for operation, type_ in _REQUEST.items()}
_DONE: Final = {type_: operation for operation, type_ in _SUCCESS.items()}
_FAILED: Final = {type_: operation for operation, type_ in _FAILURE.items()}


class Payment(msgspec.Struct, frozen=True):
    """Something that is to be paid.  reference: what, as the caller names it.  provider: who moves the money."""

    id: str
    reference: str
    amount_minor: int
    currency: str
    customer_id: str | None
    provider: str
    external_reference: str | None
    version: int
    created_at: datetime
    changed_at: datetime


class NewPayment(msgspec.Struct, frozen=True):
    """A payment to be made."""

    reference: str
    amount_minor: int
    currency: str
    provider: str
    customer_id: str | None = None
    external_reference: str | None = None


class NewTransaction(msgspec.Struct, frozen=True):
    """A transaction to be written down, or what of one amounts are derived from."""

    type: TransactionType
    amount_minor: int
    key: str
    provider_reference: str | None = None
    message: str | None = None
    action_url: str | None = None
    fingerprint: bytes | None = None


class PaymentTransaction(msgspec.Struct, frozen=True):
    """One thing that happened, as it is shown.  key: of the request; of a chargeback the provider's id of it."""

    id: int
    type: TransactionType
    amount_minor: int
    key: str
    provider_reference: str | None
    message: str | None
    action_url: str | None
    actor: str
    created_at: datetime


class Amounts(msgspec.Struct, frozen=True):
    """In minor units.  …_pending: asked for, and no result yet.  charged: before refunds and chargebacks."""

    authorized: int = 0
    authorize_pending: int = 0
    charged: int = 0
    charge_pending: int = 0
    refunded: int = 0
    refund_pending: int = 0
    cancelled: int = 0
    cancel_pending: int = 0
    charged_back: int = 0

    @property
    def capturable(self) -> int:
        """What may be captured or cancelled still."""
        taken = self.charged + self.charge_pending + self.cancelled + self.cancel_pending
        return max(self.authorized - taken, 0)

    @property
    def refundable(self) -> int:
        """What may be refunded still."""
        return max(self.charged - self.refunded - self.refund_pending - self.charged_back, 0)

    @property
    def kept(self) -> int:
        """What of the charged money is still ours; less than nothing when it was taken back twice."""
        return self.charged - self.refunded - self.charged_back


AuthorizationStatus = Literal["NONE", "PARTIAL", "FULL"]
ChargeStatus = Literal["NONE", "PARTIAL", "FULL", "OVER"]


class News(msgspec.Struct, frozen=True):
    """What a provider says of a payment, whoever asked and however late.

    kind: ACTION, SUCCESS and FAILURE of the request with `key`; REFUND_REVERSED of the refund with `key`; CHARGEBACK,
    whose `key` is the provider's id of it and which alone has an amount of its own.
    """

    kind: Literal["ACTION", "SUCCESS", "FAILURE", "CHARGEBACK", "REFUND_REVERSED"]
    key: str
    provider_reference: str | None = None
    message: str | None = None
    action_url: str | None = None
    amount_minor: int = 0


class Wanted(msgspec.Struct, frozen=True):
    """What somebody asks for.  amount_minor: None for all that is possible.  key: of the request."""

    operation: Operation
    key: str
    amount_minor: int | None = None
    method: str | None = None
    return_url: str | None = None

    def fingerprint(self) -> bytes:
        """Equal for equal requests."""
        asked = (self.operation, self.amount_minor, self.method, self.return_url)
        return hashlib.sha256(msgspec.json.encode(asked)).digest()


Known = Sequence[NewTransaction] | Sequence[PaymentTransaction]


def amounts_of(known: Known) -> Amounts:
    """Derived from all transactions of a payment, in whatever order they came."""
    sums: dict[str, int] = dict.fromkeys(Amounts.__struct_fields__, 0)
    done = {(one.key, _DONE[one.type]) for one in known if one.type in _DONE}
    failed = {(one.key, _FAILED[one.type]) for one in known if one.type in _FAILED}
    reversed_ = {one.key for one in known if one.type == "REFUND_REVERSED"}
    for one in known:
        if one.type == "CHARGEBACK":
            sums["charged_back"] += one.amount_minor
        elif (operation := _DONE.get(one.type)) is not None:
            if operation != "REFUND" or one.key not in reversed_:
                sums[_DONE_FIELD[operation]] += one.amount_minor
        elif (operation := _REQUESTED.get(one.type)) is not None and (one.key, operation) not in done | failed:
            sums[_PENDING_FIELD[operation]] += one.amount_minor
    return Amounts(**sums)


_DONE_FIELD: Final[dict[Operation, str]] = {
    "AUTHORIZE": "authorized",
    "CHARGE": "charged",
    "REFUND": "refunded",
    "CANCEL": "cancelled",
}
_PENDING_FIELD: Final[dict[Operation, str]] = {
    "AUTHORIZE": "authorize_pending",
    "CHARGE": "charge_pending",
    "REFUND": "refund_pending",
    "CANCEL": "cancel_pending",
}


def authorization_status(amount_minor: int, amounts: Amounts) -> AuthorizationStatus:
    """How much of the payment is, or was until it was charged, authorised."""
    authorized = amounts.authorized - amounts.cancelled
    if authorized <= 0:
        return "NONE"
    return "FULL" if authorized >= amount_minor else "PARTIAL"


def charge_status(amount_minor: int, amounts: Amounts) -> ChargeStatus:
    """How much of the payment is charged and was not taken back."""
    if amounts.kept <= 0:
        return "NONE"
    if amounts.kept == amount_minor:
        return "FULL"
    return "PARTIAL" if amounts.kept < amount_minor else "OVER"


class ShownPayment(Payment, frozen=True):
    """A payment with what is derived of it."""

    amounts: Amounts
    authorization_status: AuthorizationStatus
    charge_status: ChargeStatus
    action_url: str | None


def shown(payment: Payment, known: Known) -> ShownPayment:
    """known: all its transactions."""
    amounts = amounts_of(known)
    return ShownPayment(
        **msgspec.structs.asdict(payment),
        amounts=amounts,
        authorization_status=authorization_status(payment.amount_minor, amounts),
        charge_status=charge_status(payment.amount_minor, amounts),
        action_url=action_url_of(known),
    )


def action_url_of(known: Known) -> str | None:
    """Where the customer has to go for a request that is pending, if there is such a place; of several the last."""
    settled = {one.key for one in known if one.type in _DONE or one.type in _FAILED}
    urls = [one.action_url for one in known if one.type == "ACTION_REQUIRED" and one.key not in settled]
    return urls[-1] if urls else None


def amount_to_request(payment: Payment, known: Known, wanted: Wanted) -> int:
    """How much is asked of the provider, in minor units.

    Raises MoreThanAuthorizable, MoreThanAuthorized, MoreThanCharged, TooManyPaymentTransactions.
    """
    require_room(known)
    amounts = amounts_of(known)
    free, what, refusal = _free(payment, amounts, wanted.operation)
    amount = free if wanted.amount_minor is None else wanted.amount_minor
    if amount > free or not amount:
        raise refusal(f"{amount} {payment.currency} (minor units) cannot be {what}: {free} can.")
    return amount


def _free(payment: Payment, amounts: Amounts, operation: Operation) -> tuple[int, str, type[Conflict]]:
    """How much may be asked for, what that is called, and what is wrong with more."""
    match operation:
        case "AUTHORIZE":
            taken = amounts.authorized + amounts.authorize_pending - amounts.cancelled
            return max(payment.amount_minor - taken, 0), "authorised", MoreThanAuthorizable
        case "CHARGE":
            return amounts.capturable, "captured", MoreThanAuthorized
        case "CANCEL":
            return amounts.capturable, "cancelled", MoreThanAuthorized
        case "REFUND":
            return amounts.refundable, "refunded", MoreThanCharged


def left_after(known: Known, operation: Operation, amount_minor: int) -> int:
    """What of the authorisation may be taken still, once so much is captured or cancelled; what is pending counts."""
    if operation not in ("CHARGE", "CANCEL"):
        return 0
    amounts = amounts_of(known)
    return max(amounts.capturable - amount_minor, 0) + amounts.charge_pending


def require_no_authorization(known: Known, provider: str) -> None:
    """Raises PaymentOperationUnsupported."""
    amounts = amounts_of(known)
    if amounts.authorized - amounts.cancelled + amounts.authorize_pending > 0:
        raise PaymentOperationUnsupported(
            f"{provider!r} has one authorisation at a time of a payment: make another payment for the rest."
        )


def require_recordable(known: Known, amount_minor: int) -> None:
    """Whether so much more may be written down as paid. Raises TooMuchPaid, TooManyPaymentTransactions."""
    require_room(known)
    if amounts_of(known).charged + amount_minor > AMOUNT_MAX:
        raise TooMuchPaid(f"All that is paid must be {AMOUNT_MAX:,} at most, in minor units.")


def require_room(known: Known) -> None:
    """Raises TooManyPaymentTransactions."""
    if len(known) >= TRANSACTIONS_MAX:
        raise TooManyPaymentTransactions(f"A payment has at most {TRANSACTIONS_MAX} transactions; make a new one.")


def request_of(wanted: Wanted, amount_minor: int) -> NewTransaction:
    """What is written down before the provider is asked."""
    return NewTransaction(_REQUEST[wanted.operation], amount_minor, wanted.key, fingerprint=wanted.fingerprint())


def paid(amount_minor: int, key: str, message: str | None, fingerprint: bytes) -> NewTransaction:
    """What came in without that we asked a provider for it."""
    return NewTransaction("CHARGE_SUCCESS", amount_minor, key, message=message, fingerprint=fingerprint)


def news_to_write(known: Known, news: News) -> list[NewTransaction]:
    """What is new in what a provider says; nothing when we know it, or something later, or never asked for it."""
    about = [one for one in known if one.key == news.key]
    types = {one.type for one in about}
    if news.kind == "CHARGEBACK":
        return [] if "CHARGEBACK" in types else [_said("CHARGEBACK", news.amount_minor, news)]
    request = next((one for one in about if one.type in _REQUESTED), None)
    if request is None:
        return []
    operation = _REQUESTED[request.type]
    if news.kind == "REFUND_REVERSED" and operation != "REFUND":
        return []
    success, failure = _SUCCESS[operation], _FAILURE[operation]
    # What each says, and what it is too late for.
    says: dict[str, tuple[TransactionType, set[TransactionType]]] = {
        "ACTION": ("ACTION_REQUIRED", {success, failure}),
        "SUCCESS": (success, set()),
        "FAILURE": (failure, {success}),
        "REFUND_REVERSED": ("REFUND_REVERSED", set()),
    }
    type_, too_late = says[news.kind]
    return [] if types & {type_, *too_late} else [_said(type_, request.amount_minor, news)]


def _said(type_: TransactionType, amount_minor: int, news: News) -> NewTransaction:
    message = news.message and news.message[:TEXT_MAX]
    return NewTransaction(type_, amount_minor, news.key, news.provider_reference, message, news.action_url)


def ends_request(one: NewTransaction) -> Operation | None:
    """Of which operation it is the result; None for what is none."""
    return _DONE.get(one.type) or _FAILED.get(one.type)


def require_new(new: NewPayment) -> None:
    """Raises InvalidPayment, which names the field."""
    require_reference(new.reference)
    require_amount(new.amount_minor)
    if new.currency not in CURRENCIES:
        raise InvalidPayment("currency must be an ISO 4217 code such as EUR.", field="currency")
    if new.external_reference is not None and not new.external_reference:
        raise InvalidPayment("externalReference must not be empty; leave it out.", field="externalReference")
    require_text(new.external_reference, "externalReference")


def require_reference(reference: str) -> None:
    """Raises InvalidPayment."""
    if not reference.strip() or len(reference) > REFERENCE_MAX or not is_plain(reference):
        raise InvalidPayment(f"reference has 1 to {REFERENCE_MAX} characters and no NUL.", field="reference")


def require_amount(amount_minor: int | None) -> None:
    """None for all that is possible. Raises InvalidPayment."""
    if amount_minor is not None and not 1 <= amount_minor <= AMOUNT_MAX:
        raise InvalidPayment(f"amountMinor must be 1 to {AMOUNT_MAX:,}.", field="amountMinor")


def require_text(text: str | None, field: str, most: int = TEXT_MAX) -> None:
    """Raises InvalidPayment."""
    if text is not None and (len(text) > most or not is_plain(text)):
        raise InvalidPayment(f"{field} has at most {most} characters and no NUL.", field=field)


def require_return_url(url: str | None) -> None:
    """Raises InvalidPayment."""
    require_text(url, "returnUrl", URL_MAX)
    if url is not None and not url.startswith(("https://", "http://")):
        raise InvalidPayment("returnUrl must begin with https:// or http://.", field="returnUrl")


def require_page(limit: int, most: int = PAGE_MAX) -> None:
    """Raises InvalidPaymentPage."""
    if not 1 <= limit <= most:
        raise InvalidPaymentPage(f"limit must be 1 to {most}.", field="limit")
