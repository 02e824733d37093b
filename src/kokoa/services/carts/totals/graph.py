"""Asks the environment's graph for delivery, discounts and taxes of a cart, as the shopper whose cart it is."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog

from kokoa.kernel.call import Call
from kokoa.kernel.errors import KokoaError
from kokoa.kernel.overrides import source_of
from kokoa.services.carts.model import Cart, Line
from kokoa.services.carts.pricing.graph import Graph, as_shopper, ask, variants_of
from kokoa.services.carts.pricing.model import LiveCart
from kokoa.services.carts.totals.model import (
    Discounts,
    Offered,
    Option,
    Taxes,
    Totals,
    chosen,
    discounts_of,
    options_of,
    problem_of,
    taxes_of,
    totals_of,
    unavailable,
)

CATEGORIES = """query CartCategories($ids: [ID!]!, $limit: Int!) {
  variants(ids: $ids, limit: $limit) { id product { category { path } } } }"""
DISCOUNTS = """query CartDiscounts($input: PromotionDiscountsInput!) { promotionDiscounts(input: $input) {
  codes { code accepted reason discountMinor shippingDiscountMinor }
  lines { key discountMinor } shippingDiscountMinor } }"""
OPTIONS = """query CartDelivery($input: ShippingOptionsInput!) { shippingOptions(input: $input) {
  key name description priceMinor currency minDays maxDays taxCategory } }"""
TAXES = """query CartTaxes($input: TaxInput!) { taxes(input: $input) {
  pricesIncludeTax reverseCharge note rates { key name basisPoints amountMinor }
  lines { key netMinor taxMinor grossMinor } shipping { netMinor taxMinor grossMinor } } }"""

_log = structlog.get_logger(__name__)


class CartTotals:
    """The three root fields that a cart's totals are made of."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    async def categories(self, cart: Cart, call: Call) -> dict[str, str]:
        """Of each variant, the path of the category that it is in."""
        ids = variants_of(cart.lines)
        if not ids:
            return {}
        found = (await ask(self._graph, CATEGORIES, {"ids": ids, "limit": len(ids)}, call)).data["variants"]
        inside = {one["id"]: (one["product"] or {}).get("category") for one in found}
        return {variant_id: category["path"] for variant_id, category in inside.items() if category}

    async def discounts(
        self, cart: Cart, live: LiveCart, categories: Mapping[str, str], shipping_minor: int, call: Call
    ) -> Discounts:
        lines = [
            {
                "key": one.line.id,
                "sku": one.line.sku,
                "amountMinor": one.total_minor,
                "quantity": one.line.quantity,
                "categoryPaths": _paths(one.line, categories),
            }
            for one in live.lines
        ]
        given = {
            "codes": list(cart.codes),
            "currency": cart.currency,
            "lines": lines,
            "shippingMinor": shipping_minor,
        }
        answer = await ask(self._graph, DISCOUNTS, {"input": given}, call)
        source = source_of(answer.answered, "Query.promotionDiscounts", "promotions")
        return discounts_of(answer.data["promotionDiscounts"], cart, live, shipping_minor, source)

    async def options(self, cart: Cart, total_minor: int, call: Call) -> Offered:
        given = {
            "destination": _destination(cart),
            "currency": cart.currency,
            "totalMinor": total_minor,
            "weightGrams": cart.weight_grams,
            "itemCount": sum(line.quantity for line in cart.lines),
        }
        answer = await ask(self._graph, OPTIONS, {"input": given}, call)
        source = source_of(answer.answered, "Query.shippingOptions", "shipping")
        return Offered(options_of(answer.data["shippingOptions"], cart.currency), source)

    async def taxes(
        self, cart: Cart, live: LiveCart, discounts: Discounts, option: Option | None, call: Call
    ) -> Taxes:
        lines = [
            {
                "key": one.line.id,
                "sku": one.line.sku,
                "amountMinor": one.total_minor - discounts.lines.get(one.line.id, 0),
            }
            for one in live.lines
        ]
        shipping = option and {
            "amountMinor": option.price_minor - discounts.shipping_minor,
            "taxCategory": option.tax_category,
        }
        given = {
            "destination": _destination(cart),
            "currency": cart.currency,
            "lines": lines,
            "shipping": shipping,
        }
        answer = await ask(self._graph, TAXES, {"input": given}, call)
        source, ids = source_of(answer.answered, "Query.taxes", "taxes"), [one.line.id for one in live.lines]
        return taxes_of(answer.data["taxes"], ids, source, delivered=option is not None)


