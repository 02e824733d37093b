"""Facts that tenants tells others."""

from kokoa.postgres import Event


class EnvironmentCreated(Event, frozen=True, kw_only=True):
    """A tenant has a new environment."""

    tenant_alias: str
    name: str

    def key(self) -> str:
        return self.tenant_alias


class EnvironmentChanged(Event, frozen=True, kw_only=True):
    """Secrets, domains or limits of an environment changed."""

    tenant_alias: str
    name: str

    def key(self) -> str:
        return self.tenant_alias


class PartnerAdded(Event, frozen=True, kw_only=True):
    """A partner has an account in the environment."""

    account_id: str
    partner: str

    def key(self) -> str:
        return self.account_id


class AccessKeyCreated(Event, frozen=True, kw_only=True):
    """An account has a new key."""

    account_id: str
    access_key_id: str

    def key(self) -> str:
        return self.account_id


class AccessKeyRevoked(Event, frozen=True, kw_only=True):
    """A key ended."""

    account_id: str
    access_key_id: str

    def key(self) -> str:
        return self.account_id


class GrantAdded(Event, frozen=True, kw_only=True):
    """The owner lets a partner take something."""

    account_id: str
    kind: str
    pattern: str

    def key(self) -> str:
        return self.account_id


class GrantRevoked(Event, frozen=True, kw_only=True):
    """The owner took a grant back."""

    account_id: str
    kind: str
    pattern: str

    def key(self) -> str:
        return self.account_id


class EgressAllowed(Event, frozen=True, kw_only=True):
    """Functions of the environment may connect to one more destination."""

    destination: str

    def key(self) -> str:
        return self.destination


class EgressRemoved(Event, frozen=True, kw_only=True):
    """Functions of the environment may no longer connect to a destination."""

    destination: str

    def key(self) -> str:
        return self.destination


class OperationsChanged(Event, frozen=True, kw_only=True):
    """Documents were registered or forgotten, or storefronts may now send others or none but those."""

    registered: int = 0
    removed: int = 0

    def key(self) -> str:
        return "operations"
