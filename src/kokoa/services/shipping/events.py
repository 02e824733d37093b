"""Facts that shipping tells others."""

from kokoa.postgres import Event


class ShippingZoneChanged(Event, frozen=True, kw_only=True):
    """A zone was put or deleted."""

    zone: str
    version: int
    deleted: bool = False

    def key(self) -> str:
        return self.zone


class ShippingMethodChanged(Event, frozen=True, kw_only=True):
    """A method was put or deleted."""

    method: str
    version: int
    deleted: bool = False

    def key(self) -> str:
        return self.method
