"""What can go wrong with payments."""

from kokoa.kernel.errors import Conflict, Invalid, NotFound, Unauthenticated, Unavailable


class InvalidPayment(Invalid):
    """A payment's field, or that of a request about it, is not acceptable; the field says where."""


class InvalidPaymentPage(Invalid):
    """A page of payments or transactions has a limit or cursor that is none."""


class InvalidPaymentMethod(Invalid):
    """The provider knows no such payment method, or lacks what the method needs."""


class InvalidPaymentProvider(Invalid):
    """What a payment provider was to be set to is not acceptable; the field says where."""


class InvalidWebhook(Invalid):
    """What a provider sent cannot be read, although its signature is right."""


class WebhookNotSigned(Unauthenticated):
    """The signature or the moment of a webhook is wrong, or the provider has no secret here."""


class PaymentNotFound(NotFound):
    """This environment has no such payment."""


class PaymentProviderNotFound(NotFound):
    """There is no payment provider of this name."""


class TestPaymentNotFound(NotFound):
    """No payment of the test provider with this key waits for a decision."""


class PaymentReferenceTaken(Conflict):
    """Another payment has this external reference."""


class PaymentProviderInactive(Conflict):
    """The payment provider is not active in this environment."""


class PaymentProviderChanged(Conflict):
    """Somebody changed the provider's settings since they were read."""


class PaymentOperationUnsupported(Conflict):
    """The payment's provider does not do this; the message says what to do instead."""


class MoreThanAuthorizable(Conflict):
    """More was to be authorised than the payment is about; what is pending counts."""


class MoreThanAuthorized(Conflict):
    """More was to be captured or cancelled than is authorised and free; what is pending counts."""


class MoreThanCharged(Conflict):
    """More was to be refunded than is charged; what is pending counts."""


class TooMuchPaid(Conflict):
    """A payment would have more than can be told of it."""


class TooManyPaymentTransactions(Conflict):
    """The payment has as many transactions as it may have."""


class PaymentProviderUnavailable(Unavailable):
    """A payment provider does not answer, or its answer was lost."""
