"""What a store holds of orders, money and goods when all is over, compared with what its shoppers have in writing."""

import asyncio
import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec
import nats
from nats.js.api import ConsumerConfig, DeliverPolicy

from benchmarks.killed_shoppers import CODE, SCARCE, Client, Notes
from benchmarks.running import RunningStore
from kokoa.postgres import service_dsn
from kokoa.postgres.vault import Vault
from kokoa.roles.platform import require_servers, schema_password
from kokoa.roles.settings import load_settings, master_key

SETTLED_WITHIN_S = 60.0
_POLL_S = 1.0
_NEXT_S = 30.0
_PAGE = 100
_SHOWN = 3

# What may be half done → in which service → how many are, and began so many seconds ago ($2).
_HALF_DONE: Mapping[str, tuple[str, str]] = {
    "placements": (
        "orders",
        """SELECT count(*) FROM placements WHERE environment_id = $1 AND due_at IS NOT NULL
            AND started_at <= now() - $2::float8 * interval '1 s'""",
    ),
    "changes of orders": (
        "orders",
        """SELECT count(*) FROM changes WHERE environment_id = $1 AND due_at IS NOT NULL
            AND created_at <= now() - $2::float8 * interval '1 s'""",
    ),
    "open payment requests": (
        "payments",
        """SELECT count(*) FROM open_requests o JOIN payments p ON p.environment_id = $1 AND p.id = o.payment_id
            WHERE o.environment_id = $1 AND p.changed_at <= now() - $2::float8 * interval '1 s'""",
    ),
    "webhooks to come": (
        "payments",
        """SELECT count(*) FROM simulated_webhooks
            WHERE environment_id = $1 AND ($2::float8 = 0 OR due_at <= now() - $2::float8 * interval '1 s')""",
    ),
    "held reservations": (
        "inventory",
        """SELECT count(*) FROM reservations WHERE environment_id = $1 AND state = 'HELD'
            AND created_at <= now() - $2::float8 * interval '1 s'""",
    ),
    "frozen carts": (
        "carts",
        """SELECT count(*) FROM carts WHERE environment_id = $1 AND state = 'FROZEN'
            AND changed_at <= now() - $2::float8 * interval '1 s'""",
    ),
    **{
        f"events of {service}": (
            service,
            "SELECT waiting FROM outbox_backlog() WHERE $1::uuid IS NOT NULL AND oldest_age_s >= $2::float8",
        )
        for service in ("orders", "payments", "inventory", "carts", "promotions")
    },
}
_ORDERS = "SELECT id, number, state, cart_id, payment_id, total_minor, basket FROM orders WHERE environment_id = $1"
_PLACEMENTS = "SELECT id, step, cart_id FROM placements WHERE environment_id = $1"
_CARTS = "SELECT id, state, order_id FROM carts WHERE environment_id = $1"
_OPEN_LINES = """SELECT r.key, l.sku, sum(l.open)::bigint AS open, sum(l.fulfilled)::bigint AS fulfilled
  FROM reservations r JOIN reservation_lines l ON l.environment_id = $1 AND l.reservation_id = r.id
 WHERE r.environment_id = $1 GROUP BY r.key, l.sku HAVING sum(l.open) > 0 OR sum(l.fulfilled) > 0"""
_REDEEMED = "SELECT key FROM redemptions WHERE environment_id = $1 AND code = $2 AND released_at IS NULL"
_AT_THE_PROVIDER = """SELECT payment_id, operation, sum(amount_minor)::bigint AS amount FROM simulated_operations
 WHERE environment_id = $1 AND state = 'SUCCEEDED' GROUP BY payment_id, operation"""
_TRANSACTIONS = "SELECT type, count(*) AS number FROM transactions WHERE environment_id = $1 GROUP BY type"
_PAYMENTS = """query Paid($after: String) { payments(limit: 100, after: $after) { cursor items {
  id reference amountMinor amounts { authorized charged refunded cancelled authorizePending chargePending
  cancelPending } } } }"""
_ITEM = "query Item($sku: String!) { stockItem(sku: $sku) { onHand reserved } }"
_SHOWN_ORDERS = """query Orders($before: String) { orders(limit: 100, before: $before) {
  id number state totalMinor cartId } }"""
_USES = "query Uses($code: String!) { promotion(code: $code) { used } }"
_NAMES: Mapping[str, str] = {
    "AUTHORIZE": "authorized",
    "CHARGE": "charged",
    "CANCEL": "cancelled",
    "REFUND": "refunded",
}
_TOLD_OF: Mapping[str, str] = {
    "AUTHORIZE_SUCCESS": "PaymentAuthorized",
    "CHARGE_SUCCESS": "PaymentCaptured",
    "CANCEL_SUCCESS": "PaymentVoided",
    "REFUND_SUCCESS": "PaymentRefunded",
}


