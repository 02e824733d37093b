"""Orders and placements: their types, steps and rules. Pure.

STARTED ► PRICED ► PAYING ► COMMITTED ► DONE   COMMITTED: whether its goods are there is to be seen
   │         │        ├───► CLOSING ───────┘   CLOSING: only its cart is to be closed, the order may change
   └─────────┴────────┴► REFUSING ► REFUSED
                            └► WATCHING ┘  an authorisation that may come still
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from kokoa.kernel.overrides import AnswerSource
from kokoa.kernel.rounding import divided
from kokoa.kernel.text import is_plain
from kokoa.services.orders.errors import InvalidOrderPage, InvalidPlacement

AMOUNT_MAX = 2_000_000_000  # what taxes takes
NUMBER_MAX = 2**63 - 1
PAGE_MAX = 100
LEASE_S = 20.0
# How long a cart is frozen, and how long after its placement began that is sure.
FREEZE_S = 600
# The same before a placement is written down, so that what a crash leaves is over within a minute; and how long after
# the beginning of any placement its cart is frozen for sure.
FIRST_FREEZE_S = 45
FROZEN_FOR_SURE_S = 30.0
# What a shopper has time for who is sent elsewhere to pay.
WAIT_MAX_S = 600.0
ATTEMPTS_MAX = 8
BACK_OFF_MAX_S = 60.0
# How long an authorisation that was never answered is watched for.
WATCH_MAX_S = 7 * 24 * 3600.0

Step = Literal[
    "STARTED",
    "PRICED",
    "PAYING",
    "COMMITTED",
    "CLOSING",
    "DONE",
    "REFUSING",
    "WATCHING",
    "REFUSED",
]
OrderState = Literal["CONFIRMED", "PARTIALLY_FULFILLED", "FULFILLED", "PARTIALLY_RETURNED", "RETURNED", "CANCELLED"]
PlacementState = Literal["IN_PROGRESS", "ACTION_REQUIRED", "PLACED", "REFUSED"]

NEXT: Mapping[Step, frozenset[Step]] = {
    "STARTED": frozenset({"PRICED", "REFUSING"}),
    # Without anything to pay there is no payment.
    "PRICED": frozenset({"PAYING", "COMMITTED", "CLOSING", "REFUSING"}),
    "PAYING": frozenset({"COMMITTED", "CLOSING", "REFUSING"}),
    "COMMITTED": frozenset({"DONE"}),
    "CLOSING": frozenset({"DONE"}),
    "DONE": frozenset(),
    "REFUSING": frozenset({"REFUSED", "WATCHING"}),
    "WATCHING": frozenset({"REFUSED"}),
    "REFUSED": frozenset(),
}
FINAL = frozenset[Step]({"DONE", "REFUSED"})
_PLACED = frozenset[Step]({"COMMITTED", "CLOSING", "DONE"})
# While it is taken back, it is in progress still: the cart is not free yet.
_REFUSED = frozenset[Step]({"WATCHING", "REFUSED"})


class Request(msgspec.Struct, frozen=True):
    """What the shopper asked for.  expected_total_minor: None for whatever it is.

    session: of the visitor, so that overrides that divide them have the same answers for who goes on with it.
    """

    provider: str
    method: str | None
    return_url: str | None
    expected_total_minor: int | None
    session: str = ""


class BasketLine(msgspec.Struct, frozen=True):
    """A line as it is ordered.  cart_line_id: of the cart.  variant_id: None for one that management made up.

    discount_minor: of all of it.  tax_minor: None when nobody said.  gross_minor: what is paid for all of it, after
    discount and with tax; None of orders from before it was kept.  price_answered_by: who said what price_source
    names.
    """

    cart_line_id: str
    variant_id: str | None
    sku: str | None
    name: str
    variant_name: str
    quantity: int
    unit_price_minor: int
    price_source: str
    discount_minor: int = 0
    tax_minor: int | None = None
    gross_minor: int | None = None
    price_answered_by: AnswerSource | None = None

    @property
    def total_minor(self) -> int:
        return self.quantity * self.unit_price_minor


class OrderShipping(msgspec.Struct, frozen=True):
    """How it is delivered, for how much."""

    key: str
    name: str
    price_minor: int
    discount_minor: int
    tax_minor: int | None
    source: AnswerSource | None = None


class OrderCode(msgspec.Struct, frozen=True):
    """A promotion code, in capitals.  discount_minor: off lines and delivery."""

    code: str
    discount_minor: int


class OrderTaxRate(msgspec.Struct, frozen=True):
    """What is owed by a rate."""

    key: str
    name: str
    basis_points: int
    amount_minor: int


class Totals(msgspec.Struct, frozen=True):
    """What it costs in the end.  net_minor and all of tax: None when there is no address to say which.

    sources: whose answers they are.
    """

    discount_minor: int
    gross_minor: int
    shipping: OrderShipping | None = None
    codes: tuple[OrderCode, ...] = ()
    rates: tuple[OrderTaxRate, ...] = ()
    tax_included: bool | None = None
    reverse_charge: bool | None = None
    tax_note: str | None = None
    net_minor: int | None = None
    tax_minor: int | None = None
    tax_source: AnswerSource | None = None
    discount_source: AnswerSource | None = None


class Basket(msgspec.Struct, frozen=True):
    """What is ordered, priced for good.  addresses: fields as carts answers them.

    totals: None of orders from before there were any.
    """

    currency: str
    email: str | None
    locale: str | None
    channel: str | None
    note: str | None
    shipping_address: dict[str, Any] | None
    billing_address: dict[str, Any] | None
    lines: tuple[BasketLine, ...]
    totals: Totals | None = None

    @property
    def goods_minor(self) -> int:
        return sum(line.total_minor for line in self.lines)

    @property
    def total_minor(self) -> int:
        return self.goods_minor if self.totals is None else self.totals.gross_minor

    @property
    def codes(self) -> tuple[str, ...]:
        return () if self.totals is None else tuple(one.code for one in self.totals.codes)

    def wanted_stock(self) -> dict[str, int]:
        """How many of each article."""
        found: dict[str, int] = {}
        for line in self.lines:
            if line.variant_id is not None and line.sku is not None:
                found[line.sku] = found.get(line.sku, 0) + line.quantity
        return found

    def is_of(self, lines: Iterable[tuple[str, int]]) -> bool:
        """Whether a cart with these (line id, quantity) is still what was priced."""
        return {line.cart_line_id: line.quantity for line in self.lines} == dict(lines)


class Refusal(msgspec.Struct, frozen=True):
    """Why a cart was not ordered.  field: of the input or of the cart, or empty."""

    code: str
    message: str
    field: str = ""


class Placement(msgspec.Struct, frozen=True):
    """A cart on its way to an order, which has the same id.  attempts: since its last step.

    freeze_key: by which the cart is frozen, which is that of all requests with the same idempotency key.

    order: what it has just become, for whoever made it so; it is not kept here.
    """

    id: str
    step: Step
    cart_id: str
    freeze_key: str
    customer_id: str | None
    token_digest: bytes | None
    request: Request
    basket: Basket | None
    payment_id: str | None
    action_url: str | None
    refusal: Refusal | None
    attempts: int
    started_at: datetime
    order: "Order | None" = None

    @property
    def state(self) -> PlacementState:
        if self.step in _PLACED:
            return "PLACED"
        if self.step in _REFUSED:
            return "REFUSED"
        return "ACTION_REQUIRED" if self.step == "PAYING" and self.action_url else "IN_PROGRESS"

    def priced(self) -> Basket:
        """What it is about. From PRICED on there is one."""
        assert self.basket is not None, "not priced yet"
        return self.basket


class Progress(msgspec.Struct, frozen=True):
    """How many of a line have left, how many will not, how many came back, and how many of those were refunded."""

    fulfilled: int = 0
    cancelled: int = 0
    returned: int = 0
    refunded: int = 0


class OrderedLine(BasketLine, frozen=True, kw_only=True):
    """A line with what has become of it."""

    fulfilled_quantity: int
    cancelled_quantity: int
    returned_quantity: int


class Order(msgspec.Struct, frozen=True):
    """What was bought. Money is minor units.  progress: by line; lines that nothing happened to are not there.

    refunded_minor: what was given back on purpose, of returns or for goodwill.  refunded_shipping_minor: of delivery.
    external_*: as another system, such as an ERP, calls it and what it says of it.
    display_status: what customers are told of that.
    """

    id: str
    number: int
    state: OrderState
    cart_id: str
    customer_id: str | None
    payment_id: str | None
    total_minor: int
    basket: Basket
    placed_at: datetime
    version: int
    progress: dict[str, Progress]
    refunded_minor: int = 0
    refunded_shipping_minor: int = 0
    external_reference: str | None = None
    external_status: str | None = None
    external_status_at: datetime | None = None
    display_status: str | None = None

    def done_of(self, line_id: str) -> Progress:
        """What has become of a line."""
        return self.progress.get(line_id, Progress())

    def grosses(self) -> dict[str, int]:
        """What is paid for all of each line, after discount and with tax; with delivery they are the total."""
        lines = self.basket.lines
        if lines and all(line.gross_minor is not None for line in lines):
            return {line.cart_line_id: line.gross_minor or 0 for line in lines}
        # From before it was kept: what is left of the total without delivery, by price after discount.
        goods = max(self.total_minor - _delivery_minor(self.basket.totals), 0)
        parts = divided(goods, [max(line.total_minor - line.discount_minor, 0) for line in lines])
        return {line.cart_line_id: part for line, part in zip(lines, parts, strict=True)}

    @property
    def delivery_minor(self) -> int:
        """What is paid for delivery, with tax."""
        return max(self.total_minor - sum(self.grosses().values()), 0)

    def lines(self) -> list[OrderedLine]:
        """With what has become of them."""
        found, grosses = [], self.grosses()
        for line in self.basket.lines:
            done = self.done_of(line.cart_line_id)
            fields = msgspec.structs.asdict(line) | {"gross_minor": grosses[line.cart_line_id]}
            found.append(
                OrderedLine(
                    **fields,
                    fulfilled_quantity=done.fulfilled,
                    cancelled_quantity=done.cancelled,
                    returned_quantity=done.returned,
                )
            )
        return found


class Who(msgspec.Struct, frozen=True):
    """Who asks.  customer_id: who is signed in; None for nobody."""

    management: bool = False
    customer_id: str | None = None


def _delivery_minor(totals: Totals | None) -> int:
    if totals is None or totals.shipping is None:
        return 0
    shipping = totals.shipping
    on_top = (shipping.tax_minor or 0) if totals.tax_included is False else 0
    return shipping.price_minor - shipping.discount_minor + on_top


def advanced(placement: Placement, step: Step, **fields: Any) -> Placement:
    """The only way to another step; attempts count anew."""
    assert step in NEXT[placement.step], f"{placement.step} does not become {step}"
    return msgspec.structs.replace(placement, step=step, attempts=0, **fields)


def may_refuse(placement: Placement) -> bool:
    """Whether there is no order yet, so that it can be given up."""
    return "REFUSING" in NEXT[placement.step]


def back_off_s(attempts: int) -> float:
    """How long to wait after so many attempts."""
    return float(min(2.0 ** min(attempts, 10), BACK_OFF_MAX_S))


def is_visible(placement: Placement, who: Who, token: str | None) -> bool:
    """Management sees all, customers their own, and whoever has the cart's token what was made of it."""
    if who.management:
        return True
    if placement.customer_id is not None:
        return placement.customer_id == who.customer_id
    return token is not None and placement.token_digest == digest_of(token)


