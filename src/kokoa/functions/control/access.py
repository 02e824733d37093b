"""Access keys: what the AWS server knows about who signed a request, and where it looks keys up."""

from typing import Protocol

import msgspec


class Account(msgspec.Struct, frozen=True):
    """One (environment, partner) pair.  tenant: the tenant's alias.  environment: the environment's name."""

    account_id: str
    environment_id: str
    partner: str
    tenant: str
    environment: str


class AccessKey(msgspec.Struct, frozen=True):
    """A key and the account it belongs to. One account is one (environment, partner) pair.

    tenant: the tenant's alias.  environment: the environment's name.
    """

    access_key_id: str
    secret: str
    account_id: str
    environment_id: str
    partner: str
    tenant: str
    environment: str

    def __repr__(self) -> str:
        """Without the secret, so that no log line or traceback can carry it."""
        return f"AccessKey({self.access_key_id}, account {self.account_id})"

    @property
    def account(self) -> Account:
        """Whose key it is."""
        return Account(self.account_id, self.environment_id, self.partner, self.tenant, self.environment)


class KeyDirectory(Protocol):
    """Finds long-lived keys. A revoked key must be gone within a second."""

    async def find(self, access_key_id: str) -> AccessKey | None:
        """The key, or None when there is none such (or none any more)."""


class SessionDirectory(Protocol):
    """Opens the temporary credentials that functions get."""

    def open(self, access_key_id: str, session_token: str, *, at_ms: int) -> AccessKey | None:
        """The key that the token proves, or None when it is not ours. Raises SessionExpired."""


class AccountDirectory(Protocol):
    """Finds accounts, for the credentials that a function of theirs gets, and what their environment allows."""

    async def account(self, environment_id: str, account_id: str) -> Account | None:
        """The account, or None when the environment has none such."""

    async def egress(self, environment_id: str) -> tuple[str, ...]:
        """Where functions of the environment may connect to, as host:port."""