class Finding(msgspec.Struct, frozen=True):
    """A comparison.  wrong: what differs."""

    what: str
    compared: int
    wrong: Sequence[str]


class State(msgspec.Struct, frozen=True):
    """All that the store has.  at_provider: payment → operation → amount.  reserved: key → SKU → open, fulfilled."""

    orders: Mapping[str, Any]
    shown_orders: Sequence[Any]
    placements: Mapping[str, Any]
    carts: Mapping[str, Any]
    payments: Sequence[Any]
    at_provider: Mapping[str, Mapping[str, int]]
    transactions: Mapping[str, int]
    stock: Mapping[str, Any]
    reserved: Mapping[str, Mapping[str, tuple[int, int]]]
    used: int
    redeemed: frozenset[str]
    events: Sequence[Any]


class Books:
    """Of one environment.  stocked: how many of each article there were."""

    def __init__(self, store: RunningStore, environment_id: str, client: Client, stocked: Mapping[str, int]) -> None:
        self._environment_id = environment_id
        self._client = client
        self._stocked = stocked
        self._store = store

    async def settle(self, killed_at: float) -> tuple[float, Mapping[str, int]]:
        """(seconds until nothing was half done that began before a moment, what is still after SETTLED_WITHIN_S)."""
        while True:
            since_s = time.monotonic() - killed_at
            left = await self._half_done(since_s)
            if not left or since_s > SETTLED_WITHIN_S:
                return since_s, left
            await asyncio.sleep(_POLL_S)

    async def come_to_rest(self) -> None:
        """Until nothing at all is half done, when nobody asks any more; what is later is found by comparing."""
        ends = time.monotonic() + SETTLED_WITHIN_S
        while time.monotonic() < ends:
            if not await self._half_done(0.0):
                return
            await asyncio.sleep(_POLL_S)

    async def _half_done(self, since_s: float) -> Mapping[str, int]:
        """PostgreSQL may have been killed last."""
        try:
            return await self._counted(since_s)
        except (OSError, asyncpg.PostgresError):
            return {"the database does not answer": 1}

    async def _counted(self, since_s: float) -> Mapping[str, int]:
        found = {}
        for what, (service, statement) in _HALF_DONE.items():
            rows = await self._rows(service, statement, since_s)
            if rows and rows[0][0]:
                found[what] = int(rows[0][0])
        return found

    async def read(self) -> State:
        """Once it has settled."""
        reserved: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
        for row in await self._rows("inventory", _OPEN_LINES):
            reserved[row["key"]][row["sku"]] = (row["open"], row["fulfilled"])
        at_provider: dict[str, dict[str, int]] = defaultdict(dict)
        for row in await self._rows("payments", _AT_THE_PROVIDER):
            at_provider[str(row["payment_id"])][_NAMES[row["operation"]]] = row["amount"]
        return State(
            orders={str(row["id"]): row for row in await self._rows("orders", _ORDERS)},
            shown_orders=await self._shown_orders(),
            placements={str(row["id"]): row for row in await self._rows("orders", _PLACEMENTS)},
            carts={str(row["id"]): row for row in await self._rows("carts", _CARTS)},
            payments=await self._payments(),
            at_provider=at_provider,
            transactions={row["type"]: row["number"] for row in await self._rows("payments", _TRANSACTIONS)},
            stock={sku: await self._client.ask(_ITEM, server=True, sku=sku) for sku in self._stocked},
            reserved=reserved,
            used=(await self._client.ask(_USES, server=True, code=CODE))["used"],
            redeemed=frozenset(row["key"] for row in await self._rows("promotions", _REDEEMED, CODE)),
            events=await self._events(),
        )

    def compare(self, state: State, notes: Notes) -> list[Finding]:
        """Everything that must be so."""
        return [
            _finding("what shoppers were told", notes.served, notes.wrong),
            *_orders(state, notes),
            _finding("carts", len(state.carts), _carts(state)),
            _finding("payments", len(state.payments), _payments_wrong(state)),
            _finding("the provider's books", len(state.payments), _provider(state)),
            _finding("goods", len(self._stocked), self._goods(state)),
            _finding("uses of the code", state.used, _uses(state)),
            _finding("events", len(state.events), _told(state)),
        ]

    def _goods(self, state: State) -> Iterable[str]:
        """Reserved is what of orders has not left, and no more has left or is reserved than there was."""
        waiting: Counter[str] = Counter()
        left: Counter[str] = Counter()
        for order in state.orders.values():
            for sku, quantity in _wanted(order).items():
                waiting[sku] += quantity if order["state"] == "CONFIRMED" else 0
                left[sku] += quantity if order["state"] == "FULFILLED" else 0
        for sku, stocked in self._stocked.items():
            item, wanted = state.stock[sku], (stocked - left[sku], waiting[sku])
            if (item["onHand"], item["reserved"]) != wanted:
                yield f"{sku}: {item}, of orders {wanted}"
            if sku in SCARCE and item["reserved"] > item["onHand"]:
                yield f"{sku}: oversold: {item}"
        for key, lines in state.reserved.items():
            order = state.orders.get(key)
            if order is None:
                yield f"reserved for no order: {key}"
            elif {sku: sum(parts) for sku, parts in lines.items()} != _wanted(order):
                yield f"order {order['number']}: {lines} are reserved, {_wanted(order)} are ordered"

    # reading

    async def _rows(self, service: str, statement: str, *arguments: Any) -> list[Any]:
        settings = load_settings({"KOKOA_STATE_DIR": str(self._store.state_dir)})
        dsn = service_dsn(
            require_servers(settings)[0], service, schema_password(Vault(master_key(settings)), service)
        )
        connection = await asyncpg.connect(dsn, server_settings={"search_path": service})
        try:
            await connection.execute("SELECT set_config('kokoa.environment_id', $1, false)", self._environment_id)
            return list(await connection.fetch(statement, self._environment_id, *arguments))
        finally:
            await connection.close()

    async def _shown_orders(self) -> list[Any]:
        found: list[Any] = []
        while page := await self._client.ask(
            _SHOWN_ORDERS, server=True, before=found[-1]["number"] if found else None
        ):
            found += page
        return found

    async def _payments(self) -> list[Any]:
        found: list[Any] = []
        cursor = None
        while True:
            page = await self._client.ask(_PAYMENTS, server=True, after=cursor)
            found += page["items"]
            cursor = page["cursor"]
            if len(page["items"]) < _PAGE:
                return found

    async def _events(self) -> list[Any]:
        """All of the environment, from the stream's beginning."""
        settings = load_settings({"KOKOA_STATE_DIR": str(self._store.state_dir)})
        subject = f"events.{self._environment_id}.>"
        client = await nats.connect(require_servers(settings)[1], connect_timeout=10)
        try:
            streams = client.jetstream(timeout=_NEXT_S)
            config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
            reader = await streams.subscribe(subject, stream="EVENTS", ordered_consumer=True, config=config)
            held = (await streams.stream_info("EVENTS", subjects_filter=subject)).state.subjects or {}
            return [msgspec.json.decode((await reader.next_msg(_NEXT_S)).data) for _ in range(sum(held.values()))]
        finally:
            await client.close()


