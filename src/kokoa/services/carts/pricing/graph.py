"""Asks the environment's graph for variants, all of a cart in one query, as the shopper whose cart it is."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import structlog
from msgspec.structs import replace

from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import DeadlineExceeded, KokoaError
from kokoa.kernel.overrides import GraphAnswer
from kokoa.kernel.timing import TooLate, within
from kokoa.kernel.transaction import refuse_in_transaction
from kokoa.services.carts.errors import InvalidCart
from kokoa.services.carts.model import Cart, Line
from kokoa.services.carts.pricing.model import Offers, is_unclear, offer_of

# Of catalog's `variants`.
KEYS_MAX = 250
WRITE_WITHIN_MS = 10_000
READ_WITHIN_MS = 2_000

VARIANTS = """
query CartVariants(
  $ids: [ID!]!, $skus: [String!]!, $limit: Int!, $currency: String!, $channel: String, $of: String! = "",
  $inChannel: Boolean!, $stock: Boolean!
) {
  variants(ids: $ids, skus: $skus, limit: $limit) {
    id sku name weightGrams price priceMinor currency
    priceIn(channel: $channel, currency: $currency) { priceMinor currency channel }
    availability @include(if: $stock) { inStock quantity backorderable }
    product { id name soldIn(channel: $of) @include(if: $inChannel) }
  }
}
"""

OWN_PRICES = """
query CartOwnPrices($ids: [ID!]!, $limit: Int!) {
  variants(ids: $ids, limit: $limit) { id prices { priceMinor } }
}
"""
CHANNELS = "query CartChannels { channels { key } }"

_log = structlog.get_logger(__name__)


class Graph(Protocol):
    """The environment's composed graph; kokoa.roles fills it."""

    async def answer(self, document: str, variables: Mapping[str, Any], call: Call) -> GraphAnswer:
        """The data, and who answered what is overridden. Raises a KokoaError when there are errors."""
        ...


async def ask(graph: Graph, document: str, variables: Mapping[str, Any], call: Call) -> GraphAnswer:
    """The answer, within the call's time. Raises what the graph raises, and DeadlineExceeded."""
    refuse_in_transaction("graph call")
    try:
        return await within(call.remaining_ms() / 1000, graph.answer(document, variables, call))
    except TooLate:
        raise DeadlineExceeded("The graph did not answer a cart in time.") from None


class CartPrices:
    """What variants are called and cost, for a cart."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    async def offers(self, cart: Cart, ids: Sequence[str], skus: Sequence[str], call: Call) -> Offers:
        """Of these variants, and of those that the cart has already where there is room. At most KEYS_MAX of them.

        Where the graph fails for all of them, these are asked for alone: a line that nobody can price any more keeps
        nobody from putting in another. Raises what the graph raises, and DeadlineExceeded.
        """
        wanted, skus = list(dict.fromkeys(ids)), list(dict.fromkeys(skus))
        more = [one for one in variants_of(cart.lines) if one not in wanted]
        if more and len(wanted) + len(skus) + len(more) <= KEYS_MAX:
            try:
                return await self._ask(cart, [*wanted, *more], skus, call, WRITE_WITHIN_MS)
            except DeadlineExceeded:
                raise
            except KokoaError as error:
                _log.info("cart_asks_for_less", cart=cart.id, error=error.message, detail=error.detail)
        return await self._ask(cart, wanted, skus, call, WRITE_WITHIN_MS)

    async def current(self, cart: Cart, call: Call, within_ms: int, *, stock: bool) -> Offers | None:
        """Of the lines of the cart, soon; None when the graph does not answer, which is logged.

        stock: whether anybody wants to know if enough is there; else it is as if there were.
        Half of the caller's time is left to say what was known before.
        """
        ids = variants_of(cart.lines)
        try:
            return await self._ask(cart, ids, [], call, min(within_ms, call.remaining_ms() // 2), stock=stock)
        except KokoaError as error:
            _log.warning("cart_prices_are_old", cart=cart.id, error=error.message, detail=error.detail)
            return None

    async def require_channel(self, channel: str, call: Call) -> None:
        """Raises InvalidCart when the store has no such channel, and what the graph raises."""
        data = (await self._ask_graph(CHANNELS, {}, as_shopper(call, None, WRITE_WITHIN_MS))).data
        if channel not in (one["key"] for one in data["channels"]):
            raise InvalidCart(f"There is no channel {channel!r}.", field="channel")

    async def _ask(
        self, cart: Cart, ids: Sequence[str], skus: Sequence[str], call: Call, within_ms: int, *, stock: bool = True
    ) -> Offers:
        if not ids and not skus:
            return Offers([], [])
        variables = {
            "ids": list(ids),
            "skus": list(skus),
            "limit": len(ids) + len(skus),
            "currency": cart.currency,
            "channel": cart.channel,
            "of": cart.channel or "",
            "inChannel": cart.channel is not None,
            "stock": stock,
        }
        asking = as_shopper(call, cart.customer_id, within_ms)
        answer = await self._ask_graph(VARIANTS, variables, asking)
        shown = answer.data["variants"]
        unclear = [one["id"] for one in shown if is_unclear(one, cart.currency)]
        own: dict[str, int] = {}
        if unclear:
            # A partner has taken over some of the fields that say so; the catalogue's own price tells which.
            data = (await self._ask_graph(OWN_PRICES, {"ids": unclear, "limit": len(unclear)}, asking)).data
            own = {one["id"]: one["prices"][0]["priceMinor"] for one in data["variants"] if one["prices"]}
        offers = (offer_of(one, cart.currency, own.get(one["id"]), answer.answered) for one in shown)
        return Offers([one for one in offers if one is not None], ids)

    async def _ask_graph(self, document: str, variables: Mapping[str, Any], call: Call) -> GraphAnswer:
        return await ask(self._graph, document, variables, call)


def variants_of(lines: Sequence[Line]) -> list[str]:
    """Their ids; a line that management made up has none."""
    return [line.variant_id for line in lines if line.variant_id is not None]


def as_shopper(call: Call, customer_id: str | None, within_ms: int) -> Call:
    """Whoever asks, a cart costs what it costs its customer, who sees what is published.

    Raises DepthExceeded: an override of a price asks for a cart.
    """
    shopper = Caller("storefront", customer_id or "", frozenset({"storefront"}))
    return replace(call.enter("carts"), caller=shopper).until(now_ms() + within_ms)
