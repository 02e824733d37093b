"""What can go wrong in promotions. That a code is not accepted is an answer, no error."""

from kokoa.kernel.errors import Conflict, Invalid, NotFound


class InvalidPromotion(Invalid):
    """A promotion's field is not acceptable."""


class InvalidPromotionInput(Invalid):
    """What codes are to be taken off is not acceptable; the field says where."""


class InvalidPromotionPage(Invalid):
    """A page's limit or place is out of bounds."""


class InvalidRedemption(Invalid):
    """A redemption's key is not acceptable."""


class PromotionNotFound(NotFound):
    """This environment has no such promotion."""


class RedemptionNotFound(NotFound):
    """This environment has no redemption with this key."""


class PromotionChanged(Conflict):
    """Somebody changed the promotion since it was read."""


class PromotionInUse(Conflict):
    """A promotion that was redeemed cannot be deleted."""


class PromotionNotRedeemable(Conflict):
    """The promotion cannot be used now, or not by this customer; the message says why."""


class PromotionUsedUp(Conflict):
    """The promotion was used as often as it may be, in all or by this customer."""


class RedemptionDiffers(Conflict):
    """The key belongs to another redemption, or to one that was given back."""
