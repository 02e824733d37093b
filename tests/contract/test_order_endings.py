"""Placements with nothing left to do are written down together, after their shoppers have their answers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contract.cart_shop import MERCHANT
from contract.order_shop import OrderShop, OrderStage, open_order_stage
from kokoa.kernel.ids import new_id
from kokoa.messaging import EmbeddedNats
from kokoa.postgres.database import DatabaseUnavailable
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.orders.placing.ending import Ending
from servers import until

LINES = "query($id: ID!) { order(id: $id) { lines { id } } }"
FULFIL = "mutation($input: CreateFulfillmentInput!) { createFulfillment(input: $input) { state } }"
STEPS = "SELECT step, due_at, lease FROM placements WHERE environment_id = $1"


@pytest.fixture(scope="module")
async def stage(postgres: str, nats_server: EmbeddedNats, media_objects: MediaObjects) -> AsyncIterator[OrderStage]:
    async with open_order_stage(postgres, nats_server.url, media_objects) as stage:
        yield stage


class Store:
    """The real one.  written: what it was told at once.  fails: how often it does not answer before."""

    def __init__(self, stage: OrderStage, fails: int = 0) -> None:
        self._store = stage.orders.store
        self.written: list[list[tuple[str, str]]] = []
        self.fails = fails

    async def end(self, environment_id: str, leased: list[tuple[str, str]]) -> None:
        self.written.append(leased)
        if self.fails:
            self.fails -= 1
            raise DatabaseUnavailable("The database of orders does not answer.")
        await self._store.end(environment_id, leased)


@pytest.fixture
async def shop(stage: OrderStage) -> OrderShop:
    shop = OrderShop(stage)
    await shop.open()
    await shop.product("lamp", price=1_000)
    await shop.stock("lamp", 100)
    return shop


def gather(shop: OrderShop, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop.stage.orders.actions._placing, "_ending", Ending(store, 0.2))


async def steps(shop: OrderShop) -> list[Any]:
    return await shop.stage.databases["orders"].fetch(shop.environment_id, STEPS)


async def until_all_are(shop: OrderShop, step: str, count: int) -> None:
    deadline = asyncio.get_running_loop().time() + 20
    while [row["step"] for row in await steps(shop)] != [step] * count:
        assert asyncio.get_running_loop().time() < deadline, await steps(shop)
        await asyncio.sleep(0.02)


async def test_orders_of_one_moment_end_by_one_statement(shop: OrderShop, monkeypatch: pytest.MonkeyPatch) -> None:
    carts = [await shop.full_cart(lamp=1) for _ in range(5)]
    gather(shop, store := Store(shop.stage), monkeypatch)
    placed = await asyncio.gather(*(shop.place(cart) for cart in carts))
    assert {(one["state"], one["order"] is not None) for one in placed} == {("PLACED", True)}
    assert {(await shop.read(cart))["state"] for cart in carts} == {"ORDERED"}, "at once"
    assert [(await shop.place(cart))["order"] for cart in carts] == [one["order"] for one in placed], "asked again"
    await until_all_are(shop, "DONE", 5)
    assert sum(map(len, store.written)) == 5
    assert len(store.written) < 5
    assert {(row["due_at"], row["lease"]) for row in await steps(shop)} == {(None, None)}


async def test_an_order_whose_end_is_not_written_down_yet_may_be_sent(
    shop: OrderShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather(shop, store := Store(shop.stage, fails=1), monkeypatch)
    placed = await shop.place(await shop.full_cart(lamp=2))
    found = await shop.data(LINES, MERCHANT, id=placed["id"])
    sent = [{"lineId": line["id"], "quantity": 2} for line in found["lines"]]
    given = {"orderId": placed["id"], "lines": sent, "idempotencyKey": "all of it"}
    assert (await shop.data(FULFIL, MERCHANT, input=given))["state"] == "PENDING"
    await until(lambda: len(store.written) == 1)
    await until_all_are(shop, "CLOSING", 1)
    await shop.sweep()
    await until_all_are(shop, "DONE", 1)
    kinds = "SELECT kind FROM history WHERE environment_id = $1"
    told = await shop.stage.databases["orders"].fetch(shop.environment_id, kinds)
    assert "GOODS_MISSING" not in {row["kind"] for row in told}


async def test_what_could_not_be_written_down_is_done_by_the_sweeper(
    shop: OrderShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather(shop, store := Store(shop.stage, fails=1), monkeypatch)
    assert (await shop.place(await shop.full_cart(lamp=1)))["state"] == "PLACED"
    await until(lambda: len(store.written) == 1)
    await until_all_are(shop, "CLOSING", 1)
    await shop.sweep()
    await until_all_are(shop, "DONE", 1)
    assert (len(await shop.orders()), await shop.available("lamp")) == (1, 99)


async def test_what_waits_is_written_down_when_the_service_ends(
    shop: OrderShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = Ending(store := Store(shop.stage), 3_600)
    monkeypatch.setattr(shop.stage.orders.actions._placing, "_ending", ending)
    monkeypatch.setattr(shop.stage.orders.actions, "_ending", ending)
    await shop.place(await shop.full_cart(lamp=1))
    assert [row["step"] for row in await steps(shop)] == ["CLOSING"]
    await shop.stage.orders.close()
    await shop.place(await shop.full_cart(lamp=1))
    assert [row["step"] for row in await steps(shop)] == ["DONE", "DONE"]
    assert len(store.written) == 2


async def test_who_has_lost_the_lease_ends_nothing(shop: OrderShop, monkeypatch: pytest.MonkeyPatch) -> None:
    gather(shop, store := Store(shop.stage), monkeypatch)
    await shop.place(await shop.full_cart(lamp=1))
    others = "UPDATE placements SET lease = $2 WHERE environment_id = $1"
    await shop.stage.databases["orders"].execute(shop.environment_id, others, lease := new_id())
    await until(lambda: len(store.written) == 1)
    await shop.stage.orders.store.end(shop.environment_id, store.written[0])
    assert [(row["step"], str(row["lease"])) for row in await steps(shop)] == [("CLOSING", lease)]


async def test_nobody_is_ended_whose_cart_is_not_closed(shop: OrderShop) -> None:
    waiting = await shop.place(
        await shop.full_cart(lamp=1), method="redirect", returnUrl="https://shop.example/thanks"
    )
    lease = new_id()
    claim = "UPDATE placements SET lease = $2 WHERE environment_id = $1"
    await shop.stage.databases["orders"].execute(shop.environment_id, claim, lease)
    await shop.stage.orders.store.end(shop.environment_id, [(waiting["id"], lease)])
    assert [row["step"] for row in await steps(shop)] == ["PAYING"]