def digest_of(token: str) -> bytes:
    """What is kept of a cart's token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def fingerprint_of(cart_id: str, request: Request) -> bytes:
    """Equal for equal requests, from whatever browser."""
    return hashlib.sha256(msgspec.json.encode((cart_id, msgspec.structs.replace(request, session="")))).digest()


def require_request(provider: str, method: str | None, return_url: str | None, expected: int | None) -> Request:
    """Raises InvalidPlacement, which names the field. What is a method payments knows."""
    texts = (("paymentProvider", provider, 64), ("paymentMethod", method, 200), ("returnUrl", return_url, 2_000))
    for field, text, most in texts:
        if text is not None and not (0 < len(text) <= most and is_plain(text)):
            raise InvalidPlacement(f"{field} has 1 to {most:,} characters and no NUL.", field=field)
    if return_url is not None and not return_url.startswith(("https://", "http://")):
        raise InvalidPlacement("returnUrl must begin with https:// or http://.", field="returnUrl")
    if expected is not None and not 0 <= expected <= AMOUNT_MAX:
        raise InvalidPlacement(f"expectedTotalMinor must be 0 to {AMOUNT_MAX:,}.", field="expectedTotalMinor")
    return Request(provider, method, return_url, expected)


def require_page(limit: int) -> None:
    """Raises InvalidOrderPage."""
    if not 1 <= limit <= PAGE_MAX:
        raise InvalidOrderPage(f"limit must be 1 to {PAGE_MAX}.", field="limit")


def require_number(text: str, field: str) -> int:
    """Raises InvalidOrderPage."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidOrderPage("An order's number has 1 to 18 digits.", field=field)
    return int(text)


