"""What shoppers write: a line in a cart, and a whole order, through the store's graph and by bare transactions."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any
from urllib.parse import urlencode

import msgspec

from benchmarks.load import Address, Flow, Talk, drive_flow, request
from benchmarks.report import Measurement, Target, percentile
from benchmarks.running import floor_up
from benchmarks.stage import PRODUCTS, Stage, Tell

CONNECTIONS = 16
SECONDS = 3.0
WARM_SECONDS = 1.5
STATEMENTS_MAX = 12
CREATE = 'mutation Create { createCart(input: {currency: "EUR"}) { cartToken cart { id } } }'
ADD = """mutation Add($input: AddCartLinesInput!) { addCartLines(input: $input) {
  id version subtotalMinor lines { id sku name quantity unitPriceMinor totalMinor } } }"""
ADDRESS = "mutation Address($input: SetCartAddressesInput!) { setCartAddresses(input: $input) { id version } }"
DELIVERY = """mutation Delivery($input: SetCartShippingMethodInput!) { setCartShippingMethod(input: $input) {
  id version totals { goodsMinor taxMinor grossMinor problem shipping { name priceMinor } } } }"""
PLACE = """mutation Place($input: PlaceOrderInput!) { placeOrder(input: $input) {
  id state refusal { code message } order { id number totalMinor } } }"""
_HOME = {"firstName": "Aino", "lastName": "Koski", "line1": "Rantatie 1", "city": "Turku", "country": "FI"}
_STOCKED = 100
_PUBLISHED_WITHIN_S = 60.0
_SET_UP = (
    'mutation { putShippingZone(input: {key: "fi", name: "Finland", places: [{country: "FI"}]}) { key } }',
    """mutation { putShippingMethod(input: {key: "post", name: "Post",
      rates: [{zone: "fi", currency: "EUR", bands: [{priceMinor: 590}]}]}) { key } }""",
    'mutation { putTaxCategory(input: {key: "goods", name: "Goods"}) { key } }',
    """mutation { putTaxZone(input: {key: "fi", name: "Finland", pricesIncludeTax: true,
      places: [{country: "FI"}]}) { key } }""",
    """mutation { putTaxRate(input: {key: "vat", name: "VAT", zone: "fi", category: "goods",
      basisPoints: 2550}) { key } }""",
    'mutation { putTaxSettings(input: {defaultCategory: "goods"}) { version } }',
)
_PLACED = """SELECT count(*) FROM orders o JOIN placements p ON p.environment_id = o.environment_id AND p.id = o.id
 WHERE o.environment_id = $1"""
_UNPUBLISHED = "SELECT count(*) FROM outbox WHERE environment_id = $1"
_COUNTED = "mutation($input: SetStockInput!) { setStock(input: $input) { failed } }"


class Shopper:
    """Flows of one store. Every request is another cart's."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._numbers: Iterator[int] = itertools.count()
        self.placed = 0

    async def fill(self, talk: Talk) -> str:
        """A new cart with a line; its token."""
        token = str((await self._asked(talk, CREATE, {}))["createCart"]["cartToken"])
        number = next(self._numbers)
        lines = [{"sku": f"B{number * 7 % _STOCKED:04}-S", "quantity": 1}]
        added = await self._asked(
            talk, ADD, {"input": {**_cart(token), "lines": lines, "idempotencyKey": token[:40]}}
        )
        assert len(added["addCartLines"]["lines"]) == 1, added
        return token

    async def add(self, talk: Talk) -> None:
        await self.fill(talk)

    async def order(self, talk: Talk) -> None:
        token = await self.fill(talk)
        await self._asked(talk, ADDRESS, {"input": {**_cart(token), "shippingAddress": _HOME}})
        found = await self._asked(talk, DELIVERY, {"input": {**_cart(token), "key": "post"}})
        totals = found["setCartShippingMethod"]["totals"]
        assert (totals["problem"], totals["shipping"]["priceMinor"]) == (None, 590), totals
        assert totals["taxMinor"] > 0, totals
        given = {
            **_cart(token),
            "paymentProvider": "manual",
            "expectedTotalMinor": totals["grossMinor"],
            "idempotencyKey": token[:40],
        }
        placement = (await self._asked(talk, PLACE, {"input": given}))["placeOrder"]
        assert placement["state"] == "PLACED", placement
        self.placed += 1

    async def _asked(self, talk: Talk, query: str, variables: dict[str, Any]) -> Any:
        document = msgspec.json.decode(await talk.exchange(self._stage.graphql(query, variables)))
        assert "errors" not in document, document
        return document["data"]


def _cart(token: str) -> dict[str, str]:
    return {"cartToken": token}


async def measure_add_to_cart(stage: Stage, rounds: int, tell: Tell) -> Measurement:
    """A cart is made, and a line put in; of both the floor runs the same statements."""
    shopper = await _opened(stage)
    statements = await _statements_to_add(stage)
    with floor_up(_floor_settings(stage)) as floor:
        sides = [(stage.store.address, shopper.add), (floor, _two_requests(floor))]
        found, times = await _turns(
            stage, sides, rounds, lambda number: tell(f"add to cart: round {number} of {rounds}")
        )
    return Measurement(
        name="a new cart, and a line put in",
        unit="carts/s",
        subject=found[0],
        floor=found[1],
        floor_name="the same SQL by bare asyncpg and orjson, same server, same processes, same two requests",
        target=Target("ratio", 0.4),
        notes={
            "SQL statements to add a line": f"{statements} (at most {STATEMENTS_MAX})",
            "p50, p99": _latency(times),
            "the best of its peers": "31.6 carts/s on such a machine",
        },
    )


