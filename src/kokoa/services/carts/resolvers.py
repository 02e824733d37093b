"""GraphQL ⇄ actions and store. A cart is priced when somebody asks for what depends on prices, once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from kokoa.graphql.resolvers import Foreseeing
from kokoa.kernel.call import Call
from kokoa.kernel.clock import now_ms, to_datetime
from kokoa.kernel.contact import require_postal_address
from kokoa.kernel.errors import KokoaError
from kokoa.kernel.ids import require_id
from kokoa.kernel.text import camel_case
from kokoa.services.carts.actions import CartActions, Changed
from kokoa.services.carts.errors import CustomerNotSignedIn, InvalidCart, InvalidCartLine
from kokoa.services.carts.model import (
    Cart,
    Key,
    Line,
    Who,
    as_of,
    is_visible,
    require_code,
    require_count,
    require_custom_line,
    require_email,
    require_line_ids,
    require_note,
    require_page,
    require_quantity,
    require_shipping_method,
    require_sku,
)
from kokoa.services.carts.pricing.graph import WRITE_WITHIN_MS, CartPrices
from kokoa.services.carts.pricing.model import LiveCart, LiveLine, Offers, Wanted, live
from kokoa.services.carts.store import CartStore
from kokoa.services.carts.totals.graph import Asked, CartTotals
from kokoa.services.carts.totals.model import Option, Totals

Arguments = Mapping[str, Any]

_PLAIN = (
    "id",
    "state",
    "version",
    "currency",
    "customer_id",
    "email",
    "locale",
    "channel",
    "note",
    "shipping_address",
    "billing_address",
    "order_id",
    "merged_into",
    "shipping_method",
)
_MOMENTS = ("frozen_until", "created_at", "changed_at", "expires_at")
_LINE = ("id", "sku", "name", "variant_name", "quantity", "weight_grams")


class CartView:
    """A cart as it is answered.  prices: who is asked what lines cost; None for what they cost when last changed.

    within_ms: how long prices are waited for, and then all of totals.
    """

    __slots__ = ("_asked", "_call", "_live", "_prices", "_stock", "_within_ms", "cart")

    def __init__(
        self,
        cart: Cart,
        prices: CartPrices | None,
        call: Call,
        offers: Offers | None = None,
        totals: CartTotals | None = None,
        within_ms: int = 0,
    ) -> None:
        self.cart = as_of(cart, to_datetime(now_ms()))
        self._call = call
        self._prices = prices
        self._within_ms = within_ms
        self._stock = False
        self._asked = None if totals is None else Asked(totals, self.cart, self.live, call, within_ms)
        self._live: asyncio.Future[LiveCart] | None = None
        if prices is None or (offers is not None and offers.cover(cart)):
            self._live = asyncio.get_running_loop().create_future()
            self._live.set_result(live(cart, offers))

    def need_stock(self) -> None:
        """When prices are asked for, ask also whether enough is there; only `problem` says so."""
        self._stock = True

    async def live(self) -> LiveCart:
        """All fields of a level are resolved before any is awaited, so they share one query."""
        if self._live is None:
            self._live = asyncio.ensure_future(self._ask())
        return await self._live

    async def options(self) -> Sequence[Option] | None:
        """None when they are not known, or nobody is asked."""
        return None if self._asked is None else await self._asked.options()

    async def totals(self) -> Totals | None:
        """None when nobody is asked. Raises CartFull."""
        return None if self._asked is None else await self._asked.totals()

    async def _ask(self) -> LiveCart:
        assert self._prices is not None, "else it is known"
        offers = await self._prices.current(self.cart, self._call, self._within_ms, stock=self._stock)
        return live(self.cart, offers)


class CartResolvers:
    """Field resolvers of schema.graphql."""

    def __init__(
        self, store: CartStore, actions: CartActions, prices: CartPrices, totals: CartTotals, read_within_ms: int
    ) -> None:
        self._store = store
        self._actions = actions
        self._prices = prices
        self._totals = totals
        self._read_within_ms = read_within_ms

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.cart": self.cart,
            "Query.carts": self.carts,
            "Mutation.createCart": self.create,
            "Mutation.addCartLines": self.add,
            "Mutation.addCustomCartLine": self.add_custom,
            "Mutation.changeCartLines": self.change,
            "Mutation.removeCartLines": self.remove,
            "Mutation.setCartAddresses": self.set_addresses,
            "Mutation.setCartEmail": self.set_email,
            "Mutation.setCartNote": self.set_note,
            "Mutation.setCartShippingMethod": self.set_shipping_method,
            "Mutation.addCartCode": self.add_code,
            "Mutation.removeCartCode": self.remove_code,
            "Mutation.mergeCarts": self.merge,
            "Mutation.freezeCart": self.freeze,
            "Mutation.releaseCart": self.release,
            "Mutation.markCartOrdered": self.mark_ordered,
            "Cart": self.by_reference,
            **{f"Cart.{camel_case(name)}": _of_cart(name) for name in _PLAIN},
            **{f"Cart.{camel_case(name)}": _moment_of_cart(name) for name in _MOMENTS},
            "Cart.lines": Foreseeing(_lines),
            "Cart.subtotalMinor": _of_live(LiveCart.subtotal_minor),
            "Cart.pricesAsOf": _of_live(lambda one: one.prices_as_of and one.prices_as_of.isoformat()),
            "Cart.shippingOptions": _asked(CartView.options),
            "Cart.totals": _asked(CartView.totals),
            "Cart.codes": _codes,
            "Cart.itemCount": _item_counts,
            "Cart.weightGrams": _weights,
            "CartLine.variant": _variants,
            **{f"CartLine.{camel_case(name)}": _of_line(name) for name in _LINE},
        }

    async def cart(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.find(call.environment_id, who_asks(call), key_of(args))
        return [None if found is None else self._view(found, call)]

    async def carts(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        require_page(args["limit"])
        given, after = args.get("filter") or {}, args.get("after")
        customer_id = given.get("customer_id")
        page = await self._store.page(
            call.environment_id,
            None if after is None else require_id(after, field="after"),
            given.get("state"),
            None if customer_id is None else require_id(customer_id, field="filter.customerId"),
            args["limit"],
        )
        return [[CartView(cart, None, call) for cart in page]]

    async def by_reference(self, representations: Sequence[Mapping[str, Any]], call: Call) -> Sequence[Any]:
        """Management finds all; a customer finds their own."""
        ids = [require_id(one["id"], field="id") for one in representations]
        who = who_asks(call)
        asked = ids if who.management or who.customer_id is not None else []
        found = await self._store.by_ids(call.environment_id, asked) if asked else {}
        return [
            CartView(found[one], None, call) if one in found and is_visible(found[one], who, Key(id=one)) else None
            for one in ids
        ]

    async def create(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given, who = args["input"], who_asks(call)
        customer_id = given.get("customer_id")
        if customer_id is not None and not who.management:
            raise InvalidCart("Only management says whose cart it is; leave it out.", field="customerId")
        details = {
            "customer_id": who.customer_id if customer_id is None else require_id(customer_id, field="customerId"),
            **{name: given.get(name) for name in ("locale", "channel", "email")},
        }
        cart, token = await self._actions.create(given["currency"], details, given.get("idempotency_key"), call)
        return [{"cart": self._view(cart, call), "cartToken": token}]

    async def add(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        require_count(len(given["lines"]))
        wanted = [_wanted(line, f"lines.{index}") for index, line in enumerate(given["lines"])]
        key, idempotency_key = key_of(given), given.get("idempotency_key")
        added = self._actions.add(who_asks(call), key, wanted, given.get("version"), idempotency_key, call)
        return await self._answer(added, call)

    async def add_custom(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        name, sku, weight_grams = given["name"], given.get("sku"), given.get("weight_grams")
        require_custom_line(name, sku, given["unit_price_minor"], weight_grams)
        line = Line(
            "",
            None,
            None,
            sku,
            name,
            "",
            require_quantity(given["quantity"], "quantity"),
            given["unit_price_minor"],
            "CUSTOM",
            to_datetime(now_ms()),
            weight_grams,
        )
        added = self._actions.add_custom(
            key_of(given), line, given.get("version"), given.get("idempotency_key"), call
        )
        return await self._answer(added, call)

    async def change(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        lines, fields = given["lines"], [f"lines.{index}" for index in range(len(given["lines"]))]
        ids = require_line_ids([line["id"] for line in lines], [f"{field}.id" for field in fields])
        quantities = {
            line_id: require_quantity(line["quantity"], f"{field}.quantity", least=0)
            for line_id, line, field in zip(ids, lines, fields, strict=True)
        }
        changed = self._actions.change(who_asks(call), key_of(given), quantities, fields, given.get("version"), call)
        return await self._answer(changed, call)

    async def remove(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        ids = require_line_ids(given["line_ids"], [f"lineIds.{index}" for index in range(len(given["line_ids"]))])
        removed = self._actions.remove(who_asks(call), key_of(given), ids, given.get("version"), call)
        return await self._answer(removed, call)

    async def set_addresses(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        details = {
            name: None if given[name] is None else require_postal_address(given[name], f"{camel_case(name)}.")
            for name in ("shipping_address", "billing_address")
            if name in given
        }
        return await self._set(given, details, call)

    async def set_email(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return await self._set(args["input"], {"email": require_email(args["input"].get("email"))}, call)

    async def set_note(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return await self._set(args["input"], {"note": require_note(args["input"].get("note"))}, call)

    async def set_shipping_method(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        key = require_shipping_method(args["input"].get("key"))
        return await self._set(args["input"], {"shipping_method": key}, call)

    async def add_code(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given, code = args["input"], require_code(args["input"]["code"])
        done = self._actions.add_code(who_asks(call), key_of(given), code, given.get("version"), call)
        return await self._answer(done, call)

    async def remove_code(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given, code = args["input"], require_code(args["input"]["code"])
        done = self._actions.remove_code(who_asks(call), key_of(given), code, given.get("version"), call)
        return await self._answer(done, call)

    async def merge(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        customer_id = who_asks(call).customer_id
        if customer_id is None:
            raise CustomerNotSignedIn("Sign in first: `Authorization: Bearer` and the access token.")
        return await self._answer(self._actions.merge(customer_id, args["token"], call), call)

    async def freeze(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        key, customer_id = key_of(args), args.get("customer_id")
        if customer_id is not None:
            who = Who(customer_id=require_id(customer_id, field="customerId"))
        elif key == Key():
            raise InvalidCart("Give id, cartToken or customerId.", field="id")
        else:
            who = Who(management=key.token is None)
        frozen = await self._actions.freeze(who, key, args["key"], args["seconds"], args.get("version"), call)
        # Whoever freezes a cart makes an order of it: there is more time than for a page of a shop.
        return [self._view(frozen.cart, call, frozen.offers, max(WRITE_WITHIN_MS, self._read_within_ms))]

    async def release(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return await self._answer(self._actions.release(require_id(args["id"], field="id"), args["key"], call), call)

    async def mark_ordered(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        cart_id = require_id(args["id"], field="id")
        return await self._answer(self._actions.mark_ordered(cart_id, args["key"], args["order_id"], call), call)

    async def _set(self, given: Arguments, details: Mapping[str, Any], call: Call) -> Sequence[Any]:
        done = self._actions.set_details(who_asks(call), key_of(given), details, given.get("version"), call)
        return await self._answer(done, call)

    async def _answer(self, doing: Awaitable[Changed], call: Call) -> Sequence[Any]:
        done = await doing
        return [self._view(done.cart, call, done.offers)]

    def _view(self, cart: Cart, call: Call, offers: Offers | None = None, within_ms: int | None = None) -> CartView:
        within_ms = self._read_within_ms if within_ms is None else within_ms
        return CartView(cart, self._prices, call, offers, self._totals, within_ms)


def who_asks(call: Call) -> Who:
    """Management, a customer who is signed in, or anybody."""
    caller = call.caller
    return Who("management" in caller.scopes, (caller.subject or None) if caller.kind == "storefront" else None)


def key_of(given: Arguments) -> Key:
    """How an input names the cart. Raises InvalidId."""
    cart_id = given.get("id")
    return Key(None if cart_id is None else require_id(cart_id, field="id"), given.get("cart_token"))


def _wanted(line: Arguments, field: str) -> Wanted:
    variant_id, sku = line.get("variant_id"), line.get("sku")
    if (variant_id is None) == (sku is None):
        raise InvalidCartLine("Give one of variantId and sku.", field=f"{field}.sku")
    return Wanted(
        None if variant_id is None else require_id(variant_id, field=f"{field}.variantId"),
        None if sku is None else require_sku(sku, f"{field}.sku"),
        require_quantity(line["quantity"], f"{field}.quantity"),
        field,
    )


def _of_cart(name: str) -> Any:
    def resolve(parents: Sequence[CartView], _args: Arguments, _call: Call) -> list[Any]:
        return [getattr(parent.cart, name) for parent in parents]

    return resolve


def _moment_of_cart(name: str) -> Any:
    def resolve(parents: Sequence[CartView], _args: Arguments, _call: Call) -> list[str | None]:
        return [moment and moment.isoformat() for moment in (getattr(parent.cart, name) for parent in parents)]

    return resolve


def _of_line(name: str) -> Any:
    def resolve(parents: Sequence[LiveLine], _args: Arguments, _call: Call) -> list[Any]:
        return [getattr(parent.line, name) for parent in parents]

    return resolve


def _of_live(read: Callable[[LiveCart], Any]) -> Any:
    """A field that depends on prices; what cannot be said of one cart is that cart's error."""

    def read_one(found: LiveCart) -> Any:
        try:
            return read(found)
        except KokoaError as error:
            return error

    async def resolve(parents: Sequence[CartView], _args: Arguments, _call: Call) -> list[Any]:
        return [read_one(await parent.live()) for parent in parents]

    return resolve


