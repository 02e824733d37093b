"""Facts that orders tells others."""

from kokoa.postgres import Event


class OrderPlaced(Event, frozen=True, kw_only=True):
    """A cart is ordered, its goods are reserved and its payment is authorised.  total_minor: minor units."""

    order_id: str
    number: str
    cart_id: str
    customer_id: str | None
    currency: str
    total_minor: int

    def key(self) -> str:
        return self.order_id


class OrderPlacementRefused(Event, frozen=True, kw_only=True):
    """A cart was not ordered, and what was done for it is taken back.  code: why."""

    placement_id: str
    cart_id: str
    code: str

    def key(self) -> str:
        return self.placement_id
