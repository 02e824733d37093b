"""Facts that inventory tells others."""

from kokoa.postgres import Event


class LocationChanged(Event, frozen=True, kw_only=True):
    """A location was made, changed or deleted."""

    location_id: str
    location: str
    version: int
    deleted: bool = False

    def key(self) -> str:
        return self.location_id


class StockLevelChanged(Event, frozen=True, kw_only=True):
    """An article has another stock, or is counted otherwise.  on_hand, reserved: the sums of all locations."""

    sku: str
    on_hand: int
    reserved: int
    version: int

    def key(self) -> str:
        return self.sku


class StockReserved(Event, frozen=True, kw_only=True):
    """Stock was promised to somebody.  reservation: its key."""

    reservation: str

    def key(self) -> str:
        return self.reservation


class ReservationAllocated(Event, frozen=True, kw_only=True):
    """What was held belongs to an order now, for good."""

    reservation: str

    def key(self) -> str:
        return self.reservation


class ReservationFulfilled(Event, frozen=True, kw_only=True):
    """Reserved stock has left.  complete: nothing is open any more."""

    reservation: str
    complete: bool

    def key(self) -> str:
        return self.reservation


class ReservationReleased(Event, frozen=True, kw_only=True):
    """Reserved stock is free again.  expired: nobody asked for it, its time was over."""

    reservation: str
    expired: bool = False

    def key(self) -> str:
        return self.reservation