def basket_of(cart: Mapping[str, Any]) -> Basket | Refusal:
    """A cart as carts answers it, priced now; or why it cannot be ordered."""
    if not cart["lines"]:
        return Refusal("CART_EMPTY", "The cart has no lines.", "cartId")
    for index, line in enumerate(cart["lines"]):
        if line["problem"] is not None:
            message = f"{line['name'][:100]!r} cannot be ordered as it is: {line['problem']}."
            return Refusal(str(line["problem"]), message, f"cart.lines.{index}")
    totals = cart["totals"]
    refusal = _not_as_it_is(cart, totals)
    if refusal is not None:
        return refusal
    of_line = {one["lineId"]: one for one in totals["lines"]}
    lines = tuple(
        BasketLine(
            cart_line_id=line["id"],
            variant_id=line["variant"] and line["variant"]["id"],
            sku=line["sku"],
            name=line["name"],
            variant_name=line["variantName"],
            quantity=line["quantity"],
            unit_price_minor=line["unitPriceMinor"],
            price_source=line["priceSource"],
            discount_minor=of_line[line["id"]]["discountMinor"],
            tax_minor=of_line[line["id"]]["taxMinor"],
            gross_minor=of_line[line["id"]]["grossMinor"],
            price_answered_by=_source(line["priceAnsweredBy"]),
        )
        for line in cart["lines"]
    )
    basket = Basket(
        currency=cart["currency"],
        email=cart["email"],
        locale=cart["locale"],
        channel=cart["channel"],
        note=cart["note"],
        shipping_address=cart["shippingAddress"],
        billing_address=cart["billingAddress"],
        lines=lines,
        totals=_totals(totals),
    )
    if basket.total_minor > AMOUNT_MAX:
        return Refusal("TOTAL_TOO_LARGE", f"An order is worth at most {AMOUNT_MAX:,} minor units.", "cartId")
    return basket