def _finding(what: str, compared: int, wrong: Iterable[str]) -> Finding:
    return Finding(what, compared, list(wrong))


def _orders(state: State, notes: Notes) -> Iterable[Finding]:
    written = {one.placement_id: one for one in notes.placements.values() if one.number is not None}
    yield _finding("orders as they were acknowledged", len(written), _acknowledged(state, written))
    unknown = (f"order {one['number']}" for key, one in state.orders.items() if key not in written)
    yield _finding("orders that nobody was told of", len(state.orders), unknown)
    numbers = sorted(order["number"] for order in state.orders.values())
    gaps = [f"{after} comes after {before}" for before, after in itertools.pairwise(numbers) if after != before + 1]
    yield _finding("numbers", len(numbers), gaps)
    became = (
        f"order {order['number']} is {order['state']}, not {wanted}"
        for key, order in state.orders.items()
        if order["state"] != (wanted := _became(notes.became.get(key)))
    )
    yield _finding("orders sent and given up", len(notes.became), became)
    refused = (
        f"{one.placement_id}: told {one.refused}, is {state.placements[one.placement_id]['step']}"
        for one in notes.placements.values()
        if one.refused is not None and state.placements[one.placement_id]["step"] != "REFUSED"
    )
    yield _finding("refusals", sum(one.refused is not None for one in notes.placements.values()), refused)


def _became(state: str | None) -> str:
    return {None: "CONFIRMED", "PENDING": "FULFILLED"}.get(state, str(state))


def _acknowledged(state: State, written: Mapping[str, Any]) -> Iterable[str]:
    shown = {order["id"]: order for order in state.shown_orders}
    if len(shown) != len(state.shown_orders):
        yield "the API shows an order twice"
    for key, one in written.items():
        wanted = (one.number, one.wanted_minor, one.total_minor, one.cart_id)
        order = shown.get(key)
        if order is None:
            yield f"order {one.number} is not there"
        elif wanted != (order["number"], order["totalMinor"], order["totalMinor"], order["cartId"]):
            yield f"{wanted} was acknowledged, {order} is there"


