"""What is half done ends, also when what it waits for never comes; and what cannot end keeps nobody else waiting."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from contract.cart_shop import MERCHANT
from contract.dying import Died, die_at
from contract.inventory_stock import RELEASE
from contract.order_shop import CONTINUE, OrderShop, OrderStage, open_order_stage
from contract.payments_desk import AUTHORIZE, CREATE, OVERDUE
from kokoa.kernel.call import Call
from kokoa.kernel.ids import new_id
from kokoa.messaging import EmbeddedNats
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.orders.placing import actions as placing
from kokoa.services.payments.providers.model import Answer, Order

HISTORY = "query($id: ID!) { order(id: $id) { state lines { id } history { kind note } } }"
FULFIL = """mutation($input: CreateFulfillmentInput!) { createFulfillment(input: $input) {
  state refusal { code } order { state } } }"""
CANCEL = "mutation($input: CancelOrderInput!) { cancelOrder(input: $input) { state } }"
CHANGES_DUE = "UPDATE changes SET due_at = now() - interval '1 s' WHERE environment_id = $1 AND due_at IS NOT NULL"
STEP = """SELECT step, due_at IS NULL AS ended, extract(epoch FROM due_at - now()) AS in_s
  FROM placements WHERE environment_id = $1"""
REFUSALS_OF_VOID = "SELECT count(*) FROM transactions WHERE environment_id = $1 AND type = 'CANCEL_FAILURE'"


@pytest.fixture(scope="module")
async def stage(postgres: str, nats_server: EmbeddedNats, media_objects: MediaObjects) -> AsyncIterator[OrderStage]:
    async with open_order_stage(postgres, nats_server.url, media_objects) as stage:
        yield stage


@pytest.fixture
async def shop(stage: OrderStage) -> OrderShop:
    shop = OrderShop(stage)
    await shop.open()
    await shop.product("lamp", price=1_000)
    await shop.stock("lamp", 10)
    return shop


async def crash(shop: OrderShop, cart: Any, step: str, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
    """A placement dies at a step."""

    def reached(name: str) -> None:
        if name == step:
            raise Died

    with monkeypatch.context() as patch:
        patch.setattr(placing, "reached", reached)
        with pytest.raises(Died):
            await shop.place(cart, **more)


async def the_placement(shop: OrderShop) -> Any:
    return (await shop.stage.databases["orders"].fetch(shop.environment_id, STEP))[0]


async def id_of_placement(shop: OrderShop) -> str:
    statement = "SELECT id FROM placements WHERE environment_id = $1"
    return str((await shop.stage.databases["orders"].fetch(shop.environment_id, statement))[0]["id"])


async def test_goods_are_kept_for_an_order_however_long_the_store_was_away(
    shop: OrderShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For three hours, while the payment was made."""
    cart = await shop.full_cart(lamp=3)
    await crash(shop, cart, "order.payment_authorized", monkeypatch)
    past = "UPDATE reservations SET expires_at = expires_at - interval '3 h' WHERE environment_id = $1"
    await shop.stage.databases["inventory"].execute(shop.environment_id, past)
    inventory: Any = shop.stage._services["inventory"]
    assert await inventory.reservations.expire(shop.environment_id) == 0
    await shop.older(180)
    await shop.sweep()
    assert (await shop.place(cart))["state"] == "PLACED"
    assert await shop.available("lamp") == 7


