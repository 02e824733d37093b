"""Facts that promotions tells others."""

from kokoa.postgres import Event


class PromotionChanged(Event, frozen=True, kw_only=True):
    """A promotion was put or deleted."""

    code: str
    version: int
    deleted: bool = False

    def key(self) -> str:
        return self.code


class PromotionRedeemed(Event, frozen=True, kw_only=True):
    """A code was used.  redemption: the key.  used: how often it is now."""

    code: str
    redemption: str
    customer_id: str | None
    used: int

    def key(self) -> str:
        return self.code


class PromotionReleased(Event, frozen=True, kw_only=True):
    """A use was given back."""

    code: str
    redemption: str
    used: int

    def key(self) -> str:
        return self.code