def _carts(state: State) -> Iterable[str]:
    """ORDERED exactly when there is an order, of which there is one."""
    orders_of = Counter(str(order["cart_id"]) for order in state.orders.values())
    yield from (f"cart {key} is ordered {times} times" for key, times in orders_of.items() if times > 1)
    for key, cart in state.carts.items():
        if (cart["state"] == "ORDERED") != (key in orders_of):
            yield f"cart {key} is {cart['state']} and has {orders_of[key]} orders"
        elif cart["state"] == "ORDERED" and str(state.orders[cart["order_id"]]["cart_id"]) != key:
            yield f"cart {key} names another cart's order"


def _payments_wrong(state: State) -> Iterable[str]:
    """Of each order one, over its total; of what was refused nothing is left."""
    of = Counter(payment["reference"] for payment in state.payments)
    yield from (f"{of[key]} payments of order {key}" for key in state.orders if of[key] != 1)
    for payment in state.payments:
        order, amounts = state.orders.get(payment["reference"]), payment["amounts"]
        total = payment["amountMinor"]
        if order is None:
            wanted = {"authorized": amounts["authorized"], "cancelled": amounts["authorized"]}
        else:
            wanted = {"authorized": total}
            wanted |= {"CANCELLED": {"cancelled": total}, "FULFILLED": {"charged": total}}.get(order["state"], {})
            if (str(order["payment_id"]), order["total_minor"]) != (payment["id"], total):
                yield f"order {order['number']} is over {order['total_minor']}, its payment over {total}"
        found = {name: amount for name, amount in amounts.items() if amount}
        if found != {name: amount for name, amount in wanted.items() if amount}:
            yield f"{payment['id']} of {order and order['number']}: {found}, not {wanted}"


def _provider(state: State) -> Iterable[str]:
    for payment in state.payments:
        ours = {name: payment["amounts"][name] for name in _NAMES.values() if payment["amounts"][name]}
        if ours != state.at_provider.get(payment["id"], {}):
            yield f"{payment['id']}: {ours}, at the provider {state.at_provider.get(payment['id'])}"


def _uses(state: State) -> Iterable[str]:
    with_code = {f"{key}/{CODE}" for key, order in state.orders.items() if _has_code(order)}
    yield from (f"redeemed for no order: {key}" for key in state.redeemed - with_code)
    yield from (f"not redeemed: {key}" for key in with_code - state.redeemed)
    if state.used != len(state.redeemed):
        yield f"{state.used} are counted, {len(state.redeemed)} are there"


def _told(state: State) -> Iterable[str]:
    """Each fact by one event, and no event without its fact."""
    ids = Counter(event["id"] for event in state.events)
    yield from (f"event {key} is there {times} times" for key, times in ids.items() if times > 1)
    states = Counter(order["state"] for order in state.orders.values())
    refused = {key for key, one in state.placements.items() if one["step"] == "REFUSED"}
    by: Mapping[str, tuple[str, set[str]]] = {
        "OrderPlaced": ("order_id", set(state.orders)),
        "OrderPlacementRefused": ("placement_id", refused),
        "CartOrdered": ("order_id", set(state.orders)),
    }
    types = Counter(event["type"] for event in state.events)
    for type_, (field, wanted) in by.items():
        found = Counter(event["data"][field] for event in state.events if event["type"] == type_)
        yield from (f"{type_} of {key}: {found[key]}" for key in wanted | set(found) if found[key] != (key in wanted))
    reserved = Counter(event["data"]["reservation"] for event in state.events if event["type"] == "StockReserved")
    of_orders = set(state.orders) | set(reserved)
    yield from (f"StockReserved of {key}: {reserved[key]}" for key in of_orders if reserved[key] != 1)
    numbers = {_TOLD_OF[type_]: number for type_, number in state.transactions.items() if type_ in _TOLD_OF}
    numbers |= {"PaymentCreated": len(state.payments)}
    numbers |= {"OrderCancelled": states["CANCELLED"], "OrderFulfilled": states["FULFILLED"]}
    yield from (
        f"{type_}: {types[type_]}, not {number}" for type_, number in numbers.items() if types[type_] != number
    )
    if types["PromotionRedeemed"] - types["PromotionReleased"] != state.used:
        yield f"{types['PromotionRedeemed']} uses told, {types['PromotionReleased']} given back, {state.used} counted"


def _wanted(order: Any) -> dict[str, int]:
    found: Counter[str] = Counter()
    for line in msgspec.json.decode(order["basket"])["lines"]:
        found[line["sku"]] += line["quantity"]
    return dict(found)


def _has_code(order: Any) -> bool:
    return bool(msgspec.json.decode(order["basket"])["totals"]["codes"])


def shown(wrong: Sequence[str]) -> str:
    """Some of it."""
    return "; ".join(wrong[:_SHOWN]) + (f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else "")
