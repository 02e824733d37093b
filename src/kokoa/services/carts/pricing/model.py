"""What the graph offers, and what becomes of a cart's lines by it. Pure."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from kokoa.kernel.money import exponent_of
from kokoa.kernel.overrides import Answered, AnswerSource, source_of
from kokoa.services.carts.errors import CartFull, NotEnoughForCart, VariantNotForSale, VariantWithoutPrice
from kokoa.services.carts.model import AMOUNT_MAX, Cart, Line, Source

# From here on inventory tells no more than that there are so many.
SHOWN_MAX = 999

# Of a variant whose stock nobody asked for.
_ENOUGH = {"inStock": True, "quantity": None, "backorderable": True}

NOBODY: Answered = {}
NATIVE_PRICE = AnswerSource("catalog")

Problem = Literal["NOT_FOR_SALE", "NO_PRICE", "NOT_ENOUGH"]


class Offer(msgspec.Struct, frozen=True):
    """A variant as the graph shows it.  price: in the cart's currency, and who said so; None for none.

    quantity: how many are there and free; None when that is not counted.  more: whether more than that may be sold.
    price_answered_by: whose answer the price is.
    """

    variant_id: str
    product_id: str
    sku: str
    name: str
    variant_name: str
    price: tuple[int, Source] | None
    weight_grams: int | None
    quantity: int | None
    more: bool
    in_stock: bool
    price_answered_by: AnswerSource = NATIVE_PRICE


class Wanted(msgspec.Struct, frozen=True):
    """So many of a variant, by one of its id and its SKU.  field: where the caller said so."""

    variant_id: str | None
    sku: str | None
    quantity: int
    field: str


class Offers:
    """What the graph showed for a cart at a moment; what it does not show is not for sale."""

    def __init__(self, found: Sequence[Offer], variant_ids: Sequence[str]) -> None:
        self._by_id = {one.variant_id: one for one in found}
        self._by_sku = {one.sku: one for one in found}
        self._asked = frozenset(variant_ids) | self._by_id.keys()

    def of(self, variant_id: str | None, sku: str | None = None) -> Offer | None:
        """By the id, or without one by the SKU; None for what is not for sale."""
        if variant_id is not None:
            return self._by_id.get(variant_id)
        return self._by_sku.get(sku) if sku is not None else None

    def cover(self, cart: Cart) -> bool:
        """Whether all lines of the cart were asked for."""
        return all(line.variant_id is None or line.variant_id in self._asked for line in cart.lines)


class PriceChange(msgspec.Struct, frozen=True):
    """Minor units.  before: when the line was put in or last changed."""

    before_minor: int
    after_minor: int


class LiveLine(msgspec.Struct, frozen=True):
    """A line with what it costs now.  problem: why it cannot be ordered as it is.

    price_source: which field says what it costs.  price_answered_by: who answered that; None when nobody was asked.
    """

    line: Line
    unit_price_minor: int
    price_changed: PriceChange | None
    problem: Problem | None
    price_source: Source
    price_answered_by: AnswerSource | None = None

    @property
    def total_minor(self) -> int:
        return self.line.quantity * self.unit_price_minor


class LiveCart(msgspec.Struct, frozen=True):
    """prices_as_of: None for now; else since when the oldest price is known, for the graph did not say."""

    lines: tuple[LiveLine, ...]
    prices_as_of: datetime | None

    def subtotal_minor(self) -> int:
        """Raises CartFull: what was put in for less may cost more now than a number can say."""
        total = sum(line.total_minor for line in self.lines)
        if total > AMOUNT_MAX:
            raise CartFull(f"A cart is worth at most {AMOUNT_MAX:,} minor units of its currency.")
        return total


def offer_of(
    shown: Mapping[str, Any], currency: str, own_minor: int | None = None, answered: Answered = NOBODY
) -> Offer | None:
    """shown: a variant of the query in graph.py.  None for one that shoppers cannot buy, or not in the channel."""
    product = shown["product"]
    if product is None or not product.get("soldIn", True):
        return None
    there, price = shown.get("availability", _ENOUGH), chosen_price(shown, currency, own_minor)
    return Offer(
        variant_id=shown["id"],
        product_id=product["id"],
        sku=shown["sku"],
        name=product["name"],
        variant_name=shown["name"],
        price=price,
        weight_grams=shown["weightGrams"],
        quantity=there["quantity"],
        more=there["backorderable"],
        in_stock=there["inStock"],
        price_answered_by=NATIVE_PRICE if price is None else _who_priced(shown, currency, price, answered),
    )


def _who_priced(
    shown: Mapping[str, Any], currency: str, price: tuple[int, Source], answered: Answered
) -> AnswerSource:
    """Of the field that counted; where it is nobody's but the catalogue's, of one that should have counted."""
    names = ["priceIn", "price", "priceMinor"]
    if price[1] == "PRICE":
        names = ["priceMinor", "price", "priceIn"]
        if price[0] == _minor_units(shown["price"], currency):
            names = ["price", "priceMinor", "priceIn"]
    sources = [source_of(answered, f"Variant.{name}", "catalog", shown["id"]) for name in names]
    return next((one for one in sources if one != NATIVE_PRICE), NATIVE_PRICE)


def chosen_price(shown: Mapping[str, Any], currency: str, own_minor: int | None = None) -> tuple[int, Source] | None:
    """What one costs, and which field says so; None for no price in the currency.

    `priceIn` chooses: a channel's price, or one in another currency than the variant's own, stands. Where it is the
    variant's own price, three fields say the same; if overrides have another answer for some, that counts.
    own_minor: what the catalogue says, where `is_unclear`.
    """
    own, there = shown["currency"], shown["priceIn"]
    if there["currency"] == currency and (there["channel"] is not None or currency != own):
        return _usable(there["priceMinor"], "PRICE_IN")
    if own != currency:
        return None
    if own_minor is not None and shown["priceMinor"] == own_minor and there["currency"] == currency:
        return _usable(there["priceMinor"], "PRICE_IN")
    price, minor = _minor_units(shown["price"], currency), shown["priceMinor"]
    return _usable(minor if price == there["priceMinor"] else price, "PRICE")


def is_unclear(shown: Mapping[str, Any], currency: str) -> bool:
    """Whether `price` and `priceMinor` agree, and `priceIn` does not: the ones or the other may be overridden."""
    own, there = shown["currency"], shown["priceIn"]
    if not own == there["currency"] == currency or there["channel"] is not None:
        return False
    return bool(_minor_units(shown["price"], currency) == shown["priceMinor"] != there["priceMinor"])


def _minor_units(price: float, currency: str) -> int:
    """An override may show what is no amount of the currency, which is rounded, or none at all: -1."""
    return round(price * float(10 ** exponent_of(currency))) if math.isfinite(price) else -1


def _usable(amount_minor: int, source: Source) -> tuple[int, Source] | None:
    return (amount_minor, source) if 0 <= amount_minor <= AMOUNT_MAX else None


def is_enough(offer: Offer, quantity: int) -> bool:
    """Whether so many may be sold, as far as shoppers are told; the order's reservation knows."""
    if offer.quantity is None:
        return offer.more or offer.in_stock
    return offer.more or quantity <= offer.quantity or offer.quantity >= SHOWN_MAX


