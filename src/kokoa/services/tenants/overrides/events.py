"""Facts that tenants tells others about policies of overrides."""

from kokoa.postgres import Event


class OverridePolicySet(Event, frozen=True, kw_only=True):
    """An override behaves in another way from now on."""

    subject: str
    version: int

    def key(self) -> str:
        return self.subject


class OverridePolicyUnset(Event, frozen=True, kw_only=True):
    """An override behaves as if nobody had ever said how."""

    subject: str

    def key(self) -> str:
        return self.subject