def _lines(parents: Sequence[CartView], _args: Arguments, _call: Call, below: frozenset[str]) -> Awaitable[list[Any]]:
    """Nothing of the level is awaited yet, so the one query for prices can still be one for stock too."""
    if "problem" in below:
        for parent in parents:
            parent.need_stock()
    return _lines_of(parents)


async def _lines_of(parents: Sequence[CartView]) -> list[Any]:
    return [(await parent.live()).lines for parent in parents]


def _asked(read: Callable[[CartView], Awaitable[Any]]) -> Any:
    """A field that others of the graph are asked for; what cannot be said of one cart is that cart's error."""

    async def read_one(parent: CartView) -> Any:
        try:
            return await read(parent)
        except KokoaError as error:
            return error

    async def resolve(parents: Sequence[CartView], _args: Arguments, _call: Call) -> list[Any]:
        return [await read_one(parent) for parent in parents]

    return resolve


def _codes(parents: Sequence[CartView], _args: Arguments, _call: Call) -> list[list[str]]:
    return [list(parent.cart.codes) for parent in parents]


def _item_counts(parents: Sequence[CartView], _args: Arguments, _call: Call) -> list[int]:
    return [sum(line.quantity for line in parent.cart.lines) for parent in parents]


def _weights(parents: Sequence[CartView], _args: Arguments, _call: Call) -> list[Any]:
    return [parent.cart.weight_grams for parent in parents]


def _variants(parents: Sequence[LiveLine], _args: Arguments, _call: Call) -> list[Any]:
    return [parent.line.variant_id and {"id": parent.line.variant_id} for parent in parents]