async def measure_orders(stage: Stage, rounds: int, tell: Tell) -> Measurement:
    """Cart, line, address, delivery, payment, order: five requests. The floor does six bare transactions in one."""
    shopper = await _opened(stage)
    before = await _orders(stage)
    with floor_up(_floor_settings(stage)) as floor:
        sides = [(stage.store.address, shopper.order), (floor, _one_request(floor))]
        found, times = await _turns(stage, sides, rounds, lambda number: tell(f"orders: round {number} of {rounds}"))
    lost = shopper.placed - (await _orders(stage) - before)
    assert lost == 0, f"{lost} of {shopper.placed} placed orders are not there"
    return Measurement(
        name="a whole order: cart, line, address, delivery, payment, place",
        unit="orders/s",
        subject=found[0],
        floor=found[1],
        floor_name="six bare transactions of a write and an outbox row each, same server, one request",
        target=Target("ratio", 0.25),
        notes={
            "p50, p99": _latency(times),
            "placed, all of them there": f"{shopper.placed:,}",
            "the best of its peers": "9 to 12 orders/s on such a machine",
        },
    )


def _latency(times_ms: list[float]) -> str:
    return f"{median(times_ms):.1f} ms, {percentile(times_ms, 0.99):.1f} ms"


async def _opened(stage: Stage) -> Shopper:
    """A store that has goods, sends them, taxes them and takes money."""
    for document in _SET_UP:
        await _done(stage, document, {})
    rows = [{"sku": f"B{number:04}-S", "onHand": 1_000_000} for number in range(min(_STOCKED, PRODUCTS))]
    await _done(stage, _COUNTED, {"input": {"rows": rows}})
    return Shopper(stage)


async def _done(stage: Stage, document: str, variables: dict[str, Any]) -> Any:
    result = await stage.inside.gateway.execute(document, variables, stage.call())
    assert not result.errors, result.errors
    return result.data


async def _statements_to_add(stage: Stage) -> int:
    """In all services; each time in another cart, and with another key."""
    counts = []
    for _ in range(3):
        token = (await _done(stage, CREATE, {}))["createCart"]["cartToken"]
        given = {**_cart(token), "lines": [{"sku": "B0001-S", "quantity": 1}], "idempotencyKey": token[:40]}
        counts.append(await stage.counted(ADD, {"input": given}))
    return min(counts)


async def _orders(stage: Stage) -> int:
    """How many the environment has; those of the floor have no placement."""
    return int(await stage.fetchval("orders", _PLACED))


async def _published(stage: Stage) -> None:
    """Nobody's turn begins with events of the other's to be published still; the floor writes thousands of them."""
    deadline = time.monotonic() + _PUBLISHED_WITHIN_S
    for service in ("carts", "inventory", "orders", "payments"):
        while await stage.fetchval(service, _UNPUBLISHED):
            assert time.monotonic() < deadline, f"events of {service} are not published"
            await asyncio.sleep(0.1)


async def _turns(
    stage: Stage, sides: Sequence[tuple[Address, Flow]], rounds: int, tell: Callable[[int], None]
) -> tuple[tuple[list[float], list[float]], list[float]]:
    """Rates of the subject and of the floor, and how long the subject's took, in ms."""
    for address, flow in sides:
        await drive_flow(address, flow, connections=CONNECTIONS, seconds=WARM_SECONDS)
    found: tuple[list[float], list[float]] = ([], [])
    times_ms: list[float] = []
    for number in range(rounds):
        tell(number + 1)
        for side in (0, 1) if number % 2 else (1, 0):
            await _published(stage)
            driven = await drive_flow(*sides[side], connections=CONNECTIONS, seconds=SECONDS)
            found[side].append(driven.per_second)
            times_ms += driven.times_ms if side == 0 else []
    return found, times_ms


def _floor_settings(stage: Stage) -> dict[str, str]:
    names = ("catalog", "inventory", "carts", "orders", "payments", "search")
    dsns = {f"FLOOR_{name.upper()}": stage.dsn(name) for name in names}
    return {**dsns, "FLOOR_ENVIRONMENT": stage.environment_id}


def _two_requests(floor: Address) -> Flow:
    host = {"Host": f"127.0.0.1:{floor[1]}"}

    async def flow(talk: Talk) -> None:
        cart = msgspec.json.decode(await talk.exchange(request("GET", "/cart", host)))["data"]
        await talk.exchange(request("GET", "/add?" + urlencode({"token": cart["token"], "sku": "B0001-S"}), host))

    return flow


def _one_request(floor: Address) -> Flow:
    wanted = request("GET", "/order", {"Host": f"127.0.0.1:{floor[1]}"})

    async def flow(talk: Talk) -> None:
        await talk.exchange(wanted)

    return flow
