"""How other systems follow orders: the feed of changes, their own names of orders, what they say of them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contract.cart_shop import MERCHANT, SHOPPER, customer
from contract.order_shop import OrderStage, open_order_stage
from contract.test_catalog_statements import counting
from contract.test_order_fulfilments import DELIVER, SHIP
from contract.test_order_returns import CANCEL_RETURN, ReturnDesk
from kokoa.kernel.ids import new_id
from kokoa.messaging import EmbeddedNats
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.orders.following.model import NOTED_MAX

_SHOWN = "id version externalReference externalStatus { status at }"
CHANGES = f"""query($since: String, $limit: Int!) {{
  orderChanges(since: $since, limit: $limit) {{ orders {{ {_SHOWN} }} cursor hasMore }} }}"""
REFER = f"""mutation($id: ID!, $to: String, $version: Int!) {{
  setOrderReference(id: $id, externalReference: $to, version: $version) {{ {_SHOWN} }} }}"""
SAY = f"""mutation($id: ID, $of: String, $status: String!) {{
  setOrderExternalStatus(id: $id, externalReference: $of, status: $status) {{ {_SHOWN} state }} }}"""
BY_REFERENCE = f"query($of: String!) {{ order(externalReference: $of) {{ {_SHOWN} }} }}"
SEEN = f"query($id: ID!) {{ order(id: $id) {{ {_SHOWN} history {{ kind note actor }} }} }}"
DEEP = """{ orderChanges { orders { id lines { id returnedQuantity } returns { id lines { received } }
  refunds { amountMinor return { id } } } } }"""
CUSTOMERS = "query($of: String!) { order(externalReference: $of) { id number } }"


class Reader:
    """Follows the feed, as an ERP would."""

    def __init__(self, shop: ReturnDesk) -> None:
        self._shop = shop
        self._cursor: str | None = None

    async def new(self, limit: int = 100) -> list[str]:
        """Ids of what changed since the last time, the last one last."""
        found: list[str] = []
        while True:
            page = await self._shop.data(CHANGES, MERCHANT, since=self._cursor, limit=limit)
            self._cursor = page["cursor"]
            found += [one["id"] for one in page["orders"]]
            if not page["hasMore"]:
                return found

    async def until(self, order: Any) -> None:
        """Wait until the feed has moved for an order; another transaction of the server may hold it back."""
        async with asyncio.timeout(60):
            while order["id"] not in await self.new():
                await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
async def stage(postgres: str, nats_server: EmbeddedNats, media_objects: MediaObjects) -> AsyncIterator[OrderStage]:
    async with open_order_stage(postgres, nats_server.url, media_objects) as stage:
        yield stage


@pytest.fixture
async def shop(stage: OrderStage) -> ReturnDesk:
    """With ten lamps at 9.99 euros."""
    shop = ReturnDesk(stage)
    await shop.open()
    await shop.product("lamp", price=999)
    await shop.stock("lamp", 10)
    return shop


async def test_everything_that_becomes_of_an_order_moves_it_in_the_feed(shop: ReturnDesk) -> None:
    reader = Reader(shop)
    order = await shop.placed(lamp=3)
    await reader.until(order)
    part = await shop.fulfil(order, lamp=2)
    await reader.until(order)
    await shop.data(SHIP, MERCHANT, id=part["id"], number="1")
    await reader.until(order)
    await shop.data(DELIVER, MERCHANT, id=part["id"])
    await reader.until(order)
    asked = await shop.returned(order, lamp=2)
    await reader.until(order)
    await shop.receive(order, asked, lamp=1)
    await reader.until(order)
    await shop.refund(asked)
    await reader.until(order)
    await shop.data(CANCEL_RETURN, MERCHANT, id=asked["id"])
    await reader.until(order)
    version = (await shop.data(SEEN, MERCHANT, id=order["id"]))["version"]
    await shop.data(REFER, MERCHANT, id=order["id"], to="erp-1", version=version)
    await reader.until(order)
    await shop.data(SAY, MERCHANT, of="erp-1", status="PICKED")
    await reader.until(order)
    await shop.cancel(order)
    await reader.until(order)
    assert await reader.new() == []


async def test_the_feed_is_read_in_pages_each_order_once(shop: ReturnDesk) -> None:
    orders = [await shop.placed(lamp=1) for _ in range(5)]
    await Reader(shop).until(orders[-1])
    assert await Reader(shop).new(limit=2) == [one["id"] for one in orders]
    elsewhere = ReturnDesk(shop.stage)
    assert await Reader(elsewhere).new() == []
    for since in ("", "x", "1:2", "9" * 19 + f":{new_id()}", f"1:{new_id()}\0"):
        assert await shop.code(CHANGES, MERCHANT, since=since, limit=1) == "INVALID_ORDER_PAGE"
    for limit, code in ((0, "INVALID_ORDER_PAGE"), (-1, "INVALID_ORDER_PAGE"), (251, "LIMIT_EXCEEDED")):
        assert await shop.code(CHANGES, MERCHANT, since=None, limit=limit) == code
    for caller in (SHOPPER, customer()):
        assert (await shop.ask(CHANGES, caller, since=None, limit=1)).errors


async def test_an_order_is_found_by_what_another_system_calls_it(shop: ReturnDesk, stage: OrderStage) -> None:
    who = customer()
    order, other = await shop.placed(who, lamp=1), await shop.placed(lamp=1)
    named = await shop.data(REFER, MERCHANT, id=order["id"], to="SO-1", version=1)
    assert (named["externalReference"], named["version"]) == ("SO-1", 2)
    assert await shop.data(REFER, MERCHANT, id=order["id"], to="SO-1", version=1) == named
    assert await shop.data(BY_REFERENCE, MERCHANT, of="SO-1") == named
    assert await shop.code(REFER, MERCHANT, id=order["id"], to="SO-2", version=1) == "ORDER_CHANGED"
    assert await shop.code(REFER, MERCHANT, id=other["id"], to="SO-1", version=1) == "ORDER_REFERENCE_TAKEN"
    assert await shop.code(REFER, MERCHANT, id=new_id(), to="SO-3", version=1) == "ORDER_NOT_FOUND"
    for bad in ("", " x", "x" * 129, "a\0b"):
        assert await shop.code(REFER, MERCHANT, id=other["id"], to=bad, version=1) == "INVALID_ORDER_REFERENCE"
    elsewhere = ReturnDesk(stage)
    assert await elsewhere.data(BY_REFERENCE, MERCHANT, of="SO-1") is None
    assert await elsewhere.code(REFER, MERCHANT, id=order["id"], to="SO-9", version=2) == "ORDER_NOT_FOUND"
    assert (await shop.data(CUSTOMERS, who, of="SO-1"))["id"] == order["id"]
    for stranger in (customer(), SHOPPER):
        assert await shop.data(CUSTOMERS, stranger, of="SO-1") is None
        assert (await shop.ask(REFER, stranger, id=order["id"], to="SO-9", version=2)).errors
    assert (await shop.data(REFER, MERCHANT, id=order["id"], to=None, version=2))["externalReference"] is None
    assert (await shop.data(REFER, MERCHANT, id=other["id"], to="SO-1", version=1))["externalReference"] == "SO-1"
    assert (await shop.order_events())[-3:] == ["OrderReferenceSet"] * 3


async def test_what_another_system_says_of_an_order_is_kept_and_told(shop: ReturnDesk, stage: OrderStage) -> None:
    order = await shop.placed(lamp=1)
    await shop.data(REFER, MERCHANT, id=order["id"], to="SO-1", version=1)
    said = await shop.data(SAY, MERCHANT, of="SO-1", status="In Kommissionierung")
    assert (said["externalStatus"]["status"], said["state"]) == ("In Kommissionierung", "CONFIRMED")
    assert await shop.data(SAY, MERCHANT, id=order["id"], status="In Kommissionierung") == said
    await shop.data(SAY, MERCHANT, id=order["id"], status="Versandt")
    seen = await shop.data(SEEN, MERCHANT, id=order["id"])
    assert [(one["kind"], one["note"]) for one in seen["history"]] == [
        ("EXTERNAL_REFERENCE", "SO-1"),
        ("EXTERNAL_STATUS", "In Kommissionierung"),
        ("EXTERNAL_STATUS", "Versandt"),
    ]
    assert (await shop.order_events())[-2:] == ["OrderExternalStatusChanged"] * 2
    elsewhere = ReturnDesk(stage)
    for desk, given, code in (
        (shop, {"of": "SO-2"}, "ORDER_NOT_FOUND"),
        (shop, {"id": new_id()}, "ORDER_NOT_FOUND"),
        (shop, {}, "INVALID_ORDER_REFERENCE"),
        (shop, {"id": order["id"], "of": "SO-1"}, "INVALID_ORDER_REFERENCE"),
        (shop, {"id": order["id"], "status": ""}, "INVALID_ORDER_REFERENCE"),
        (shop, {"id": order["id"], "status": "a\0b"}, "INVALID_ORDER_REFERENCE"),
        (elsewhere, {"of": "SO-1"}, "ORDER_NOT_FOUND"),
        (elsewhere, {"id": order["id"]}, "ORDER_NOT_FOUND"),
    ):
        assert await desk.code(SAY, MERCHANT, **{"status": "x", **given}) == code
    for caller in (SHOPPER, customer()):
        assert (await shop.ask(SAY, caller, id=order["id"], status="x")).errors
    assert await shop.data(SEEN, MERCHANT, id=order["id"]) == seen


async def test_a_system_in_a_loop_is_stopped(shop: ReturnDesk) -> None:
    order = await shop.placed(lamp=1)
    said = """INSERT INTO history (environment_id, id, order_id, kind, note, actor)
      SELECT $1, gen_random_uuid(), $2, 'EXTERNAL_STATUS', 'again', 'server' FROM generate_series(1, $3)"""
    await shop.stage.databases["orders"].execute(shop.environment_id, said, order["id"], NOTED_MAX - 1)
    last = await shop.data(SAY, MERCHANT, id=order["id"], status="the last")
    assert await shop.code(SAY, MERCHANT, id=order["id"], status="one more") == "INVALID_ORDER_REFERENCE"
    assert await shop.code(REFER, MERCHANT, id=order["id"], to="x", version=2) == "INVALID_ORDER_REFERENCE"
    assert await shop.data(SAY, MERCHANT, id=order["id"], status="the last") == last


async def test_what_came_back_of_a_page_of_orders_is_read_at_once(
    shop: ReturnDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [await shop.sold(lamp=1) for _ in range(3)]
    for order in orders:
        asked = await shop.returned(order, lamp=1)
        await shop.receive(order, asked, lamp=1)
        await shop.refund(asked)
    await Reader(shop).until(orders[-1])
    with counting(monkeypatch) as sent:
        page = await shop.data(DEEP, MERCHANT)
    shown = page["orders"]
    assert [(len(one["returns"]), one["refunds"][0]["return"]["id"]) for one in shown] == [
        (1, one["returns"][0]["id"]) for one in shown
    ]
    # The page; its returns, its refunds, and the returns of these.
    assert (len(shown), len(sent)) == (3, 4), sent
