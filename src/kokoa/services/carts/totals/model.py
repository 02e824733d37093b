"""What delivery, codes and taxes make of a cart's price. What the graph answers is checked. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from kokoa.kernel.errors import Unavailable
from kokoa.kernel.overrides import AnswerSource
from kokoa.services.carts.errors import CartFull
from kokoa.services.carts.model import AMOUNT_MAX, Cart
from kokoa.services.carts.pricing.model import LiveCart

Problem = Literal["UNAVAILABLE", "NO_SHIPPING_ADDRESS", "NO_SHIPPING_METHOD", "SHIPPING_NOT_OFFERED"]


class TotalsUnusable(Unavailable):
    """The graph answered what cannot be added up, such as an override's negative price; inside this service only."""


class Option(msgspec.Struct, frozen=True):
    """A way to deliver.  tax_category: None for taxed as the goods are."""

    key: str
    name: str
    description: str | None
    price_minor: int
    min_days: int | None
    max_days: int | None
    tax_category: str | None


class Offered(msgspec.Struct, frozen=True):
    """Ways to deliver, and who offers them; None when nobody was asked."""

    options: tuple[Option, ...] = ()
    source: AnswerSource | None = None


class Code(msgspec.Struct, frozen=True):
    """reason: why it is not accepted.  discount_minor: off lines and delivery."""

    code: str
    accepted: bool
    reason: str | None
    discount_minor: int


class Discounts(msgspec.Struct, frozen=True):
    """What codes take off.  lines: by their ids.  source: who says so; None when nobody was asked."""

    codes: tuple[Code, ...] = ()
    lines: Mapping[str, int] = {}
    shipping_minor: int = 0
    source: AnswerSource | None = None

    @property
    def lines_minor(self) -> int:
        return sum(self.lines.values())


class Taxed(msgspec.Struct, frozen=True):
    """An amount, apart."""

    net_minor: int
    tax_minor: int
    gross_minor: int


class Rate(msgspec.Struct, frozen=True):
    """What is owed by a rate."""

    key: str
    name: str
    basis_points: int
    amount_minor: int


class Taxes(msgspec.Struct, frozen=True):
    """lines: by their ids.  shipping: None without delivery.  source: who says so."""

    lines: Mapping[str, Taxed]
    shipping: Taxed | None
    rates: tuple[Rate, ...]
    included: bool
    reverse_charge: bool
    note: str | None
    source: AnswerSource


class Shipping(msgspec.Struct, frozen=True):
    """What delivery costs.  tax_minor: None when taxes are not known."""

    key: str
    name: str
    price_minor: int
    discount_minor: int
    tax_minor: int | None


class LineTotals(msgspec.Struct, frozen=True):
    """net_minor, tax_minor: None when taxes are not known."""

    line_id: str
    discount_minor: int
    net_minor: int | None
    tax_minor: int | None
    gross_minor: int


class Totals(msgspec.Struct, frozen=True):
    """CartTotals of schema.graphql."""

    currency: str
    goods_minor: int
    discount_minor: int
    shipping: Shipping | None
    codes: tuple[Code, ...]
    lines: tuple[LineTotals, ...]
    rates: tuple[Rate, ...]
    tax_included: bool | None
    reverse_charge: bool | None
    tax_note: str | None
    net_minor: int | None
    tax_minor: int | None
    gross_minor: int
    problem: Problem | None
    tax_source: AnswerSource | None
    shipping_source: AnswerSource | None
    discount_source: AnswerSource | None


def chosen(cart: Cart, options: Sequence[Option]) -> Option | None:
    """The one that the cart has, if it is offered."""
    return next((one for one in options if one.key == cart.shipping_method), None)


def problem_of(cart: Cart, options: Sequence[Option]) -> Problem | None:
    """What is missing before it can be delivered. Where nothing is offered, and nothing chosen, nothing is."""
    if cart.shipping_address is None:
        return "NO_SHIPPING_ADDRESS"
    if cart.shipping_method is not None:
        return None if chosen(cart, options) is not None else "SHIPPING_NOT_OFFERED"
    return "NO_SHIPPING_METHOD" if options else None


