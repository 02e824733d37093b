"""Facts that payments tell others. Amounts are in minor units."""

from kokoa.postgres import Event


class _OfPayment(Event, frozen=True, kw_only=True):
    """reference: what is paid, as the caller named it.  transaction: the key of what happened."""

    payment_id: str
    reference: str
    amount_minor: int
    currency: str

    def key(self) -> str:
        return self.payment_id


class PaymentCreated(_OfPayment, frozen=True, kw_only=True):
    """Something is to be paid."""

    provider: str


class PaymentAuthorized(_OfPayment, frozen=True, kw_only=True):
    """So much may be captured."""

    transaction: str


class PaymentCaptured(_OfPayment, frozen=True, kw_only=True):
    """So much was charged."""

    transaction: str


class PaymentRefunded(_OfPayment, frozen=True, kw_only=True):
    """So much was given back."""

    transaction: str


class PaymentVoided(_OfPayment, frozen=True, kw_only=True):
    """So much of what was authorised may not be captured any more."""

    transaction: str


class PaymentFailed(_OfPayment, frozen=True, kw_only=True):
    """What was asked for did not happen.  operation: AUTHORIZE, CHARGE, REFUND or CANCEL."""

    transaction: str
    operation: str
    message: str


class PaymentActionRequired(_OfPayment, frozen=True, kw_only=True):
    """The customer has to do something at `url` first."""

    transaction: str
    url: str


class ChargebackReceived(_OfPayment, frozen=True, kw_only=True):
    """The customer's bank took so much back."""

    transaction: str


class RefundReversed(_OfPayment, frozen=True, kw_only=True):
    """A refund did not arrive, and came back."""

    transaction: str
