"""Facts that customers tells others. Passwords and tokens are in none but those that a mailer needs."""

from kokoa.postgres import Event


class _OfCustomer(Event, frozen=True, kw_only=True):
    customer_id: str

    def key(self) -> str:
        return self.customer_id


class CustomerRegistered(_OfCustomer, frozen=True, kw_only=True):
    """There is a new customer.  by: CUSTOMER or MERCHANT."""

    email: str
    version: int
    by: str


class CustomerUpdated(_OfCustomer, frozen=True, kw_only=True):
    """A customer, their addresses or groups changed."""

    version: int


class EmailVerificationRequested(_OfCustomer, frozen=True, kw_only=True):
    """Whoever sends mail is to send this token; verifyEmail takes it.  expires_at: ISO 8601."""

    email: str
    locale: str | None
    token: str
    expires_at: str


class EmailVerified(_OfCustomer, frozen=True, kw_only=True):
    """The customer reads what is sent to the address."""

    email: str


class PasswordResetRequested(_OfCustomer, frozen=True, kw_only=True):
    """Whoever sends mail is to send this token; resetPassword takes it.  expires_at: ISO 8601."""

    email: str
    locale: str | None
    token: str
    expires_at: str


class PasswordChanged(_OfCustomer, frozen=True, kw_only=True):
    """All sessions of the customer have ended, but the one that changed it."""


class SessionStarted(_OfCustomer, frozen=True, kw_only=True):
    """Somebody signed in."""

    session_id: str


class SessionRevoked(_OfCustomer, frozen=True, kw_only=True):
    """Sessions ended before their time.  reason: SIGNED_OUT, REUSED (of a refresh token), PASSWORD or DISABLED.

    session_id: None for all of the customer's.
    """

    session_id: str | None
    reason: str


class CompanyChanged(Event, frozen=True, kw_only=True):
    """A company or its people changed."""

    company_id: str
    version: int

    def key(self) -> str:
        return self.company_id