def totals_of(
    cart: Cart,
    live: LiveCart,
    discounts: Discounts,
    offered: Offered,
    taxes: Taxes | None,
    problem: Problem | None,
) -> Totals:
    """All of it together; sums of rounded lines. Raises CartFull."""
    option = chosen(cart, offered.options)
    lines = tuple(
        _line(one.line.id, one.total_minor, discounts.lines.get(one.line.id, 0), taxes) for one in live.lines
    )
    delivery = 0 if option is None else option.price_minor - discounts.shipping_minor
    parts = None if taxes is None else [*taxes.lines.values(), *([taxes.shipping] if taxes.shipping else [])]
    known = sum(one.gross_minor for one in lines) + delivery
    gross = known if parts is None else sum(one.gross_minor for one in parts)
    if gross > AMOUNT_MAX:
        raise CartFull(f"With delivery and taxes a cart is worth at most {AMOUNT_MAX:,} minor units of its currency.")
    return Totals(
        currency=cart.currency,
        goods_minor=live.subtotal_minor(),
        discount_minor=discounts.lines_minor,
        shipping=None if option is None else _shipping(option, discounts, taxes),
        codes=discounts.codes,
        lines=lines,
        rates=() if taxes is None else taxes.rates,
        tax_included=None if taxes is None else taxes.included,
        reverse_charge=None if taxes is None else taxes.reverse_charge,
        tax_note=None if taxes is None else taxes.note,
        net_minor=None if parts is None else sum(one.net_minor for one in parts),
        tax_minor=None if parts is None else sum(one.tax_minor for one in parts),
        gross_minor=gross,
        problem=problem,
        tax_source=None if taxes is None else taxes.source,
        shipping_source=offered.source,
        discount_source=discounts.source,
    )


def unavailable(cart: Cart, live: LiveCart) -> Totals:
    """The goods alone, when nobody says more. Raises CartFull."""
    codes = tuple(Code(code, False, "UNAVAILABLE", 0) for code in cart.codes)
    return totals_of(cart, live, Discounts(codes), Offered(), None, "UNAVAILABLE")


def _shipping(option: Option, discounts: Discounts, taxes: Taxes | None) -> Shipping:
    tax_minor = None if taxes is None or taxes.shipping is None else taxes.shipping.tax_minor
    return Shipping(option.key, option.name, option.price_minor, discounts.shipping_minor, tax_minor)


def _line(line_id: str, amount_minor: int, discount_minor: int, taxes: Taxes | None) -> LineTotals:
    if taxes is None:
        return LineTotals(line_id, discount_minor, None, None, amount_minor - discount_minor)
    taxed = taxes.lines[line_id]
    return LineTotals(line_id, discount_minor, taxed.net_minor, taxed.tax_minor, taxed.gross_minor)


def options_of(shown: Sequence[Mapping[str, Any]], currency: str) -> tuple[Option, ...]:
    """Raises TotalsUnusable."""
    for one in shown:
        if one["currency"] != currency:
            raise TotalsUnusable("Delivery is offered in another currency.", detail=str(one["currency"]))
    return tuple(
        Option(
            one["key"],
            one["name"],
            one["description"],
            _amount(one["priceMinor"], AMOUNT_MAX),
            one["minDays"],
            one["maxDays"],
            one["taxCategory"],
        )
        for one in shown
    )


def discounts_of(
    shown: Mapping[str, Any], cart: Cart, live: LiveCart, shipping_minor: int, source: AnswerSource
) -> Discounts:
    """Raises TotalsUnusable."""
    given = {one["key"]: one["discountMinor"] for one in shown["lines"]}
    lines = {one.line.id: _amount(given.get(one.line.id, 0), one.total_minor) for one in live.lines}
    said = {str(one["code"]).upper(): one for one in shown["codes"]}
    if said.keys() != set(cart.codes):
        raise TotalsUnusable("Discounts are of other codes than those asked for.")
    codes = tuple(
        Code(
            code,
            bool(said[code]["accepted"]),
            said[code]["reason"],
            _amount(said[code]["discountMinor"] + said[code]["shippingDiscountMinor"], AMOUNT_MAX),
        )
        for code in cart.codes
    )
    return Discounts(codes, lines, _amount(shown["shippingDiscountMinor"], shipping_minor), source)


def taxes_of(shown: Mapping[str, Any], line_ids: Sequence[str], source: AnswerSource, *, delivered: bool) -> Taxes:
    """Raises TotalsUnusable."""
    lines = {one["key"]: _taxed(one) for one in shown["lines"]}
    if lines.keys() != set(line_ids):
        raise TotalsUnusable("Taxes are of other lines than those asked for.")
    if delivered and shown["shipping"] is None:
        raise TotalsUnusable("Delivery is not taxed.")
    return Taxes(
        lines=lines,
        shipping=_taxed(shown["shipping"]) if delivered else None,
        rates=tuple(Rate(one["key"], one["name"], one["basisPoints"], one["amountMinor"]) for one in shown["rates"]),
        included=shown["pricesIncludeTax"],
        reverse_charge=shown["reverseCharge"],
        note=shown["note"],
        source=source,
    )


def _taxed(shown: Mapping[str, Any]) -> Taxed:
    taxed = Taxed(*(_amount(shown[name], AMOUNT_MAX) for name in ("netMinor", "taxMinor", "grossMinor")))
    if taxed.net_minor + taxed.tax_minor != taxed.gross_minor:
        raise TotalsUnusable("Net and tax are not gross.", detail=str(taxed))
    return taxed


def _amount(amount_minor: int, most: int) -> int:
    if not 0 <= amount_minor <= most:
        raise TotalsUnusable(f"An amount is not 0 to {most:,}.", detail=str(amount_minor))
    return amount_minor