async def test_an_order_that_was_begun_with_goods_for_a_time_has_them_for_good(
    shop: OrderShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a version before decision 0112."""
    cart = await shop.full_cart(lamp=3)
    await crash(shop, cart, "order.stock_reserved", monkeypatch)
    held = "UPDATE reservations SET state = 'HELD', expires_at = now() + interval '2 h' WHERE environment_id = $1"
    await shop.stage.databases["inventory"].execute(shop.environment_id, held)
    await shop.older(1)
    await shop.sweep()
    assert (await shop.place(cart))["state"] == "PLACED"
    states = "SELECT state, expires_at FROM reservations WHERE environment_id = $1"
    rows = await shop.stage.databases["inventory"].fetch(shop.environment_id, states)
    assert [tuple(row) for row in rows] == [("ALLOCATED", None)]


async def test_goods_that_were_given_back_before_the_order_was_written_are_not_ordered(
    shop: OrderShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart = await shop.full_cart(lamp=3)
    await crash(shop, cart, "order.payment_authorized", monkeypatch)
    placement_id = await id_of_placement(shop)
    await shop.data(RELEASE, MERCHANT, key=placement_id)
    await shop.older(180)
    await shop.sweep()
    refused = await shop.place(cart)
    assert (refused["state"], refused["refusal"]["code"]) == ("REFUSED", "RESERVATION_CLOSED")
    assert (await shop.available("lamp"), await shop.capturable(placement_id)) == (10, 0)
    assert (await shop.orders(), (await shop.read(cart))["state"]) == ([], "ACTIVE")
    assert (await shop.place(cart, key="again"))["state"] == "PLACED"


@pytest.mark.parametrize(("elsewhere", "told"), [(False, []), (True, ["GOODS_MISSING"])], ids=["here", "elsewhere"])
async def test_an_order_whose_goods_were_given_back_can_be_cancelled(
    shop: OrderShop, elsewhere: bool, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is written there is no way back: it must not be busy for ever.

    It says so where its goods were asked for still, because they were reserved before it was paid elsewhere.
    """
    cart = await shop.full_cart(lamp=3)
    if elsewhere:
        waiting = await shop.place(cart, method="redirect", returnUrl="https://shop.example")
        await shop.settle(waiting, approve=True)
        died = die_at("order.committed", monkeypatch, placing)
        with pytest.raises(Died):
            await shop.data(CONTINUE, MERCHANT, id=waiting["id"])
        assert died == ["order.committed"]
    else:
        await crash(shop, cart, "order.committed", monkeypatch)
    placement_id = await id_of_placement(shop)
    await shop.data(RELEASE, MERCHANT, key=placement_id)
    await shop.sweep()
    assert (await the_placement(shop))["step"] == "DONE"
    order = await shop.data(HISTORY, MERCHANT, id=placement_id)
    assert (order["state"], [one["kind"] for one in order["history"]]) == ("CONFIRMED", told)
    lines = [{"lineId": order["lines"][0]["id"], "quantity": 3}]
    given = {"orderId": placement_id, "lines": lines, "idempotencyKey": "leave"}
    left = await shop.data(FULFIL, MERCHANT, input=given)
    assert (left["state"], left["refusal"]["code"]) == ("REFUSED", "RESERVATION_CLOSED")
    given = {"id": placement_id, "idempotencyKey": "end"}
    assert (await shop.data(CANCEL, MERCHANT, input=given))["state"] == "CANCELLED"
    assert (await shop.available("lamp"), await shop.capturable(placement_id)) == (10, 0)
    assert (await shop.read(cart))["state"] == "ORDERED"


async def test_what_cannot_be_given_up_is_looked_at_less_and_less_and_not_for_ever(shop: OrderShop) -> None:
    cart = await shop.full_cart(lamp=3)
    refused = await shop.place(cart, method="redirect;void=declined", returnUrl="https://shop.example")
    await shop.settle(refused, approve=True)
    await shop.later(cart, frozen_until="now() - interval '1 s'")
    await shop.add(cart, lamp=1)
    await shop.older(10)
    await shop.sweep()
    assert (await the_placement(shop))["step"] == "WATCHING"
    assert await shop.available("lamp") == 10, "money that is not given up keeps no goods"
    await shop.older(24 * 60)
    await shop.sweep()
    assert float((await the_placement(shop))["in_s"]) > 8_000
    tried = await shop.stage.databases["payments"].fetchval(shop.environment_id, REFUSALS_OF_VOID)
    assert tried == 3
    await shop.older(7 * 24 * 60)
    await shop.sweep()
    assert (await the_placement(shop))["ended"]


async def test_what_is_watched_ends_though_nothing_more_can_be_asked_of_its_payment(
    shop: OrderShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart = await shop.full_cart(lamp=3)
    waiting = await shop.place(cart, method="redirect", returnUrl="https://shop.example")
    await shop.older(11)
    await shop.sweep()
    assert (await shop.place(cart, method="redirect", returnUrl="https://shop.example"))["state"] == "REFUSED"
    assert (await the_placement(shop))["step"] == "WATCHING"
    watching: Any = shop.stage.orders.actions._placing._shop

    async def fail(*_: object) -> Any:
        raise AssertionError(f"{waiting['id']} is not asked about any more")

    monkeypatch.setattr(watching, "payments", fail)
    await shop.older(8 * 24 * 60)
    await shop.sweep()
    assert (await the_placement(shop))["ended"]


async def test_an_answer_that_is_none_keeps_one_change_of_an_order_waiting_and_no_other(
    shop: OrderShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, good = [await shop.place(await shop.full_cart(lamp=n), key=f"k{n}") for n in (1, 2)]
    others = shop.stage.orders.changes._others
    original = others.money

    async def away(*_: object) -> Any:
        raise Died

    async def money(payment_id: str, call: Call) -> Any:
        found = await original(payment_id, call)
        return {} if payment_id == theirs[broken["id"]] else found

    monkeypatch.setattr(others, "money", away)
    for order in (broken, good):
        with pytest.raises(Died):
            await shop.data(CANCEL, MERCHANT, input={"id": order["id"], "idempotencyKey": order["id"]})
    statement = "SELECT id, payment_id FROM orders WHERE environment_id = $1"
    database = shop.stage.databases["orders"]
    rows = await database.fetch(shop.environment_id, statement)
    theirs = {str(row["id"]): str(row["payment_id"]) for row in rows}
    monkeypatch.setattr(others, "money", money)
    await database.execute(shop.environment_id, CHANGES_DUE)
    assert await shop.stage.orders.changes.sweep() == 1
    states = {one["id"]: one["state"] for one in await shop.orders()}
    assert states == {broken["id"]: "CONFIRMED", good["id"]: "CANCELLED"}
    monkeypatch.setattr(others, "money", original)
    await database.execute(shop.environment_id, CHANGES_DUE)
    await shop.stage.orders.changes.sweep()
    assert {one["state"] for one in await shop.orders()} == {"CANCELLED"}


async def test_a_provider_that_answers_nonsense_keeps_its_own_request_waiting_and_no_other(
    shop: OrderShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    payments: Mapping[str, str] = {name: await requested(shop, name) for name in ("broken", "good")}
    reconciler = shop.stage.payments.reconciler
    provider = reconciler._providers.find("test")
    original = provider.reconcile

    async def reconcile(order: Order) -> Answer:
        if order.payment_id == payments["broken"]:
            raise KeyError("status")
        return await original(order)

    monkeypatch.setattr(provider, "reconcile", reconcile)
    await shop.stage.databases["payments"].execute(shop.environment_id, OVERDUE)
    assert await reconciler.sweep() == 1
    statement = "SELECT payment_id, ask_at > now() AS later FROM open_requests WHERE environment_id = $1"
    left = await shop.stage.databases["payments"].fetch(shop.environment_id, statement)
    assert [(str(row["payment_id"]), row["later"]) for row in left] == [(payments["broken"], True)]


async def requested(shop: OrderShop, reference: str) -> str:
    """A payment whose authorisation got no answer."""
    given = {"reference": reference, "amountMinor": 500, "currency": "EUR", "provider": "test"}
    payment = await shop.data(CREATE, MERCHANT, input=given)
    given = {"id": payment["id"], "idempotencyKey": new_id(), "method": "lost-answer"}
    await shop.data(AUTHORIZE, MERCHANT, input=given)
    return str(payment["id"])