class _Delivery:
    """What is known before a way is chosen: discounts on the goods, and what is offered for what is left."""

    def __init__(self, discounts: Discounts, offered: Offered, categories: Mapping[str, str]) -> None:
        self.discounts = discounts
        self.offered = offered
        self.categories = categories


class Asked:
    """A cart's options and totals, each asked for once and only if somebody wants them.  within_ms: for all of it."""

    def __init__(
        self, totals: CartTotals, cart: Cart, live: Callable[[], Awaitable[LiveCart]], call: Call, within_ms: int
    ) -> None:
        self._totals = totals
        self._cart = cart
        self._live = live
        self._call = call
        self._within_ms = within_ms
        self._bounded: Call | None = None
        self._delivery: asyncio.Future[_Delivery] | None = None

    async def options(self) -> Sequence[Option] | None:
        """None when the graph does not answer, which is logged. Raises CartFull."""
        (await self._live()).subtotal_minor()
        try:
            return (await self._delivered()).offered.options
        except KokoaError as error:
            self._say(error)
            return None

    async def totals(self) -> Totals:
        """Raises CartFull."""
        live = await self._live()
        live.subtotal_minor()
        try:
            discounts, offered, taxes = await self._ask(live)
        except KokoaError as error:
            self._say(error)
            return unavailable(self._cart, live)
        problem = problem_of(self._cart, offered.options) if live.lines else None
        return totals_of(self._cart, live, discounts, offered, taxes, problem)

    async def _ask(self, live: LiveCart) -> tuple[Discounts, Offered, Taxes | None]:
        cart, found = self._cart, await self._delivered()
        discounts, option = found.discounts, chosen(cart, found.offered.options)
        if cart.codes and option is not None and option.price_minor:
            # Some codes are of delivery; whether they go together with the others is asked of all at once.
            discounts = await self._totals.discounts(cart, live, found.categories, option.price_minor, self._asking())
        if cart.shipping_address is None or not live.lines:
            return discounts, found.offered, None
        return discounts, found.offered, await self._totals.taxes(cart, live, discounts, option, self._asking())

    async def _delivered(self) -> _Delivery:
        if self._delivery is None:
            self._delivery = asyncio.ensure_future(self._deliver())
        return await self._delivery

    async def _deliver(self) -> _Delivery:
        cart, live = self._cart, await self._live()
        if not live.lines:
            return _Delivery(Discounts(), Offered(), {})
        discounts, categories = Discounts(), dict[str, str]()
        if cart.codes:
            categories = await self._totals.categories(cart, self._asking())
            discounts = await self._totals.discounts(cart, live, categories, 0, self._asking())
        if cart.shipping_address is None:
            return _Delivery(discounts, Offered(), categories)
        total = live.subtotal_minor() - discounts.lines_minor
        return _Delivery(discounts, await self._totals.options(cart, total, self._asking()), categories)

    def _asking(self) -> Call:
        """One bound for all questions; half of the time is left to say what is known. Raises DepthExceeded."""
        if self._bounded is None:
            within_ms = min(self._within_ms, self._call.remaining_ms() // 2)
            self._bounded = as_shopper(self._call, self._cart.customer_id, within_ms)
        return self._bounded

    def _say(self, error: KokoaError) -> None:
        _log.warning("cart_totals_unavailable", cart=self._cart.id, error=error.message, detail=error.detail)


def _paths(line: Line, categories: Mapping[str, str]) -> list[str]:
    path = None if line.variant_id is None else categories.get(line.variant_id)
    return [] if path is None else [path]


def _destination(cart: Cart) -> dict[str, Any]:
    address = cart.shipping_address
    assert address is not None, "nobody asks without one"
    return {"country": address.country, "region": address.region, "postalCode": address.postal_code}