def _not_as_it_is(cart: Mapping[str, Any], totals: Mapping[str, Any]) -> Refusal | None:
    """Why it cannot be delivered, or its codes cannot be used, as it is."""
    problem = totals["problem"]
    if problem in ("NO_SHIPPING_METHOD", "SHIPPING_NOT_OFFERED"):
        said = "No delivery was chosen" if problem == "NO_SHIPPING_METHOD" else "The delivery is not offered any more"
        return Refusal(problem, f"{said}; choose one of the cart's shippingOptions.", "cart.shippingMethod")
    if problem == "NO_SHIPPING_ADDRESS" and cart["shippingMethod"] is not None:
        return Refusal(problem, "The cart has a delivery and no address for it.", "cart.shippingAddress")
    for index, code in enumerate(totals["codes"]):
        if not code["accepted"]:
            message = f"The code {code['code'][:64]!r} is not accepted: {code['reason']}. Remove it."
            return Refusal("CODE_NOT_ACCEPTED", message, f"cart.codes.{index}")
    return None


def _totals(shown: Mapping[str, Any]) -> Totals:
    shipping = shown["shipping"]
    return Totals(
        discount_minor=shown["discountMinor"],
        gross_minor=shown["grossMinor"],
        shipping=shipping
        and OrderShipping(
            shipping["key"],
            shipping["name"],
            shipping["priceMinor"],
            shipping["discountMinor"],
            shipping["taxMinor"],
            _source(shown["shippingSource"]),
        ),
        codes=tuple(OrderCode(one["code"], one["discountMinor"]) for one in shown["codes"]),
        rates=tuple(
            OrderTaxRate(one["key"], one["name"], one["basisPoints"], one["amountMinor"]) for one in shown["rates"]
        ),
        tax_included=shown["taxIncluded"],
        reverse_charge=shown["reverseCharge"],
        tax_note=shown["taxNote"],
        net_minor=shown["netMinor"],
        tax_minor=shown["taxMinor"],
        tax_source=_source(shown["taxSource"]),
        discount_source=_source(shown["discountSource"]),
    )


def _source(shown: Mapping[str, Any] | None) -> AnswerSource | None:
    return None if shown is None else AnswerSource(shown["subgraph"], fallback=shown["fallback"])


def differs(basket: Basket, expected_total_minor: int | None) -> Refusal | None:
    """Why not, when the shopper has seen another total."""
    if expected_total_minor is None or basket.total_minor == expected_total_minor:
        return None
    return Refusal(
        "TOTAL_CHANGED",
        f"The total is {basket.total_minor} {basket.currency} (minor units), not {expected_total_minor}.",
        "expectedTotalMinor",
    )