def new_line(line_id: str, wanted: Wanted, offers: Offers, now: datetime) -> Line:
    """Raises VariantNotForSale, VariantWithoutPrice, which name the field."""
    offer = offers.of(wanted.variant_id, wanted.sku)
    if offer is None:
        name = "variantId" if wanted.variant_id is not None else "sku"
        raise VariantNotForSale(
            f"There is no variant {wanted.variant_id or wanted.sku!r} for sale here.", field=f"{wanted.field}.{name}"
        )
    return _offered(
        Line(line_id, offer.variant_id, offer.product_id, offer.sku, "", "", wanted.quantity, 0, "PRICE", now),
        offer,
        now,
        wanted.field,
    )


def require_enough(cart: Cart, fields: Mapping[str, str], offers: Offers) -> None:
    """fields: of the lines that grew, by their variant. Raises NotEnoughForCart, which names the field."""
    for line in cart.lines:
        field = fields.get(line.variant_id) if line.variant_id is not None else None
        offer = offers.of(line.variant_id) if field is not None else None
        if offer is not None and not is_enough(offer, line.quantity):
            raise NotEnoughForCart(
                f"{offer.quantity or 0} of {offer.sku} are available; the cart would have {line.quantity}.",
                field=f"{field}.quantity",
            )


def priced(line: Line, offers: Offers, now: datetime, field: str) -> Line:
    """A line that is changed takes what the variant costs now. Raises VariantNotForSale, VariantWithoutPrice."""
    offer = offers.of(line.variant_id)
    if offer is None:
        raise VariantNotForSale(f"{line.sku} is not for sale here any more; remove the line.", field=field)
    return _offered(line, offer, now, field)


def _offered(line: Line, offer: Offer, now: datetime, field: str) -> Line:
    if offer.price is None:
        raise VariantWithoutPrice(f"{offer.sku} has no price in the cart's currency.", field=field)
    return msgspec.structs.replace(
        line,
        sku=offer.sku,
        name=offer.name,
        variant_name=offer.variant_name,
        unit_price_minor=offer.price[0],
        price_source=offer.price[1],
        priced_at=now,
        weight_grams=offer.weight_grams,
    )


def live(cart: Cart, offers: Offers | None) -> LiveCart:
    """The cart as it is worth now.  offers: None when the graph did not answer, or was not asked."""
    if offers is None:
        known = [line.priced_at for line in cart.lines if line.variant_id is not None]
        return LiveCart(tuple(_as_it_was(line, None) for line in cart.lines), min(known, default=None))
    return LiveCart(tuple(_live_line(line, offers) for line in cart.lines), None)


def _live_line(line: Line, offers: Offers) -> LiveLine:
    if line.variant_id is None:
        return _as_it_was(line, None)
    offer = offers.of(line.variant_id)
    if offer is None or offer.price is None:
        return _as_it_was(line, "NOT_FOR_SALE" if offer is None else "NO_PRICE")
    after, source = offer.price
    change = PriceChange(line.unit_price_minor, after) if after != line.unit_price_minor else None
    problem: Problem | None = None if is_enough(offer, line.quantity) else "NOT_ENOUGH"
    return LiveLine(line, after, change, problem, source, offer.price_answered_by)


def _as_it_was(line: Line, problem: Problem | None) -> LiveLine:
    return LiveLine(line, line.unit_price_minor, None, problem, line.price_source)
