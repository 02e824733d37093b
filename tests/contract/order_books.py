"""What an environment's databases say of carts, orders, payments, stock and codes, and whether it adds up."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from contract.order_shop import OrderShop
from kokoa.services.orders.fulfilling.model import ORDER_NEXT
from kokoa.services.orders.model import NEXT

_ORDERS = """SELECT id, number, state, cart_id, payment_id, total_minor, basket, progress FROM orders
 WHERE environment_id = $1 ORDER BY number"""
_PLACEMENTS = "SELECT id, step, cart_id FROM placements WHERE environment_id = $1"
_CHANGES = "SELECT order_id, kind, step, due_at FROM changes WHERE environment_id = $1"
_RETURNS = "SELECT order_id, state, lines FROM returns WHERE environment_id = $1"
_GIVEN = "SELECT id, refunded_minor FROM orders WHERE environment_id = $1"
_HISTORY = "SELECT order_id, kind FROM history WHERE environment_id = $1"
_TOLD = "SELECT event_type, payload FROM outbox WHERE environment_id = $1 ORDER BY id"
_CARTS = "SELECT id, state, order_id FROM carts WHERE environment_id = $1"
# Whoever dies before the placement is written down leaves a cart that thaws by itself, within a minute.
_FROZEN_FOR_LONG = """SELECT id FROM carts WHERE environment_id = $1 AND state = 'FROZEN'
   AND frozen_until > changed_at + interval '46 s'"""
_ITEMS = "SELECT sku, on_hand, reserved FROM items WHERE environment_id = $1"
_LEVELS = "SELECT sku, sum(on_hand)::bigint AS on_hand FROM levels WHERE environment_id = $1 GROUP BY sku"
_MOVED = """SELECT sku, sum(on_hand)::bigint AS on_hand, sum(reserved)::bigint AS reserved,
       (-coalesce(sum(on_hand) FILTER (WHERE reason = 'FULFILLED'), 0))::bigint AS left,
       (coalesce(sum(on_hand) FILTER (WHERE reason = 'RETURNED'), 0))::bigint AS back
  FROM movements WHERE environment_id = $1 GROUP BY sku"""
_OPEN = """SELECT r.key, r.state, l.sku, sum(l.open)::bigint AS open FROM reservations r
  JOIN reservation_lines l ON l.environment_id = $1 AND l.reservation_id = r.id
 WHERE r.environment_id = $1 GROUP BY r.key, r.state, l.sku"""
_USES = "SELECT used, uses_max FROM promotions WHERE environment_id = $1"
_REDEEMED = "SELECT key FROM redemptions WHERE environment_id = $1 AND released_at IS NULL"
_PAYMENTS = "SELECT id, reference, amount_minor FROM payments WHERE environment_id = $1"
_FACTS = """SELECT payment_id, type, sum(amount_minor)::bigint AS amount, count(*) AS number FROM transactions
 WHERE environment_id = $1 GROUP BY payment_id, type"""
_BOOKED = """SELECT payment_id, operation, sum(amount_minor)::bigint AS amount FROM simulated_operations
 WHERE environment_id = $1 AND state = 'SUCCEEDED' GROUP BY payment_id, operation"""
_HALF_DONE: Mapping[str, str] = {
    "orders": """SELECT (SELECT count(*) FROM placements WHERE environment_id = $1 AND due_at IS NOT NULL)
                      + (SELECT count(*) FROM changes WHERE environment_id = $1 AND due_at IS NOT NULL)""",
    "payments": "SELECT count(*) FROM open_requests WHERE environment_id = $1",
    "inventory": "SELECT count(*) FROM reservations WHERE environment_id = $1 AND state = 'HELD'",
}
_SUCCESSES = ("AUTHORIZE", "CHARGE", "REFUND", "CANCEL")


class OrderBooks:
    """Of one environment; remembers what was so before."""

    def __init__(self, shop: OrderShop) -> None:
        self._shop = shop
        self._steps: dict[str, str] = {}
        self._states: dict[str, str] = {}

    async def placements(self) -> list[Any]:
        """The rows."""
        return await self._rows("orders", _PLACEMENTS)

    async def half_done(self) -> dict[str, int]:
        """What waits for somebody, by service."""
        counts = {name: (await self._rows(name, statement))[0][0] for name, statement in _HALF_DONE.items()}
        return {name: count for name, count in counts.items() if count}

    async def require_in_order(self) -> None:
        """What is always so, whatever is half done. Raises AssertionError."""
        orders = await self._rows("orders", _ORDERS)
        placements = {str(row["id"]): row["step"] for row in await self.placements()}
        # Read after the orders: whoever is paid by then was asked for before.
        money = await self._money()
        self._require_legal(orders, placements)
        await self._require_carts(orders)
        await self._require_stock(orders, placements)
        await self._require_codes(placements)
        await self._require_returns(orders)
        self._require_paid(orders, placements, money)
        await self._require_told(orders, placements)

    async def require_settled(self) -> None:
        """What is so when nothing is half done. Raises AssertionError."""
        assert await self.half_done() == {}
        orders = {str(row["id"]): row for row in await self._rows("orders", _ORDERS)}
        missing = {
            str(row["order_id"]) for row in await self._rows("orders", _HISTORY) if row["kind"] == "GOODS_MISSING"
        }
        assert await self._rows("carts", _FROZEN_FOR_LONG) == []
        reserved: dict[str, Counter[str]] = defaultdict(Counter)
        for row in await self._rows("inventory", _OPEN):
            reserved[row["key"]][row["sku"]] += row["open"]
        for key, order in orders.items():
            wanted = Counter[str]() if key in missing else _left(order)
            assert +reserved.pop(key, Counter()) == wanted, f"order {order['number']}"
        assert not [key for key, lines in reserved.items() if +lines], "reserved for no order"
        with_code = {key for key, order in orders.items() if _basket(order)["totals"]["codes"]}
        assert {row["key"].partition("/")[0] for row in await self._rows("promotions", _REDEEMED)} == with_code
        booked: dict[str, dict[str, int]] = defaultdict(dict)
        for row in await self._rows("payments", _BOOKED):
            booked[str(row["payment_id"])][row["operation"]] = row["amount"]
        given = {str(row["id"]): row["refunded_minor"] for row in await self._rows("orders", _GIVEN)}
        for payment_id, reference, _, facts in await self._money():
            ours = {kind: facts[f"{kind}_SUCCESS"] for kind in _SUCCESSES if facts[f"{kind}_SUCCESS"]}
            assert ours == booked.get(payment_id, {}), "the provider's books are ours"
            order = orders.get(reference)
            if order is not None and order["state"] != "CANCELLED":
                assert given[reference] == ours.get("REFUND", 0), "the order knows what was given back of it"
            if order is None or order["state"] == "CANCELLED":
                still = ours.get("AUTHORIZE", 0) - ours.get("CANCEL", 0) - ours.get("REFUND", 0)
                assert still == 0 or order is not None, "money of what was never ordered"

    # rules

    def _require_legal(self, orders: list[Any], placements: Mapping[str, str]) -> None:
        """Nothing ends up where it may not, nothing goes away, and numbers have no gaps."""
        for key, before in self._steps.items():
            assert placements[key] in reachable(NEXT, before), f"{before} became {placements[key]}"
        states = {str(row["id"]): row["state"] for row in orders}
        for key, before in self._states.items():
            assert states[key] in reachable(ORDER_NEXT, before), f"{before} became {states[key]}"
        self._steps, self._states = dict(placements), states
        assert [row["number"] for row in orders] == list(range(10_001, 10_001 + len(orders)))
        assert {key for key, step in placements.items() if step in ("COMMITTED", "CLOSING", "DONE")} == set(states)

    async def _require_carts(self, orders: list[Any]) -> None:
        of = Counter(str(row["cart_id"]) for row in orders)
        assert not [key for key, times in of.items() if times > 1], "a cart that was ordered twice"
        by_id = {str(row["id"]): str(row["cart_id"]) for row in orders}
        for row in await self._rows("carts", _CARTS):
            if row["state"] == "ORDERED":
                assert by_id[row["order_id"]] == str(row["id"])

    async def _require_stock(self, orders: list[Any], placements: Mapping[str, str]) -> None:
        """Sums are the sums of parts; nothing is promised twice, and nothing for what is refused."""
        open_: Counter[str] = Counter()
        for row in await self._rows("inventory", _OPEN):
            open_[row["sku"]] += row["open"]
            if row["open"]:
                assert row["state"] in ("HELD", "ALLOCATED")
                assert placements[row["key"]] != "REFUSED", "what is refused has goods"
        levels = {row["sku"]: row["on_hand"] for row in await self._rows("inventory", _LEVELS)}
        moved = {row["sku"]: row for row in await self._rows("inventory", _MOVED)}
        done: Counter[str] = Counter()
        for order in orders:
            for line in _basket(order)["lines"]:
                done[line["sku"]] += _progress(order, line)["fulfilled"]
        for row in await self._rows("inventory", _ITEMS):
            sku, there = row["sku"], (row["on_hand"], row["reserved"])
            assert there == (levels.get(sku, 0), open_[sku]), f"{sku} against its places and reservations"
            if sku in moved:
                assert there == (moved[sku]["on_hand"], moved[sku]["reserved"]), f"{sku} against its movements"
                assert moved[sku]["left"] >= done[sku], f"more of {sku} was sent than has left"
            assert row["reserved"] <= row["on_hand"], f"{sku} is oversold"

    async def _require_codes(self, placements: Mapping[str, str]) -> None:
        redeemed = [row["key"].partition("/")[0] for row in await self._rows("promotions", _REDEEMED)]
        for row in await self._rows("promotions", _USES):
            assert row["used"] == len(redeemed) <= row["uses_max"]
        assert not [key for key in redeemed if placements[key] == "REFUSED"], "what is refused used a code"

    async def _require_returns(self, orders: list[Any]) -> None:
        """No more is on its way back, or came back, than has left; and none of it twice."""
        wanted: dict[str, Counter[str]] = defaultdict(Counter)
        received: dict[str, Counter[str]] = defaultdict(Counter)
        for row in await self._rows("orders", _RETURNS):
            for line in msgspec.json.decode(row["lines"]):
                came = line["back_in_stock"] + line["unusable"]
                assert line["refunded"] <= came <= line["quantity"]
                ended = row["state"] in ("CANCELLED", "REJECTED")
                wanted[str(row["order_id"])][line["line_id"]] += came if ended else line["quantity"]
                received[str(row["order_id"])][line["line_id"]] += came
        for order in orders:
            for line in _basket(order)["lines"]:
                key, line_id, done = str(order["id"]), line["cart_line_id"], _progress(order, line)
                assert wanted[key][line_id] <= done["fulfilled"], "more comes back than has left"
                assert received[key][line_id] == done["returned"] >= done["refunded"]

    def _require_paid(self, orders: list[Any], placements: Mapping[str, str], money: Iterable[Any]) -> None:
        """An order has its money, and what is refused has none."""
        by_reference = {reference: (payment_id, amount, facts) for payment_id, reference, amount, facts in money}
        for reference, (_, amount, facts) in by_reference.items():
            authorized, charged = facts["AUTHORIZE_SUCCESS"], facts["CHARGE_SUCCESS"]
            assert charged + facts["CANCEL_SUCCESS"] <= authorized <= amount
            assert facts["REFUND_SUCCESS"] <= charged
            if placements[reference] == "REFUSED":
                assert (charged, authorized) == (0, facts["CANCEL_SUCCESS"]), "what is refused is paid"
        for order in orders:
            payment_id, amount, facts = by_reference[str(order["id"])]
            assert (payment_id, amount) == (str(order["payment_id"]), order["total_minor"])
            assert facts["AUTHORIZE_SUCCESS"] == amount, "an order that is not paid"
            if order["state"] == "CANCELLED":
                kept = facts["CHARGE_SUCCESS"] - facts["REFUND_SUCCESS"]
                assert kept <= amount
                assert kept == 0 or any(_progress(order, line)["fulfilled"] for line in _basket(order)["lines"])

    async def _require_told(self, orders: list[Any], placements: Mapping[str, str]) -> None:
        """Each fact stands in the history and in the outbox once."""
        told = await self._rows("orders", _TOLD)
        facts = [msgspec.json.decode(row["payload"])["data"] for row in told if row["event_type"] == "OrderPlaced"]
        placed = Counter((one["order_id"], one["number"]) for one in facts)
        assert placed == Counter((str(row["id"]), str(row["number"])) for row in orders)
        types = Counter(row["event_type"] for row in told)
        steps, states = Counter(placements.values()), Counter(row["state"] for row in orders)
        complete = states["FULFILLED"] + states["PARTIALLY_RETURNED"] + states["RETURNED"]
        assert types["OrderPlacementRefused"] == steps["REFUSED"] + steps["WATCHING"]
        assert (types["OrderCancelled"], types["OrderFulfilled"]) == (states["CANCELLED"], complete)
        changes = Counter((row["kind"], row["step"]) for row in await self._rows("orders", _CHANGES))
        history = Counter(row["kind"] for row in await self._rows("orders", _HISTORY))
        assert types["FulfillmentCreated"] == changes["FULFIL", "PENDING"] == history["FULFILLMENT_CREATED"]
        assert changes["CANCEL", "DONE"] == history["CANCELLED"] == states["CANCELLED"]
        assert types["ReturnReceived"] == changes["RECEIVE", "DONE"] == history["RETURN_RECEIVED"]
        assert types["OrderRefunded"] == changes["REFUND", "DONE"] == history["REFUNDED"]

    # reading

    async def _money(self) -> list[tuple[str, str, int, Counter[str]]]:
        """(id, reference, amount, type → sum) of each payment."""
        facts: dict[str, Counter[str]] = defaultdict(Counter)
        for row in await self._rows("payments", _FACTS):
            facts[str(row["payment_id"])][row["type"]] = row["amount"]
        rows = await self._rows("payments", _PAYMENTS)
        return [(str(row["id"]), row["reference"], row["amount_minor"], facts[str(row["id"])]) for row in rows]

    async def _rows(self, service: str, statement: str) -> list[Any]:
        return list(await self._shop.stage.databases[service].fetch(self._shop.environment_id, statement))


def reachable(after: Mapping[Any, Iterable[Any]], start: str) -> set[str]:
    """A state, and all that may become of it."""
    found = {start}
    while more := {following for state in found for following in after[state]} - found:
        found |= more
    return found


def _basket(order: Any) -> Any:
    return msgspec.json.decode(order["basket"])


def _progress(order: Any, line: Any) -> Mapping[str, int]:
    found = msgspec.json.decode(order["progress"]).get(line["cart_line_id"], {})
    return {"fulfilled": 0, "cancelled": 0, "returned": 0, "refunded": 0, **found}


def _left(order: Any) -> Counter[str]:
    """How many of each article are to leave still."""
    left: Counter[str] = Counter()
    for line in _basket(order)["lines"]:
        done = _progress(order, line)
        left[line["sku"]] += line["quantity"] - done["fulfilled"] - done["cancelled"]
    return +left
