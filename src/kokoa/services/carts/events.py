"""Facts that carts tells others."""

from kokoa.postgres import Event


class _OfCart(Event, frozen=True, kw_only=True):
    cart_id: str

    def key(self) -> str:
        return self.cart_id


class CartCreated(_OfCart, frozen=True, kw_only=True):
    """There is a new cart.  customer_id: None for an anonymous one."""

    customer_id: str | None
    currency: str


class CartLinesChanged(_OfCart, frozen=True, kw_only=True):
    """Other articles, or another number of them, are in the cart."""

    version: int


class CartDetailsChanged(_OfCart, frozen=True, kw_only=True):
    """The cart has another e-mail address, other postal addresses, another delivery, other codes, or another note."""

    version: int


class CartMerged(_OfCart, frozen=True, kw_only=True):
    """An anonymous cart is a customer's now.  into: their cart, which has its lines; itself if they had none."""

    into: str
    customer_id: str


class CartFrozen(_OfCart, frozen=True, kw_only=True):
    """An order is being made of the cart; nobody changes it meanwhile.  until: ISO 8601."""

    version: int
    until: str


class CartReleased(_OfCart, frozen=True, kw_only=True):
    """The cart may be changed again.  thawed: nobody asked for it, its time was over."""

    version: int
    thawed: bool = False


class CartOrdered(_OfCart, frozen=True, kw_only=True):
    """What is in the cart is ordered."""

    order_id: str


class CartExpired(_OfCart, frozen=True, kw_only=True):
    """Nobody changed the cart for long; it can be used no more."""

    customer_id: str | None
