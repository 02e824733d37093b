"""A placement that dies at any step ends, by the sweeper, in exactly one consistent order or in none."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from contract.cart_shop import NOTE
from contract.dying import Died, die_at
from contract.order_shop import OrderShop, OrderStage, open_order_stage
from kokoa.kernel.call import Call
from kokoa.kernel.errors import Unavailable
from kokoa.messaging import EmbeddedNats
from kokoa.processes.steps import STEPS
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.orders.errors import OrderStepUnavailable
from kokoa.services.orders.placing import actions
from kokoa.services.orders.placing.graph import Paid

ON_THE_WAY = [step for step in STEPS if step.startswith("order.")]
BACK = [step for step in STEPS if step.startswith("refusal.")]


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


async def crash(
    shop: OrderShop,
    cart: dict[str, str],
    step: str,
    monkeypatch: pytest.MonkeyPatch,
    **more: str,
) -> None:
    died = die_at(step, monkeypatch, actions)
    with pytest.raises(Died):
        await shop.place(cart, **more)
    assert died == [step]


def step_by_step(shop: OrderShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Carts do not answer at first, so a placement is written down before its cart is frozen."""

    async def late(*_: object) -> Mapping[str, Any]:
        raise OrderStepUnavailable("A part of the store does not answer.")

    monkeypatch.setattr(shop.stage.orders.actions._placing._shop, "freeze_own", late)


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "step by step"])
@pytest.mark.parametrize("step", ON_THE_WAY)
async def test_what_died_on_the_way_is_ordered_once(
    shop: OrderShop, step: str, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart = await shop.full_cart(lamp=3)
    if not at_once:
        step_by_step(shop, monkeypatch)
    await crash(shop, cart, step, monkeypatch)
    await shop.sweep()
    placed = await shop.place(cart)
    assert placed["state"] == "PLACED"
    assert [one["id"] for one in await shop.orders()] == [placed["id"]]
    assert (await shop.available("lamp"), await shop.held(placed["id"])) == (7, 3)
    assert await shop.capturable(placed["id"]) == 3_000
    assert (await shop.read(cart))["orderId"] == placed["id"]
    assert await shop.order_events() == ["OrderPlaced"]


@pytest.mark.parametrize("step", BACK)
async def test_what_died_while_it_was_taken_back_is_taken_back(
    shop: OrderShop, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart = await shop.full_cart(lamp=3)
    await crash(shop, cart, step, monkeypatch, method="declined")
    await shop.sweep()
    refused = await shop.place(cart, method="declined")
    assert (refused["state"], refused["refusal"]["code"]) == ("REFUSED", "PAYMENT_DECLINED")
    assert (await shop.available("lamp"), await shop.held(refused["id"])) == (10, 0)
    assert (await shop.orders(), (await shop.read(cart))["state"]) == ([], "ACTIVE")
    assert await shop.order_events() == ["OrderPlacementRefused"]


async def test_a_cart_whose_placement_was_never_written_down_thaws_within_a_minute(
    shop: OrderShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart = await shop.full_cart(lamp=3)
    await crash(shop, cart, "order.priced", monkeypatch)
    frozen = await shop.stage.databases["carts"].fetchrow(
        shop.environment_id, "SELECT state, frozen_until - now() AS left FROM carts WHERE environment_id = $1"
    )
    assert frozen is not None
    assert frozen["state"] == "FROZEN"
    assert timedelta(0) < frozen["left"] < timedelta(seconds=60)
    refused = await shop.place(cart, key="another browser's")
    assert refused["refusal"]["code"] == "CART_FROZEN"
    assert (await shop.place(cart))["state"] == "PLACED"
    assert len(await shop.orders()) == 1


async def test_a_cart_that_was_changed_after_a_crash_is_not_ordered_as_it_was(
    shop: OrderShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart = await shop.full_cart(lamp=3)
    await crash(shop, cart, "order.payment_authorized", monkeypatch)
    await shop.later(cart, frozen_until="now() - interval '1 s'")
    await shop.older(10)
    await shop.add(cart, lamp=1)
    await shop.sweep()
    refused = await shop.place(cart)
    assert refused["refusal"]["code"] == "CART_CHANGED"
    assert (await shop.available("lamp"), await shop.capturable(refused["id"])) == (10, 0)
    assert (await shop.place(cart, key="again"))["order"]["totalMinor"] == 4_000


async def test_a_cart_that_thawed_and_was_ordered_by_another_request_is_ordered_once(
    shop: OrderShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart = await shop.full_cart(lamp=3)
    await crash(shop, cart, "order.payment_authorized", monkeypatch)
    await shop.later(cart, frozen_until="now() - interval '1 s'")
    second = await shop.place(cart, key="second")
    assert second["state"] == "PLACED"
    await shop.sweep()
    first = await shop.place(cart)
    assert (first["state"], first["refusal"]["code"]) == ("REFUSED", "CART_CLOSED")
    assert await shop.capturable(first["id"]) == 0
    assert [one["id"] for one in await shop.orders()] == [second["id"]]
    assert await shop.available("lamp") == 7


async def test_a_cart_that_thawed_after_the_order_was_written_is_closed_nevertheless(
    shop: OrderShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart = await shop.full_cart(lamp=3)
    await crash(shop, cart, "order.committed", monkeypatch)
    await shop.later(cart, frozen_until="now() - interval '1 s'")
    await shop.data(NOTE, input={"cartToken": cart["token"], "note": "soon"})
    await shop.sweep()
    assert (await shop.read(cart))["state"] == "ORDERED"


async def test_a_cart_that_thawed_after_its_order_was_written_is_not_ordered_again(
    shop: OrderShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart = await shop.full_cart(lamp=3)
    await crash(shop, cart, "order.committed", monkeypatch)
    await shop.later(cart, frozen_until="now() - interval '1 s'")
    second = await shop.place(cart, key="second")
    assert (second["state"], second["refusal"]["code"]) == ("REFUSED", "CART_CLOSED")
    await shop.sweep()
    first = await shop.place(cart)
    assert [one["id"] for one in await shop.orders()] == [first["id"]]
    assert (await shop.read(cart))["orderId"] == first["id"]
    assert (await shop.available("lamp"), await shop.capturable(second["id"])) == (7, 0)


async def test_an_answer_that_is_none_ends_one_placement_and_not_the_sweeper(
    shop: OrderShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, good = await shop.full_cart(lamp=1), await shop.full_cart(lamp=2)
    placing = shop.stage.orders.actions._placing._shop
    original = placing.freeze

    async def freeze(cart_id: str, key: str, call: Call) -> Mapping[str, Any]:
        found = await original(cart_id, key, call)
        return {} if cart_id == broken["id"] else found

    step_by_step(shop, monkeypatch)
    await crash(shop, broken, "order.priced", monkeypatch)
    await crash(shop, good, "order.priced", monkeypatch)
    monkeypatch.setattr(placing, "freeze", freeze)
    await shop.sweep()
    assert (await shop.place(good))["state"] == "PLACED"
    for _ in range(12):
        await shop.sweep()
    refused = await shop.place(broken)
    assert (refused["state"], refused["refusal"]["code"]) == ("REFUSED", "STORE_UNAVAILABLE")
    assert (await shop.read(broken))["state"] == "ACTIVE"


async def test_whoever_lost_the_lease_does_no_more(shop: OrderShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was stopped, and goes on when another one has done its work."""
    cart = await shop.full_cart(lamp=3)
    swept: list[str] = []
    original = shop.stage.orders.actions._placing._shop.reserve

    async def slow(*given: object) -> None:
        await original(*given)  # type: ignore[arg-type]
        if not swept:
            swept.append("once")
            await shop.sweep()

    monkeypatch.setattr(shop.stage.orders.actions._placing._shop, "reserve", slow)
    placed = await shop.place(cart)
    assert (placed["state"], swept) == ("PLACED", ["once"])
    assert len(await shop.orders()) == 1
    assert await shop.order_events() == ["OrderPlaced"]
    assert (await shop.available("lamp"), await shop.capturable(placed["id"])) == (7, 3_000)


async def test_a_store_that_does_not_answer_is_tried_again_and_given_up_in_the_end(
    shop: OrderShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart = await shop.full_cart(lamp=3)
    away = True
    placing = shop.stage.orders.actions._placing._shop
    original = placing.pay

    async def pay(*given: object) -> Paid:
        if away:
            raise Unavailable("payments is away")
        return await original(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(placing, "pay", pay)
    waiting = await shop.place(cart)
    assert waiting["state"] == "IN_PROGRESS"
    away = False
    await shop.sweep()
    assert (await shop.place(cart))["state"] == "PLACED"
    away = True
    other = await shop.full_cart(lamp=3)
    for _ in range(12):
        await shop.sweep()
        if (refused := await shop.place(other))["state"] == "REFUSED":
            break
    assert refused["refusal"]["code"] == "STORE_UNAVAILABLE"
    assert (await shop.available("lamp"), (await shop.read(other))["state"]) == (7, "ACTIVE")
