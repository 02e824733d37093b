"""GraphQL ⇄ actions and store."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.kernel.text import camel_case
from kokoa.services.orders.actions import OrderActions
from kokoa.services.orders.errors import InvalidOrderPage, InvalidPlacement, OrderingCustomerUnknown
from kokoa.services.orders.following.model import require_reference
from kokoa.services.orders.following.store import FollowingStore
from kokoa.services.orders.model import Order, Placement, Who, require_number, require_page, require_request
from kokoa.services.orders.store import OrderStore

Arguments = Mapping[str, Any]

_OF_BASKET = ("email", "currency", "locale", "channel", "note", "shipping_address", "billing_address")
_OF_TOTALS = (
    "shipping",
    "tax_included",
    "reverse_charge",
    "tax_note",
    "tax_source",
    "discount_source",
    "net_minor",
    "tax_minor",
)
_TOKEN_MAX = 200


class OrderResolvers:
    """Field resolvers of schema.graphql."""

    def __init__(self, store: OrderStore, following: FollowingStore, actions: OrderActions) -> None:
        self._store = store
        self._following = following
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.order": self.order,
            "Query.orders": self.orders,
            "Query.myOrders": self.my_orders,
            "Mutation.placeOrder": self.place,
            "Mutation.continuePlacement": self.go_on,
            "OrderPlacement.order": self.orders_of_placements,
            "Order": self.by_reference,
            "Order.number": _numbers,
            **{f"Order.{camel_case(name)}": _of_basket(name) for name in _OF_BASKET},
            "Order.lines": _lines,
            "Order.goodsMinor": _of_basket("goods_minor"),
            "Order.codes": _of_totals("codes", ()),
            "Order.taxRates": _of_totals("rates", ()),
            "Order.discountMinor": _of_totals("discount_minor", 0),
            **{f"Order.{camel_case(name)}": _of_totals(name, None) for name in _OF_TOTALS},
            "Order.payment": _payments,
            "Order.placedAt": _moments,
            "OrderLine.id": _line_ids,
            "OrderLine.variant": _variants,
        }

    async def order(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        order_id, number, reference = args.get("id"), args.get("number"), args.get("external_reference")
        if sum(one is not None for one in (order_id, number, reference)) != 1:
            raise InvalidOrderPage("Give one of id, number and externalReference.", field="id")
        if order_id is not None:
            wanted = require_id(order_id, field="id")
            found = (await self._store.orders_by_ids(call.environment_id, [wanted])).get(wanted)
        elif number is not None:
            found = await self._store.order_by_number(call.environment_id, require_number(number, "number"))
        else:
            found = await self._following.by_reference(call.environment_id, require_reference(reference) or "")
        return [found if found is not None and _is_theirs(found, who_asks(call)) else None]

    async def orders(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        customer_id = (args.get("filter") or {}).get("customer_id")
        theirs = None if customer_id is None else require_id(customer_id, field="filter.customerId")
        return [await self._page(args, theirs, call)]

    async def my_orders(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        customer_id = who_asks(call).customer_id
        if customer_id is None:
            raise OrderingCustomerUnknown("Sign in first: `Authorization: Bearer` and the access token.")
        return [await self._page(args, customer_id, call)]

    async def by_reference(self, representations: Sequence[Mapping[str, Any]], call: Call) -> Sequence[Any]:
        """Management finds all; a customer finds their own."""
        ids, who = [require_id(one["id"], field="id") for one in representations], who_asks(call)
        asked = ids if who.management or who.customer_id is not None else []
        found = await self._store.orders_by_ids(call.environment_id, asked) if asked else {}
        return [found[one] if one in found and _is_theirs(found[one], who) else None for one in ids]

    async def place(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        cart_id, token = given.get("cart_id"), _token(given.get("cart_token"))
        if cart_id is None and token is None:
            raise InvalidPlacement("Give cartId, or cartToken for an anonymous cart.", field="cartId")
        request = require_request(
            given["payment_provider"],
            given.get("payment_method"),
            given.get("return_url"),
            given.get("expected_total_minor"),
        )
        found = None if cart_id is None else require_id(cart_id, field="cartId")
        placed = await self._actions.place(found, token, who_asks(call), request, given["idempotency_key"], call)
        return [_placement(placed)]

    async def go_on(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        placement_id, token = require_id(args["id"], field="id"), _token(args.get("cart_token"))
        return [_placement(await self._actions.go_on(placement_id, who_asks(call), token, call))]

    async def orders_of_placements(
        self, parents: Sequence[Mapping[str, Any]], _: Arguments, call: Call
    ) -> Sequence[Any]:
        """Whoever sees a placement sees what has become of it."""
        found: dict[str, Order] = {one["id"]: one["order"] for one in parents if one["order"] is not None}
        ids = [one["id"] for one in parents if one["state"] == "PLACED" and one["id"] not in found]
        if ids:
            found |= await self._store.orders_by_ids(call.environment_id, ids)
        return [found.get(one["id"]) for one in parents]

    async def _page(self, args: Arguments, customer_id: str | None, call: Call) -> list[Order]:
        require_page(args["limit"])
        before = args.get("before")
        number = None if before is None else require_number(before, "before")
        return await self._store.page(call.environment_id, number, customer_id, args["limit"])


def who_asks(call: Call) -> Who:
    """Management, a customer who is signed in, or anybody."""
    caller = call.caller
    return Who("management" in caller.scopes, (caller.subject or None) if caller.kind == "storefront" else None)


def _is_theirs(order: Order, who: Who) -> bool:
    return who.management or (who.customer_id is not None and order.customer_id == who.customer_id)


def _token(token: str | None) -> str | None:
    if token is not None and not 0 < len(token) <= _TOKEN_MAX:
        raise InvalidPlacement(f"cartToken has 1 to {_TOKEN_MAX} characters.", field="cartToken")
    return token


def _placement(placement: Placement) -> dict[str, Any]:
    refusal = placement.refusal
    return {
        "id": placement.id,
        "state": placement.state,
        "actionUrl": placement.action_url if placement.state == "ACTION_REQUIRED" else None,
        "refusal": refusal and {"code": refusal.code, "message": refusal.message, "field": refusal.field or None},
        "order": placement.order,
    }


def _numbers(parents: Sequence[Order], _args: Arguments, _call: Call) -> list[str]:
    return [str(parent.number) for parent in parents]


def _of_basket(name: str) -> Any:
    def resolve(parents: Sequence[Order], _args: Arguments, _call: Call) -> list[Any]:
        return [getattr(parent.basket, name) for parent in parents]

    return resolve


def _of_totals(name: str, without: Any) -> Any:
    """without: of orders that were placed when there were none."""

    def resolve(parents: Sequence[Order], _args: Arguments, _call: Call) -> list[Any]:
        return [without if one.basket.totals is None else getattr(one.basket.totals, name) for one in parents]

    return resolve


def _lines(parents: Sequence[Order], _args: Arguments, _call: Call) -> list[Any]:
    return [parent.lines() for parent in parents]


def _payments(parents: Sequence[Order], _args: Arguments, _call: Call) -> list[Any]:
    return [parent.payment_id and {"id": parent.payment_id} for parent in parents]


def _moments(parents: Sequence[Order], _args: Arguments, _call: Call) -> list[str]:
    return [parent.placed_at.isoformat() for parent in parents]


def _variants(parents: Sequence[Any], _args: Arguments, _call: Call) -> list[Any]:
    return [parent.variant_id and {"id": parent.variant_id} for parent in parents]


def _line_ids(parents: Sequence[Any], _args: Arguments, _call: Call) -> list[str]:
    return [parent.cart_line_id for parent in parents]
